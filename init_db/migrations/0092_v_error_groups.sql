-- Failed requests of each window by group: the hour and the day from raw rows, by the key level_time; 7 and 30 days from
-- api_errors_1h, which knows no users. With WHERE span = '30d' both databases read that part only. A group is its fingerprint
-- (contract/error-group.ts), byte by byte; collations would take more messages as one.
CREATE OR REPLACE SQL SECURITY INVOKER VIEW v_error_groups AS
SELECT span, CONVERT(LEFT(SHA2(CONCAT_WS(CHAR(0), service, method, endpoint, status_code, COALESCE(error_type, ''), COALESCE(message, '')), 256), 16) USING ascii) COLLATE ascii_bin
         AS fingerprint,
       MIN(service) AS service, MIN(method) AS method, MIN(endpoint) AS endpoint, MIN(status_code) AS status_code,
       MIN(error_type) AS error_type, MIN(message) AS message, COUNT(*) AS requests, COUNT(DISTINCT user_id) AS users,
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
 GROUP BY span, fingerprint
UNION ALL
SELECT span, fingerprint, service, method, endpoint, status_code, error_type, message, requests, NULL AS users,
       first_seen, last_seen, example_request_id
  FROM (
    SELECT '7d' COLLATE utf8mb4_unicode_ci AS span, fingerprint, CAST(SUM(count) AS SIGNED) AS requests, MIN(first_at) AS first_seen,
           MAX(last_at) AS last_seen, MAX(last_request_id) AS example_request_id
      FROM api_errors_1h WHERE bucket_s >= (UNIX_TIMESTAMP() DIV 3600 - 168) * 3600 GROUP BY fingerprint
    UNION ALL
    SELECT '30d' COLLATE utf8mb4_unicode_ci AS span, fingerprint, CAST(SUM(count) AS SIGNED) AS requests, MIN(first_at) AS first_seen,
           MAX(last_at) AS last_seen, MAX(last_request_id) AS example_request_id
      FROM api_errors_1h WHERE bucket_s >= (UNIX_TIMESTAMP() DIV 3600 - 720) * 3600 GROUP BY fingerprint
  ) hours
  JOIN api_error_groups USING (fingerprint)
