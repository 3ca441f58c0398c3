import { messageOf } from "../../contract/errors.ts";
import type { ThresholdResult } from "../report/record.ts";
import type { Gauge } from "./gauge.ts";
import type { LatencyHistogram } from "./latency.ts";
import { boundQuery } from "./run-query.ts";
import { isMeasuredAfterRun, METRICS } from "./thresholds.ts";
import type { Selector, Threshold } from "./thresholds.ts";

/**
 * What was measured of a metric, or of the part of it with the selector's tags; undefined when it was not measured at
 * all, such as what the ledger knows in a run without one.
 */
export interface MetricValues {
  trend(selector: Selector): LatencyHistogram | undefined;
  /** `hits` of `total`: failed requests of those that ended, checks passed of those made. */
  rate(selector: Selector): { readonly hits: number; readonly total: number } | undefined;
  /** 0 where nothing was counted; `per_second` over the run's time so far. */
  counter(selector: Selector): { readonly count: number; readonly per_second: number } | undefined;
  gauge(selector: Selector): Readonly<Pick<Gauge, "value" | "max">> | undefined;
}

/** Runs a query as the reader. */
export type RunQuery = (
  sql: string,
  values: readonly string[],
) => Promise<readonly Readonly<Record<string, unknown>>[]>;

interface Measured {
  readonly value: number | null;
  readonly reason?: string;
}

/**
 * Judges every threshold, in their order. One that nothing was measured for has failed, with the reason: a
 * misspelled name must not look like success.
 * @param query for thresholds in SQL; without one they have no value
 * @param aborted the one that ended the run: it has failed, whatever came after
 */
export async function evaluateThresholds(
  thresholds: readonly Threshold[],
  values: MetricValues,
  options: { run_id: string; query?: RunQuery | undefined; aborted?: Threshold | undefined },
): Promise<ThresholdResult[]> {
  const judged: ThresholdResult[] = [];
  for (const threshold of thresholds) {
    const { of } = threshold;
    const measured =
      "sql" in of
        ? await answerTo(of.sql, options.run_id, options.query)
        : (measure(of, threshold, values) ?? { value: null, reason: "no data" });
    judged.push(judge(threshold, measured, threshold === options.aborted));
  }
  return judged;
}

/** How the thresholds stand while the run goes on: those that can be measured by now and have a value. */
export function currentThresholds(thresholds: readonly Threshold[], values: MetricValues): ThresholdResult[] {
  return thresholds.flatMap((threshold) => {
    const measured = measureNow(threshold, values);
    return measured === undefined ? [] : [judge(threshold, measured, false)];
  });
}

/**
 * Watches the thresholds that may end a run. The function returned is called from time to time with the ms since the
 * run's start, and answers the first that fails and whose delay has passed. One without a value yet does not fail.
 */
export function createAbortWatch(
  thresholds: readonly Threshold[],
  values: MetricValues,
): (elapsed_ms: number) => Threshold | undefined {
  const watched = thresholds.filter((threshold) => threshold.abort_on_fail);
  return (elapsed_ms) =>
    watched.find((threshold) => {
      const measured = elapsed_ms < threshold.delay_abort_ms ? undefined : measureNow(threshold, values);
      return measured !== undefined && !holds(threshold, measured.value);
    });
}

/** A selector as it is written. */
export function selectorText({ metric, tags }: Selector): string {
  const pairs = Object.entries(tags).map(
    ([tag, value]) => `${tag}:${value.includes(",") ? `"${value}"` : value}`,
  );
  return pairs.length === 0 ? metric : `${metric}{${pairs.join(",")}}`;
}

function measureNow(threshold: Threshold, values: MetricValues): Measured | undefined {
  const { of } = threshold;
  return "sql" in of || isMeasuredAfterRun(of.metric) ? undefined : measure(of, threshold, values);
}

/** Undefined when nothing was measured. */
function measure(selector: Selector, threshold: Threshold, values: MetricValues): Measured | undefined {
  switch (METRICS[selector.metric]) {
    case "trend": {
      const histogram = values.trend(selector);
      if (histogram === undefined || histogram.count === 0) return undefined;
      return { value: aggregateOf(histogram, threshold) };
    }
    case "rate": {
      const rate = values.rate(selector);
      return rate === undefined || rate.total === 0 ? undefined : { value: rate.hits / rate.total };
    }
    case "counter": {
      const counter = values.counter(selector);
      if (counter === undefined) return undefined;
      return { value: threshold.aggregate === "rate" ? counter.per_second : counter.count };
    }
    case "gauge": {
      const gauge = values.gauge(selector);
      return gauge && { value: threshold.aggregate === "max" ? gauge.max : gauge.value };
    }
  }
}

function aggregateOf(histogram: LatencyHistogram, { aggregate, percentile }: Threshold): number {
  switch (aggregate) {
    case "avg":
      return histogram.mean;
    case "min":
      return histogram.min;
    case "max":
      return histogram.max;
    case "med":
      return histogram.percentile(50);
    case "p":
      return histogram.percentile(percentile!); // parsing gave it one
    case "count":
    case "rate":
    case "value":
      throw new Error(`a trend has no ${aggregate}`); // parsing refused it
  }
}

/** The first column of the only row; whatever goes wrong is the threshold's failure, not the run's. */
async function answerTo(sql: string, run_id: string, query: RunQuery | undefined): Promise<Measured> {
  if (query === undefined) return { value: null, reason: "there is no database to ask" };
  try {
    const bound = boundQuery(sql, run_id);
    const rows = await query(bound.sql, bound.values);
    const answer = Object.values(rows[0] ?? {});
    if (rows.length > 1 || answer.length > 1)
      return {
        value: null,
        reason: `the query gave more than one value (rows: ${rows.length}, columns: ${answer.length})`,
      };
    if (answer[0] === undefined || answer[0] === null)
      return { value: null, reason: "the query found nothing" };
    const value = Number(answer[0]); // DECIMAL comes as text
    return Number.isFinite(value) && !(answer[0] instanceof Date)
      ? { value }
      : { value: null, reason: `the query gave no number: ${JSON.stringify(answer[0])}` };
  } catch (error) {
    return { value: null, reason: `the query failed: ${messageOf(error)}` };
  }
}

function judge(threshold: Threshold, { value, reason }: Measured, aborted: boolean): ThresholdResult {
  return {
    metric: "sql" in threshold.of ? threshold.of.name : selectorText(threshold.of),
    expression: threshold.expression,
    value,
    passed: !aborted && holds(threshold, value),
    aborted,
    reason: reason ?? null,
  };
}

function holds({ operator, bound }: Threshold, value: number | null): boolean {
  if (value === null) return false;
  switch (operator) {
    case "<":
      return value < bound;
    case "<=":
      return value <= bound;
    case ">":
      return value > bound;
    case ">=":
      return value >= bound;
    case "==":
      return value === bound;
    case "!=":
      return value !== bound;
  }
}
