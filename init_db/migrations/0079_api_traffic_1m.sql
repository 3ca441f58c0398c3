-- Each closed minute of all routes together, with its percentiles: one row, so that a long series is read as it is drawn.
-- Upkeep writes it once the bucket has ended, and again when late records came; up to the newest row here all buckets are closed.
CREATE TABLE IF NOT EXISTS api_traffic_1m (
  bucket_s INT UNSIGNED NOT NULL COMMENT 'start, Unix seconds',
  requests BIGINT UNSIGNED NOT NULL,
  client_errors BIGINT UNSIGNED NOT NULL COMMENT 'status 400 to 499',
  server_errors BIGINT UNSIGNED NOT NULL COMMENT 'status 500 and above',
  sum_ms DECIMAL(18, 3) NOT NULL,
  max_ms DECIMAL(12, 3) NOT NULL,
  bytes_in BIGINT NOT NULL,
  bytes_out BIGINT NOT NULL,
  p50_bucket TINYINT UNSIGNED NOT NULL COMMENT 'of latency',
  p90_bucket TINYINT UNSIGNED NOT NULL COMMENT 'of latency',
  p95_bucket TINYINT UNSIGNED NOT NULL COMMENT 'of latency',
  p99_bucket TINYINT UNSIGNED NOT NULL COMMENT 'of latency',
  satisfied BIGINT UNSIGNED NOT NULL COMMENT 'up to 300 ms',
  tolerated BIGINT UNSIGNED NOT NULL COMMENT 'beyond that up to 1,200 ms',
  PRIMARY KEY (bucket_s)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci
PARTITION BY RANGE (bucket_s) (PARTITION p_future VALUES LESS THAN MAXVALUE)
