-- All requests of each window that had any. A percentile is the nearest rank in the histogram: the first latency bucket up to
-- which that share of the requests was seen, answered by its geometric middle. Apdex has T = 300 ms.
-- Counts and histogram are one union and no join, because MySQL pushes span = '24h' into one derived table, not into two.
-- Apdex: 131 and 146 are the last latency buckets whose middle is up to 300 and 1,200 ms.
CREATE OR REPLACE SQL SECURITY INVOKER VIEW v_overview AS
SELECT r.span, s.from_time, s.window_s, r.requests, ROUND(r.requests / s.window_s, 3) AS requests_per_second, r.client_errors, r.server_errors,
       ROUND(1e2 * (r.client_errors + r.server_errors) / r.requests, 3) AS error_percent,
       r.mean_ms, r.p50_ms, r.p90_ms, r.p95_ms, r.p99_ms, r.max_ms, r.apdex, r.bytes_in, r.bytes_out
  FROM (
    SELECT span, SUM(requests) AS requests, SUM(client_errors) AS client_errors, SUM(server_errors) AS server_errors,
           ROUND(SUM(sum_ms) / SUM(requests), 3) AS mean_ms,
           ROUND(POW(1.1, MIN(CASE WHEN seen >= CEIL(0.5 * total) THEN bucket END) + 0.5) / 1000, 3) AS p50_ms,
           ROUND(POW(1.1, MIN(CASE WHEN seen >= CEIL(0.9 * total) THEN bucket END) + 0.5) / 1000, 3) AS p90_ms,
           ROUND(POW(1.1, MIN(CASE WHEN seen >= CEIL(0.95 * total) THEN bucket END) + 0.5) / 1000, 3) AS p95_ms,
           ROUND(POW(1.1, MIN(CASE WHEN seen >= CEIL(0.99 * total) THEN bucket END) + 0.5) / 1000, 3) AS p99_ms,
           MAX(max_ms) AS max_ms,
           ROUND(SUM(measured * CASE WHEN bucket <= 131 THEN 1 WHEN bucket <= 146 THEN 0.5 ELSE 0 END)
             / SUM(measured), 3) AS apdex,
           SUM(bytes_in) AS bytes_in, SUM(bytes_out) AS bytes_out
      FROM (
        SELECT cells.*, SUM(measured) OVER (PARTITION BY span ORDER BY bucket) AS seen,
               SUM(measured) OVER (PARTITION BY span) AS total
          FROM (
            SELECT span, NULL AS bucket, 0 AS measured, SUM(count) AS requests,
                   SUM(IF(status_code BETWEEN 400 AND 499, count, 0)) AS client_errors,
                   SUM(IF(status_code >= 500, count, 0)) AS server_errors,
                   SUM(sum_ms) AS sum_ms, MAX(max_ms) AS max_ms, SUM(bytes_in) AS bytes_in, SUM(bytes_out) AS bytes_out
              FROM v_span_requests GROUP BY span
            UNION ALL
            SELECT span, bucket, SUM(count), 0, 0, 0, 0, 0, 0, 0 FROM v_span_latency GROUP BY span, bucket
          ) cells
      ) cumulated
     GROUP BY span
  ) r
  JOIN v_spans s ON s.span = r.span
