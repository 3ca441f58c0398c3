-- unless column publisher_drops.topic
-- Whose record was dropped: publishers carry several kinds. Empty for what was dropped before, which were request logs.
ALTER TABLE publisher_drops
  ADD COLUMN topic VARCHAR(249) NOT NULL DEFAULT '' AFTER run_id,
  DROP PRIMARY KEY, ADD PRIMARY KEY (source, run_id, topic, level, reason)
