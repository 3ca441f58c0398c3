import { RushhourError } from "../../contract/errors.ts";
import { durationSetting, rateSetting } from "../../contract/units.ts";
import { didYouMean } from "./did-you-mean.ts";
import { queryProblems } from "./run-query.ts";

/** What a threshold may judge, and of what type it is. k6's names; the second half is ours. */
export const METRICS = {
  http_reqs: "counter",
  http_req_duration: "trend", // service time, ms: from the actual send
  http_req_waiting: "trend", // from the actual send to the first byte of the answer, ms
  http_req_failed: "rate",
  iterations: "counter",
  iteration_duration: "trend", // ms
  dropped_iterations: "counter",
  vus: "gauge",
  checks: "rate",
  data_sent: "counter", // bytes of request bodies
  data_received: "counter", // bytes of response bodies
  response_time: "trend", // ms, from the scheduled start
  schedule_delay: "trend", // ms, how late the generator was
  log_stored: "counter", // from the ledger, after the run
  delivery_missing: "counter",
  delivery_duplicate: "counter",
  ingest_lag: "trend", // response to row, ms
} as const satisfies Record<string, "counter" | "trend" | "rate" | "gauge">;

export type MetricName = keyof typeof METRICS;
type MetricType = (typeof METRICS)[MetricName];

/** A metric, or the part of it with these tags: {@link tagsOf} it, or a tag of a scenario or of the run. */
export interface Selector {
  readonly metric: MetricName;
  readonly tags: Readonly<Record<string, string>>;
}

export const AGGREGATES = ["avg", "min", "med", "max", "p", "count", "rate", "value"] as const;
export const OPERATORS = ["<", "<=", ">", ">=", "==", "!="] as const;

type Aggregate = (typeof AGGREGATES)[number];
type Operator = (typeof OPERATORS)[number];

/** `http_req_duration{name:GET /products}: p(99)<250`, or a query and the bound of its one value. */
export interface Threshold {
  readonly expression: string; // as written, such as `p(99)<250`
  readonly of: Selector | { readonly name: string; readonly sql: string };
  readonly aggregate: Aggregate;
  readonly percentile: number | undefined; // of `p`
  readonly operator: Operator;
  readonly bound: number; // trends: ms; rates: 0-1; rate of a counter: a second
  readonly abort_on_fail: boolean;
  readonly delay_abort_ms: number;
}

export interface ThresholdOptions {
  /** Ends the run at the first failure. */
  readonly abortOnFail?: boolean;
  /** After the run's start; earlier failures do not end it. */
  readonly delayAbortEval_ms?: number;
  /** Names of the tags that scenarios and the run carry. */
  readonly tags?: readonly string[];
}

/** What has a bound: a metric, or the answer to a query. */
type Bounded = MetricType | "query";

const AGGREGATES_OF: Readonly<Record<Bounded, readonly Aggregate[]>> = {
  counter: ["count", "rate"],
  gauge: ["value", "max"],
  query: ["value"],
  rate: ["rate"],
  trend: ["avg", "min", "med", "max", "p"],
};

/** What follows the operator, and how it is explained. */
const BOUNDS: Readonly<Record<Bounded, { rule: string; read(text: string): number | undefined }>> = {
  counter: {
    rule: "a number, for rate also one such as 50/s or 3000/m",
    read: (text) => plainNumber(text) ?? (text.includes("/") ? rateSetting.safeParse(text).data : undefined),
  },
  gauge: { rule: "a number", read: plainNumber },
  query: { rule: "a number", read: plainNumber },
  rate: { rule: "a share from 0 to 1 such as 0.01, or from 0% to 100%", read: share },
  trend: {
    rule: "a number of ms, or a duration such as 250ms, 1.5s, 1m30s",
    read: (text) => plainNumber(text) ?? durationSetting.safeParse(text).data,
  },
};

