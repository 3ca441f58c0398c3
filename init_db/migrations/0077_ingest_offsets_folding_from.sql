-- unless column ingest_offsets.folding_from_s
ALTER TABLE ingest_offsets ADD COLUMN folding_from_s INT UNSIGNED NOT NULL DEFAULT 4294967295 COMMENT 'touched_from_s as upkeep took it; gone once those buckets are folded and closed' AFTER touched_from_s
