-- The same requests as api_rollup_10s by latency: bucket n holds response times from 1.1^n up to 1.1^(n+1) microseconds, so
-- the geometric middle 1.1^(n+0.5) is within 5 % of each. Counts add up over time, routes and shards; percentiles never do.
CREATE TABLE IF NOT EXISTS api_latency_10s (
  bucket_s INT UNSIGNED NOT NULL COMMENT 'start, Unix seconds',
  route_id BIGINT UNSIGNED NOT NULL COMMENT 'api_routes',
  bucket TINYINT UNSIGNED NOT NULL COMMENT 'of latency',
  shard SMALLINT UNSIGNED NOT NULL,
  count INT NOT NULL,
  PRIMARY KEY (bucket_s, bucket, route_id, shard)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci
PARTITION BY RANGE (bucket_s) (PARTITION p_future VALUES LESS THAN MAXVALUE)
