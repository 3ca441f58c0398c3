-- Cells of app_errors_1h that do not say what the rows say, and groups without a name: empty, always. One statement and so one snapshot, as
-- v_rollup_drift is; open hours are compared too.
CREATE OR REPLACE SQL SECURITY INVOKER VIEW v_app_errors_drift AS
SELECT bucket_s, TIMESTAMP('1970-01-01') + INTERVAL bucket_s SECOND AS bucket_time, fingerprint, service, level,
       CAST(SUM(expected) AS SIGNED) AS expected, CAST(SUM(in_rollup) AS SIGNED) AS in_rollup
  FROM (
    SELECT (TO_SECONDS(timestamp) - 62167219200) DIV 3600 * 3600 AS bucket_s, fingerprint, service COLLATE utf8mb4_bin AS service, CONCAT(level) AS level,
           COUNT(*) AS expected, 0 AS in_rollup, MIN(timestamp) AS first_at, MAX(timestamp) AS last_at, NULL AS first_found, NULL AS last_found, NULL AS name
      FROM app_logs
     WHERE level IN ('ERROR', 'CRITICAL')
       AND timestamp >= TIMESTAMP('1970-01-01') + INTERVAL GREATEST(COALESCE((SELECT kept_from_s FROM retention WHERE name = '1h'), 0), COALESCE((SELECT kept_from_s FROM retention WHERE name = 'api_logs'), 0)) SECOND
     GROUP BY 1, 2, 3, 4
    UNION ALL
    SELECT bucket_s, e.fingerprint, service, CONCAT(level), 0, SUM(count), NULL, NULL, MIN(first_at), MAX(last_at), MAX(g.fingerprint)
      FROM app_errors_1h e LEFT JOIN app_error_groups g ON g.fingerprint = e.fingerprint
     WHERE bucket_s >= GREATEST(COALESCE((SELECT kept_from_s FROM retention WHERE name = '1h'), 0), COALESCE((SELECT kept_from_s FROM retention WHERE name = 'api_logs'), 0))
     GROUP BY bucket_s, e.fingerprint, service, level HAVING SUM(count) <> 0
  ) AS sides
 GROUP BY bucket_s, fingerprint, service, level
HAVING SUM(expected) <> SUM(in_rollup) OR MAX(name) IS NULL OR NOT (MIN(first_at) <=> MIN(first_found) AND MAX(last_at) <=> MAX(last_found))
