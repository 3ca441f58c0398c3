const HOUR_S = 3_600;
const DAY_S = 86_400;

/** Where requests are counted, finest first: names in the table `retention` and at the end of the rollups' names. */
const SOURCES = ["api_logs", "10s", "1m", "1h", "1d"] as const;

type Source = (typeof SOURCES)[number];

/** The longest range each source is read for, seconds: a day of minutes and a month of hours are answered within 200 ms. */
const COUNTS_UP_TO_S = { api_logs: HOUR_S, "10s": 3 * HOUR_S, "1m": 26 * HOUR_S, "1h": 100 * DAY_S };
const LATENCIES_UP_TO_S = { ...COUNTS_UP_TO_S, "1h": 16 * DAY_S }; // a histogram has ten times the rows

/** What "All" of the variable `service` stands for: the databases see before they begin that nothing is to be compared. */
export const ALL_SERVICES = "'*'";

const IF_ALL = `${ALL_SERVICES} IN (\${service:sqlstring})`;
const IS_PICKED = "service IN (${service:sqlstring})";

/** Rows of the services that were picked. */
export const OF_SERVICE = `(${IF_ALL} OR ${IS_PICKED})`;

/** The same by number: a join for each row of a histogram would take as long as all else. */
const OF_ROUTE = `(${IF_ALL} OR route_id IN (SELECT route_id FROM api_routes WHERE ${IS_PICKED}))`;

/**
 * Common table expressions that end with `counts`: the requests of the range from the source that fits. What `select` and
 * `groupBy` may name: time (start of the panel's interval), service, method, endpoint, status_code, level, requests.
 */
export function counts({ select, groupBy }: { select: string; groupBy?: string }): string {
  const columns = "service, method, endpoint, status_code, level";
  return fromFitting("counts", COUNTS_UP_TO_S, (source) => {
    const raw = source === "api_logs";
    return {
      columns: `${columns}, ${raw ? "1 AS requests" : "requests"}`,
      table: raw ? source : `v_rollup_${source}`,
      picked: OF_SERVICE,
      select,
      groupBy,
    };
  });
}

/**
 * The same with `latencies`: latency_ms and requests, for each time with `by`. Raw rows say it exactly, a histogram by the
 * geometric middle of its bucket, within 5 %.
 */
export function latencies(by?: "time"): string {
  const keys = by === undefined ? "" : `${by}, `;
  return fromFitting("latencies", LATENCIES_UP_TO_S, (source) =>
    source === "api_logs"
      ? {
          columns: "response_time_ms, 1 AS requests",
          table: source,
          picked: OF_SERVICE,
          select: `${keys}response_time_ms AS latency_ms, SUM(requests) AS requests`,
          groupBy: `${keys}response_time_ms`,
        }
      : {
          columns: "bucket, count AS requests",
          table: `api_latency_${source}`,
          picked: OF_ROUTE,
          select: `${keys}POW(1.1, bucket + 0.5) / 1000 AS latency_ms, SUM(requests) AS requests`,
          groupBy: `${keys}bucket`,
        },
  );
}

/** What is asked of one source; `columns` beside `time`. */
interface Part {
  readonly columns: string;
  readonly table: string;
  readonly picked: string;
  readonly select: string;
  readonly groupBy: string | undefined;
}

/**
 * One SELECT for each source, of which the databases execute the chosen one only: the condition of the others is false
 * before they begin. A source fits if the range is short enough for it and none of the range has expired.
 */
function fromFitting(
  name: string,
  upToS: Readonly<Record<Exclude<Source, "1d">, number>>,
  partOf: (source: Source) => Part,
): string {
  const fits = Object.entries(upToS).map(
    ([source, seconds]) => `
    WHEN $__unixEpochTo() - $__unixEpochFrom() <= ${seconds}
      AND $__unixEpochFrom() >= (SELECT kept_from_s FROM retention WHERE name = '${source}') THEN '${source}'`,
  );
  const parts = SOURCES.map((source) => {
    const { columns, table, picked, select, groupBy } = partOf(source);
    return `
  SELECT ${select}
  FROM (SELECT ${timeOf(source)} AS time, ${columns} FROM ${table} WHERE ${rangeOf(source)} AND ${picked}) AS ${name}
  WHERE (SELECT name FROM source) = '${source}'${groupBy === undefined ? "" : `\n  GROUP BY ${groupBy}`}`;
  });
  return `WITH source AS (
  SELECT CASE${fits.join("")}
    ELSE '1d' END AS name
), ${name} AS (${parts.join("\n  UNION ALL")}
)`;
}

const timeOf = (source: Source) =>
  source === "api_logs" ? "$__timeGroup(timestamp, $__interval)" : "$__unixEpochGroup(bucket_s, $__interval)";

const rangeOf = (source: Source) =>
  source === "api_logs" ? "$__timeFilter(timestamp)" : "$__unixEpochFilter(bucket_s)";
