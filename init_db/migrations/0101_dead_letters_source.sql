-- unless column dead_letters.source
ALTER TABLE dead_letters
  ADD COLUMN source VARCHAR(36) CHARACTER SET ascii COLLATE ascii_bin NULL COMMENT 'publisher that numbered the record' AFTER run_id,
  ADD COLUMN seq BIGINT UNSIGNED NULL AFTER source,
  ADD COLUMN copied_at DATETIME(3) NULL COMMENT 'when its copy was on topic dead-letters',
  ADD COLUMN replayed_at DATETIME(3) NULL COMMENT 'when it was sent to its topic again; from then on it counts no more'
