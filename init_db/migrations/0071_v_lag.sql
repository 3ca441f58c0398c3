-- How far each partition is stored. The lag is that of when its newest batch was read: idle_s says how long ago.
CREATE OR REPLACE SQL SECURITY INVOKER VIEW v_lag AS
SELECT cluster, topic, `partition`, next_offset, log_end,
       GREATEST(CAST(log_end AS SIGNED) - CAST(next_offset AS SIGNED), 0) AS lag_records,
       rows_in, duplicates, dead_lettered, expired, owner, updated_at,
       GREATEST(TIMESTAMPDIFF(SECOND, updated_at, UTC_TIMESTAMP()), 0) AS idle_s
  FROM ingest_offsets
