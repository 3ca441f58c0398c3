import type { Metrics } from "../contract/metrics.ts";
import type { RequestLog } from "../contract/request-log.ts";

/** What `/metrics.json` answers; percentages have two decimals. */
export interface Totals {
  readonly total_requests: number;
  readonly total_errors: number; // status >= 400
  readonly error_rate_percent: number;
  readonly per_endpoint_usage: { endpoint: string; hits: number; percent: number }[]; // most used first
}

export interface Counters {
  /** Counts one answered request. */
  count(record: RequestLog): void;
  totals(): Totals;
}

/** Counts from the records of the request log themselves, so that log and metrics cannot disagree. */
export function createCounters(metrics: Metrics): Counters {
  const hitsOf = new Map<string, number>(); // by route template, so bounded
  let requests = 0;
  let errors = 0;
  return {
    count({ service, method, endpoint, status_code, response_time_ms }) {
      requests++;
      if (status_code >= 400) errors++;
      hitsOf.set(endpoint, (hitsOf.get(endpoint) ?? 0) + 1);
      metrics.requests.inc({ service, method, endpoint, status: status_code });
      metrics.requestDuration.observe({ service, method, endpoint }, response_time_ms / 1000);
    },
    totals: () => ({
      total_requests: requests,
      total_errors: errors,
      error_rate_percent: percent(errors, requests),
      per_endpoint_usage: [...hitsOf]
        .map(([endpoint, hits]) => ({ endpoint, hits, percent: percent(hits, requests) }))
        .sort((a, b) => b.hits - a.hits),
    }),
  };
}

function percent(part: number, whole: number): number {
  return whole === 0 ? 0 : Math.round((part / whole) * 10_000) / 100;
}
