-- One row per thing that happened to an order. (timestamp, event_id) is the identity and the one unique key; by day, so that age is dropped.
CREATE TABLE IF NOT EXISTS shop_events (
  id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT,
  event_id CHAR(36) CHARACTER SET ascii COLLATE ascii_bin NOT NULL COMMENT 'UUIDv5: written again it is the same',
  timestamp DATETIME(3) NOT NULL COMMENT 'UTC',
  type ENUM('order_placed', 'order_paid', 'payment_declined') CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  order_id VARCHAR(36) NOT NULL COMMENT 'one order together with source',
  user_id VARCHAR(64) NULL,
  total_cents BIGINT UNSIGNED NOT NULL,
  items JSON NULL COMMENT 'list of product_id, quantity, price_cents',
  request_id CHAR(36) CHARACTER SET ascii COLLATE ascii_bin NULL COMMENT 'of the request that brought it about: api_logs',
  trace_id VARCHAR(32) NULL,
  run_id VARCHAR(64) NULL COMMENT 'the simulator run that sent it',
  source VARCHAR(36) NULL COMMENT 'boot id of the publisher',
  seq BIGINT UNSIGNED NULL COMMENT 'gapless per source',
  extra JSON NULL COMMENT 'fields this version does not know',
  stored_at DATETIME(3) NOT NULL DEFAULT CURRENT_TIMESTAMP(3),
  PRIMARY KEY (timestamp, event_id),
  KEY id (id),
  KEY order_time (order_id, timestamp)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci
PARTITION BY RANGE COLUMNS (timestamp) (PARTITION p_future VALUES LESS THAN (MAXVALUE))
