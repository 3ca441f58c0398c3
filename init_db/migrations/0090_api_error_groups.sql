-- The groups of failed requests that api_errors_1h speaks of by fingerprint, which follows from the names alone
-- (contract/error-group.ts).
CREATE TABLE IF NOT EXISTS api_error_groups (
  fingerprint CHAR(16) CHARACTER SET ascii COLLATE ascii_bin NOT NULL COMMENT 'first 16 hex digits of SHA-256 of what follows',
  service VARCHAR(64) NOT NULL,
  method VARCHAR(16) NOT NULL,
  endpoint VARCHAR(255) NOT NULL,
  status_code SMALLINT UNSIGNED NOT NULL,
  error_type VARCHAR(128) NULL,
  message VARCHAR(1024) NULL COMMENT 'error_message with # for numbers and ids',
  first_stored_at DATETIME(3) NOT NULL DEFAULT CURRENT_TIMESTAMP(3),
  PRIMARY KEY (fingerprint)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci
