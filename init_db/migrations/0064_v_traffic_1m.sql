-- All requests of each minute that had any. WHERE bucket_s >= … reads that part of the rollup only.
CREATE OR REPLACE SQL SECURITY INVOKER VIEW v_traffic_1m AS
SELECT r.bucket_s, TIMESTAMP('1970-01-01') + INTERVAL r.bucket_s SECOND AS bucket_time, r.requests, ROUND(r.requests / 60, 3) AS requests_per_second,
       r.client_errors, r.server_errors, ROUND(1e2 * (r.client_errors + r.server_errors) / r.requests, 3) AS error_percent,
       ROUND(r.sum_ms / r.requests, 3) AS mean_ms, r.max_ms, r.bytes_in, r.bytes_out
  FROM (
    SELECT bucket_s, SUM(count) AS requests,
           SUM(IF(status_code BETWEEN 400 AND 499, count, 0)) AS client_errors,
           SUM(IF(status_code >= 500, count, 0)) AS server_errors,
           SUM(sum_ms) AS sum_ms, MAX(max_ms) AS max_ms, SUM(bytes_in) AS bytes_in, SUM(bytes_out) AS bytes_out
      FROM api_rollup_1m GROUP BY bucket_s
  ) r
