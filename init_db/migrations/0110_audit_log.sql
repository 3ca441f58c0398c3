-- What people, and what runs by itself in their name, changed. Rows are added and never changed: the writer has no UPDATE
-- here (users.ts).
CREATE TABLE IF NOT EXISTS audit_log (
  audit_id CHAR(36) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  at DATETIME(3) NOT NULL COMMENT 'UTC, by the clock of who says so',
  actor VARCHAR(128) NOT NULL COMMENT 'address, or user@host, as far as anybody knows',
  via VARCHAR(16) CHARACTER SET ascii COLLATE ascii_bin NOT NULL COMMENT 'api, control, key, cli, consumer',
  action VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL COMMENT 'such as fault.start',
  target VARCHAR(255) NOT NULL COMMENT 'what it was done to',
  result VARCHAR(16) CHARACTER SET ascii COLLATE ascii_bin NOT NULL COMMENT 'done, refused, failed',
  detail JSON NOT NULL,
  stored_at DATETIME(3) NOT NULL DEFAULT CURRENT_TIMESTAMP(3),
  PRIMARY KEY (audit_id),
  KEY at_time (at)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci
