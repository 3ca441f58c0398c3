export interface Example {
  readonly name: string; // kebab-case, what --example takes
  readonly title: string;
  readonly sql: string;
}

/** Queries to start from, for both databases; docs/sql.md holds the same text, and a test runs each. */
export const EXAMPLES: readonly Example[] = [
  {
    name: "failing-now",
    title: "What is failing now",
    sql: `SELECT service, method, endpoint, status_code, requests, route_percent
  FROM v_errors
 WHERE span = '5m'
 ORDER BY requests DESC
 LIMIT 20`,
  },
  {
    name: "windows",
    title: "Traffic, errors and latency of the last minutes, beside the last day and month",
    sql: `SELECT span, requests, requests_per_second, error_percent, p50_ms, p95_ms, p99_ms, apdex
  FROM v_overview
 WHERE span IN ('5m', '1h', '24h', '30d')
 ORDER BY window_s`,
  },
  {
    name: "slow-endpoints",
    title: "The slowest routes of the last day",
    sql: `SELECT service, method, endpoint, requests, p50_ms, p95_ms, p99_ms, max_ms
  FROM v_endpoints
 WHERE span = '24h'
 ORDER BY p99_ms DESC
 LIMIT 20`,
  },
  {
    name: "slow-requests",
    title: "The slowest single requests of the last day",
    sql: `SELECT timestamp, method, path, status_code, response_time_ms, user_id, request_id
  FROM v_slow_requests
 WHERE span = '24h'
 ORDER BY response_time_ms DESC
 LIMIT 20`,
  },
  {
    name: "error-groups",
    title: "Errors of the last day that are the same but for numbers and ids",
    sql: `SELECT requests, users, method, endpoint, status_code, error_type, message, first_seen, last_seen
  FROM v_error_groups
 WHERE span = '24h'
 ORDER BY requests DESC
 LIMIT 20`,
  },
  {
    name: "traffic",
    title: "Requests and errors by the minute, in the last hour",
    sql: `SELECT bucket_time, requests, requests_per_second, client_errors, server_errors, error_percent
  FROM v_traffic_1m
 WHERE bucket_s >= UNIX_TIMESTAMP() - 3600
 ORDER BY bucket_s`,
  },
  {
    name: "latency",
    title: "Percentiles by the hour, in the last week",
    sql: `SELECT bucket_time, requests, p50_ms, p95_ms, p99_ms
  FROM v_latency_1h
 WHERE bucket_s >= UNIX_TIMESTAMP() - 7 * 86400
 ORDER BY bucket_s`,
  },
  {
    name: "endpoint-latency",
    title: "Percentiles of one route by the hour, in the last day",
    sql: `WITH histogram AS (
  SELECT bucket_time, latency_ms, SUM(requests) AS requests
    FROM v_histogram_1h
   WHERE bucket_s >= UNIX_TIMESTAMP() - 86400 AND method = 'GET' AND endpoint = '/products/:id'
   GROUP BY bucket_time, latency_ms
), cumulated AS (
  SELECT bucket_time, latency_ms,
         SUM(requests) OVER (PARTITION BY bucket_time ORDER BY latency_ms) AS seen,
         SUM(requests) OVER (PARTITION BY bucket_time) AS total
    FROM histogram
)
SELECT bucket_time, MAX(total) AS requests,
       MIN(CASE WHEN seen >= CEIL(0.50 * total) THEN latency_ms END) AS p50_ms,
       MIN(CASE WHEN seen >= CEIL(0.95 * total) THEN latency_ms END) AS p95_ms
  FROM cumulated
 GROUP BY bucket_time
 ORDER BY bucket_time`,
  },
  {
    name: "apdex",
    title: "Which routes leave people waiting: Apdex of the last day, worst first",
    sql: `SELECT service, method, endpoint, requests, apdex,
       CASE WHEN apdex >= 0.94 THEN 'excellent' WHEN apdex >= 0.85 THEN 'good' WHEN apdex >= 0.7 THEN 'fair'
            WHEN apdex >= 0.5 THEN 'poor' ELSE 'unacceptable' END AS rating
  FROM v_endpoints
 WHERE span = '24h'
 ORDER BY apdex, requests DESC
 LIMIT 20`,
  },
  {
    name: "error-budget",
    title: "How much of the error budget is left",
    sql: `SELECT objective, target_percent, good_percent, budget_requests, bad_requests, budget_left_percent
  FROM v_slo`,
  },
  {
    name: "burn-rates",
    title: "Whether the error budget burns too fast, as an alert would ask",
    sql: `SELECT objective, severity, long_span, long_burn_rate, short_span, short_burn_rate, burn_limit, is_firing
  FROM v_slo_alerts
 ORDER BY is_firing DESC, burn_limit DESC, objective`,
  },
  {
    name: "regression",
    title: "What became slower: the last full hour against the same hour a week ago",
    sql: `WITH histogram AS (
  SELECT service, method, endpoint, bucket_s, latency_ms, SUM(requests) AS requests
    FROM v_histogram_1h
   WHERE bucket_s IN ((UNIX_TIMESTAMP() DIV 3600 - 1) * 3600, (UNIX_TIMESTAMP() DIV 3600 - 169) * 3600)
   GROUP BY service, method, endpoint, bucket_s, latency_ms
), cumulated AS (
  SELECT histogram.*,
         SUM(requests) OVER (PARTITION BY service, method, endpoint, bucket_s ORDER BY latency_ms) AS seen,
         SUM(requests) OVER (PARTITION BY service, method, endpoint, bucket_s) AS total
    FROM histogram
), percentiles AS (
  SELECT service, method, endpoint, bucket_s, MIN(CASE WHEN seen >= CEIL(0.95 * total) THEN latency_ms END) AS p95_ms
    FROM cumulated
   GROUP BY service, method, endpoint, bucket_s
)
SELECT service, method, endpoint, before_.p95_ms AS p95_before_ms, now_.p95_ms AS p95_now_ms,
       ROUND(100 * (now_.p95_ms / before_.p95_ms - 1), 1) AS slower_percent
  FROM percentiles now_
  JOIN percentiles before_ USING (service, method, endpoint)
 WHERE now_.bucket_s = before_.bucket_s + 7 * 86400
 ORDER BY slower_percent DESC
 LIMIT 20`,
  },
  {
    name: "heat-map",
    title: "When people come: mean requests per hour by weekday and hour (UTC), in the last 30 days",
    sql: `SELECT HOUR(bucket_time) AS hour,
       ROUND(AVG(IF(WEEKDAY(bucket_time) = 0, requests, NULL))) AS monday,
       ROUND(AVG(IF(WEEKDAY(bucket_time) = 1, requests, NULL))) AS tuesday,
       ROUND(AVG(IF(WEEKDAY(bucket_time) = 2, requests, NULL))) AS wednesday,
       ROUND(AVG(IF(WEEKDAY(bucket_time) = 3, requests, NULL))) AS thursday,
       ROUND(AVG(IF(WEEKDAY(bucket_time) = 4, requests, NULL))) AS friday,
       ROUND(AVG(IF(WEEKDAY(bucket_time) = 5, requests, NULL))) AS saturday,
       ROUND(AVG(IF(WEEKDAY(bucket_time) = 6, requests, NULL))) AS sunday
  FROM v_traffic_1h
 WHERE bucket_s >= UNIX_TIMESTAMP() - 30 * 86400
 GROUP BY hour
 ORDER BY hour`,
  },
  {
    name: "user-retention",
    title: "How many users come back: by the day they were first seen, one and seven days later",
    sql: `SELECT TIMESTAMP('1970-01-01') + INTERVAL first_s SECOND AS first_day, SUM(bucket_s = first_s) AS users,
       ROUND(100 * SUM(bucket_s = first_s + 86400) / SUM(bucket_s = first_s), 1) AS back_after_1_day_percent,
       ROUND(100 * SUM(bucket_s = first_s + 7 * 86400) / SUM(bucket_s = first_s), 1) AS back_after_7_days_percent
  FROM (
    SELECT user_id, bucket_s, MIN(bucket_s) OVER (PARTITION BY user_id) AS first_s
      FROM (SELECT DISTINCT user_id, bucket_s FROM api_users_1d) active_days
  ) days
 GROUP BY first_s
 ORDER BY first_s DESC
 LIMIT 30`,
  },
  {
    name: "funnel",
    title: "From sign-in to payment, day by day",
    sql: `SELECT day, login_users, view_users, order_users, payment_users, view_percent, order_percent, payment_percent,
       conversion_percent
  FROM v_funnel
 WHERE bucket_s >= UNIX_TIMESTAMP() - 30 * 86400
 ORDER BY day DESC`,
  },
  {
    name: "slow-runs",
    title: "Which run made it slow: each run beside the one before it of the same scenario",
    sql: `SELECT started_at, run_id, scenario, requests, rate AS requests_per_second, p95_ms,
       LAG(p95_ms) OVER (PARTITION BY scenario ORDER BY started_at) AS p95_before_ms,
       ROUND(100 * (p95_ms / NULLIF(LAG(p95_ms) OVER (PARTITION BY scenario ORDER BY started_at), 0) - 1), 1) AS slower_percent
  FROM runs
 WHERE state = 'finished'
 ORDER BY started_at DESC
 LIMIT 20`,
  },
  {
    name: "run-ledger",
    title: "The ledger of the latest run as SQL sees it; rushhour verify compares it with what was answered",
    sql: `SELECT r.run_id, r.requests AS sent,
       (SELECT COUNT(*) FROM api_logs
         WHERE run_id = r.run_id AND timestamp >= (SELECT MAX(started_at) - INTERVAL 1 MINUTE FROM runs)) AS stored_rows,
       (SELECT COUNT(*) FROM dead_letters WHERE run_id = r.run_id AND replayed_at IS NULL) AS dead_letters,
       (SELECT COALESCE(SUM(dropped), 0) FROM publisher_drops
         WHERE run_id = r.run_id AND topic IN ('', 'info-logs', 'error-logs', 'debug-logs')) AS dropped_by_publishers,
       (SELECT COALESCE(SUM(dropped), 0) FROM ingest_drops
         WHERE run_id = r.run_id AND topic IN ('', 'info-logs', 'error-logs', 'debug-logs')) AS dropped_by_consumers
  FROM runs r
 ORDER BY r.started_at DESC
 LIMIT 1`,
  },
  {
    name: "incident-victims",
    title: "Who was hit by the latest five incidents",
    sql: `SELECT i.started_at, i.name, i.kind, COUNT(*) AS requests, SUM(a.status_code >= 400) AS failed,
       COUNT(DISTINCT a.user_id) AS users, ROUND(MAX(a.response_time_ms)) AS max_ms
  FROM (SELECT * FROM incidents ORDER BY started_at DESC LIMIT 5) i
  STRAIGHT_JOIN api_logs a FORCE INDEX (PRIMARY)
    ON a.timestamp >= i.started_at AND a.timestamp <= COALESCE(i.ended_at, i.planned_end_at)
 WHERE FIND_IN_SET(i.incident_id, JSON_UNQUOTE(JSON_EXTRACT(a.extra, '$.incident')))
 GROUP BY i.incident_id, i.started_at, i.name, i.kind
 ORDER BY i.started_at DESC`,
  },
  {
    name: "slow-traces",
    title: "The traces of the last hour that took longest from their first request to their last answer",
    sql: `SELECT trace_id, MIN(timestamp) AS started_at, COUNT(*) AS requests, SUM(status_code >= 400) AS failed,
       ROUND(TIMESTAMPDIFF(MICROSECOND, MIN(timestamp),
         MAX(timestamp + INTERVAL response_time_ms * 1000 MICROSECOND)) / 1000, 3) AS duration_ms
  FROM api_logs
 WHERE timestamp >= UTC_TIMESTAMP() - INTERVAL 1 HOUR AND trace_id IS NOT NULL
 GROUP BY trace_id
 ORDER BY duration_ms DESC
 LIMIT 20`,
  },
  {
    name: "losses",
    title: "What never became a row, and why",
    sql: `SELECT place, topic, run_id, reason, records, last_at
  FROM v_losses
 ORDER BY last_at DESC
 LIMIT 20`,
  },
];
