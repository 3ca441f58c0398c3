-- Records that were gone from Kafka before they were stored: a position outside the log.
CREATE TABLE IF NOT EXISTS ingest_gaps (
  id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT,
  cluster VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  topic VARCHAR(249) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  `partition` INT UNSIGNED NOT NULL,
  from_offset BIGINT UNSIGNED NOT NULL COMMENT 'the position that was stored',
  to_offset BIGINT UNSIGNED NOT NULL COMMENT 'where reading went on: the start of the log',
  log_end BIGINT UNSIGNED NOT NULL,
  found_at DATETIME(3) NOT NULL DEFAULT CURRENT_TIMESTAMP(3),
  PRIMARY KEY (id)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci
