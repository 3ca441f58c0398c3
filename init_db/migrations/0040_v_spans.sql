-- The windows of v_overview, v_endpoints, v_errors and v_slo_burn. All end now, and begin with a whole bucket of their rollup, so
-- each is longer than its name says by less than one bucket. With COLLATE, connections of any collation may compare with the names.
CREATE OR REPLACE SQL SECURITY INVOKER VIEW v_spans AS
SELECT span, resolution, from_s, TIMESTAMP('1970-01-01') + INTERVAL from_s SECOND AS from_time, UNIX_TIMESTAMP() - from_s AS window_s
  FROM (
    SELECT '5m' COLLATE utf8mb4_unicode_ci AS span, '10s' COLLATE utf8mb4_unicode_ci AS resolution, (UNIX_TIMESTAMP() DIV 10 - 30) * 10 AS from_s
    UNION ALL SELECT '30m' COLLATE utf8mb4_unicode_ci AS span, '10s' COLLATE utf8mb4_unicode_ci AS resolution, (UNIX_TIMESTAMP() DIV 10 - 180) * 10 AS from_s
    UNION ALL SELECT '1h' COLLATE utf8mb4_unicode_ci AS span, '1m' COLLATE utf8mb4_unicode_ci AS resolution, (UNIX_TIMESTAMP() DIV 60 - 60) * 60 AS from_s
    UNION ALL SELECT '6h' COLLATE utf8mb4_unicode_ci AS span, '1m' COLLATE utf8mb4_unicode_ci AS resolution, (UNIX_TIMESTAMP() DIV 60 - 360) * 60 AS from_s
    UNION ALL SELECT '24h' COLLATE utf8mb4_unicode_ci AS span, '1h' COLLATE utf8mb4_unicode_ci AS resolution, (UNIX_TIMESTAMP() DIV 3600 - 24) * 3600 AS from_s
    UNION ALL SELECT '3d' COLLATE utf8mb4_unicode_ci AS span, '1h' COLLATE utf8mb4_unicode_ci AS resolution, (UNIX_TIMESTAMP() DIV 3600 - 72) * 3600 AS from_s
    UNION ALL SELECT '7d' COLLATE utf8mb4_unicode_ci AS span, '1h' COLLATE utf8mb4_unicode_ci AS resolution, (UNIX_TIMESTAMP() DIV 3600 - 168) * 3600 AS from_s
    UNION ALL SELECT '30d' COLLATE utf8mb4_unicode_ci AS span, '1d' COLLATE utf8mb4_unicode_ci AS resolution, (UNIX_TIMESTAMP() DIV 86400 - 30) * 86400 AS from_s
  ) spans
