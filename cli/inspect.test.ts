import { execFile } from "node:child_process";
import { mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { createColors } from "picocolors";
import { expect, test } from "vitest";
import { planDigest } from "../simulator/plan/digest.ts";
import { loadPlan } from "../simulator/plan/load-plan.ts";
import { outlookOf, outlookText } from "./inspect.ts";

/** Each command is a process of its own. */
const SLOW = { timeout: 30_000 };

const RUSHHOUR = join(import.meta.dirname, "rushhour.js");
const env = { PATH: process.env["PATH"], NO_COLOR: "1" };
const run = (args: readonly string[], cwd = process.cwd()) =>
  promisify(execFile)(process.execPath, [RUSHHOUR, ...args], { cwd, env }).catch((error: unknown) => {
    return error as { code: number; stdout: string; stderr: string };
  });

const planOf = (text: string) =>
  loadPlan({
    ...{ kind: "scenario", path: "mall.yaml", text, env: {}, tags: {} },
    ...{ target: undefined, seed: 1, drawn_seed: 1, starts_at_ms: Date.UTC(2026, 0, 5) },
  });

const MALL = `
scenarios:
  steady: {executor: constant-arrival-rate, rate: 10/s, duration: 100s, journeys: browse}
  ramp: {executor: ramping-arrival-rate, arriving: requests, stages: [{target: 20/s, duration: 50s}], startTime: 50s}
  pool: {executor: shared-iterations, vus: 4, iterations: 40, maxDuration: 60s, journeys: monitoring}
  users: {executor: constant-vus, vus: 4, duration: 60s}
incidents:
  - {at: +20s, for: 10s, kind: traffic-spike, factor: 3}
  - {at: +25s, for: 30s, kind: slow, route: GET /products, latency: {median: 900ms}}
thresholds:
  "http_req_duration{name:GET /products}": [{threshold: p(99)<250, abortOnFail: true, delayAbortEval: 10s}]
`;

test("totals are those of the curve, spikes included, and null where answers decide", async () => {
  const plan = await planOf(MALL);
  const { scenarios, duration_ms, digest } = outlookOf(plan);
  const [steady, ramp, pool, users] = scenarios.map(({ expected }) => expected);
  expect(duration_ms).toBe(100_000);
  expect(digest).toBe(planDigest(plan));
  expect(steady!.iterations).toBeCloseTo(1_200, 5);
  expect(steady!.requests).toBeCloseTo(1_200 * steady!.requests_per_iteration, 5);
  expect(ramp!.requests).toBeCloseTo(500, 5);
  expect(ramp!.iterations).toBeCloseTo(500 / ramp!.requests_per_iteration, 5);
  expect(pool).toEqual({ requests_per_iteration: 3, iterations: 40, requests: 120 });
  expect(users!.requests).toBeNull();
});

test("the picture fits 80 columns, and shows rates, users and incidents over time", async () => {
  const text = outlookText(outlookOf(await planOf(MALL)), createColors(false));
  for (const line of text.split("\n")) expect(line.length, line).toBeLessThanOrEqual(80);
  for (const title of ["REQUESTS ARRIVING A SECOND", "ITERATIONS ARRIVING A SECOND", "VIRTUAL USERS"]) {
    expect(text).toContain(title);
  }
  // 14 of 70 columns at three times the rate, from 20 s of 100 s on: above all others in the top row.
  expect(text).toMatch(/ 30 ┤ {14}█{7}\n/);
  expect(text).toMatch(/^ {24}A━━━━━━$/m);
  expect(text).toContain("A  traffic-spike: +20s for 10s, factor 3");
  expect(text).toContain("http_req_duration{name:GET /products}  p(99)<250, else it ends after 10s");
  expect(text).not.toContain("\x1b");
});

test("a plan without end shows a day of its curve, and says so", async () => {
  const outlook = outlookOf(
    await planOf(
      'scenarios: {a: {executor: daily-curve, peak: 9/s, trough: 1/s, peakAt: "12:00", day: 24m}}',
    ),
  );
  expect(outlook).toMatchObject({ duration_ms: null, shown_ms: 1_440_000, digest: null });
  const text = outlookText(outlook, createColors(false));
  expect(text).toContain("without end; this shows 24m");
  expect(text).toMatch(/\n\s+10 ┤/);
});

test("a month at a high rate is drawn at once, without its digest", async () => {
  const outlook = outlookOf(
    await planOf(
      'scenarios: {a: {executor: daily-curve, peak: 900/s, trough: 9/s, peakAt: "12:00", duration: 30d}}',
    ),
  );
  expect(outlook).toMatchObject({ duration_ms: 30 * 86_400_000, digest: null });
  const text = outlookText(outlook, createColors(false));
  expect(text).toContain("digest    none above 20,000,000 requests; a run prints it");
});

test("a name too long for the margin stands on a line of its own", async () => {
  const name = "people who look for something that is not there";
  const text = outlookText(
    outlookOf(await planOf(`scenarios: {${name}: {executor: constant-vus, duration: 1m}}`)),
    createColors(false),
  );
  expect(text).toContain(`\n  ${name}\n    constant-vus: 1 at once\n`);
});

test("new writes an example that inspect finds valid, and writes over nothing unasked", SLOW, async () => {
  const folder = mkdtempSync(join(tmpdir(), "rushhour-"));
  expect(await run(["new"], folder)).toMatchObject({ stderr: "" });
  const json = await run(["inspect", "scenario.yaml", "--json"], folder);
  expect(JSON.parse(json.stdout)).toMatchObject({ name: "scenario", seed: 42, scenarios: { length: 3 } });
  writeFileSync(join(folder, "mine.yaml"), "mine");
  expect(await run(["new", "mine.yaml"], folder)).toMatchObject({
    code: 104,
    stderr: expect.stringContaining("mine.yaml exists already; --force writes over it") as string,
  });
  expect(readFileSync(join(folder, "mine.yaml"), "utf8")).toBe("mine");
  await run(["new", "mine.yaml", "--force"], folder);
  expect(readFileSync(join(folder, "mine.yaml"), "utf8")).toBe(
    readFileSync(join(folder, "scenario.yaml"), "utf8"),
  );
  expect(await run(["new", "no/such/folder.yaml"], folder)).toMatchObject({ code: 104 });
});

test("inspect names every problem of a file with its line, and exits with 104", SLOW, async () => {
  const file = join(mkdtempSync(join(tmpdir(), "rushhour-")), "bad.yaml");
  writeFileSync(file, "scenarios:\n  a: {executor: constant-vus, vus: -1}\n  b: {executor: nothing}\n");
  const { code, stdout, stderr } = (await run(["inspect", file])) as {
    code: number;
    stdout: string;
    stderr: string;
  };
  expect(code).toBe(104);
  expect(stdout).toBe("");
  expect(stderr).toContain(`${file} has 2 problems:`);
  expect(stderr).toContain(`${file}:2:36 scenarios.a.vus: -1 must be a whole number`);
});
