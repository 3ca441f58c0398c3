-- Rollups that do not say what the rows they were made of say: empty, always. Raw rows are compared with 10 s and 1 min, 1 min with
-- 1 h, 1 h with a day, as far back as both are kept, by counts and by checksums over names, status, level and latency bucket. It is one
-- statement and so one snapshot: rows and rollups change in one transaction, so open buckets are compared too. All rows are read once,
-- for the minutes and for the users of each day (whose errors stand in the place of bytes). Whole microseconds and bytes are summed
-- as doubles, which is exact and half as much work.
CREATE OR REPLACE SQL SECURITY INVOKER VIEW v_rollup_drift AS
SELECT resolution, source, bucket_s, TIMESTAMP('1970-01-01') + INTERVAL bucket_s SECOND AS time,
       SUM(expected) AS expected, SUM(in_rollup) AS in_rollup, SUM(in_latency) AS in_latency
FROM (
  SELECT '10s' AS resolution, 'api_logs' AS source, (TO_SECONDS(timestamp) - 62167219200) DIV 10 * 10 AS bucket_s,
         COUNT(*) AS expected, 0 AS in_rollup, 0 AS in_latency,
         SUM(CRC32(CONCAT_WS('|', service, method, endpoint, status_code, level))) AS key_sum,
         CAST(SUM(ROUND(response_time_ms * 1000)) AS DECIMAL(24)) / 1000 AS ms, CAST(MAX(response_time_ms) AS DECIMAL(12, 3)) AS max_ms, NULL AS max_found_ms,
         CAST(SUM(COALESCE(bytes_in, 0) + COALESCE(bytes_out, 0) + 0e0) AS DECIMAL(24)) AS bytes,
         SUM(CRC32(CONCAT(method, endpoint)) MOD 65521 * (LEAST(255, FLOOR(LN(GREATEST(1, ROUND(response_time_ms * 1000))) / LN(1.1))) + 1) * (LEAST(255, FLOOR(LN(GREATEST(1, ROUND(response_time_ms * 1000))) / LN(1.1))) + 7)) AS latency_sum
    FROM api_logs
   WHERE timestamp >= '1970-01-01' + INTERVAL GREATEST(COALESCE((SELECT kept_from_s FROM retention WHERE name = '10s'), 0), COALESCE((SELECT kept_from_s FROM retention WHERE name = 'api_logs'), 0)) SECOND
   GROUP BY bucket_s
  UNION ALL
  SELECT '10s', 'api_logs', bucket_s, 0, SUM(count), 0,
         -SUM(count * CAST(CRC32(CONCAT_WS('|', service, method, endpoint, status_code, level)) AS SIGNED)), -SUM(sum_ms), NULL, MAX(max_ms),
         -SUM(bytes_in + bytes_out), 0
    FROM api_rollup_10s JOIN api_routes USING (route_id) WHERE bucket_s >= GREATEST(COALESCE((SELECT kept_from_s FROM retention WHERE name = '10s'), 0), COALESCE((SELECT kept_from_s FROM retention WHERE name = 'api_logs'), 0)) GROUP BY bucket_s
  UNION ALL
  SELECT '10s', 'api_logs', bucket_s, 0, 0, SUM(count), 0, 0, NULL, NULL, 0,
         -SUM(count * CAST(CRC32(CONCAT(method, endpoint)) MOD 65521 * (bucket + 1) * (bucket + 7) AS SIGNED))
    FROM api_latency_10s JOIN api_routes USING (route_id) WHERE bucket_s >= GREATEST(COALESCE((SELECT kept_from_s FROM retention WHERE name = '10s'), 0), COALESCE((SELECT kept_from_s FROM retention WHERE name = 'api_logs'), 0)) GROUP BY bucket_s
  UNION ALL
  SELECT resolution, 'api_logs', IF(resolution = '1m', bucket_s, bucket_s DIV 86400 * 86400), IF(resolution = '1m', requests, user_requests), 0, 0,
         IF(resolution = '1m', key_sum, user_sum), IF(resolution = '1m', ms, user_ms), IF(resolution = '1m', max_ms, NULL), NULL,
         IF(resolution = '1m', bytes, user_errors), IF(resolution = '1m', latency_sum, 0)
    FROM (
      SELECT (TO_SECONDS(timestamp) - 62167219200) DIV 60 * 60 AS bucket_s, COUNT(*) AS requests,
             SUM(CRC32(CONCAT_WS('|', service, method, endpoint, status_code, level))) AS key_sum,
             CAST(SUM(ROUND(response_time_ms * 1000)) AS DECIMAL(24)) / 1000 AS ms, CAST(MAX(response_time_ms) AS DECIMAL(12, 3)) AS max_ms,
             CAST(SUM(COALESCE(bytes_in, 0) + COALESCE(bytes_out, 0) + 0e0) AS DECIMAL(24)) AS bytes,
             SUM(CRC32(CONCAT(method, endpoint)) MOD 65521 * (LEAST(255, FLOOR(LN(GREATEST(1, ROUND(response_time_ms * 1000))) / LN(1.1))) + 1) * (LEAST(255, FLOOR(LN(GREATEST(1, ROUND(response_time_ms * 1000))) / LN(1.1))) + 7)) AS latency_sum,
             COUNT(user_id) AS user_requests, SUM(user_id IS NOT NULL AND status_code >= 400) AS user_errors, COALESCE(SUM(CRC32(user_id)), 0) AS user_sum,
             CAST(SUM(CASE WHEN user_id IS NULL THEN 0 ELSE ROUND(response_time_ms * 1000) END) AS DECIMAL(24)) / 1000 AS user_ms
        FROM api_logs WHERE timestamp >= '1970-01-01' + INTERVAL COALESCE((SELECT kept_from_s FROM retention WHERE name = 'api_logs'), 0) SECOND
       GROUP BY bucket_s
    ) AS minutes CROSS JOIN (SELECT '1m' AS resolution UNION ALL SELECT 'users') AS resolutions
  UNION ALL
  SELECT '1m', 'api_logs', bucket_s, 0, SUM(count), 0,
         -SUM(count * CAST(CRC32(CONCAT_WS('|', service, method, endpoint, status_code, level)) AS SIGNED)), -SUM(sum_ms), NULL, MAX(max_ms),
         -SUM(bytes_in + bytes_out), 0
    FROM api_rollup_1m JOIN api_routes USING (route_id) WHERE bucket_s >= COALESCE((SELECT kept_from_s FROM retention WHERE name = 'api_logs'), 0) GROUP BY bucket_s
  UNION ALL
  SELECT '1m', 'api_logs', bucket_s, 0, 0, SUM(count), 0, 0, NULL, NULL, 0,
         -SUM(count * CAST(CRC32(CONCAT(method, endpoint)) MOD 65521 * (bucket + 1) * (bucket + 7) AS SIGNED))
    FROM api_latency_1m JOIN api_routes USING (route_id) WHERE bucket_s >= COALESCE((SELECT kept_from_s FROM retention WHERE name = 'api_logs'), 0) GROUP BY bucket_s
  UNION ALL
  SELECT '1h', 'api_rollup_1m', bucket_s DIV 3600 * 3600 AS slot_s, SUM(count), 0, 0,
         SUM(count * CAST(CRC32(CONCAT_WS('|', service, method, endpoint, status_code, level)) AS SIGNED)), SUM(sum_ms), MAX(max_ms), NULL,
         SUM(bytes_in + bytes_out), 0
    FROM api_rollup_1m JOIN api_routes USING (route_id) WHERE bucket_s >= GREATEST(COALESCE((SELECT kept_from_s FROM retention WHERE name = '1m'), 0), COALESCE((SELECT kept_from_s FROM retention WHERE name = '1h'), 0)) GROUP BY slot_s
  UNION ALL
  SELECT '1h', 'api_rollup_1m', bucket_s DIV 3600 * 3600 AS slot_s, 0, 0, 0, 0, 0, NULL, NULL, 0,
         SUM(count * CAST(CRC32(CONCAT(method, endpoint)) MOD 65521 * (bucket + 1) * (bucket + 7) AS SIGNED))
    FROM api_latency_1m JOIN api_routes USING (route_id) WHERE bucket_s >= GREATEST(COALESCE((SELECT kept_from_s FROM retention WHERE name = '1m'), 0), COALESCE((SELECT kept_from_s FROM retention WHERE name = '1h'), 0)) GROUP BY slot_s
  UNION ALL
  SELECT '1h', 'api_rollup_1m', bucket_s, 0, SUM(count), 0,
         -SUM(count * CAST(CRC32(CONCAT_WS('|', service, method, endpoint, status_code, level)) AS SIGNED)), -SUM(sum_ms), NULL, MAX(max_ms),
         -SUM(bytes_in + bytes_out), 0
    FROM api_rollup_1h JOIN api_routes USING (route_id) WHERE bucket_s >= GREATEST(COALESCE((SELECT kept_from_s FROM retention WHERE name = '1m'), 0), COALESCE((SELECT kept_from_s FROM retention WHERE name = '1h'), 0)) GROUP BY bucket_s
  UNION ALL
  SELECT '1h', 'api_rollup_1m', bucket_s, 0, 0, SUM(count), 0, 0, NULL, NULL, 0,
         -SUM(count * CAST(CRC32(CONCAT(method, endpoint)) MOD 65521 * (bucket + 1) * (bucket + 7) AS SIGNED))
    FROM api_latency_1h JOIN api_routes USING (route_id) WHERE bucket_s >= GREATEST(COALESCE((SELECT kept_from_s FROM retention WHERE name = '1m'), 0), COALESCE((SELECT kept_from_s FROM retention WHERE name = '1h'), 0)) GROUP BY bucket_s
  UNION ALL
  SELECT '1d', 'api_rollup_1h', bucket_s DIV 86400 * 86400 AS slot_s, SUM(count), 0, 0,
         SUM(count * CAST(CRC32(CONCAT_WS('|', service, method, endpoint, status_code, level)) AS SIGNED)), SUM(sum_ms), MAX(max_ms), NULL,
         SUM(bytes_in + bytes_out), 0
    FROM api_rollup_1h JOIN api_routes USING (route_id) WHERE bucket_s >= GREATEST(COALESCE((SELECT kept_from_s FROM retention WHERE name = '1h'), 0), COALESCE((SELECT kept_from_s FROM retention WHERE name = '1d'), 0)) GROUP BY slot_s
  UNION ALL
  SELECT '1d', 'api_rollup_1h', bucket_s DIV 86400 * 86400 AS slot_s, 0, 0, 0, 0, 0, NULL, NULL, 0,
         SUM(count * CAST(CRC32(CONCAT(method, endpoint)) MOD 65521 * (bucket + 1) * (bucket + 7) AS SIGNED))
    FROM api_latency_1h JOIN api_routes USING (route_id) WHERE bucket_s >= GREATEST(COALESCE((SELECT kept_from_s FROM retention WHERE name = '1h'), 0), COALESCE((SELECT kept_from_s FROM retention WHERE name = '1d'), 0)) GROUP BY slot_s
  UNION ALL
  SELECT '1d', 'api_rollup_1h', bucket_s, 0, SUM(count), 0,
         -SUM(count * CAST(CRC32(CONCAT_WS('|', service, method, endpoint, status_code, level)) AS SIGNED)), -SUM(sum_ms), NULL, MAX(max_ms),
         -SUM(bytes_in + bytes_out), 0
    FROM api_rollup_1d JOIN api_routes USING (route_id) WHERE bucket_s >= GREATEST(COALESCE((SELECT kept_from_s FROM retention WHERE name = '1h'), 0), COALESCE((SELECT kept_from_s FROM retention WHERE name = '1d'), 0)) GROUP BY bucket_s
  UNION ALL
  SELECT '1d', 'api_rollup_1h', bucket_s, 0, 0, SUM(count), 0, 0, NULL, NULL, 0,
         -SUM(count * CAST(CRC32(CONCAT(method, endpoint)) MOD 65521 * (bucket + 1) * (bucket + 7) AS SIGNED))
    FROM api_latency_1d JOIN api_routes USING (route_id) WHERE bucket_s >= GREATEST(COALESCE((SELECT kept_from_s FROM retention WHERE name = '1h'), 0), COALESCE((SELECT kept_from_s FROM retention WHERE name = '1d'), 0)) GROUP BY bucket_s
  UNION ALL
  SELECT 'users', 'api_logs', bucket_s, 0, SUM(count), SUM(count), -SUM(count * CAST(CRC32(user_id) AS SIGNED)), -SUM(sum_ms), NULL, NULL, -SUM(errors), 0
    FROM api_users_1d WHERE bucket_s >= GREATEST(COALESCE((SELECT kept_from_s FROM retention WHERE name = 'api_logs'), 0), COALESCE((SELECT kept_from_s FROM retention WHERE name = '1d'), 0)) GROUP BY bucket_s
) AS sides
GROUP BY resolution, source, bucket_s
HAVING SUM(expected) <> SUM(in_rollup) OR SUM(expected) <> SUM(in_latency) OR SUM(key_sum) <> 0 OR SUM(ms) <> 0
    OR COALESCE(MAX(max_ms), 0) <> COALESCE(MAX(max_found_ms), 0) OR SUM(bytes) <> 0 OR SUM(latency_sum) <> 0
