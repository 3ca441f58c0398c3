import { execFile } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { beforeAll, expect, onTestFinished, test } from "vitest";
import { compareRuns } from "../simulator/report/compare.ts";
import type { Comparison } from "../simulator/report/compare.ts";
import { aRunRecord } from "../simulator/report/testing.ts";
import { comparisonText } from "./compare.ts";

const base = aRunRecord({ seed: 1 });
const slower = aRunRecord({ seed: 2, slower: 1.4 });
const folder = mkdtempSync(join(tmpdir(), "rushhour-compare-"));
const program = join(import.meta.dirname, "rushhour.js");

beforeAll(() => {
  writeFileSync(join(folder, "base.json"), JSON.stringify(base));
  writeFileSync(join(folder, "slower.json"), JSON.stringify(slower));
  return () => rmSync(folder, { recursive: true });
});

function rushhour(...args: string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  return new Promise((resolve) => {
    const env = { PATH: process.env["PATH"], RUSHHOUR_HOME: join(folder, "home"), NO_COLOR: "1" };
    const child = execFile(
      process.execPath,
      [program, ...args],
      { cwd: folder, env },
      (_error, stdout, stderr) => {
        resolve({ code: child.exitCode ?? -1, stdout, stderr });
      },
    );
    onTestFinished(() => void child.kill());
  });
}

test(
  "compare ends with 99 when B is worse, and with 0 the other way round",
  { timeout: 30_000 },
  async () => {
    const worse = await rushhour("compare", "./base.json", "./slower.json", "--html", "out.html");
    expect(worse).toMatchObject({ code: 99 });
    expect(worse.stdout).toMatch(/response time p95 .* ✗ regression/);
    expect(worse.stdout).toContain("B is worse than A");
    expect(readFileSync(join(folder, "out.html"), "utf8")).toContain("<h1>Regression</h1>");

    const better = await rushhour("compare", "./slower.json", "./base.json", "--json");
    expect(better).toMatchObject({ code: 0, stderr: "" });
    expect((JSON.parse(better.stdout) as Comparison).verdict).toBe("no_regression");
  },
);

test("a run that is not known and a tolerance that is none end with 104", { timeout: 30_000 }, async () => {
  expect(await rushhour("compare", "latest", "./base.json")).toMatchObject({ code: 104, stdout: "" });
  const { code, stderr } = await rushhour("compare", "./base.json", "./base.json", "--tolerance", "half");
  expect(code).toBe(104);
  expect(stderr).toContain("--tolerance=half must be a percentage below 100%, such as 5%");
});

test(
  "report writes one file and says how to open it, or writes to standard output",
  { timeout: 30_000 },
  async () => {
    const { code, stdout } = await rushhour("report", "./base.json");
    expect(code).toBe(0);
    expect(stdout).toContain(`report-${base.run_id}.html: open file:///`);
    const page = readFileSync(join(folder, `report-${base.run_id}.html`), "utf8");
    expect((await rushhour("report", "./base.json", "-o", "-")).stdout).toBe(page);
  },
);

test("report refuses a folder that is not there, and what is no run", { timeout: 30_000 }, async () => {
  const { code, stderr } = await rushhour("report", "./base.json", "-o", "missing/out.html");
  expect(code).toBe(104);
  expect(stderr).toContain("--out=missing/out.html cannot be written");
  expect((await rushhour("report", "./nothing.json")).code).toBe(104);
});

test("the table fits 80 columns, long names and great changes too", () => {
  const steps = base.steps.map((step) => ({ ...step, name: "GET /shops/:shop/shelves/:shelf/products/:id" }));
  const failing = aRunRecord(
    { seed: 3, slower: 60, failed: () => 0.9 },
    {
      ...{
        steps,
        seed: 43,
        scenario: "a name that nobody would call short ".repeat(4),
        digest: "a".repeat(64),
      },
      ...{ verdict: "generator_behind", reason: "generator fell behind, ".repeat(6) },
    },
  );
  const comparison = compareRuns({ ...base, steps }, failing, { tolerance: 0.05, strict: true });
  for (const line of comparisonText(base, failing, comparison).split("\n"))
    expect(stripped(line).length).toBeLessThanOrEqual(80);
});

function stripped(line: string): string {
  return line.replaceAll(new RegExp(`${String.fromCharCode(27)}\\[[\\d;]*m`, "g"), "");
}
