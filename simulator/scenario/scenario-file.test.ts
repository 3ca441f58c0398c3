import { mkdtempSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { RushhourError } from "../../contract/errors.ts";
import { shopJourneys } from "../journeys/shop.ts";
import type { LoadPlan } from "../plan/plan.ts";
import { compileScenario, readScenarioText } from "./scenario-file.ts";
import type { ScenarioSettings } from "./scenario-file.ts";

const compile = (text: string, settings: Partial<ScenarioSettings> = {}): Promise<LoadPlan> =>
  compileScenario(
    "mall.yaml",
    text,
    { target: undefined, seed: undefined, drawn_seed: 7, tags: {}, env: {}, starts_at_ms: 0, ...settings },
    "http://127.0.0.1:8000",
  );

/** The problems of a file that has some, each as `line:column message`. */
async function problemsOf(text: string, settings: Partial<ScenarioSettings> = {}): Promise<string[]> {
  const error: unknown = await compile(text, settings).catch((error: unknown) => error);
  if (!(error instanceof RushhourError)) throw new Error("the file has no problem", { cause: error });
  expect(error.exitCode).toBe(104);
  return error.message
    .split("\n")
    .slice(1)
    .map((line) => line.trim().replace("mall.yaml:", ""));
}

const shownWeights = (plan: LoadPlan) =>
  Object.fromEntries(
    plan.scenarios[0]!.journeys.map(({ name, weight }) => [name, Number(weight.toFixed(3))]),
  );

test("a scenario gets k6's defaults, and the shop's journeys", async () => {
  const plan = await compile("scenarios:\n  main:\n    executor: constant-arrival-rate\n    rate: 3000/m\n");
  expect(plan).toMatchObject({
    name: "mall",
    target: "http://127.0.0.1:8000",
    seed: 7,
    tags: {},
    thresholds: [],
  });
  expect(plan.scenarios).toEqual([
    {
      name: "main",
      start_ms: 0,
      graceful_stop_ms: 30_000,
      journeys: shopJourneys,
      tags: {},
      executor: {
        kind: "constant-arrival-rate",
        rate_per_second: 50,
        duration_ms: undefined,
        arrival: "poisson",
        arriving: "iterations",
        max_vus: 10_000,
      },
    },
  ]);
});

test("every executor takes k6's keys", async () => {
  const { scenarios } = await compile(`
scenarios:
  a: {executor: ramping-arrival-rate, startRate: 5/s, stages: [{target: 0/s, duration: 0s}, {target: 50, duration: 1m}]}
  b: {executor: daily-curve, peak: 80/s, trough: 0, peakAt: "20:30", tz: Europe/Berlin, weekend: 0.6, day: 24m}
  c: {executor: constant-vus, vus: 10, duration: 1h30m, startTime: 90s, gracefulStop: 0s}
  d: {executor: ramping-vus, startVUs: 0, stages: [{target: 20, duration: 30s}]}
  e: {executor: shared-iterations, vus: 2, iterations: 100, maxDuration: 1m}
  f: {executor: per-vu-iterations, vus: 3}
`);
  expect(scenarios.map(({ executor }) => executor)).toMatchObject([
    {
      start_rate_per_second: 5,
      stages: [
        { target: 0, duration_ms: 0 },
        { target: 50, duration_ms: 60_000 },
      ],
    },
    { peak_per_second: 80, trough_per_second: 0, peak_at_ms: 73_800_000, weekend: 0.6, day_ms: 1_440_000 },
    { kind: "constant-vus", vus: 10, duration_ms: 5_400_000 },
    { kind: "ramping-vus", start_vus: 0, stages: [{ target: 20, duration_ms: 30_000 }] },
    { kind: "shared-iterations", vus: 2, iterations: 100, max_duration_ms: 60_000 },
    { kind: "per-vu-iterations", vus: 3, iterations: 1, max_duration_ms: 600_000 },
  ]);
  expect(scenarios[2]).toMatchObject({ start_ms: 90_000, graceful_stop_ms: 0 });
});

test("a file with eight mistakes names eight, each where it stands", async () => {
  expect(
    await problemsOf(`seeed: 42
scenarios:
  shoppers:
    executor: constant-vus
    rate: 50/s
  everyday: {executor: daily-curv, peak: 80/s, duration: 1m}
  night: {executor: daily-curve, peak: 8/s, trough: 80/s, peakAt: "25:30", tz: Europe/Berlinn, duration: 1m}
incidents:
  - {at: +3m, for: 90s, kind: error-burst, route: POST orders}
thresholds:
  http_req_faild: ["rate<0.02"]
`),
  ).toEqual([
    expect.stringMatching(/^1:1 seeed: unknown key \(did you mean seed\?\); known here: name, target, seed/),
    expect.stringMatching(
      /^5:5 scenarios.shoppers.rate: constant-vus takes no rate, only vus, duration; rate is for constant/,
    ),
    expect.stringMatching(
      /^6:24 scenarios.everyday.executor: "daily-curv" must be one of .*\(did you mean daily-curve\?\)$/,
    ),
    expect.stringMatching(/^7:53 scenarios.night.trough: "80\/s" must not be above the peak$/),
    expect.stringMatching(/^7:67 scenarios.night.peakAt: "25:30" must be a time of day/),
    expect.stringMatching(/^7:80 scenarios.night.tz: "Europe\/Berlinn" must be a time zone/),
    expect.stringMatching(/^9:51 incidents\[0\].route: "POST orders" must be a method and a route template/),
    expect.stringMatching(/^11:20 thresholds.http_req_faild\[0\]: .*did you mean http_req_failed\?/),
  ]);
});

test("one broken scenario hides no other's problems, nor what depends on how long it lasts", async () => {
  expect(
    await problemsOf(`scenarios:
  a: {executor: constant-vus, vus: 20000, duration: 1m}
  b: {executor: shared-iterations, vus: 5, iterations: 2, maxDuration: 1h30}
  c:
  d: {executor: ramping-vus, stages: [{target: 3, duraton: 3s}]}
  e: {executor: constant-arrival-rate, rate: fast, duration: 30s}
incidents:
  - {at: +2m, for: 1s, kind: timeout}
`),
  ).toEqual([
    expect.stringMatching(/^2:36 scenarios.a.vus: 20000 must be a whole number from 1 to 10000$/),
    expect.stringMatching(/^3:56 scenarios.b.iterations: 2 must not be fewer than vus/),
    expect.stringMatching(/^3:72 scenarios.b.maxDuration: "1h30" must be a duration with its unit/),
    expect.stringMatching(/^4:\d scenarios.c: \(nothing\) must be a scenario such as/),
    expect.stringMatching(/^5:39 scenarios.d.stages\[0\].duration: is missing; it must be a duration/),
    expect.stringMatching(
      /^5:51 .*duraton: unknown key \(did you mean duration\?\); known here: target, duration$/,
    ),
    expect.stringMatching(/^6:46 scenarios.e.rate: "fast" must be a rate/),
  ]);
});

test("habits from k6 and Artillery are told what stands for them here", async () => {
  const [config, timeUnit, preAllocated, exec, flow, duration] = await problemsOf(`config: {phases: []}
scenarios:
  a: {executor: constant-arrival-rate, rate: 50/s, timeUnit: 1s, preAllocatedVUs: 5, exec: buy, flow: buy}
duration: 30s
`);
  expect(config).toMatch(/what Artillery has in config stands at the top/);
  expect(timeUnit).toMatch(/a rate has its own unit, such as 50\/s/);
  expect(preAllocated).toMatch(/maxVUs bounds/);
  expect(exec).toMatch(/journeys says what users do/);
  expect(flow).toMatch(/journeys says what users do/);
  expect(duration).toMatch(/belongs to a scenario, such as scenarios: \{main:/);
});

test("a key that stands twice is named along with all else; an error of syntax with its place and nothing below it", async () => {
  expect(await problemsOf("seed: 1\nseed: 2\nscenarios: {a: {executor: x}}\n")).toEqual([
    expect.stringMatching(/^2:1 seed: stands twice/),
    expect.stringMatching(/^3:27 scenarios.a.executor: "x" must be one of/),
  ]);
  expect(await problemsOf("scenarios:\n  a: {executor: constant-vus\n  b: 1\n")).toHaveLength(1);
  expect(await problemsOf("scenarios: {a: {executor: constant-vus, vus: ${env.N}}}\n")).toEqual([
    expect.stringMatching(/^1:\d+ .* needs quotes; what follows could not be read$/),
  ]);
  for (const text of ["", "- a\n", "hello"]) {
    expect(await problemsOf(text)).toEqual([expect.stringMatching(/must be a map with scenarios: in it/)]);
  }
});

test("a few lines cannot unfold into millions, and a large file is refused", async () => {
  const levels = Array.from({ length: 8 }, (_, n) => `x${n + 1}: &x${n + 1} [*x${n}, *x${n}, *x${n}]`);
  await expect(compile(["x0: &x0 [1]", ...levels].join("\n"))).rejects.toThrow(/alias/i);
  await expect(compile("#".repeat(1_048_577))).rejects.toThrow(/larger than 1 MiB/);
});

test("an alias inside what it repeats is named, not followed", async () => {
  expect(await problemsOf("scenarios: &a\n  main: *a\n")).toEqual([
    expect.stringMatching(/^2:9 \*a repeats what it stands in itself/),
  ]);
});

test.each([
  [
    "a k6 script",
    "import http from 'k6/http';\nexport default function () {}\n",
    /a script, as for k6 or Locust/,
  ],
  ["a Locust file", "from locust import HttpUser\nclass U(HttpUser):\n  pass\n", /a script, as for k6/],
  ["nothing", "", /1:1 is empty; it must be a map with scenarios:/],
  ["two documents", "---\nscenarios: {}\n---\nscenarios: {}\n", /3:1 begins another document/],
])("%s instead of a scenario is told what it is", async (_what, text, message) => {
  await expect(compile(text)).rejects.toThrow(message);
});

test("unknown keys in a journey stand at the key's column", async () => {
  const text = `scenarios: {main: {executor: constant-vus}}
journeys: {j: {steps: [{get: /x, chek: {}}, {gte: /y}]}}
`;
  expect(await problemsOf(text)).toEqual([
    expect.stringMatching(/^2:34 journeys.j.steps\[0\].chek: unknown key \(did you mean check\?\)/),
    expect.stringMatching(/^2:46 journeys.j.steps\[1\].gte: unknown key \(did you mean get\?\)/),
  ]);
});

test("anchors and merge keys share what scenarios have in common", async () => {
  const { scenarios } = await compile(`scenarios:
  a: &common {executor: constant-vus, vus: 3, duration: 1m}
  b: {<<: *common, startTime: 1m}
`);
  expect(scenarios[1]).toMatchObject({ start_ms: 60_000, executor: { vus: 3, duration_ms: 60_000 } });
});

test("${env.NAME} takes what was given, then the file's default, and never the process's variables", async () => {
  const text = `env: {RATE: 50/s, VUS: 5}
target: "http://\${env.HOST}:8000"
scenarios:
  a: {executor: constant-arrival-rate, rate: "\${env.RATE}", maxVUs: "\${env.VUS}"}
`;
  const plan = await compile(text, { env: { HOST: "shop", RATE: "80/s" } });
  expect(plan.target).toBe("http://shop:8000");
  expect(plan.scenarios[0]!.executor).toMatchObject({ rate_per_second: 80, max_vus: 5 });
  expect(await problemsOf(text.replace("env.HOST", "env.PATH"), { env: { RAET: "1" } })).toEqual([
    expect.stringMatching(/^1:1 --env RAET is not used in this file \(did you mean RATE\?\)/),
    expect.stringMatching(/^2:9 target: \$\{env.PATH\} has no value; give it with --env PATH=…/),
  ]);
});

test("what was given to the command goes before the file", async () => {
  const text =
    "target: http://a\nseed: 1\ntags: {team: a, build: 1}\nscenarios: {a: {executor: constant-vus}}\n";
  expect(await compile(text)).toMatchObject({ target: "http://a", seed: 1, tags: { team: "a", build: "1" } });
  expect(await compile(text, { target: "http://b", seed: 2, tags: { team: "b" } })).toMatchObject({
    ...{ target: "http://b", seed: 2, tags: { team: "b", build: "1" } },
  });
});

const OWN = "journeys: {look: {steps: [{get: /}]}, pay: {weight: 3, steps: [{get: /pay}]}}\n";
const choosing = (choice: string) => `scenarios: {a: {executor: constant-vus, journeys: ${choice}}}\n`;

test("journeys are chosen by a name, a list or weights; shop counts as one of a list", async () => {
  expect(shownWeights(await compile(`${OWN}scenarios: {a: {executor: constant-vus}}\n`))).toEqual({
    look: 1,
    pay: 3,
  });
  expect(shownWeights(await compile(OWN + choosing("pay")))).toEqual({ pay: 3 });
  expect(shownWeights(await compile(OWN + choosing("[look, pay]")))).toEqual({ look: 1, pay: 3 });
  expect(shownWeights(await compile(OWN + choosing("{look: 5, pay: 0, buy: 1}")))).toEqual({
    look: 5,
    buy: 1,
  });
  const { look, ...shop } = shownWeights(await compile(OWN + choosing("[look, shop]")));
  expect(look).toBe(1);
  expect(Object.keys(shop)).toEqual(shopJourneys.map(({ name }) => name));
  expect(Object.values(shop).reduce((sum, weight) => sum + weight, 0)).toBeCloseTo(1, 2);
});

test("journeys that are not there, weigh nothing or have problems themselves are named", async () => {
  expect(await problemsOf(OWN + choosing("loook"))).toEqual([
    expect.stringMatching(/no journey "loook" \(did you mean look\?\)/),
  ]);
  expect(await problemsOf(OWN + choosing("{look: 0}"))).toEqual([
    expect.stringMatching(/add up to more than 0/),
  ]);
  expect(await problemsOf(OWN + choosing("{look: -1}"))).toEqual([
    expect.stringMatching(/-1 must be a number from 0/),
  ]);
  expect(await problemsOf(OWN + choosing("[look, look]"))).toEqual([
    expect.stringMatching(/"look" is listed twice/),
  ]);
  expect(await problemsOf(`journeys: {shop: {steps: [{get: /}]}}\n${choosing("shop")}`)).toEqual([
    expect.stringMatching(/^1:12 journeys.shop: shop is the built-in mix/),
  ]);
  // Chosen although it is broken: only what is wrong with it is said.
  const broken = await problemsOf(`journeys: {look: {stepps: [{get: /}]}}\n${choosing("look")}`);
  expect(broken).not.toContainEqual(expect.stringMatching(/no journey/));
});

const FOR_A_MINUTE = "scenarios: {a: {executor: constant-arrival-rate, rate: 9, duration: 1m}}\nincidents:\n";

test("incidents say what they do, and are called after their kind when they have no name", async () => {
  const { incidents } = await compile(`${FOR_A_MINUTE}
  - {at: +0s, for: 5s, kind: error-burst, route: "POST /orders/:id/payment", rate: 0.35, burst: 8, status: 500}
  - {at: 10s, for: 5s, kind: error-burst}
  - {at: +20s, for: 5s, kind: slow, latency: {median: 900ms}}
  - {name: sale, at: +30s, for: 5s, kind: traffic-spike, factor: 3}
  - {at: +40s, for: 5s, kind: consumer-lag, delay: 500ms}
`);
  expect(incidents.map(({ name, at_ms, route, intensity }) => [name, at_ms, route, intensity])).toEqual([
    ["error-burst", 0, "POST /orders/:id/payment", { rate: 0.35, burst_length: 8, status: 500 }],
    ["error-burst-2", 10_000, undefined, { rate: 1, burst_length: 5, status: 503 }],
    ["slow", 20_000, undefined, { rate: 1, latency_median_ms: 900, latency_sigma: 0.4 }],
    ["sale", 30_000, undefined, { factor: 3 }],
    ["consumer-lag", 40_000, undefined, { delay_ms: 500 }],
  ]);
});

test("incidents that cannot happen are named", async () => {
  expect(
    await problemsOf(`${FOR_A_MINUTE}
  - {name: x, at: +1m, for: 5s, kind: reset}
  - {name: x, at: +1s, for: 5s, kind: slow, factor: 2, latency: {median: 1s}}
  - {at: +1s, for: 5s, kind: traffic-spike, route: GET /x, factor: 0}
  - {at: soon, for: 5s, kind: sloow}
  - {at: +1s, for: 20m, kind: consumer-lag, delay: 11s}
  - {at: +2m, for: 5s, kind: error-burst, status: 404}
`),
  ).toEqual([
    expect.stringMatching(
      /^4:19 incidents\[0\].at: "\+1m" is not before the end: the last scenario stops after 60 s/,
    ),
    expect.stringMatching(/^5:12 incidents\[1\].name: "x" is the name of incidents\[0\] already/),
    expect.stringMatching(
      /^5:45 incidents\[1\].factor: slow takes no factor, only route, rate, latency; factor is for traffic-spike/,
    ),
    expect.stringMatching(/^6:45 incidents\[2\].route: traffic-spike takes no route/),
    expect.stringMatching(/^6:68 incidents\[2\].factor: 0 must be a number above 0/),
    expect.stringMatching(/^7:10 incidents\[3\].at: "soon" must be a time after the start/),
    expect.stringMatching(/^7:31 incidents\[3\].kind: "sloow" must be one of .*\(did you mean slow\?\)/),
    expect.stringMatching(/^8:20 incidents\[4\].for: "20m" must be at most 15m/),
    expect.stringMatching(/^8:52 incidents\[4\].delay: "11s" must be a duration of at most 10s/),
    expect.stringMatching(/^9:10 incidents\[5\].at: "\+2m" is not before the end/),
    expect.stringMatching(/^9:51 incidents\[5\].status: 404 must be a whole number from 500 to 599/),
  ]);
  expect(
    await problemsOf(`${FOR_A_MINUTE}  - {at: 1s, for: 1s, kind: error-burst, rate: 0.9, burst: 5}`),
  ).toEqual([expect.stringMatching(/incidents\[0\].burst: 5 must be at least 9, rate \/ \(1 - rate\)/)]);
  const closed =
    "scenarios: {a: {executor: constant-vus}}\nincidents: [{at: 1s, for: 1s, kind: traffic-spike, factor: 2}]\n";
  expect(await problemsOf(closed)).toEqual([expect.stringMatching(/every scenario has virtual users/)]);
});

test("thresholds name scenarios, journeys and tags that exist", async () => {
  const { thresholds } = await compile(`tags: {build: 1}
scenarios: {a: {executor: constant-vus, tags: {team: x}}}
thresholds:
  http_req_failed: ["rate<0.02"]
  "http_req_duration{scenario:a,journey:buy,team:x,build:1}": ["p(99)<250", {threshold: max<1s, abortOnFail: true, delayAbortEval: 10s}]
sqlThresholds:
  - {name: errors, query: "SELECT COUNT(*) FROM api_logs WHERE run_id = :run_id", threshold: value<10}
`);
  expect(thresholds).toMatchObject([
    { of: { metric: "http_req_failed" }, bound: 0.02, abort_on_fail: false },
    { of: { tags: { scenario: "a", journey: "buy", team: "x", build: "1" } }, percentile: 99 },
    { bound: 1_000, abort_on_fail: true, delay_abort_ms: 10_000 },
    { of: { name: "errors" }, aggregate: "value", bound: 10 },
  ]);
  expect(
    await problemsOf(`scenarios: {main: {executor: constant-vus}}
thresholds:
  http_req_duration{scenario:mian}: ["p(99)<250", "p(99)<300"]
  http_req_duration{journey:by}: ["p(99)<fast"]
  http_reqs{journey:nobody}: ["count>1"]
  checks: rate<1
sqlThresholds: [{name: e, query: DELETE FROM api_logs, threshold: value<1}]
`),
  ).toEqual([
    expect.stringMatching(/^3:3 .*no scenario "mian" \(did you mean main\?\)/),
    expect.stringMatching(/^4:35 .*the bound "fast" must be/),
    expect.stringMatching(/^5:3 .*no journey "nobody"/),
    expect.stringMatching(/^6:11 thresholds.checks: "rate<1" must be a list/),
    expect.stringMatching(/^7:17 sqlThresholds\[0\]: .*SELECT/),
  ]);
});

test("a file that is not there or is no text says so", () => {
  const binary = join(mkdtempSync(join(tmpdir(), "rushhour-")), "x.yaml");
  writeFileSync(binary, Buffer.from([0xff, 0xfe, 0x00]));
  expect(() => readScenarioText("nowhere.yaml")).toThrow(/nowhere.yaml cannot be read: .*rushhour new/);
  expect(() => readScenarioText(binary)).toThrow(/cannot be read/);
});

test("every example and every block of the reference is a scenario without a problem", async () => {
  const examples = readdirSync("examples/scenarios").filter((file) => file.endsWith(".yaml"));
  expect(examples).not.toHaveLength(0);
  const blocks = [...readFileSync("docs/scenarios.md", "utf8").matchAll(/```yaml\n([^]*?)```/g)];
  expect(blocks.length).toBeGreaterThan(5);
  for (const file of examples) await compile(readFileSync(join("examples/scenarios", file), "utf8"));
  for (const [, block] of blocks) await compile(block!);
});
