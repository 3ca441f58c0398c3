import { expect, test } from "vitest";
import { LatencyHistogram } from "./latency.ts";
import { createAbortWatch, currentThresholds, evaluateThresholds, selectorText } from "./threshold-values.ts";
import type { MetricValues, RunQuery } from "./threshold-values.ts";
import { parseSqlThreshold, parseThreshold } from "./thresholds.ts";
import type { Threshold } from "./thresholds.ts";

/** Figures by selector, as they are written in thresholds. */
interface Figures {
  trends?: Record<string, readonly number[]>;
  rates?: Record<string, { hits: number; total: number }>;
  counters?: Record<string, { count: number; per_second: number }>;
  gauges?: Record<string, { value: number; max: number }>;
}

function valuesOf({ trends = {}, rates = {}, counters = {}, gauges = {} }: Figures): MetricValues {
  return {
    trend(selector) {
      const recorded = trends[selectorText(selector)];
      if (recorded === undefined) return undefined;
      const histogram = new LatencyHistogram();
      for (const ms of recorded) histogram.record(ms);
      return histogram;
    },
    rate: (selector) => rates[selectorText(selector)],
    counter: (selector) => counters[selectorText(selector)],
    gauge: (selector) => gauges[selectorText(selector)],
  };
}

const oneToHundred = Array.from({ length: 100 }, (_, n) => n + 1);
const run_id = "run-1";

async function judged(threshold: Threshold, figures: Figures, query?: RunQuery) {
  const [result] = await evaluateThresholds([threshold], valuesOf(figures), { run_id, query });
  return result!;
}

test.each([
  ["http_req_duration", "avg<51", 50.5, true],
  ["http_req_duration", "min>=1", 1, true],
  ["http_req_duration", "max<100", 100, false],
  ["http_req_duration", "med<=50.1", 50, true],
  ["http_req_duration", "p(95)<95", 95, false],
  ["http_req_duration", "p(95)<0.2s", 95, true],
  ["http_req_failed", "rate<1%", 0.01, false],
  ["http_req_failed", "rate<=1%", 0.01, true],
  ["http_reqs", "count==1000", 1_000, true],
  ["http_reqs", "count!=1000", 1_000, false],
  ["http_reqs", "rate>3000/m", 50, false],
  ["dropped_iterations", "count==0", 0, true],
  ["vus", "value<5", 3, true],
  ["vus", "max<5", 8, false],
])("%s: %s", async (selector, expression, value, passed) => {
  const result = await judged(parseThreshold(selector, expression), {
    trends: { http_req_duration: oneToHundred },
    rates: { http_req_failed: { hits: 1, total: 100 } },
    counters: {
      http_reqs: { count: 1_000, per_second: 50 },
      dropped_iterations: { count: 0, per_second: 0 },
    },
    gauges: { vus: { value: 3, max: 8 } },
  });
  expect(result).toMatchObject({ metric: selector, expression, passed, aborted: false, reason: null });
  expect(result.value).toBeCloseTo(value, 0);
});

test.each([
  ["http_req_duration{name:GET /nowhere}", "p(95)<200"],
  ["http_req_failed{name:GET /nowhere}", "rate<0.01"],
  ["checks", "rate>0.9"],
  ["vus", "value<5"],
  ["delivery_missing", "count==0"],
  ["http_req_duration", "avg>0"],
])("%s: %s fails when nothing was measured, and says so", async (selector, expression) => {
  const result = await judged(parseThreshold(selector, expression), {
    trends: { http_req_duration: [] },
    rates: { checks: { hits: 0, total: 0 } },
  });
  expect(result).toMatchObject({ value: null, passed: false, reason: "no data" });
});

test("the tags are part of the metric's name in the result", async () => {
  const selector = 'http_req_duration{name:"GET /a,b",status:200}';
  const result = await judged(parseThreshold(selector, "p(50)<10"), { trends: { [selector]: [5] } });
  expect(result).toMatchObject({ metric: selector, value: 5, passed: true });
});

