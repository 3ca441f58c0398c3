-- Requests of each ten seconds, added up in the transaction of their rows. A shard is one partition of a topic: transactions
-- of different partitions never touch the same row. Readers sum over it; closed buckets are folded into one shard.
CREATE TABLE IF NOT EXISTS api_rollup_10s (
  bucket_s INT UNSIGNED NOT NULL COMMENT 'start, Unix seconds',
  route_id BIGINT UNSIGNED NOT NULL COMMENT 'api_routes',
  status_code SMALLINT UNSIGNED NOT NULL,
  level ENUM('DEBUG', 'INFO', 'ERROR', 'CRITICAL') CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  shard SMALLINT UNSIGNED NOT NULL,
  count INT NOT NULL,
  sum_ms DECIMAL(18, 3) NOT NULL,
  max_ms DECIMAL(12, 3) NOT NULL,
  bytes_in BIGINT NOT NULL,
  bytes_out BIGINT NOT NULL,
  PRIMARY KEY (bucket_s, route_id, status_code, level, shard)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci
PARTITION BY RANGE (bucket_s) (PARTITION p_future VALUES LESS THAN MAXVALUE)
