import { once } from "node:events";
import { execFile, spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { parse } from "csv-parse/sync";
import { expect, onTestFinished, test } from "vitest";

const root = join(import.meta.dirname, "..");

async function openServer(): Promise<string> {
  const server = createServer((_request, response) => response.end("{}")).listen(0, "127.0.0.1");
  onTestFinished(() => void server.close());
  await once(server, "listening");
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

/** An environment with a folder of its own for tallies and records. */
function aHome(): NodeJS.ProcessEnv {
  const home = mkdtempSync(join(tmpdir(), "rushhour-out-"));
  onTestFinished(() => rmSync(home, { recursive: true }));
  return { ...process.env, RUSHHOUR_HOME: home, NO_COLOR: "1" };
}

const quick = (...words: readonly string[]) => rushhour(aHome(), "quick", ...words);

function rushhour(env: NodeJS.ProcessEnv, ...words: readonly string[]) {
  return new Promise<{ code: number; stdout: string; stderr: string }>((resolve) => {
    const child = execFile(
      process.execPath,
      ["cli/rushhour.js", ...words],
      { cwd: root, env },
      (_error, stdout, stderr) => resolve({ code: child.exitCode ?? -1, stdout, stderr }),
    );
  });
}

test("requests on standard output have it for themselves; the report goes to standard error", async () => {
  const url = await openServer();
  const [json, csv] = await Promise.all([
    quick(url, "-u", "2", "-i", "20", "--out", "json=-"),
    quick(url, "-u", "2", "-i", "20", "--out", "csv=-"),
  ]);
  expect([json.code, csv.code]).toEqual([0, 0]);
  const rows = json.stdout
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line) as { status: number });
  expect(rows.map(({ status }) => status)).toEqual(Array(20).fill(200));
  expect(parse(csv.stdout, { columns: true })).toHaveLength(20);
  for (const { stderr } of [json, csv]) expect(stderr).toMatch(/^HTTP\n {2}requests \.+ 20 /m);
});

test.each([
  [["xml=a"], /--out=xml=a must be json=FILE or csv=FILE/],
  [["json=-", "csv=-"], /--out=json=- and --out=csv=- write to the same place; name a file for each/],
  [["csv=/nowhere/a.csv"], /--out=csv=\/nowhere\/a\.csv cannot be written: ENOENT.*; name a file/],
])("--out %j is refused before anything is sent", async (specs, message) => {
  const url = await openServer();
  const { code, stdout, stderr } = await quick(url, "-i", "1", ...specs.flatMap((spec) => ["--out", spec]));
  expect([code, stdout]).toEqual([104, ""]);
  expect(stderr).toMatch(message);
});

test("a run whose reader leaves ends in order and says why", async () => {
  const url = await openServer();
  const child = spawn(process.execPath, ["cli/rushhour.js", "quick", url, "-u", "2", "--out", "json=-"], {
    cwd: root,
    env: aHome(),
  });
  onTestFinished(() => void child.kill());
  await once(child.stdout, "data");
  child.stdout.destroy();
  const [message] = await Promise.all([text(child.stderr), once(child, "exit")]);
  expect(child.exitCode).toBe(1);
  expect(message).toMatch(/--out=json=- cannot be written: .*EPIPE; read it to the end, or name a file/);
});

test("a journey that throws ends the run with its report and 107", async () => {
  const env = aHome();
  const home = env["RUSHHOUR_HOME"]!;
  writeFileSync(
    join(home, "broken.ts"),
    `export default { name: "broken", weight: 1, *steps() { yield { method: "GET", path: "/" }; throw new Error("no such field"); } };\n`,
  );
  const file = join(home, "scenario.yaml");
  writeFileSync(
    file,
    `target: ${await openServer()}
journeys: {broken: {file: ./broken.ts}}
scenarios: {one: {executor: constant-vus, vus: 1, duration: 1m, journeys: [broken]}}
`,
  );
  const { code, stdout, stderr } = await rushhour(env, "simulate", file, "--no-ledger");
  expect({ code, stderr }).toMatchObject({ code: 107 });
  expect(stdout).toMatch(/no such field\nrun /);
  expect(stderr).not.toMatch(/ {4}at /);
});
