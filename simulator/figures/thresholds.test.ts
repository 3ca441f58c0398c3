import { readFileSync } from "node:fs";
import fc from "fast-check";
import { expect, test } from "vitest";
import { parse } from "yaml";
import { RushhourError } from "../../contract/errors.ts";
import { METRICS, parseSqlThreshold, parseThreshold } from "./thresholds.ts";
import type { ThresholdOptions } from "./thresholds.ts";

function refusal(selector: string, expression: string, options?: ThresholdOptions): string {
  try {
    parseThreshold(selector, expression, options);
  } catch (error) {
    expect(error).toBeInstanceOf(RushhourError);
    expect(error).toMatchObject({ code: "CONFIG_INVALID", exitCode: 104 });
    return (error as RushhourError).message;
  }
  throw new Error(`${selector}: ${expression} was accepted`);
}

test("a threshold is its metric, aggregate, operator and bound", () => {
  expect(parseThreshold("http_req_duration", "p(99.9)<250")).toEqual({
    expression: "p(99.9)<250",
    of: { metric: "http_req_duration", tags: {} },
    aggregate: "p",
    percentile: 99.9,
    operator: "<",
    bound: 250,
    abort_on_fail: false,
    delay_abort_ms: 0,
  });
});

test.each([
  ["http_req_duration", "avg<=200", { aggregate: "avg", operator: "<=", bound: 200 }],
  [
    "http_req_duration",
    " med  >  .5 ",
    { aggregate: "med", operator: ">", bound: 0.5, expression: "med  >  .5" },
  ],
  ["response_time", "p ( 99 ) < 2 s", { percentile: 99, bound: 2_000 }],
  ["response_time", "max<1m30s", { bound: 90_000 }],
  ["response_time", "p(0)>=1e3", { percentile: 0, bound: 1_000 }],
  ["ingest_lag", "p(100)<0.5ms", { percentile: 100, bound: 0.5 }],
  ["http_reqs", "count===100", { operator: "==", bound: 100 }],
  ["http_reqs", "rate>3000/m", { aggregate: "rate", bound: 50 }],
  ["http_reqs", "rate>=50", { bound: 50 }],
  ["http_req_failed", "rate<2%", { bound: 0.02 }],
  ["checks", "rate > 0.95", { bound: 0.95 }],
  ["checks", "rate==100 %", { bound: 1 }],
  ["vus", "value!=3", { aggregate: "value", operator: "!=", bound: 3 }],
  ["delivery_missing", "COUNT==0", { aggregate: "count", bound: 0 }],
])("%s: %s", (selector, expression, expected) => {
  expect(parseThreshold(selector, expression)).toMatchObject(expected);
});

test.each([
  ["http_req_duration{name:GET /products}", { name: "GET /products" }],
  ["http_req_duration{route:GET /orders/:id}", { name: "GET /orders/:id" }],
  ["http_req_duration{name:GET /orders/{id}}", { name: "GET /orders/{id}" }],
  ["http_req_duration{name:\"GET /a,b: 'c'\", status : 200 }", { name: "GET /a,b: 'c'", status: "200" }],
  ["http_req_duration{name:'say \"x\", then y',method:GET}", { name: 'say "x", then y', method: "GET" }],
  ['http_req_duration{name:the "big" one,scenario:a}', { name: 'the "big" one', scenario: "a" }],
  [" checks { check:has products }", { check: "has products" }],
  ["http_req_duration{team:shop}", { team: "shop" }],
])("the tags of %s", (selector, tags) => {
  const expression = selector.includes("checks") ? "rate>0.9" : "p(95)<1s";
  expect(parseThreshold(selector, expression, { tags: ["team"] }).of).toMatchObject({ tags });
});

test("it may end the run at once or after a delay", () => {
  const threshold = parseThreshold("http_req_failed", "rate<1%", {
    abortOnFail: true,
    delayAbortEval_ms: 10_000,
  });
  expect(threshold).toMatchObject({ abort_on_fail: true, delay_abort_ms: 10_000 });
});