const SELECTOR = /^\s*(?<metric>[^\s{}]+)\s*(?:\{(?<tags>.*)\})?\s*$/s;
const TAG =
  /\s*(?<key>[^\s:,"']+)\s*:\s*(?:"(?<double>[^"]*)"|'(?<single>[^']*)'|(?<plain>[^,]*?))\s*(?:,|$)/y;
const EXPRESSION =
  /^\s*(?<aggregate>[a-z_][\w.]*)\s*(?:\(\s*(?<percentile>[\d.]+)\s*\))?\s*(?<operator><=|>=|===|==|!=|<|>)\s*(?<bound>[^\s<>=!][^<>=!]*)$/i;
const EXPRESSION_RULE = "must be an aggregate, an operator and a bound, such as p(95)<200 or rate<=0.01";

/** Whether what it measures is known only after the run, from the ledger. */
export function isMeasuredAfterRun(metric: MetricName): boolean {
  return /^(log|delivery|ingest)_/.test(metric);
}

/** The tags by which a metric can be parted. `route` is another word for `name`. */
function tagsOf(metric: MetricName): readonly string[] {
  if (isMeasuredAfterRun(metric) || metric === "schedule_delay") return [];
  if (metric === "checks") return ["scenario", "check"];
  if (/^(iteration|dropped|vus)/.test(metric)) return ["scenario"];
  return ["scenario", "journey", "name", "route", "method", "status"];
}

/**
 * Reads a threshold in k6's grammar.
 * @param selector `metric` or `metric{tag:value,other:value}`; a value with a comma stands in quotes
 * @param expression such as `p(99.9) < 250`, `rate<5%`, `avg<=1.5s`
 * @throws RushhourError CONFIG_INVALID naming everything that is wrong with it
 */
export function parseThreshold(
  selector: string,
  expression: string,
  options: ThresholdOptions = {},
): Threshold {
  const problems: string[] = [];
  const of = readSelector(selector, options.tags ?? [], problems);
  const judgement = readExpression(expression, of === undefined ? undefined : METRICS[of.metric], problems);
  if (of !== undefined && options.abortOnFail === true && isMeasuredAfterRun(of.metric)) {
    problems.push(
      `${of.metric} is known only after the run, so abortOnFail cannot end the run; leave it out`,
    );
  }
  if (of === undefined || judgement === undefined || problems.length > 0) {
    throw invalid(`${selector}: ${expression}`, problems);
  }
  return {
    ...judgement,
    of,
    abort_on_fail: options.abortOnFail ?? false,
    delay_abort_ms: options.delayAbortEval_ms ?? 0,
  };
}

/**
 * Reads a threshold on the one value that a query answers with, such as `value<10`.
 * @param sql one SELECT; `:run_id` in it stands for the run
 * @throws RushhourError CONFIG_INVALID naming everything that is wrong with it
 */
export function parseSqlThreshold(name: string, sql: string, expression: string): Threshold {
  const problems = queryProblems(sql);
  const judgement = readExpression(expression, "query", problems);
  if (judgement === undefined || problems.length > 0) throw invalid(`${name}: ${expression}`, problems);
  return { ...judgement, of: { name, sql }, abort_on_fail: false, delay_abort_ms: 0 };
}

type Judgement = Pick<Threshold, "expression" | "aggregate" | "percentile" | "operator" | "bound">;

function readSelector(text: string, ownTags: readonly string[], problems: string[]): Selector | undefined {
  const parts = SELECTOR.exec(text)?.groups;
  const metric = parts?.["metric"];
  if (metric === undefined) {
    problems.push(
      `"${text}" must be a metric or metric{tag:value}, such as http_req_duration{name:GET /products}`,
    );
    return undefined;
  }
  if (!isMetric(metric)) {
    problems.push(
      `there is no metric "${metric}"${didYouMean(metric, Object.keys(METRICS))}; there are ${Object.keys(METRICS).join(", ")}`,
    );
    return undefined;
  }
  return { metric, tags: readTags(metric, parts?.["tags"], ownTags, problems) };
}

function readTags(
  metric: MetricName,
  text: string | undefined,
  ownTags: readonly string[],
  problems: string[],
): Record<string, string> {
  const tags: Record<string, string> = {};
  if (text === undefined) return tags;
  const ofMetric = tagsOf(metric);
  const known = ofMetric.length === 0 ? [] : [...ofMetric, ...ownTags];
  TAG.lastIndex = 0;
  do {
    const { key, double, single, plain } = TAG.exec(text)?.groups ?? {};
    const value = double ?? single ?? plain;
    if (key === undefined || value === undefined || value === "") {
      problems.push(`{${text}} must be tags with their values, such as {name:GET /products,status:200}`);
      return tags;
    }
    const tag = key === "route" && known.includes("route") ? "name" : key;
    if (known.length === 0) problems.push(`${metric} is measured over the whole run and has no tag "${key}"`);
    else if (!known.includes(key)) {
      problems.push(`${metric} has no tag "${key}"${didYouMean(key, known)}; it has ${known.join(", ")}`);
    } else if (Object.hasOwn(tags, tag))
      problems.push(`the tag "${key}" is given twice; a threshold holds for one value of it`);
    tags[tag] = value;
  } while (TAG.lastIndex < text.length);
  return tags;
}

/** @param type undefined when the metric is not known, so that what depends on it cannot be checked */
function readExpression(
  expression: string,
  type: Bounded | undefined,
  problems: string[],
): Judgement | undefined {
  const parts = EXPRESSION.exec(expression)?.groups;
  if (parts === undefined) {
    problems.push(`"${expression}" ${EXPRESSION_RULE}`);
    return undefined;
  }
  const aggregate = parts["aggregate"]!.toLowerCase();
  const percentile = readPercentile(aggregate, parts["percentile"], problems);
  if (type === undefined) return undefined;
  const possible = AGGREGATES_OF[type];
  if (!isAggregate(aggregate, possible)) {
    const named = possible.map((name) => (name === "p" ? "p(N)" : name));
    problems.push(
      `"${aggregate}" does not fit a ${type}${hintFor(aggregate, possible)}; it has ${named.join(", ")}`,
    );
    return undefined;
  }
  const text = parts["bound"]!.replaceAll(/\s/g, "");
  const bound = aggregate === "count" ? plainNumber(text) : BOUNDS[type].read(text);
  if (bound === undefined) {
    problems.push(`the bound "${text}" must be ${aggregate === "count" ? "a number" : BOUNDS[type].rule}`);
    return undefined;
  }
  const operator = parts["operator"]!.replace("===", "==") as Operator;
  return { expression: expression.trim(), aggregate, percentile, operator, bound };
}

function readPercentile(aggregate: string, text: string | undefined, problems: string[]): number | undefined {
  if ((aggregate === "p") !== (text !== undefined)) {
    problems.push(
      aggregate === "p"
        ? "p needs its percentile, such as p(95)"
        : `${aggregate} takes no number in parentheses; only p does, such as p(95)`,
    );
    return undefined;
  }
  if (text === undefined) return undefined;
  const percentile = plainNumber(text);
  if (percentile === undefined || percentile > 100) {
    problems.push(`p(${text}) must have a percentile from 0 to 100, such as p(99.9)`);
  }
  return percentile;
}

function isMetric(name: string): name is MetricName {
  return Object.hasOwn(METRICS, name);
}

function isAggregate(name: string, possible: readonly Aggregate[]): name is Aggregate {
  return (possible as readonly string[]).includes(name);
}

function plainNumber(text: string): number | undefined {
  return /^-?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?$/i.test(text) ? Number(text) : undefined;
}

function share(text: string): number | undefined {
  const value = text.endsWith("%") ? plainNumber(text.slice(0, -1)) : plainNumber(text);
  const whole = text.endsWith("%") ? 100 : 1;
  return value !== undefined && value >= 0 && value <= whole ? value / whole : undefined;
}

function hintFor(aggregate: string, possible: readonly string[]): string {
  const percentile = /^p(\d{1,2}(?:\.\d+)?)$/.exec(aggregate)?.[1];
  return percentile === undefined ? didYouMean(aggregate, possible) : ` (did you mean p(${percentile})?)`;
}

function invalid(threshold: string, problems: readonly string[]): RushhourError {
  return new RushhourError("CONFIG_INVALID", `threshold "${threshold}": ${problems.join("; ")}`);
}
