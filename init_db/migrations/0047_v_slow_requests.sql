-- The 100 slowest requests of the last 24 hours. They lie in the 100 minutes with the highest maxima, so only the raw rows
-- of those minutes are read; the optimizers of both databases need to be told the order.
CREATE OR REPLACE SQL SECURITY INVOKER VIEW v_slow_requests AS
SELECT a.timestamp, a.request_id, a.service, a.method, a.endpoint, a.path, a.status_code, a.response_time_ms, a.error_type, a.user_id,
       a.run_id, a.trace_id
  FROM (
    SELECT TIMESTAMP('1970-01-01') + INTERVAL bucket_s SECOND AS from_time, TIMESTAMP('1970-01-01') + INTERVAL (bucket_s + 60) SECOND AS to_time
      FROM api_rollup_1m WHERE bucket_s >= UNIX_TIMESTAMP() - 86400
     GROUP BY bucket_s ORDER BY MAX(max_ms) DESC LIMIT 100
  ) minutes
  STRAIGHT_JOIN api_logs a FORCE INDEX (PRIMARY) ON a.timestamp >= minutes.from_time AND a.timestamp < minutes.to_time
 ORDER BY a.response_time_ms DESC LIMIT 100
