-- unless column publishers.spool
ALTER TABLE publishers
  ADD COLUMN spool VARCHAR(8) CHARACTER SET ascii COLLATE ascii_bin NOT NULL DEFAULT 'off' COMMENT 'off, spill, always',
  ADD COLUMN spooled_bytes BIGINT UNSIGNED NOT NULL DEFAULT 0 COMMENT 'on its disk when it last reported',
  ADD COLUMN recovered BOOLEAN NOT NULL DEFAULT FALSE COMMENT 'it was killed, and another delivered what it had on disk'
