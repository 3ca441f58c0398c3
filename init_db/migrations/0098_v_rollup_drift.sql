-- Rollups that do not say what the rows they were made of say: empty, always. Raw rows are compared with 10 s and 1 min, 1 min with
-- 1 h, 1 h with a day, as far back as both are kept, by counts, maxima and a sum over what each request is: names by status, level and latency
-- bucket, microseconds, bytes. It is one statement and so one snapshot: rows and rollups change in one transaction, so open buckets are
-- compared too. Every table is read once. The whole numbers of up to a minute are summed as doubles, which is exact up to some millions of
-- requests and half as much work; a pair of tables is a number until the end and each side is added up before they meet, which keeps MySQL's temporary
-- tables in memory; LIMIT keeps the weights of routes from being computed for each cell. Failed requests are compared with
-- api_errors_1h by what their group has in common.
CREATE OR REPLACE SQL SECURITY INVOKER VIEW v_rollup_drift AS
SELECT ELT(pair, '10s', '1m', '1h', '1d', 'users', 'errors') AS resolution, IF(pair = 3, 'api_rollup_1m', IF(pair = 4, 'api_rollup_1h', 'api_logs')) AS source,
       bucket_s, TIMESTAMP('1970-01-01') + INTERVAL bucket_s SECOND AS time,
       SUM(expected) AS expected, SUM(in_rollup) AS in_rollup, SUM(in_latency) AS in_latency
