-- The 100 slowest requests of each window. They lie in the 100 minutes with the highest maxima, so only the raw rows of those
-- minutes are read; the optimizers of both databases need to be told the order.
CREATE OR REPLACE SQL SECURITY INVOKER VIEW v_slow_requests AS
SELECT '1h' COLLATE utf8mb4_unicode_ci AS span, slowest.* FROM (
  SELECT a.timestamp, a.request_id, a.service, a.method, a.endpoint, a.path, a.status_code, a.response_time_ms, a.error_type, a.user_id, a.run_id, a.trace_id
    FROM (
      SELECT TIMESTAMP('1970-01-01') + INTERVAL bucket_s SECOND AS from_time, TIMESTAMP('1970-01-01') + INTERVAL (bucket_s + 60) SECOND AS to_time
        FROM v_traffic_1m WHERE bucket_s >= UNIX_TIMESTAMP() - 3600 ORDER BY max_ms DESC LIMIT 100
    ) minutes
    STRAIGHT_JOIN api_logs a FORCE INDEX (PRIMARY) ON a.timestamp >= minutes.from_time AND a.timestamp < minutes.to_time
   ORDER BY a.response_time_ms DESC LIMIT 100
) slowest
UNION ALL
SELECT '24h' COLLATE utf8mb4_unicode_ci AS span, slowest.* FROM (
  SELECT a.timestamp, a.request_id, a.service, a.method, a.endpoint, a.path, a.status_code, a.response_time_ms, a.error_type, a.user_id, a.run_id, a.trace_id
    FROM (
      SELECT TIMESTAMP('1970-01-01') + INTERVAL bucket_s SECOND AS from_time, TIMESTAMP('1970-01-01') + INTERVAL (bucket_s + 60) SECOND AS to_time
        FROM v_traffic_1m WHERE bucket_s >= UNIX_TIMESTAMP() - 86400 ORDER BY max_ms DESC LIMIT 100
    ) minutes
    STRAIGHT_JOIN api_logs a FORCE INDEX (PRIMARY) ON a.timestamp >= minutes.from_time AND a.timestamp < minutes.to_time
   ORDER BY a.response_time_ms DESC LIMIT 100
) slowest
UNION ALL
SELECT '7d' COLLATE utf8mb4_unicode_ci AS span, slowest.* FROM (
  SELECT a.timestamp, a.request_id, a.service, a.method, a.endpoint, a.path, a.status_code, a.response_time_ms, a.error_type, a.user_id, a.run_id, a.trace_id
    FROM (
      SELECT TIMESTAMP('1970-01-01') + INTERVAL bucket_s SECOND AS from_time, TIMESTAMP('1970-01-01') + INTERVAL (bucket_s + 60) SECOND AS to_time
        FROM v_traffic_1m WHERE bucket_s >= UNIX_TIMESTAMP() - 7 * 86400 ORDER BY max_ms DESC LIMIT 100
    ) minutes
    STRAIGHT_JOIN api_logs a FORCE INDEX (PRIMARY) ON a.timestamp >= minutes.from_time AND a.timestamp < minutes.to_time
   ORDER BY a.response_time_ms DESC LIMIT 100
) slowest
UNION ALL
SELECT '30d' COLLATE utf8mb4_unicode_ci AS span, slowest.* FROM (
  SELECT a.timestamp, a.request_id, a.service, a.method, a.endpoint, a.path, a.status_code, a.response_time_ms, a.error_type, a.user_id, a.run_id, a.trace_id
    FROM (
      SELECT TIMESTAMP('1970-01-01') + INTERVAL bucket_s SECOND AS from_time, TIMESTAMP('1970-01-01') + INTERVAL (bucket_s + 60) SECOND AS to_time
        FROM v_traffic_1m WHERE bucket_s >= UNIX_TIMESTAMP() - 30 * 86400 ORDER BY max_ms DESC LIMIT 100
    ) minutes
    STRAIGHT_JOIN api_logs a FORCE INDEX (PRIMARY) ON a.timestamp >= minutes.from_time AND a.timestamp < minutes.to_time
   ORDER BY a.response_time_ms DESC LIMIT 100
) slowest
