-- Failed requests of the last hour and day by fingerprint: the hash of route, status, type and message, with # for the numbers
-- and ids in it. Read from raw rows by the key level_time.
CREATE OR REPLACE SQL SECURITY INVOKER VIEW v_error_groups AS
SELECT span, LEFT(SHA2(CONCAT_WS(CHAR(0), service, method, endpoint, status_code, COALESCE(error_type, ''), COALESCE(message, '')), 256), 16)
         AS fingerprint,
       service, method, endpoint, status_code, error_type, message, COUNT(*) AS requests, COUNT(DISTINCT user_id) AS users,
       MIN(timestamp) AS first_seen, MAX(timestamp) AS last_seen, MAX(request_id) AS example_request_id
  FROM (
    SELECT '1h' COLLATE utf8mb4_unicode_ci AS span, service, method, endpoint, status_code, error_type, user_id, timestamp, request_id,
           REGEXP_REPLACE(error_message, '[0-9a-fA-F]{8}-[0-9a-fA-F-]{27}|[0-9a-fA-F]{16,}|[0-9]+', '#') AS message
      FROM api_logs WHERE level IN ('ERROR', 'CRITICAL') AND timestamp >= UTC_TIMESTAMP() - INTERVAL 1 HOUR
    UNION ALL
    SELECT '24h' COLLATE utf8mb4_unicode_ci AS span, service, method, endpoint, status_code, error_type, user_id, timestamp, request_id,
           REGEXP_REPLACE(error_message, '[0-9a-fA-F]{8}-[0-9a-fA-F-]{27}|[0-9a-fA-F]{16,}|[0-9]+', '#') AS message
      FROM api_logs WHERE level IN ('ERROR', 'CRITICAL') AND timestamp >= UTC_TIMESTAMP() - INTERVAL 24 HOUR
  ) failed
 GROUP BY span, service, method, endpoint, status_code, error_type, message
