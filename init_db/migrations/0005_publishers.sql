-- What each publisher says of itself: absolute counts, newest statement wins.
CREATE TABLE IF NOT EXISTS publishers (
  source CHAR(36) CHARACTER SET ascii COLLATE ascii_bin NOT NULL COMMENT 'boot id',
  service VARCHAR(64) NOT NULL,
  instance VARCHAR(128) NOT NULL,
  started_at DATETIME(3) NOT NULL,
  reported_at DATETIME(3) NOT NULL,
  last_seq BIGINT UNSIGNED NOT NULL COMMENT 'highest number given to a record',
  acknowledged BIGINT UNSIGNED NOT NULL COMMENT 'records Kafka has taken',
  dropped BIGINT UNSIGNED NOT NULL,
  closed BOOLEAN NOT NULL COMMENT 'shut down in order: nothing follows',
  PRIMARY KEY (source)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci
