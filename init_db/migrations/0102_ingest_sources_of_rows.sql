-- What was stored before ingest_sources: counted once, in a shard that no partition has.
INSERT INTO ingest_sources (source, shard, rows_in, highest_seq)
SELECT source, 65535, COUNT(*), MAX(seq) FROM api_logs WHERE source IS NOT NULL AND seq IS NOT NULL GROUP BY source
    ON DUPLICATE KEY UPDATE rows_in = VALUES(rows_in), highest_seq = VALUES(highest_seq)
