-- unless column ingest_offsets.touched_from_s
ALTER TABLE ingest_offsets ADD COLUMN touched_from_s INT UNSIGNED NOT NULL DEFAULT 4294967295 COMMENT 'rollup buckets from here on may hold several shards of this partition' AFTER expired
