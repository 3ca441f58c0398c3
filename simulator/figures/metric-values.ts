import type { LatencyHistogram } from "./latency.ts";
import type { Recorder } from "./recorder.ts";
import type { MetricValues } from "./threshold-values.ts";
import type { Selector } from "./thresholds.ts";

/** What the pipeline's side of a run adds, once it was verified. */
export interface Delivery {
  readonly stored: number;
  readonly missing: number; // and what is still pending
  readonly duplicates: number;
  readonly delay: LatencyHistogram;
}

/** The metrics of a run as they stand. */
export function metricValues(recorder: Recorder, elapsedMs: () => number, delivery?: Delivery): MetricValues {
  const isWhole = ({ tags }: Selector) => Object.keys(tags).length === 0;
  const measured = (trend: LatencyHistogram | undefined) => (trend?.count ? trend : undefined);
  const totalTrend = ({ metric }: Selector): LatencyHistogram | undefined => {
    switch (metric) {
      case "http_req_duration":
        return recorder.service;
      case "http_req_waiting":
        return recorder.waiting;
      case "iteration_duration":
        return recorder.iterationDuration;
      case "response_time":
        return recorder.response;
      case "schedule_delay":
        return recorder.delay;
      case "ingest_lag":
        return delivery?.delay;
      default:
        return undefined;
    }
  };
  const totalCount = ({ metric }: Selector): number | undefined => {
    const { counts, data, iterations } = recorder;
    switch (metric) {
      case "http_reqs":
        return counts.answered + counts.unanswered;
      case "iterations":
        return iterations.completed;
      case "dropped_iterations":
        return counts.unsent;
      case "data_sent":
        return data.sent_bytes;
      case "data_received":
        return data.received_bytes;
      case "log_stored":
        return delivery?.stored;
      case "delivery_missing":
        return delivery?.missing;
      case "delivery_duplicate":
        return delivery?.duplicates;
      default:
        return undefined;
    }
  };
  return {
    trend: (selector) =>
      measured(isWhole(selector) ? totalTrend(selector) : recorder.parts.find(selector)?.trend),
    rate(selector) {
      if (!isWhole(selector)) return recorder.parts.find(selector);
      if (selector.metric === "http_req_failed") {
        return { hits: recorder.failed, total: recorder.counts.answered + recorder.counts.unanswered };
      }
      const sum = { hits: 0, total: 0 };
      for (const { passed, failed } of recorder.checks.values()) {
        sum.hits += passed;
        sum.total += passed + failed;
      }
      return sum;
    },
    counter(selector) {
      const count = isWhole(selector) ? totalCount(selector) : recorder.parts.find(selector)?.total;
      return count === undefined
        ? undefined
        : { count, per_second: (count * 1_000) / Math.max(1, elapsedMs()) };
    },
    gauge: (selector) => (isWhole(selector) ? recorder.vus : recorder.parts.find(selector)?.gauge),
  };
}
