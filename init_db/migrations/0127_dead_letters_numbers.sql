-- unless index dead_letters.numbers
ALTER TABLE dead_letters ADD KEY numbers (replayed_at, source, seq)
