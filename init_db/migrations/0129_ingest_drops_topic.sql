-- unless column ingest_drops.topic
-- Whose record was too old to be kept; empty for those before, which were request logs.
ALTER TABLE ingest_drops
  ADD COLUMN topic VARCHAR(249) NOT NULL DEFAULT '' AFTER run_id,
  DROP PRIMARY KEY, ADD PRIMARY KEY (run_id, topic, level, reason)