test.each([
  [
    "http_req_duratoin",
    "p(95)<1",
    /no metric "http_req_duratoin" \(did you mean http_req_duration\?\).*response_time/,
  ],
  ["toString", "count>1", /no metric "toString"/],
  ["{name:x}", "count>1", /must be a metric/],
  ["http_reqs{}", "count>1", /must be tags with their values/],
  ["http_reqs{name}", "count>1", /must be tags with their values/],
  ["http_reqs{name:}", "count>1", /must be tags with their values/],
  ["http_reqs{name:a,}", "count>1", undefined],
  ["http_reqs{nam:a}", "count>1", /no tag "nam" \(did you mean name\?\); it has scenario, journey/],
  ["http_reqs{name:a,route:b}", "count>1", /"route" is given twice/],
  ["iterations{status:200}", "count>1", /iterations has no tag "status".*it has scenario/],
  ["delivery_missing{name:a}", "count==0", /measured over the whole run and has no tag "name"/],
  ["http_reqs", "p(95)<1", /"p" does not fit a counter; it has count, rate/],
  ["http_req_duration", "p95<200", /\(did you mean p\(95\)\?\); it has avg, min, med, max, p\(N\)/],
  ["http_req_duration", "median<200", /"median" does not fit a trend; it has avg, min, med/],
  ["http_req_duration", "p(101)<1", /percentile from 0 to 100/],
  ["http_req_duration", "p(9.9.9)<1", /percentile from 0 to 100/],
  ["http_req_duration", "mxa<1", /\(did you mean max\?\)/],
  ["http_req_duration", "p<1", /p needs its percentile/],
  ["http_req_duration", "avg(5)<1", /avg takes no number/],
  ["http_req_duration", "p(95)<200 && p(99)<300", /must be an aggregate, an operator and a bound/],
  ["http_req_duration", "p(95)=<200", /must be an aggregate, an operator and a bound/],
  ["http_req_duration", "", /must be an aggregate, an operator and a bound/],
  ["http_req_duration", "p(95)<fast", /bound "fast" must be a number of ms, or a duration/],
  ["http_req_failed", "rate<5", /bound "5" must be a share from 0 to 1/],
  ["http_req_failed", "rate<101%", /must be a share/],
  ["http_reqs", "count>5/s", /bound "5\/s" must be a number/],
  ["vus", "value>2s", /must be a number/],
  ["vus", "min>2", /"min" does not fit a gauge.*it has value, max/],
])("%s: %s is refused", (selector, expression, message) => {
  if (message === undefined) return void parseThreshold(selector, expression); // a comma at the end does no harm
  expect(refusal(selector, expression)).toMatch(message);
});

test("everything wrong with one threshold is named together", () => {
  const message = refusal("http_reqs{nmae:a,stauts:b}", "p(95)<fast");
  expect(message).toMatch(/^threshold "http_reqs\{nmae:a,stauts:b\}: p\(95\)<fast": /);
  expect(message).toMatch(/did you mean name.*did you mean status.*does not fit a counter/);
  expect(refusal("http_rqs", "95<p")).toMatch(/no metric.*must be an aggregate/);
});

test("what is known only after the run cannot end it", () => {
  expect(refusal("delivery_missing", "count==0", { abortOnFail: true })).toMatch(/only after the run/);
});

test("any number round-trips as a bound, whatever the spaces", () => {
  const space = fc.constantFrom("", " ", "   ");
  const number = fc.double({ noNaN: true, noDefaultInfinity: true }).map((bound) => bound + 0); // -0 is written 0
  const metric = fc.constantFrom("vus", "http_req_waiting").map((name) => name as keyof typeof METRICS);
  fc.assert(
    fc.property(metric, number, space, space, (name, bound, a, b) => {
      const aggregate = METRICS[name] === "gauge" ? "value" : "max";
      expect(parseThreshold(name, `${a}${aggregate}${b}<=${a}${bound}${b}`).bound).toBe(bound);
    }),
  );
});

test("whatever is written is a threshold or a configuration error", () => {
  fc.assert(
    fc.property(
      fc.string(),
      fc.string(),
      fc.constantFrom(...Object.keys(METRICS)),
      (tags, expression, metric) => {
        for (const selector of [tags, `${metric}{${tags}}`]) {
          try {
            parseThreshold(selector, expression);
          } catch (error) {
            expect(error).toBeInstanceOf(RushhourError);
          }
        }
      },
    ),
  );
});

test("a threshold in SQL judges the one value of a SELECT", () => {
  const sql = "SELECT COUNT(*) FROM api_logs WHERE run_id = :run_id AND status_code >= 500";
  expect(parseSqlThreshold("server errors", sql, "value < 10")).toMatchObject({
    of: { name: "server errors", sql },
    aggregate: "value",
    operator: "<",
    bound: 10,
  });
});

test.each([
  ["DELETE FROM api_logs", "value<1", /must be one SELECT/],
  ["SELECT 1; DELETE FROM api_logs", "value<1", /must be one SELECT/],
  ["SELECT ?", "value<1", /cannot hold a \?/],
  ["SELECT :run", "value<1", /no parameter :run;/],
  ["SELECT 1", "count<1", /"count" does not fit/],
  ["SELECT 1", "max<1", /"max" does not fit a query.*it has value/],
  ["SELECT 1", "value", /must be an aggregate, an operator and a bound/],
  ["SHOW TABLES", "p(9", /must be one SELECT.*must be an aggregate/],
])("the query %s with %s is refused", (sql, expression, message) => {
  expect(() => parseSqlThreshold("mine", sql, expression)).toThrow(message);
});

test("every threshold of the documentation can be read", () => {
  const text = readFileSync(new URL("../../docs/thresholds.md", import.meta.url), "utf8");
  const [, block] = /```yaml\n([^]*?)```/.exec(text)!;
  const { thresholds, sqlThresholds } = parse(block!) as {
    thresholds: Record<string, (string | { threshold: string })[]>;
    sqlThresholds: { name: string; query: string; threshold: string }[];
  };
  for (const [selector, bounds] of Object.entries(thresholds)) {
    for (const bound of bounds) parseThreshold(selector, typeof bound === "string" ? bound : bound.threshold);
  }
  for (const { name, query, threshold } of sqlThresholds) parseSqlThreshold(name, query, threshold);
  for (const metric of Object.keys(METRICS)) expect(text).toContain(`\`${metric}\``);
});
