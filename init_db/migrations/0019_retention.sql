-- How long rows are kept, and the bound below which none is taken in again: its twin may have been dropped. The bound only
-- rises, and before partitions are dropped; each ingest transaction checks that of api_logs.
CREATE TABLE IF NOT EXISTS retention (
  name VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL COMMENT 'api_logs, 10s, 1m, 1h, 1d',
  keep_s INT UNSIGNED NOT NULL,
  kept_from_s INT UNSIGNED NOT NULL COMMENT 'Unix seconds; what is older is not stored',
  updated_at DATETIME(3) NOT NULL DEFAULT CURRENT_TIMESTAMP(3) ON UPDATE CURRENT_TIMESTAMP(3),
  PRIMARY KEY (name)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci
