-- unless column ingest_offsets.expired
ALTER TABLE ingest_offsets ADD COLUMN expired BIGINT UNSIGNED NOT NULL DEFAULT 0 COMMENT 'records older than what is kept' AFTER dead_lettered
