import { dashboardJson } from "./dashboard.ts";
import { stat, table, timeSeries } from "./panels.ts";
import { ALL_SERVICES, counts, latencies, OF_SERVICE } from "./requests.ts";

/** An error is what the API logged as one: status 400 and above, uncaught exceptions. */
const IS_ERROR = "level IN ('ERROR', 'CRITICAL')";

const ERRORS = `SUM(IF(${IS_ERROR}, requests, 0)) AS errors`;

const totalRequests = stat({
  title: "Total requests",
  description:
    "Requests answered in this range, health and status calls included. Beyond an hour by whole buckets of a rollup.",
  unit: "short",
  width: 8,
  height: 4,
  sql: `
${counts({ select: "SUM(requests) AS requests" })}
SELECT COALESCE(SUM(requests), 0) AS requests
FROM counts`,
});

const p95 = stat(
  {
    title: "Response time, p95",
    description:
      "95 of 100 requests in this range were answered within this time (nearest rank): exact up to an hour, within 5 % beyond.",
    unit: "ms",
    width: 8,
    height: 4,
    sql: `
${latencies()}
SELECT MIN(CASE WHEN seen >= CEIL(0.95 * total) THEN latency_ms END) AS p95
FROM (
  SELECT latency_ms, SUM(requests) OVER (ORDER BY latency_ms) AS seen, SUM(requests) OVER () AS total
  FROM latencies
) AS cumulated`,
  },
  [
    { color: "green", value: null },
    { color: "orange", value: 500 },
    { color: "red", value: 1000 },
  ],
);

const errorRate = stat(
  {
    title: "Error rate",
    description: "Share of requests answered with status 400 or above, or ended by an uncaught exception.",
    unit: "percent",
    width: 8,
    height: 4,
    sql: `
${counts({ select: `SUM(requests) AS requests, ${ERRORS}` })}
SELECT 1e2 * SUM(errors) / SUM(requests) AS error_rate
FROM counts`,
  },
  [
    { color: "green", value: null },
    { color: "orange", value: 2 },
    { color: "red", value: 5 },
  ],
);

const requestsPerEndpoint = timeSeries(
  {
    title: "Requests per endpoint",
    description: "Requests by route template, counted per bar; the legend holds the total of the range.",
    unit: "short",
    width: 12,
    height: 10,
    sql: `
${counts({ select: "time, endpoint AS metric, SUM(requests) AS requests", groupBy: "time, endpoint" })}
SELECT time, metric, requests
FROM counts
ORDER BY time, metric`,
  },
  "stacked bars",
  "sum",
);

const responseTime = timeSeries(
  {
    title: "Response time",
    description:
      "Mean and percentiles of the requests begun in each interval: exact up to an hour, within 5 % beyond. A point an hour from 26 hours on, a day from 16 days on.",
    unit: "ms",
    width: 12,
    height: 10,
    sql: `
${latencies("time")}
SELECT time,
  SUM(requests * latency_ms) / SUM(requests) AS mean,
  MIN(CASE WHEN seen >= CEIL(0.50 * total) THEN latency_ms END) AS p50,
  MIN(CASE WHEN seen >= CEIL(0.95 * total) THEN latency_ms END) AS p95,
  MIN(CASE WHEN seen >= CEIL(0.99 * total) THEN latency_ms END) AS p99
FROM (
  SELECT time, latency_ms, requests,
    SUM(requests) OVER (PARTITION BY time ORDER BY latency_ms) AS seen,
    SUM(requests) OVER (PARTITION BY time) AS total
  FROM latencies
) AS cumulated
GROUP BY time
ORDER BY time`,
  },
  "lines",
  "mean",
);

const errorRateOverTime = timeSeries(
  {
    title: "Error rate over time",
    description: "Share of requests that ended in an error, and in a server error (status 500 and above).",
    unit: "percent",
    width: 12,
    height: 10,
    sql: `
${counts({
  select: `time, SUM(requests) AS requests, ${ERRORS}, SUM(IF(status_code >= 500, requests, 0)) AS server_errors`,
  groupBy: "time",
})}
SELECT time, 1e2 * errors / requests AS errors, 1e2 * server_errors / requests AS server_errors
FROM counts
ORDER BY time`,
  },
  "lines",
  "mean",
);

/** Bounded by number, as a month may have a million; read backwards along the key (level, timestamp). */
const newest = (level: string) => `
  (SELECT service, method, endpoint, status_code, error_type, error_message, timestamp
  FROM api_logs
  WHERE $__timeFilter(timestamp) AND level = '${level}'
  ORDER BY timestamp DESC
  LIMIT 500)`;

const frequentErrors = table(
  {
    title: "Most frequent errors",
    description:
      "The 20 commonest combinations of route and status; type, example and time from the newest errors, empty if none is among these.",
    unit: "none",
    width: 12,
    height: 10,
    sql: `
${counts({
  select: `service, method, endpoint, status_code, SUM(IF(${IS_ERROR}, requests, 0)) AS errors`,
  groupBy: "service, method, endpoint, status_code",
})}, commonest AS (
  SELECT *
  FROM counts
  WHERE errors > 0
  ORDER BY errors DESC
  LIMIT 20
), newest AS (${newest("ERROR")}
  UNION ALL${newest("CRITICAL")}
)
SELECT errors, status_code, service, method, endpoint,
  MAX(error_type) AS error_type, MAX(error_message) AS example, MAX(timestamp) AS last_seen
FROM commonest
LEFT JOIN newest USING (service, method, endpoint, status_code)
GROUP BY errors, status_code, service, method, endpoint
ORDER BY errors DESC, last_seen DESC`,
  },
  {
    errors: { width: 70 },
    status_code: { width: 100 },
    service: { width: 110 },
    method: { width: 80 },
    last_seen: { unit: "dateTimeAsLocal", width: 170 },
  },
);

const liveLog = table(
  {
    title: "Live log",
    description: "The 100 newest requests in this range.",
    unit: "none",
    width: 24,
    height: 12,
    sql: `
SELECT timestamp, level, service, method, path, status_code, response_time_ms, error_message, request_id
FROM api_logs
WHERE $__timeFilter(timestamp) AND ${OF_SERVICE}
ORDER BY timestamp DESC
LIMIT 100`,
  },
  {
    timestamp: { unit: "time:YYYY-MM-DD HH:mm:ss.SSS", width: 190 },
    level: { width: 90 },
    service: { width: 110 },
    method: { width: 80 },
    status_code: { width: 100 },
    response_time_ms: { unit: "ms", width: 140 },
    request_id: { width: 310 },
  },
);

/** A-16: what every course on API monitoring asks for: from the rows themselves up to an hour, from rollups beyond. */
export const apiOverview = dashboardJson({
  uid: "rushhour-api-overview",
  title: "API overview",
  description: "Requests, response times and errors of the API, from api_logs and its rollups.",
  variables: [
    {
      name: "service",
      label: "Service",
      all: ALL_SERVICES,
      sql: "SELECT DISTINCT service FROM api_routes ORDER BY service",
    },
  ],
  panels: [
    totalRequests,
    p95,
    errorRate,
    requestsPerEndpoint,
    responseTime,
    errorRateOverTime,
    frequentErrors,
    liveLog,
  ],
});
