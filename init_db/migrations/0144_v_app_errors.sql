-- Every group of application errors as far back as hours are kept: when it was seen first and last, how often, and where.
CREATE OR REPLACE SQL SECURITY INVOKER VIEW v_app_errors AS
SELECT g.fingerprint, g.error_type, g.message, g.module, g.`function`, g.frames, e.errors, e.critical, e.services,
       e.affected_services, e.first_seen, e.last_seen, e.example_log_id
  FROM (
    SELECT fingerprint, CAST(SUM(count) AS SIGNED) AS errors, CAST(SUM(IF(level = 'CRITICAL', count, 0)) AS SIGNED) AS critical,
           COUNT(DISTINCT service) AS services, GROUP_CONCAT(DISTINCT service ORDER BY service SEPARATOR ', ') AS affected_services,
           MIN(first_at) AS first_seen, MAX(last_at) AS last_seen, MAX(last_log_id) AS example_log_id
      FROM app_errors_1h GROUP BY fingerprint HAVING errors > 0
  ) AS e
  JOIN app_error_groups g ON g.fingerprint = e.fingerprint
