-- Records that were read and not stored, on purpose: older than what is kept. Counts add up.
CREATE TABLE IF NOT EXISTS ingest_drops (
  run_id VARCHAR(64) NOT NULL DEFAULT '' COMMENT 'empty: of no run',
  level ENUM('DEBUG', 'INFO', 'ERROR', 'CRITICAL') CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  reason VARCHAR(32) NOT NULL COMMENT 'expired',
  dropped BIGINT UNSIGNED NOT NULL,
  updated_at DATETIME(3) NOT NULL DEFAULT CURRENT_TIMESTAMP(3) ON UPDATE CURRENT_TIMESTAMP(3),
  PRIMARY KEY (run_id, level, reason)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci
