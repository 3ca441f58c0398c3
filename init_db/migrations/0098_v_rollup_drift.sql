-- Rollups that do not say what the rows they were made of say: empty, always. Raw rows are compared with 10 s and 1 min, 1 min with
-- 1 h, 1 h with a day, as far back as both are kept, by counts, maxima and a sum over what each request is: names by status, level and latency
-- bucket, microseconds, bytes. It is one statement and so one snapshot: rows and rollups change in one transaction, so open buckets are
-- compared too. Every table is read once. The whole numbers of raw rows are summed as doubles, which is exact and
-- half as much work; LIMIT keeps the weights of routes from being computed for each cell. Failed requests are compared with
-- api_errors_1h by what their group has in common.
CREATE OR REPLACE SQL SECURITY INVOKER VIEW v_rollup_drift AS
SELECT resolution, source, bucket_s, TIMESTAMP('1970-01-01') + INTERVAL bucket_s SECOND AS time,
       SUM(expected) AS expected, SUM(in_rollup) AS in_rollup, SUM(in_latency) AS in_latency
FROM (
  SELECT resolution, 'api_logs' AS source, bucket_s DIV seconds * seconds AS bucket_s,
         CASE resolution WHEN 'users' THEN user_requests WHEN 'errors' THEN error_requests ELSE requests END AS expected, 0 AS in_rollup, 0 AS in_latency,
         CASE resolution WHEN 'users' THEN user_sum WHEN 'errors' THEN error_sum ELSE check_sum END AS check_sum,
         IF(seconds <= 60, max_ms, NULL) AS max_ms, NULL AS max_found_ms
    FROM (
      SELECT IF(timestamp >= '1970-01-01' + INTERVAL GREATEST(COALESCE((SELECT kept_from_s FROM retention WHERE name = '10s'), 0), COALESCE((SELECT kept_from_s FROM retention WHERE name = 'api_logs'), 0)) SECOND, (TO_SECONDS(timestamp) - 62167219200) DIV 10 * 10, (TO_SECONDS(timestamp) - 62167219200) DIV 60 * 60) AS bucket_s, COUNT(*) AS requests,
             CAST(SUM(CRC32(CONCAT_WS('|', service, method, endpoint)) MOD 65521 * (28e0 * status_code + 7 * (level + 0) + POW(LEAST(255, FLOOR(LN(GREATEST(1, ROUND(response_time_ms * 1000))) / LN(1.1))) + 4, 2)) + ROUND(response_time_ms * 1000) + COALESCE(bytes_in, 0) + COALESCE(bytes_out, 0)) AS DECIMAL(24)) AS check_sum,
             CAST(MAX(response_time_ms) AS DECIMAL(12, 3)) AS max_ms,
             COUNT(user_id) AS user_requests, COALESCE(CAST(SUM(CRC32(user_id) MOD 1048573 * (1e0 + (status_code >= 400)) + ROUND(response_time_ms * 1000)) AS DECIMAL(24)), 0) AS user_sum,
             SUM(level IN ('ERROR', 'CRITICAL')) AS error_requests,
             COALESCE(CAST(SUM(CASE WHEN level IN ('ERROR', 'CRITICAL') THEN CRC32(CONCAT_WS(CHAR(0), service, method, endpoint, status_code, COALESCE(error_type, ''), COALESCE(REGEXP_REPLACE(error_message, '[0-9a-fA-F]{8}-[0-9a-fA-F-]{27}|[0-9a-fA-F]{16,}|[0-9]+', '#'), ''))) + 0e0 END) AS DECIMAL(24)), 0) AS error_sum
        FROM api_logs WHERE timestamp >= '1970-01-01' + INTERVAL COALESCE((SELECT kept_from_s FROM retention WHERE name = 'api_logs'), 0) SECOND GROUP BY bucket_s
    ) AS raw_rows
    JOIN (SELECT '10s' AS resolution, 10 AS seconds, GREATEST(COALESCE((SELECT kept_from_s FROM retention WHERE name = '10s'), 0), COALESCE((SELECT kept_from_s FROM retention WHERE name = 'api_logs'), 0)) AS from_s UNION ALL SELECT '1m', 60, 0 UNION ALL SELECT 'users', 86400, 0
          UNION ALL SELECT 'errors', 3600, 0) AS compared ON bucket_s >= from_s
  UNION ALL
  SELECT '10s', 'api_logs', bucket_s, 0, requests, 0, -check_sum, NULL, max_ms
    FROM (
      SELECT bucket_s, SUM(count) AS requests, SUM(count * weight * CAST(28 * status_code + 7 * (level + 0) AS SIGNED) + 1000 * sum_ms + bytes_in + bytes_out) AS check_sum, MAX(max_ms) AS max_ms
        FROM api_rollup_10s JOIN (SELECT route_id, CAST(CRC32(CONCAT_WS('|', service, method, endpoint)) MOD 65521 AS SIGNED) AS weight FROM api_routes LIMIT 1000000000) AS n USING (route_id) WHERE bucket_s >= GREATEST(COALESCE((SELECT kept_from_s FROM retention WHERE name = '10s'), 0), COALESCE((SELECT kept_from_s FROM retention WHERE name = 'api_logs'), 0)) GROUP BY bucket_s
    ) AS rollup_10s
  UNION ALL
  SELECT '10s', 'api_logs', bucket_s, 0, 0, requests, -check_sum, NULL, NULL
    FROM (
      SELECT bucket_s, SUM(count) AS requests, SUM(count * weight * CAST((bucket + 4) * (bucket + 4) AS SIGNED)) AS check_sum
        FROM api_latency_10s JOIN (SELECT route_id, CAST(CRC32(CONCAT_WS('|', service, method, endpoint)) MOD 65521 AS SIGNED) AS weight FROM api_routes LIMIT 1000000000) AS n USING (route_id) WHERE bucket_s >= GREATEST(COALESCE((SELECT kept_from_s FROM retention WHERE name = '10s'), 0), COALESCE((SELECT kept_from_s FROM retention WHERE name = 'api_logs'), 0)) GROUP BY bucket_s
    ) AS latency_10s
  UNION ALL
  SELECT resolution, source, bucket_s DIV seconds * seconds, IF(sign < 0, 0, requests), IF(sign < 0, requests, 0), 0,
         sign * check_sum, IF(sign < 0, NULL, max_ms), IF(sign < 0, max_ms, NULL)
    FROM (
      SELECT bucket_s, SUM(count) AS requests, SUM(count * weight * CAST(28 * status_code + 7 * (level + 0) AS SIGNED) + 1000 * sum_ms + bytes_in + bytes_out) AS check_sum, MAX(max_ms) AS max_ms
        FROM api_rollup_1m JOIN (SELECT route_id, CAST(CRC32(CONCAT_WS('|', service, method, endpoint)) MOD 65521 AS SIGNED) AS weight FROM api_routes LIMIT 1000000000) AS n USING (route_id) WHERE bucket_s >= LEAST(COALESCE((SELECT kept_from_s FROM retention WHERE name = 'api_logs'), 0), GREATEST(COALESCE((SELECT kept_from_s FROM retention WHERE name = '1m'), 0), COALESCE((SELECT kept_from_s FROM retention WHERE name = '1h'), 0))) GROUP BY bucket_s
    ) AS rollup_1m
    JOIN (SELECT '1m' AS resolution, 'api_logs' AS source, 60 AS seconds, -1 AS sign, COALESCE((SELECT kept_from_s FROM retention WHERE name = 'api_logs'), 0) AS from_s
          UNION ALL SELECT '1h', 'api_rollup_1m', 3600, 1, GREATEST(COALESCE((SELECT kept_from_s FROM retention WHERE name = '1m'), 0), COALESCE((SELECT kept_from_s FROM retention WHERE name = '1h'), 0))) AS compared ON bucket_s >= from_s
  UNION ALL
  SELECT resolution, source, bucket_s DIV seconds * seconds, 0, 0, IF(sign < 0, requests, 0), sign * check_sum, NULL, NULL
    FROM (
      SELECT bucket_s, SUM(count) AS requests, SUM(count * weight * CAST((bucket + 4) * (bucket + 4) AS SIGNED)) AS check_sum
        FROM api_latency_1m JOIN (SELECT route_id, CAST(CRC32(CONCAT_WS('|', service, method, endpoint)) MOD 65521 AS SIGNED) AS weight FROM api_routes LIMIT 1000000000) AS n USING (route_id) WHERE bucket_s >= LEAST(COALESCE((SELECT kept_from_s FROM retention WHERE name = 'api_logs'), 0), GREATEST(COALESCE((SELECT kept_from_s FROM retention WHERE name = '1m'), 0), COALESCE((SELECT kept_from_s FROM retention WHERE name = '1h'), 0))) GROUP BY bucket_s
    ) AS latency_1m
    JOIN (SELECT '1m' AS resolution, 'api_logs' AS source, 60 AS seconds, -1 AS sign, COALESCE((SELECT kept_from_s FROM retention WHERE name = 'api_logs'), 0) AS from_s
          UNION ALL SELECT '1h', 'api_rollup_1m', 3600, 1, GREATEST(COALESCE((SELECT kept_from_s FROM retention WHERE name = '1m'), 0), COALESCE((SELECT kept_from_s FROM retention WHERE name = '1h'), 0))) AS compared ON bucket_s >= from_s
  UNION ALL
  SELECT resolution, source, bucket_s DIV seconds * seconds, IF(sign < 0, 0, requests), IF(sign < 0, requests, 0), 0,
         sign * check_sum, IF(sign < 0, NULL, max_ms), IF(sign < 0, max_ms, NULL)
    FROM (
      SELECT bucket_s, SUM(count) AS requests, SUM(count * weight * CAST(28 * status_code + 7 * (level + 0) AS SIGNED) + 1000 * sum_ms + bytes_in + bytes_out) AS check_sum, MAX(max_ms) AS max_ms
        FROM api_rollup_1h JOIN (SELECT route_id, CAST(CRC32(CONCAT_WS('|', service, method, endpoint)) MOD 65521 AS SIGNED) AS weight FROM api_routes LIMIT 1000000000) AS n USING (route_id) WHERE bucket_s >= LEAST(GREATEST(COALESCE((SELECT kept_from_s FROM retention WHERE name = '1m'), 0), COALESCE((SELECT kept_from_s FROM retention WHERE name = '1h'), 0)), GREATEST(COALESCE((SELECT kept_from_s FROM retention WHERE name = '1h'), 0), COALESCE((SELECT kept_from_s FROM retention WHERE name = '1d'), 0))) GROUP BY bucket_s
    ) AS rollup_1h
    JOIN (SELECT '1h' AS resolution, 'api_rollup_1m' AS source, 3600 AS seconds, -1 AS sign, GREATEST(COALESCE((SELECT kept_from_s FROM retention WHERE name = '1m'), 0), COALESCE((SELECT kept_from_s FROM retention WHERE name = '1h'), 0)) AS from_s
          UNION ALL SELECT '1d', 'api_rollup_1h', 86400, 1, GREATEST(COALESCE((SELECT kept_from_s FROM retention WHERE name = '1h'), 0), COALESCE((SELECT kept_from_s FROM retention WHERE name = '1d'), 0))) AS compared ON bucket_s >= from_s
  UNION ALL
  SELECT resolution, source, bucket_s DIV seconds * seconds, 0, 0, IF(sign < 0, requests, 0), sign * check_sum, NULL, NULL
    FROM (
      SELECT bucket_s, SUM(count) AS requests, SUM(count * weight * CAST((bucket + 4) * (bucket + 4) AS SIGNED)) AS check_sum
        FROM api_latency_1h JOIN (SELECT route_id, CAST(CRC32(CONCAT_WS('|', service, method, endpoint)) MOD 65521 AS SIGNED) AS weight FROM api_routes LIMIT 1000000000) AS n USING (route_id) WHERE bucket_s >= LEAST(GREATEST(COALESCE((SELECT kept_from_s FROM retention WHERE name = '1m'), 0), COALESCE((SELECT kept_from_s FROM retention WHERE name = '1h'), 0)), GREATEST(COALESCE((SELECT kept_from_s FROM retention WHERE name = '1h'), 0), COALESCE((SELECT kept_from_s FROM retention WHERE name = '1d'), 0))) GROUP BY bucket_s
    ) AS latency_1h
    JOIN (SELECT '1h' AS resolution, 'api_rollup_1m' AS source, 3600 AS seconds, -1 AS sign, GREATEST(COALESCE((SELECT kept_from_s FROM retention WHERE name = '1m'), 0), COALESCE((SELECT kept_from_s FROM retention WHERE name = '1h'), 0)) AS from_s
          UNION ALL SELECT '1d', 'api_rollup_1h', 86400, 1, GREATEST(COALESCE((SELECT kept_from_s FROM retention WHERE name = '1h'), 0), COALESCE((SELECT kept_from_s FROM retention WHERE name = '1d'), 0))) AS compared ON bucket_s >= from_s
  UNION ALL
  SELECT '1d', 'api_rollup_1h', bucket_s, 0, requests, 0, -check_sum, NULL, max_ms
    FROM (
      SELECT bucket_s, SUM(count) AS requests, SUM(count * weight * CAST(28 * status_code + 7 * (level + 0) AS SIGNED) + 1000 * sum_ms + bytes_in + bytes_out) AS check_sum, MAX(max_ms) AS max_ms
        FROM api_rollup_1d JOIN (SELECT route_id, CAST(CRC32(CONCAT_WS('|', service, method, endpoint)) MOD 65521 AS SIGNED) AS weight FROM api_routes LIMIT 1000000000) AS n USING (route_id) WHERE bucket_s >= GREATEST(COALESCE((SELECT kept_from_s FROM retention WHERE name = '1h'), 0), COALESCE((SELECT kept_from_s FROM retention WHERE name = '1d'), 0)) GROUP BY bucket_s
    ) AS rollup_1d
  UNION ALL
  SELECT '1d', 'api_rollup_1h', bucket_s, 0, 0, requests, -check_sum, NULL, NULL
    FROM (
      SELECT bucket_s, SUM(count) AS requests, SUM(count * weight * CAST((bucket + 4) * (bucket + 4) AS SIGNED)) AS check_sum
        FROM api_latency_1d JOIN (SELECT route_id, CAST(CRC32(CONCAT_WS('|', service, method, endpoint)) MOD 65521 AS SIGNED) AS weight FROM api_routes LIMIT 1000000000) AS n USING (route_id) WHERE bucket_s >= GREATEST(COALESCE((SELECT kept_from_s FROM retention WHERE name = '1h'), 0), COALESCE((SELECT kept_from_s FROM retention WHERE name = '1d'), 0)) GROUP BY bucket_s
    ) AS latency_1d
  UNION ALL
  SELECT 'users', 'api_logs', bucket_s, 0, SUM(count), SUM(count), -SUM((count + errors) * CAST(CRC32(user_id) MOD 1048573 AS SIGNED) + 1000 * sum_ms), NULL, NULL
    FROM api_users_1d WHERE bucket_s >= GREATEST(COALESCE((SELECT kept_from_s FROM retention WHERE name = 'api_logs'), 0), COALESCE((SELECT kept_from_s FROM retention WHERE name = '1d'), 0)) GROUP BY bucket_s
  UNION ALL
  SELECT 'errors', 'api_logs', bucket_s, 0, SUM(count), SUM(count), -SUM(count * CAST(CRC32(CONCAT_WS(CHAR(0), service, method, endpoint, status_code, COALESCE(error_type, ''), COALESCE(message, ''))) AS SIGNED)), NULL, NULL
    FROM api_errors_1h JOIN api_error_groups USING (fingerprint) WHERE bucket_s >= GREATEST(COALESCE((SELECT kept_from_s FROM retention WHERE name = 'api_logs'), 0), COALESCE((SELECT kept_from_s FROM retention WHERE name = '1h'), 0)) GROUP BY bucket_s
) AS sides
GROUP BY resolution, source, bucket_s
HAVING SUM(expected) <> SUM(in_rollup) OR SUM(expected) <> SUM(in_latency) OR SUM(check_sum) <> 0
    OR COALESCE(MAX(max_ms), 0) <> COALESCE(MAX(max_found_ms), 0)
