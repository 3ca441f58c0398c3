-- Percentiles and Apdex of each minute, all routes together. The histogram is added up apart from the window functions, as
-- MariaDB pushes bucket_s >= … down to the rollup only so.
-- Apdex: 131 and 146 are the last latency buckets whose middle is up to 300 and 1,200 ms.
CREATE OR REPLACE SQL SECURITY INVOKER VIEW v_latency_1m AS
SELECT bucket_s, TIMESTAMP('1970-01-01') + INTERVAL bucket_s SECOND AS bucket_time, SUM(measured) AS requests,
       ROUND(POW(1.1, MIN(CASE WHEN seen >= CEIL(0.5 * total) THEN bucket END) + 0.5) / 1000, 3) AS p50_ms,
       ROUND(POW(1.1, MIN(CASE WHEN seen >= CEIL(0.9 * total) THEN bucket END) + 0.5) / 1000, 3) AS p90_ms,
       ROUND(POW(1.1, MIN(CASE WHEN seen >= CEIL(0.95 * total) THEN bucket END) + 0.5) / 1000, 3) AS p95_ms,
       ROUND(POW(1.1, MIN(CASE WHEN seen >= CEIL(0.99 * total) THEN bucket END) + 0.5) / 1000, 3) AS p99_ms,
       ROUND(SUM(measured * CASE WHEN bucket <= 131 THEN 1 WHEN bucket <= 146 THEN 0.5 ELSE 0 END)
         / SUM(measured), 3) AS apdex
  FROM (
    SELECT bucket_s, bucket, measured,
           SUM(measured) OVER (PARTITION BY bucket_s ORDER BY bucket) AS seen,
           SUM(measured) OVER (PARTITION BY bucket_s) AS total
      FROM (SELECT bucket_s, bucket, SUM(count) AS measured FROM api_latency_1m GROUP BY bucket_s, bucket) histogram
  ) cumulated
 GROUP BY bucket_s
