-- All requests of each day (UTC) that had any: closed ones as upkeep wrote them, the others added up. WHERE bucket_s >= … reads that
-- part of both only.
CREATE OR REPLACE SQL SECURITY INVOKER VIEW v_traffic_1d AS
SELECT bucket_s, TIMESTAMP('1970-01-01') + INTERVAL bucket_s SECOND AS bucket_time, requests, ROUND(requests / 86400, 3) AS requests_per_second,
       client_errors, server_errors, ROUND(1e2 * (client_errors + server_errors) / requests, 3) AS error_percent,
       ROUND(sum_ms / requests, 3) AS mean_ms, max_ms, bytes_in, bytes_out
  FROM (
    SELECT bucket_s, requests, client_errors, server_errors, sum_ms, max_ms, bytes_in, bytes_out FROM api_traffic_1d
    UNION ALL
    SELECT bucket_s, SUM(count), SUM(IF(status_code BETWEEN 400 AND 499, count, 0)), SUM(IF(status_code >= 500, count, 0)),
           SUM(sum_ms), MAX(max_ms), SUM(bytes_in), SUM(bytes_out)
      FROM api_rollup_1d WHERE bucket_s > COALESCE((SELECT MAX(bucket_s) FROM api_traffic_1d), 0) GROUP BY bucket_s
  ) points
