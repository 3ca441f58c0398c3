-- What the service notifications tells customers: one row per row of shop_events and channel, in the transaction of that row. The id follows
-- from the event and the channel. Kept as long as shop_events, by day.
CREATE TABLE IF NOT EXISTS notifications (
  notification_id CHAR(36) CHARACTER SET ascii COLLATE ascii_bin NOT NULL COMMENT 'UUIDv5 of event_id and channel',
  created_at DATETIME(3) NOT NULL COMMENT 'UTC, the time of the event',
  event_id CHAR(36) CHARACTER SET ascii COLLATE ascii_bin NOT NULL COMMENT 'shop_events',
  order_id VARCHAR(36) NOT NULL,
  user_id VARCHAR(64) NULL,
  channel ENUM('email', 'push') CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  template VARCHAR(64) NOT NULL,
  recipient VARCHAR(255) NULL,
  status ENUM('sent', 'no_recipient') CHARACTER SET ascii COLLATE ascii_bin NOT NULL COMMENT 'sent: handed to the channel, which is only this table',
  stored_at DATETIME(3) NOT NULL DEFAULT CURRENT_TIMESTAMP(3),
  PRIMARY KEY (created_at, notification_id),
  KEY user_time (user_id, created_at)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci
PARTITION BY RANGE COLUMNS (created_at) (PARTITION p_future VALUES LESS THAN (MAXVALUE))
