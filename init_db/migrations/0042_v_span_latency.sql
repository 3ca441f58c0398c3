-- The same requests by latency bucket.
CREATE OR REPLACE SQL SECURITY INVOKER VIEW v_span_latency AS
SELECT '5m' COLLATE utf8mb4_unicode_ci AS span, route_id, bucket, SUM(count) AS count
  FROM api_latency_10s WHERE bucket_s >= (UNIX_TIMESTAMP() DIV 10 - 30) * 10 GROUP BY route_id, bucket
UNION ALL
SELECT '30m' COLLATE utf8mb4_unicode_ci AS span, route_id, bucket, SUM(count) AS count
  FROM api_latency_10s WHERE bucket_s >= (UNIX_TIMESTAMP() DIV 10 - 180) * 10 GROUP BY route_id, bucket
UNION ALL
SELECT '1h' COLLATE utf8mb4_unicode_ci AS span, route_id, bucket, SUM(count) AS count
  FROM api_latency_1m WHERE bucket_s >= (UNIX_TIMESTAMP() DIV 60 - 60) * 60 GROUP BY route_id, bucket
UNION ALL
SELECT '6h' COLLATE utf8mb4_unicode_ci AS span, route_id, bucket, SUM(count) AS count
  FROM api_latency_1m WHERE bucket_s >= (UNIX_TIMESTAMP() DIV 60 - 360) * 60 GROUP BY route_id, bucket
UNION ALL
SELECT '24h' COLLATE utf8mb4_unicode_ci AS span, route_id, bucket, SUM(count) AS count
  FROM api_latency_1h WHERE bucket_s >= (UNIX_TIMESTAMP() DIV 3600 - 24) * 3600 GROUP BY route_id, bucket
UNION ALL
SELECT '3d' COLLATE utf8mb4_unicode_ci AS span, route_id, bucket, SUM(count) AS count
  FROM api_latency_1h WHERE bucket_s >= (UNIX_TIMESTAMP() DIV 3600 - 72) * 3600 GROUP BY route_id, bucket
UNION ALL
SELECT '7d' COLLATE utf8mb4_unicode_ci AS span, route_id, bucket, SUM(count) AS count
  FROM api_latency_1h WHERE bucket_s >= (UNIX_TIMESTAMP() DIV 3600 - 168) * 3600 GROUP BY route_id, bucket
UNION ALL
SELECT '30d' COLLATE utf8mb4_unicode_ci AS span, route_id, bucket, SUM(count) AS count
  FROM api_latency_1d WHERE bucket_s >= (UNIX_TIMESTAMP() DIV 86400 - 30) * 86400 GROUP BY route_id, bucket
