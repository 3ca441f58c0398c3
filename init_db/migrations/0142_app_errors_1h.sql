-- Application logs of level ERROR and CRITICAL of each hour by group, service and level, added up in the transaction of their rows.
CREATE TABLE IF NOT EXISTS app_errors_1h (
  bucket_s INT UNSIGNED NOT NULL COMMENT 'start, Unix seconds',
  fingerprint CHAR(16) CHARACTER SET ascii COLLATE ascii_bin NOT NULL COMMENT 'app_error_groups',
  service VARCHAR(64) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
  level ENUM('ERROR', 'CRITICAL') CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  shard SMALLINT UNSIGNED NOT NULL,
  count INT NOT NULL,
  first_at DATETIME(3) NOT NULL,
  last_at DATETIME(3) NOT NULL,
  last_log_id CHAR(36) CHARACTER SET ascii COLLATE ascii_bin NOT NULL COMMENT 'the greatest: an example',
  PRIMARY KEY (bucket_s, fingerprint, service, level, shard)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci
PARTITION BY RANGE (bucket_s) (PARTITION p_future VALUES LESS THAN MAXVALUE)
