-- Topics that consumers do not read because nearly all of it became dead letters; they go on once resumed_at is set.
CREATE TABLE IF NOT EXISTS topic_pauses (
  cluster VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  topic VARCHAR(249) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  paused_at DATETIME(3) NOT NULL,
  dead_letters BIGINT UNSIGNED NOT NULL COMMENT 'of so many records within a minute',
  records BIGINT UNSIGNED NOT NULL,
  resumed_at DATETIME(3) NULL COMMENT 'NULL: it is paused',
  PRIMARY KEY (cluster, topic)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci
