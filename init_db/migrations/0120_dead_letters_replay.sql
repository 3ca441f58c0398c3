-- unless column dead_letters.first_origin
ALTER TABLE dead_letters
  ADD COLUMN first_origin VARCHAR(352) CHARACTER SET ascii COLLATE ascii_bin NULL COMMENT 'of a replayed record that was refused again: cluster/topic/partition/offset where it stood first',
  ADD KEY copied_at (copied_at),
  ADD KEY replayed_at (replayed_at)