test("a threshold in SQL asks for this run, and reads decimals", async () => {
  const asked: unknown[] = [];
  const threshold = parseSqlThreshold("slow", "SELECT AVG(a) FROM t WHERE run_id = :run_id;", "value<1.5");
  const query: RunQuery = (sql, values) => {
    asked.push(sql, values);
    return Promise.resolve([{ "AVG(a)": "1.2500" }]);
  };
  expect(await judged(threshold, {}, query)).toMatchObject({ metric: "slow", value: 1.25, passed: true });
  expect(asked).toEqual(["SELECT AVG(a) FROM t WHERE run_id = ?", ["run-1"]]);
});

test.each([
  [[], /found nothing/],
  [[{ a: null }], /found nothing/],
  [[{ a: "many" }], /no number: "many"/],
  [[{ a: new Date(0) }], /no number/],
  [[{ a: 1 }, { a: 2 }], /more than one value \(rows: 2, columns: 1\)/],
  [[{ a: 1, b: 2 }], /more than one value \(rows: 1, columns: 2\)/],
])("an answer of %j is no value", async (rows, reason) => {
  const threshold = parseSqlThreshold("odd", "SELECT a", "value>=0");
  const result = await judged(threshold, {}, () => Promise.resolve(rows));
  expect(result).toMatchObject({ value: null, passed: false });
  expect(result.reason).toMatch(reason);
});

test("a query that fails, or a run without a database, fails its threshold and nothing else", async () => {
  const values = valuesOf({ gauges: { vus: { value: 1, max: 6 } } });
  const thresholds = [parseSqlThreshold("gone", "SELECT 1", "value==1"), parseThreshold("vus", "value==1")];
  const query = () => Promise.reject(new Error("no such table"));
  const failed = await evaluateThresholds(thresholds, values, { run_id, query });
  expect(failed.map(({ passed, reason }) => [passed, reason])).toEqual([
    [false, "the query failed: no such table"],
    [true, null],
  ]);
  const [without] = await evaluateThresholds(thresholds, values, { run_id });
  expect(without).toMatchObject({ passed: false, reason: "there is no database to ask" });
});

test("the run is ended by the first threshold that fails after its delay", () => {
  const rates = { http_req_failed: { hits: 0, total: 100 } };
  const thresholds = [
    parseThreshold("http_req_failed", "rate<1%"), // may not end it
    parseThreshold("http_req_failed", "rate<2%", { abortOnFail: true, delayAbortEval_ms: 10_000 }),
    parseThreshold("http_req_failed", "rate<50%", { abortOnFail: true }),
    parseThreshold("response_time", "p(95)<1", { abortOnFail: true }), // nothing measured yet
  ];
  const failing = createAbortWatch(thresholds, valuesOf({ rates }));
  expect(failing(20_000)).toBeUndefined();
  rates.http_req_failed.hits = 10;
  expect(failing(9_999)).toBeUndefined();
  expect(failing(10_000)).toBe(thresholds[1]);
  rates.http_req_failed.hits = 60;
  expect(failing(0)).toBe(thresholds[2]);
});

test("what ended the run stays failed, though it would hold by now", async () => {
  const aborting = parseThreshold("vus", "value<5", { abortOnFail: true });
  const [result] = await evaluateThresholds([aborting], valuesOf({ gauges: { vus: { value: 1, max: 6 } } }), {
    run_id,
    aborted: aborting,
  });
  expect(result).toMatchObject({ value: 1, passed: false, aborted: true });
});

test("while the run goes on only what can be measured by now is shown", () => {
  const thresholds = [
    parseThreshold("vus", "value<5"),
    parseThreshold("response_time", "p(95)<5"),
    parseThreshold("log_stored", "count>5"),
    parseSqlThreshold("later", "SELECT 1", "value==1"),
  ];
  const values = valuesOf({
    gauges: { vus: { value: 7, max: 7 } },
    counters: { log_stored: { count: 9, per_second: 1 } },
  });
  expect(currentThresholds(thresholds, values)).toMatchObject([{ metric: "vus", value: 7, passed: false }]);
});
