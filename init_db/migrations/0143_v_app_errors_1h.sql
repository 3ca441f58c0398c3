-- app_errors_1h with the names of its groups. A cell may be in several rows, one for each shard: SUM over them.
CREATE OR REPLACE SQL SECURITY INVOKER VIEW v_app_errors_1h AS
SELECT e.bucket_s, TIMESTAMP('1970-01-01') + INTERVAL e.bucket_s SECOND AS bucket_time, e.fingerprint, e.service, e.level,
       g.error_type, g.message, e.count AS errors, e.first_at, e.last_at, e.last_log_id
  FROM app_errors_1h e JOIN app_error_groups g ON g.fingerprint = e.fingerprint
