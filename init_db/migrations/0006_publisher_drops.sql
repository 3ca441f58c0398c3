-- Responses whose record a publisher had to drop, by run, level and reason: absolute counts.
CREATE TABLE IF NOT EXISTS publisher_drops (
  source CHAR(36) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  run_id VARCHAR(64) NOT NULL DEFAULT '' COMMENT 'empty: of no run',
  level ENUM('DEBUG', 'INFO', 'ERROR', 'CRITICAL') CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  reason VARCHAR(32) NOT NULL,
  dropped BIGINT UNSIGNED NOT NULL,
  PRIMARY KEY (source, run_id, level, reason),
  KEY run_id (run_id)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci
