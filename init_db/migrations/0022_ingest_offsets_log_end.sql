-- unless column ingest_offsets.log_end
ALTER TABLE ingest_offsets ADD COLUMN log_end BIGINT UNSIGNED NOT NULL DEFAULT 0 COMMENT 'end of the log when the newest batch was read' AFTER next_offset
