-- What went wrong on purpose, and when: the ground truth for dashboards and alert rules. The consumers read their own
-- slowdown here (consumer/slowdown.ts).
CREATE TABLE IF NOT EXISTS incidents (
  incident_id CHAR(36) CHARACTER SET ascii COLLATE ascii_bin NOT NULL COMMENT 'UUIDv5 of run and name',
  run_id VARCHAR(64) NOT NULL,
  name VARCHAR(128) NOT NULL COMMENT 'unique in its run',
  kind VARCHAR(32) NOT NULL COMMENT 'error-burst, slow, timeout, reset, rate-limit, traffic-spike, consumer-lag',
  route VARCHAR(272) NULL COMMENT 'method and endpoint such as GET /orders/:id; NULL: every route',
  origin ENUM('scenario', 'control') CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  started_at DATETIME(3) NOT NULL COMMENT 'UTC, by the clock of the simulator',
  planned_end_at DATETIME(3) NOT NULL,
  ended_at DATETIME(3) NULL COMMENT 'NULL: still on, or nobody said that it ended',
  intensity JSON NOT NULL,
  requests_affected BIGINT UNSIGNED NULL COMMENT 'NULL: not known',
  updated_at DATETIME(3) NOT NULL COMMENT 'when the simulator said so',
  PRIMARY KEY (incident_id),
  KEY run_id (run_id),
  KEY started_at (started_at)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci
