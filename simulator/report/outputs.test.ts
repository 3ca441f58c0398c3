import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { parse } from "csv-parse/sync";
import { expect, onTestFinished, test } from "vitest";
import type { EndedRequest } from "../figures/samples.ts";
import { openOutput, parseOutput } from "./outputs.ts";

function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "rushhour-out-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  return folder;
}

function aRequest(fields: Partial<EndedRequest> = {}): EndedRequest {
  return {
    at_ms: Date.UTC(2026, 0, 1),
    scenario: "shop",
    journey: "browse",
    iteration: 3,
    name: "GET /products",
    method: "GET",
    path: "/products?limit=20",
    status: 200,
    reason: undefined,
    response_ms: 12.3456789,
    service_ms: 10,
    delay_ms: 0.0004,
    request_id: "id-1",
    ...fields,
  };
}

const unanswered = aRequest({
  status: undefined,
  reason: "ECONNREFUSED",
  response_ms: NaN,
  service_ms: undefined,
  request_id: undefined,
});

test("json writes one object a request, nothing left out", async () => {
  const path = join(temporaryFolder(), "a=b.ndjson");
  const output = openOutput(`json=${path}`);
  output.write([aRequest(), unanswered]);
  output.write([]);
  output.write([aRequest({ path: "/ä\n" })]);
  await output.close();
  const lines = readFileSync(path, "utf8").trimEnd().split("\n");
  expect(lines.map((line) => JSON.parse(line) as unknown)).toEqual([
    {
      ended_at: "2026-01-01T00:00:00.000Z",
      scenario: "shop",
      journey: "browse",
      iteration: 3,
      name: "GET /products",
      method: "GET",
      path: "/products?limit=20",
      status: 200,
      reason: null,
      response_ms: 12.346,
      service_ms: 10,
      delay_ms: 0,
      request_id: "id-1",
    },
    expect.objectContaining({ status: null, reason: "ECONNREFUSED", response_ms: null, service_ms: null }),
    expect.objectContaining({ path: "/ä\n" }),
  ]);
});

test("csv has a header and survives commas, quotes and line feeds", async () => {
  const path = join(temporaryFolder(), "out.csv");
  const output = openOutput(`csv=${path}`);
  output.write([aRequest({ name: 'say "a, b"\r\n', path: "/x,y" }), unanswered]);
  await output.close();
  const written = readFileSync(path, "utf8");
  expect(written.split("\r\n")[0]).toBe(
    "ended_at,scenario,journey,iteration,name,method,path,status,reason,response_ms,service_ms,delay_ms,request_id",
  );
  const rows: Record<string, string>[] = parse(written, { columns: true });
  expect(rows).toMatchObject([
    { name: 'say "a, b"\r\n', path: "/x,y", status: "200", response_ms: "12.346" },
    { status: "", reason: "ECONNREFUSED", response_ms: "", service_ms: "", request_id: "" },
  ]);
});

test("a spreadsheet takes no text of a csv for a formula, and numbers stay numbers", async () => {
  const path = join(temporaryFolder(), "out.csv");
  const output = openOutput(`csv=${path}`);
  output.write([
    aRequest({ name: '=HYPERLINK("http://x")', reason: "@SUM(1)", journey: "-1+1", delay_ms: -0.25 }),
  ]);
  await output.close();
  const rows: Record<string, string>[] = parse(readFileSync(path, "utf8"), { columns: true });
  expect(rows).toMatchObject([
    { name: `'=HYPERLINK("http://x")`, reason: "'@SUM(1)", journey: "'-1+1", delay_ms: "-0.25" },
  ]);
});

test("a file that exists is replaced, also by no request at all", async () => {
  const path = join(temporaryFolder(), "out.ndjson");
  writeFileSync(path, "old\n");
  await openOutput(`json=${path}`).close();
  expect(readFileSync(path, "utf8")).toBe("");
});

test("- is standard output, which stays open for what follows", async () => {
  const script = `
    import { openOutput } from ${JSON.stringify(new URL("./outputs.ts", import.meta.url).href)};
    const output = openOutput("json=-");
    output.write(${JSON.stringify([aRequest()])});
    await output.close();
    console.log("the report");`;
  const child = spawn(process.execPath, ["--input-type=module", "-e", script], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  onTestFinished(() => void child.kill("SIGKILL"));
  const lines = (await text(child.stdout)).split("\n");
  expect(JSON.parse(lines[0]!)).toMatchObject({ request_id: "id-1" });
  expect(lines.slice(1)).toEqual(["the report", ""]);
});

test.each(["", "json", "json=", "=x", "xml=out.xml", "JSON=x", "toString=x"])(
  "--out=%s is wrong usage",
  (spec) => {
    expect(() => parseOutput(spec)).toThrow(/must be json=FILE or csv=FILE/);
    expect(() => openOutput(spec)).toThrow(expect.objectContaining({ exitCode: 104 }));
  },
);

test("a folder that is not there is said before the run", () => {
  const path = join(temporaryFolder(), "missing", "out.csv");
  expect(() => openOutput(`csv=${path}`)).toThrow(/ENOENT.*name a file in a folder that exists/);
  expect(() => openOutput(`csv=${tmpdir()}`)).toThrow(expect.objectContaining({ exitCode: 104 }));
});

test.skipIf(process.platform !== "linux")("a full disk ends the run with a clear error", async () => {
  const output = openOutput("json=/dev/full");
  output.write([aRequest()]);
  await expect(output.failed).rejects.toThrow(
    /--out=json=\/dev\/full cannot be written.*ENOSPC.*free some space/,
  );
  await expect(output.failed).rejects.toMatchObject({ code: "DISK_FULL" });
  output.write([aRequest()]); // does no harm
  await expect(output.close()).rejects.toMatchObject({ code: "DISK_FULL" });
});
