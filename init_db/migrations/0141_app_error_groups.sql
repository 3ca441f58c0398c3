-- The groups of application errors that app_logs and app_errors_1h speak of by fingerprint (contract/app-error-group.ts).
CREATE TABLE IF NOT EXISTS app_error_groups (
  fingerprint CHAR(16) CHARACTER SET ascii COLLATE ascii_bin NOT NULL COMMENT 'first 16 hex digits of SHA-256 of type, message and frames',
  error_type VARCHAR(128) NULL,
  message VARCHAR(4096) NOT NULL COMMENT 'with # for numbers and ids',
  frames VARCHAR(2048) NULL COMMENT 'the calls nearest to the throw, with # for numbers',
  module VARCHAR(255) NULL COMMENT 'of the first one stored: an example',
  `function` VARCHAR(255) NULL COMMENT 'likewise',
  first_stored_at DATETIME(3) NOT NULL DEFAULT CURRENT_TIMESTAMP(3),
  PRIMARY KEY (fingerprint)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci
