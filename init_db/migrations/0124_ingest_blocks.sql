-- The numbered records of each publisher that are stored, by blocks of 10,000 numbers, and when their requests were: v_ingest_gaps
-- reads the rows of the blocks that lack some, and no others. What was stored before is counted once, in a shard that no partition has;
-- one statement, so that nobody counts a row beside it.
CREATE TABLE IF NOT EXISTS ingest_blocks (
  source CHAR(36) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  shard SMALLINT UNSIGNED NOT NULL,
  block BIGINT UNSIGNED NOT NULL,
  rows_in BIGINT UNSIGNED NOT NULL,
  lowest_seq BIGINT UNSIGNED NOT NULL,
  highest_seq BIGINT UNSIGNED NOT NULL,
  first_at DATETIME(3) NOT NULL,
  last_at DATETIME(3) NOT NULL,
  PRIMARY KEY (source, shard, block)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci
SELECT source, 65535 AS shard, seq DIV 10000 AS block, COUNT(*) AS rows_in, MIN(seq) AS lowest_seq, MAX(seq) AS highest_seq,
       MIN(timestamp) AS first_at, MAX(timestamp) AS last_at
  FROM api_logs WHERE source IS NOT NULL AND seq IS NOT NULL GROUP BY source, seq DIV 10000
