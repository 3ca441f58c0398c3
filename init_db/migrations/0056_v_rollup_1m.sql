-- api_rollup_1m with the names of its routes. A cell may be in several rows, one for each shard: SUM over them.
CREATE OR REPLACE SQL SECURITY INVOKER VIEW v_rollup_1m AS
SELECT r.bucket_s, TIMESTAMP('1970-01-01') + INTERVAL r.bucket_s SECOND AS bucket_time, n.service, n.method, n.endpoint, r.status_code, r.level,
       r.count AS requests, r.sum_ms, r.max_ms, r.bytes_in, r.bytes_out
  FROM api_rollup_1m r JOIN api_routes n ON n.route_id = r.route_id
