-- How many numbered records of each publisher are stored, and their highest number: retention drops rows, these stay.
CREATE TABLE IF NOT EXISTS ingest_sources (
  source CHAR(36) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  shard SMALLINT UNSIGNED NOT NULL COMMENT 'one partition of one topic, which one consumer at a time stores',
  rows_in BIGINT UNSIGNED NOT NULL,
  highest_seq BIGINT UNSIGNED NOT NULL,
  PRIMARY KEY (source, shard)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci
