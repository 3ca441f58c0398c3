-- Numbers of records whose row was there already under another number: a client sent a record again, and another publisher took it, or the
-- same one once more. What Kafka delivers again has its number in the row.
CREATE TABLE IF NOT EXISTS ingest_repeats (
  source CHAR(36) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  seq BIGINT UNSIGNED NOT NULL,
  PRIMARY KEY (source, seq)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci
