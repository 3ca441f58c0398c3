import { dashboardJson } from "./dashboard.ts";
import { stat, table, timeSeries } from "./panels.ts";

/** The rows every panel looks at. */
const RANGE = "$__timeFilter(timestamp) AND service IN (${service:sqlstring})";

/** An error is what the API logged as one: status 400 and above, uncaught exceptions. */
const IS_ERROR = "level IN ('ERROR', 'CRITICAL')";

const BUCKET = "$__timeGroup(timestamp, $__interval, NULL)";

const totalRequests = stat({
  title: "Total requests",
  description: "Requests answered in this range, health and status calls included.",
  unit: "short",
  width: 8,
  height: 4,
  sql: `
SELECT COUNT(*) AS requests
FROM api_logs
WHERE ${RANGE}`,
});

const p95 = stat(
  {
    title: "Response time, p95",
    description: "95 of 100 requests in this range were answered within this time (nearest rank, exact).",
    unit: "ms",
    width: 8,
    height: 4,
    sql: `
SELECT MAX(CASE WHEN place = CEIL(0.95 * n) THEN response_time_ms END) AS p95
FROM (
  SELECT response_time_ms,
    ROW_NUMBER() OVER (ORDER BY response_time_ms) AS place,
    COUNT(*) OVER () AS n
  FROM api_logs
  WHERE ${RANGE}
) AS ranked`,
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
SELECT 1e2 * SUM(${IS_ERROR}) / COUNT(*) AS error_rate
FROM api_logs
WHERE ${RANGE}`,
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
SELECT $__timeGroup(timestamp, $__interval, 0) AS time, endpoint AS metric, COUNT(*) AS requests
FROM api_logs
WHERE ${RANGE}
GROUP BY time, metric
ORDER BY time, metric`,
  },
  "stacked bars",
  "sum",
);

const responseTime = timeSeries(
  {
    title: "Response time",
    description: "Mean and exact percentiles of the requests begun in each interval.",
    unit: "ms",
    width: 12,
    height: 10,
    sql: `
SELECT time,
  AVG(response_time_ms) AS mean,
  MAX(CASE WHEN place = CEIL(0.50 * n) THEN response_time_ms END) AS p50,
  MAX(CASE WHEN place = CEIL(0.95 * n) THEN response_time_ms END) AS p95,
  MAX(CASE WHEN place = CEIL(0.99 * n) THEN response_time_ms END) AS p99
FROM (
  SELECT time, response_time_ms,
    ROW_NUMBER() OVER (PARTITION BY time ORDER BY response_time_ms) AS place,
    COUNT(*) OVER (PARTITION BY time) AS n
  FROM (
    SELECT ${BUCKET} AS time, response_time_ms
    FROM api_logs
    WHERE ${RANGE}
  ) AS requests
) AS ranked
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
SELECT ${BUCKET} AS time,
  1e2 * SUM(${IS_ERROR}) / COUNT(*) AS errors,
  1e2 * SUM(status_code >= 500) / COUNT(*) AS server_errors
FROM api_logs
WHERE ${RANGE}
GROUP BY time
ORDER BY time`,
  },
  "lines",
  "mean",
);

const frequentErrors = table(
  {
    title: "Most frequent errors",
    description: "The 20 commonest combinations of status, route and kind of error.",
    unit: "none",
    width: 12,
    height: 10,
    sql: `
SELECT COUNT(*) AS errors, status_code, method, endpoint, error_type,
  MAX(error_message) AS example, MAX(timestamp) AS last_seen
FROM api_logs
WHERE ${RANGE} AND ${IS_ERROR}
GROUP BY status_code, method, endpoint, error_type
ORDER BY errors DESC, last_seen DESC
LIMIT 20`,
  },
  {
    errors: { width: 70 },
    status_code: { width: 100 },
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
WHERE ${RANGE}
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

/** what every course on API monitoring asks for, from the rows themselves. */
export const apiOverview = dashboardJson({
  uid: "rushhour-api-overview",
  title: "API overview",
  description: "Requests, response times and errors of the API, from the table api_logs.",
  variables: [
    {
      name: "service",
      label: "Service",
      column: "service",
      sql: "SELECT DISTINCT service FROM api_logs WHERE $__timeFilter(timestamp) ORDER BY service",
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
