-- How many ui_events there ever were of each name, added up in the transaction of their rows; dropping old rows changes nothing here.
-- The first hundred names are counted apart, further ones together as (other).
CREATE TABLE IF NOT EXISTS ui_event_counts (
  name VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  shard SMALLINT UNSIGNED NOT NULL,
  count BIGINT UNSIGNED NOT NULL,
  PRIMARY KEY (name, shard)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci
