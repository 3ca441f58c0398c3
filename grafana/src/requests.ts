/** Where panels find requests, finest first, and for which ranges of time each is meant. */
const SOURCES = [
  { name: "api_logs", seconds: 1, when: "$__unixEpochTo() - $__unixEpochFrom() <= 3600" },
  { name: "10s", seconds: 10, when: "$__interval_ms < 60000" },
  { name: "1m", seconds: 60, when: "$__interval_ms < 3600000" },
  { name: "1h", seconds: 3_600, when: "$__interval_ms < 86400000" },
  { name: "1d", seconds: 86_400, when: "TRUE" },
] as const;

type Source = (typeof SOURCES)[number];

const LAST = SOURCES.at(-1)!;

/** What is asked of the requests of a range. */
export interface Question {
  readonly of: keyof typeof COLUMNS;
  readonly select: string;
  readonly groupBy?: string;
  readonly gaps?: "shown"; // points of `time` without requests become NULL, where a curve breaks off
}

/**
 * What a source says of a request, of all alike. `counts`: status_code, level and `requests`; `latencies`: `latency`, a
 * name to group by, and `requests`. {@link LATENCY_MS} makes milliseconds of the one that was chosen.
 */
const COLUMNS = {
  counts: { raw: "status_code, level, 1 AS requests", view: "v_rollup", rollup: "status_code, level, requests" },
  latencies: {
    raw: "response_time_ms AS latency_ms, 1 AS requests",
    view: "v_histogram",
    rollup: "POW(1.1, latency_bucket + 0.5) / 1000 AS latency_ms, requests",
  },
} as const;