FROM (
  SELECT pair, bucket_s DIV seconds * seconds AS bucket_s,
         CAST(SUM(CASE pair WHEN 5 THEN user_requests WHEN 6 THEN error_requests ELSE requests END) AS SIGNED) AS expected, 0 AS in_rollup, 0 AS in_latency,
         CAST(SUM(CASE pair WHEN 5 THEN user_sum WHEN 6 THEN error_sum ELSE check_sum END) AS SIGNED) AS check_sum,
         MAX(IF(pair <= 2, max_ms, NULL)) AS max_ms, NULL AS max_found_ms
    FROM (
      SELECT IF(timestamp >= '1970-01-01' + INTERVAL GREATEST(COALESCE((SELECT kept_from_s FROM retention WHERE name = '10s'), 0), COALESCE((SELECT kept_from_s FROM retention WHERE name = 'api_logs'), 0)) SECOND, (TO_SECONDS(timestamp) - 62167219200) DIV 10 * 10, (TO_SECONDS(timestamp) - 62167219200) DIV 60 * 60) AS bucket_s, COUNT(*) AS requests,
             CAST(SUM(CRC32(CONCAT_WS('|', service, method, endpoint)) MOD 65521 * (28e0 * status_code + 7 * (level + 0) + POW(LEAST(255, FLOOR(LN(GREATEST(1, ROUND(response_time_ms * 1000))) / LN(1.1))) + 4, 2)) + ROUND(response_time_ms * 1000) + COALESCE(bytes_in, 0) + COALESCE(bytes_out, 0)) AS SIGNED) AS check_sum,
             CAST(MAX(response_time_ms) AS DECIMAL(12, 3)) AS max_ms,
             COUNT(user_id) AS user_requests, CAST(COALESCE(SUM(CRC32(user_id) MOD 1048573 * (1e0 + (status_code >= 400)) + ROUND(response_time_ms * 1000)), 0) AS SIGNED) AS user_sum,
             COUNT(IF(level IN ('ERROR', 'CRITICAL'), 1, NULL)) AS error_requests,
             CAST(COALESCE(SUM(CASE WHEN level IN ('ERROR', 'CRITICAL') THEN CRC32(CONCAT_WS(CHAR(0), service, method, endpoint, status_code, COALESCE(error_type, ''), COALESCE(REGEXP_REPLACE(error_message, '[0-9a-fA-F]{8}-[0-9a-fA-F-]{27}|[0-9a-fA-F]{16,}|[0-9]+', '#'), ''))) + 0e0 END), 0) AS SIGNED) AS error_sum
        FROM api_logs WHERE timestamp >= '1970-01-01' + INTERVAL COALESCE((SELECT kept_from_s FROM retention WHERE name = 'api_logs'), 0) SECOND GROUP BY bucket_s
    ) AS raw_rows
    JOIN (SELECT 1 AS pair, 10 AS seconds, GREATEST(COALESCE((SELECT kept_from_s FROM retention WHERE name = '10s'), 0), COALESCE((SELECT kept_from_s FROM retention WHERE name = 'api_logs'), 0)) AS from_s UNION ALL SELECT 2, 60, 0 UNION ALL SELECT 5, 86400, 0 UNION ALL SELECT 6, 3600, 0) AS compared ON bucket_s >= from_s
   GROUP BY pair, bucket_s DIV seconds * seconds
  UNION ALL
  SELECT 1, bucket_s, 0, requests, 0, -check_sum, NULL, max_ms
    FROM (
      SELECT bucket_s, CAST(SUM(count) AS SIGNED) AS requests, CAST(SUM(count * weight * (28e0 * status_code + 7 * (level + 0)) + ROUND(1000e0 * sum_ms) + bytes_in + bytes_out) AS SIGNED) AS check_sum, MAX(max_ms) AS max_ms
        FROM api_rollup_10s JOIN (SELECT route_id, CAST(CRC32(CONCAT_WS('|', service, method, endpoint)) MOD 65521 AS SIGNED) AS weight FROM api_routes LIMIT 1000000000) AS n USING (route_id) WHERE bucket_s >= GREATEST(COALESCE((SELECT kept_from_s FROM retention WHERE name = '10s'), 0), COALESCE((SELECT kept_from_s FROM retention WHERE name = 'api_logs'), 0)) GROUP BY bucket_s
    ) AS rollup_10s
  UNION ALL
  SELECT 1, bucket_s, 0, 0, requests, -check_sum, NULL, NULL
    FROM (
      SELECT bucket_s, CAST(SUM(count) AS SIGNED) AS requests, CAST(SUM(count * weight * ((bucket + 4e0) * (bucket + 4))) AS SIGNED) AS check_sum
        FROM api_latency_10s JOIN (SELECT route_id, CAST(CRC32(CONCAT_WS('|', service, method, endpoint)) MOD 65521 AS SIGNED) AS weight FROM api_routes LIMIT 1000000000) AS n USING (route_id) WHERE bucket_s >= GREATEST(COALESCE((SELECT kept_from_s FROM retention WHERE name = '10s'), 0), COALESCE((SELECT kept_from_s FROM retention WHERE name = 'api_logs'), 0)) GROUP BY bucket_s
    ) AS latency_10s
  UNION ALL
  SELECT pair, bucket_s DIV seconds * seconds, CAST(SUM(IF(sign < 0, 0, requests)) AS SIGNED), CAST(SUM(IF(sign < 0, requests, 0)) AS SIGNED), 0,
         sign * CAST(SUM(check_sum) AS SIGNED), MAX(IF(sign < 0, NULL, max_ms)), MAX(IF(sign < 0, max_ms, NULL))
    FROM (
      SELECT bucket_s, CAST(SUM(count) AS SIGNED) AS requests, CAST(SUM(count * weight * (28e0 * status_code + 7 * (level + 0)) + ROUND(1000e0 * sum_ms) + bytes_in + bytes_out) AS SIGNED) AS check_sum, MAX(max_ms) AS max_ms
        FROM api_rollup_1m JOIN (SELECT route_id, CAST(CRC32(CONCAT_WS('|', service, method, endpoint)) MOD 65521 AS SIGNED) AS weight FROM api_routes LIMIT 1000000000) AS n USING (route_id) WHERE bucket_s >= LEAST(COALESCE((SELECT kept_from_s FROM retention WHERE name = 'api_logs'), 0), GREATEST(COALESCE((SELECT kept_from_s FROM retention WHERE name = '1m'), 0), COALESCE((SELECT kept_from_s FROM retention WHERE name = '1h'), 0))) GROUP BY bucket_s
    ) AS rollup_1m
    JOIN (SELECT 2 AS pair, 1 AS seconds, -1 AS sign, COALESCE((SELECT kept_from_s FROM retention WHERE name = 'api_logs'), 0) AS from_s
          UNION ALL SELECT 3, 3600, 1, GREATEST(COALESCE((SELECT kept_from_s FROM retention WHERE name = '1m'), 0), COALESCE((SELECT kept_from_s FROM retention WHERE name = '1h'), 0))) AS compared ON bucket_s >= from_s
   GROUP BY pair, sign, bucket_s DIV seconds * seconds
  UNION ALL
  SELECT pair, bucket_s DIV seconds * seconds, 0, 0, CAST(SUM(IF(sign < 0, requests, 0)) AS SIGNED), sign * CAST(SUM(check_sum) AS SIGNED), NULL, NULL
    FROM (
      SELECT bucket_s, CAST(SUM(count) AS SIGNED) AS requests, CAST(SUM(count * weight * ((bucket + 4e0) * (bucket + 4))) AS SIGNED) AS check_sum
        FROM api_latency_1m JOIN (SELECT route_id, CAST(CRC32(CONCAT_WS('|', service, method, endpoint)) MOD 65521 AS SIGNED) AS weight FROM api_routes LIMIT 1000000000) AS n USING (route_id) WHERE bucket_s >= LEAST(COALESCE((SELECT kept_from_s FROM retention WHERE name = 'api_logs'), 0), GREATEST(COALESCE((SELECT kept_from_s FROM retention WHERE name = '1m'), 0), COALESCE((SELECT kept_from_s FROM retention WHERE name = '1h'), 0))) GROUP BY bucket_s
    ) AS latency_1m
    JOIN (SELECT 2 AS pair, 1 AS seconds, -1 AS sign, COALESCE((SELECT kept_from_s FROM retention WHERE name = 'api_logs'), 0) AS from_s
          UNION ALL SELECT 3, 3600, 1, GREATEST(COALESCE((SELECT kept_from_s FROM retention WHERE name = '1m'), 0), COALESCE((SELECT kept_from_s FROM retention WHERE name = '1h'), 0))) AS compared ON bucket_s >= from_s
   GROUP BY pair, sign, bucket_s DIV seconds * seconds
  UNION ALL
  SELECT pair, bucket_s DIV seconds * seconds, CAST(SUM(IF(sign < 0, 0, requests)) AS SIGNED), CAST(SUM(IF(sign < 0, requests, 0)) AS SIGNED), 0,
         sign * CAST(SUM(check_sum) AS SIGNED), MAX(IF(sign < 0, NULL, max_ms)), MAX(IF(sign < 0, max_ms, NULL))
    FROM (
      SELECT bucket_s, CAST(SUM(count) AS SIGNED) AS requests, CAST(SUM(count * weight * CAST(28 * status_code + 7 * (level + 0) AS SIGNED) + 1000 * sum_ms + bytes_in + bytes_out) AS SIGNED) AS check_sum, MAX(max_ms) AS max_ms
        FROM api_rollup_1h JOIN (SELECT route_id, CAST(CRC32(CONCAT_WS('|', service, method, endpoint)) MOD 65521 AS SIGNED) AS weight FROM api_routes LIMIT 1000000000) AS n USING (route_id) WHERE bucket_s >= LEAST(GREATEST(COALESCE((SELECT kept_from_s FROM retention WHERE name = '1m'), 0), COALESCE((SELECT kept_from_s FROM retention WHERE name = '1h'), 0)), GREATEST(COALESCE((SELECT kept_from_s FROM retention WHERE name = '1h'), 0), COALESCE((SELECT kept_from_s FROM retention WHERE name = '1d'), 0))) GROUP BY bucket_s
    ) AS rollup_1h
    JOIN (SELECT 3 AS pair, 1 AS seconds, -1 AS sign, GREATEST(COALESCE((SELECT kept_from_s FROM retention WHERE name = '1m'), 0), COALESCE((SELECT kept_from_s FROM retention WHERE name = '1h'), 0)) AS from_s
          UNION ALL SELECT 4, 86400, 1, GREATEST(COALESCE((SELECT kept_from_s FROM retention WHERE name = '1h'), 0), COALESCE((SELECT kept_from_s FROM retention WHERE name = '1d'), 0))) AS compared ON bucket_s >= from_s
   GROUP BY pair, sign, bucket_s DIV seconds * seconds
  UNION ALL
  SELECT pair, bucket_s DIV seconds * seconds, 0, 0, CAST(SUM(IF(sign < 0, requests, 0)) AS SIGNED), sign * CAST(SUM(check_sum) AS SIGNED), NULL, NULL
    FROM (
      SELECT bucket_s, CAST(SUM(count) AS SIGNED) AS requests, CAST(SUM(count * weight * CAST((bucket + 4) * (bucket + 4) AS SIGNED)) AS SIGNED) AS check_sum
        FROM api_latency_1h JOIN (SELECT route_id, CAST(CRC32(CONCAT_WS('|', service, method, endpoint)) MOD 65521 AS SIGNED) AS weight FROM api_routes LIMIT 1000000000) AS n USING (route_id) WHERE bucket_s >= LEAST(GREATEST(COALESCE((SELECT kept_from_s FROM retention WHERE name = '1m'), 0), COALESCE((SELECT kept_from_s FROM retention WHERE name = '1h'), 0)), GREATEST(COALESCE((SELECT kept_from_s FROM retention WHERE name = '1h'), 0), COALESCE((SELECT kept_from_s FROM retention WHERE name = '1d'), 0))) GROUP BY bucket_s
    ) AS latency_1h
    JOIN (SELECT 3 AS pair, 1 AS seconds, -1 AS sign, GREATEST(COALESCE((SELECT kept_from_s FROM retention WHERE name = '1m'), 0), COALESCE((SELECT kept_from_s FROM retention WHERE name = '1h'), 0)) AS from_s
          UNION ALL SELECT 4, 86400, 1, GREATEST(COALESCE((SELECT kept_from_s FROM retention WHERE name = '1h'), 0), COALESCE((SELECT kept_from_s FROM retention WHERE name = '1d'), 0))) AS compared ON bucket_s >= from_s
   GROUP BY pair, sign, bucket_s DIV seconds * seconds
  UNION ALL
  SELECT 4, bucket_s, 0, requests, 0, -check_sum, NULL, max_ms
    FROM (
      SELECT bucket_s, CAST(SUM(count) AS SIGNED) AS requests, CAST(SUM(count * weight * CAST(28 * status_code + 7 * (level + 0) AS SIGNED) + 1000 * sum_ms + bytes_in + bytes_out) AS SIGNED) AS check_sum, MAX(max_ms) AS max_ms
        FROM api_rollup_1d JOIN (SELECT route_id, CAST(CRC32(CONCAT_WS('|', service, method, endpoint)) MOD 65521 AS SIGNED) AS weight FROM api_routes LIMIT 1000000000) AS n USING (route_id) WHERE bucket_s >= GREATEST(COALESCE((SELECT kept_from_s FROM retention WHERE name = '1h'), 0), COALESCE((SELECT kept_from_s FROM retention WHERE name = '1d'), 0)) GROUP BY bucket_s
    ) AS rollup_1d
  UNION ALL
  SELECT 4, bucket_s, 0, 0, requests, -check_sum, NULL, NULL
    FROM (
      SELECT bucket_s, CAST(SUM(count) AS SIGNED) AS requests, CAST(SUM(count * weight * CAST((bucket + 4) * (bucket + 4) AS SIGNED)) AS SIGNED) AS check_sum
        FROM api_latency_1d JOIN (SELECT route_id, CAST(CRC32(CONCAT_WS('|', service, method, endpoint)) MOD 65521 AS SIGNED) AS weight FROM api_routes LIMIT 1000000000) AS n USING (route_id) WHERE bucket_s >= GREATEST(COALESCE((SELECT kept_from_s FROM retention WHERE name = '1h'), 0), COALESCE((SELECT kept_from_s FROM retention WHERE name = '1d'), 0)) GROUP BY bucket_s
    ) AS latency_1d
  UNION ALL
  SELECT 5, bucket_s, 0, CAST(SUM(count) AS SIGNED), CAST(SUM(count) AS SIGNED), -CAST(SUM((count + errors) * CAST(CRC32(user_id) MOD 1048573 AS SIGNED) + 1000 * sum_ms) AS SIGNED), NULL, NULL
    FROM api_users_1d WHERE bucket_s >= GREATEST(COALESCE((SELECT kept_from_s FROM retention WHERE name = 'api_logs'), 0), COALESCE((SELECT kept_from_s FROM retention WHERE name = '1d'), 0)) GROUP BY bucket_s
  UNION ALL
  SELECT 6, bucket_s, 0, CAST(SUM(count) AS SIGNED), CAST(SUM(count) AS SIGNED), -CAST(SUM(count * CAST(CRC32(CONCAT_WS(CHAR(0), service, method, endpoint, status_code, COALESCE(error_type, ''), COALESCE(message, ''))) AS SIGNED)) AS SIGNED), NULL, NULL
    FROM api_errors_1h JOIN api_error_groups USING (fingerprint) WHERE bucket_s >= GREATEST(COALESCE((SELECT kept_from_s FROM retention WHERE name = 'api_logs'), 0), COALESCE((SELECT kept_from_s FROM retention WHERE name = '1h'), 0)) GROUP BY bucket_s
) AS sides
GROUP BY pair, bucket_s
HAVING SUM(expected) <> SUM(in_rollup) OR SUM(expected) <> SUM(in_latency) OR SUM(check_sum) <> 0
    OR COALESCE(MAX(max_ms), 0) <> COALESCE(MAX(max_found_ms), 0)
