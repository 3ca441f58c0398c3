-- Records that can never become a row, raw, with the reason. Unique by origin, so redelivery adds none.
CREATE TABLE IF NOT EXISTS dead_letters (
  id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT,
  cluster VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  topic VARCHAR(249) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  `partition` INT UNSIGNED NOT NULL,
  `offset` BIGINT UNSIGNED NOT NULL,
  reason VARCHAR(64) NOT NULL COMMENT 'not_json, not_an_object, invalid_field, in_the_future, refused_by_sql',
  detail VARCHAR(1024) NOT NULL,
  record_key VARBINARY(1024) NULL,
  value MEDIUMBLOB NULL COMMENT 'the record as it was',
  request_id VARCHAR(36) CHARACTER SET ascii COLLATE ascii_bin NULL,
  run_id VARCHAR(64) NULL,
  record_time DATETIME(3) NOT NULL COMMENT 'UTC, the time Kafka holds for the record',
  stored_at DATETIME(3) NOT NULL DEFAULT CURRENT_TIMESTAMP(3),
  PRIMARY KEY (id),
  UNIQUE KEY origin (cluster, topic, `partition`, `offset`),
  KEY run_id (run_id)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci
