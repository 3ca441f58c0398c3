-- The one authority on how far each partition has been stored; moves in the transaction of the rows.
-- next_offset and rows_in are NOT NULL on purpose: the ingest transaction writes NULL to abort itself
-- (consumer/store.ts).
CREATE TABLE IF NOT EXISTS ingest_offsets (
  cluster VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  topic VARCHAR(249) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  `partition` INT UNSIGNED NOT NULL,
  next_offset BIGINT UNSIGNED NOT NULL,
  rows_in BIGINT UNSIGNED NOT NULL DEFAULT 0 COMMENT 'rows added by this partition',
  duplicates BIGINT UNSIGNED NOT NULL DEFAULT 0 COMMENT 'records whose row was there already',
  dead_lettered BIGINT UNSIGNED NOT NULL DEFAULT 0,
  owner VARCHAR(128) NOT NULL DEFAULT '' COMMENT 'the consumer that stored last',
  updated_at DATETIME(3) NOT NULL DEFAULT CURRENT_TIMESTAMP(3) ON UPDATE CURRENT_TIMESTAMP(3),
  PRIMARY KEY (cluster, topic, `partition`)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci
