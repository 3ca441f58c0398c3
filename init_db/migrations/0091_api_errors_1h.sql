-- Requests of level ERROR and CRITICAL of each hour by group, added up in the transaction of their rows.
CREATE TABLE IF NOT EXISTS api_errors_1h (
  bucket_s INT UNSIGNED NOT NULL COMMENT 'start, Unix seconds',
  fingerprint CHAR(16) CHARACTER SET ascii COLLATE ascii_bin NOT NULL COMMENT 'api_error_groups',
  shard SMALLINT UNSIGNED NOT NULL,
  count INT NOT NULL,
  first_at DATETIME(3) NOT NULL,
  last_at DATETIME(3) NOT NULL,
  last_request_id CHAR(36) CHARACTER SET ascii COLLATE ascii_bin NOT NULL COMMENT 'the greatest: an example',
  PRIMARY KEY (bucket_s, fingerprint, shard)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci
PARTITION BY RANGE (bucket_s) (PARTITION p_future VALUES LESS THAN MAXVALUE)
