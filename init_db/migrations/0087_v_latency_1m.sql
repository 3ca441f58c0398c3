-- Percentiles and Apdex of each minute, all routes together: closed ones as upkeep wrote them, the others from the histogram. It is added
-- up apart from the window functions, as MariaDB pushes bucket_s >= … down to the rollup only so.
-- Apdex: 131 and 146 are the last latency buckets whose middle is up to 300 and 1,200 ms.
CREATE OR REPLACE SQL SECURITY INVOKER VIEW v_latency_1m AS
SELECT bucket_s, TIMESTAMP('1970-01-01') + INTERVAL bucket_s SECOND AS bucket_time, requests,
       ROUND(POW(1.1, p50_bucket + 0.5) / 1000, 3) AS p50_ms, ROUND(POW(1.1, p90_bucket + 0.5) / 1000, 3) AS p90_ms,
       ROUND(POW(1.1, p95_bucket + 0.5) / 1000, 3) AS p95_ms, ROUND(POW(1.1, p99_bucket + 0.5) / 1000, 3) AS p99_ms,
       ROUND((satisfied + tolerated / 2) / requests, 3) AS apdex
  FROM (
    SELECT bucket_s, requests, p50_bucket, p90_bucket, p95_bucket, p99_bucket, satisfied, tolerated FROM api_traffic_1m
    UNION ALL
    SELECT bucket_s, SUM(measured),
           MIN(CASE WHEN seen >= CEIL(0.5 * total) THEN bucket END), MIN(CASE WHEN seen >= CEIL(0.9 * total) THEN bucket END),
           MIN(CASE WHEN seen >= CEIL(0.95 * total) THEN bucket END), MIN(CASE WHEN seen >= CEIL(0.99 * total) THEN bucket END),
           SUM(IF(bucket <= 131, measured, 0)), SUM(IF(bucket BETWEEN 132 AND 146, measured, 0))
      FROM (
        SELECT bucket_s, bucket, measured, SUM(measured) OVER (PARTITION BY bucket_s ORDER BY bucket) AS seen,
               SUM(measured) OVER (PARTITION BY bucket_s) AS total
          FROM (
            SELECT bucket_s, bucket, SUM(count) AS measured FROM api_latency_1m
             WHERE bucket_s > COALESCE((SELECT MAX(bucket_s) FROM api_traffic_1m), 0) GROUP BY bucket_s, bucket
          ) histogram
      ) cumulated
     GROUP BY bucket_s
  ) points
