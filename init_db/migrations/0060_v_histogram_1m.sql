-- api_latency_1m with the names of its routes. A cell may be in several rows, one for each shard: SUM over them.
CREATE OR REPLACE SQL SECURITY INVOKER VIEW v_histogram_1m AS
SELECT h.bucket_s, TIMESTAMP('1970-01-01') + INTERVAL h.bucket_s SECOND AS bucket_time, n.service, n.method, n.endpoint, h.bucket AS latency_bucket,
       ROUND(POW(1.1, h.bucket + 0.5) / 1000, 3) AS latency_ms, h.count AS requests
  FROM api_latency_1m h JOIN api_routes n ON n.route_id = h.route_id
