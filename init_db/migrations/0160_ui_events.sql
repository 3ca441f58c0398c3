-- One row per press of a button. (timestamp, event_id) is the identity and the one unique key; by day, so that age is dropped, not deleted.
CREATE TABLE IF NOT EXISTS ui_events (
  id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT,
  event_id CHAR(36) CHARACTER SET ascii COLLATE ascii_bin NOT NULL COMMENT 'UUIDv7 made by the page or the server',
  timestamp DATETIME(3) NOT NULL COMMENT 'UTC, the time inside event_id',
  name VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL COMMENT 'such as buy-now',
  page VARCHAR(255) NULL COMMENT 'path',
  session_id VARCHAR(64) NULL,
  user_id VARCHAR(64) NULL,
  request_id CHAR(36) CHARACTER SET ascii COLLATE ascii_bin NULL COMMENT 'of the request that brought it: api_logs',
  properties JSON NULL,
  run_id VARCHAR(64) NULL COMMENT 'the simulator run that sent it',
  source VARCHAR(36) NULL COMMENT 'boot id of the publisher',
  seq BIGINT UNSIGNED NULL COMMENT 'gapless per source',
  extra JSON NULL COMMENT 'fields this version does not know',
  stored_at DATETIME(3) NOT NULL DEFAULT CURRENT_TIMESTAMP(3),
  PRIMARY KEY (timestamp, event_id),
  KEY id (id),
  KEY name_time (name, timestamp)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci
PARTITION BY RANGE COLUMNS (timestamp) (PARTITION p_future VALUES LESS THAN (MAXVALUE))
