-- The health of the pipeline in one row. Counts are since the beginning, dead letters those that are there and were not replayed. The delay runs from the end of the response to the row, over the
-- requests of the last five minutes that are stored; catch_all_rows lie beyond the days made ahead.
CREATE OR REPLACE SQL SECURITY INVOKER VIEW v_pipeline AS
SELECT o.stored_rows, o.lag_records, o.duplicates, l.dead_letters, o.expired, COALESCE(g.gone_records, 0) AS gone_records,
       p.publishers_dropped, p.publishers_open, p.unacknowledged, c.catch_all_rows, d.delay_p50_ms, d.delay_p99_ms
  FROM (SELECT COALESCE(SUM(rows_in), 0) AS stored_rows, COALESCE(SUM(lag_records), 0) AS lag_records, COALESCE(SUM(duplicates), 0) AS duplicates,
               COALESCE(SUM(expired), 0) AS expired FROM v_lag) o
  CROSS JOIN (SELECT COUNT(*) AS dead_letters FROM dead_letters WHERE replayed_at IS NULL) l
  CROSS JOIN (SELECT SUM(GREATEST(CAST(to_offset AS SIGNED) - CAST(from_offset AS SIGNED), 0)) AS gone_records FROM ingest_gaps) g
  CROSS JOIN (SELECT COALESCE(SUM(dropped), 0) AS publishers_dropped, COALESCE(SUM(NOT is_closed), 0) AS publishers_open,
                     COALESCE(SUM(unacknowledged), 0) AS unacknowledged FROM v_publishers) p
  CROSS JOIN (SELECT COUNT(*) AS catch_all_rows FROM api_logs PARTITION (p_future)) c
  CROSS JOIN (
    SELECT ROUND(POW(1.1, MIN(CASE WHEN seen >= CEIL(0.5 * total) THEN bucket END) + 0.5), 1) AS delay_p50_ms,
           ROUND(POW(1.1, MIN(CASE WHEN seen >= CEIL(0.99 * total) THEN bucket END) + 0.5), 1) AS delay_p99_ms
      FROM (SELECT bucket, SUM(count) OVER (ORDER BY bucket) AS seen, SUM(count) OVER () AS total
              FROM (SELECT bucket, COUNT(*) AS count
                      FROM (SELECT FLOOR(LN(GREATEST(1, TIMESTAMPDIFF(MICROSECOND, timestamp, stored_at) / 1000 - response_time_ms)) / LN(1.1)) AS bucket
                              FROM api_logs WHERE timestamp >= UTC_TIMESTAMP() - INTERVAL 5 MINUTE) delays
                     GROUP BY bucket) histogram) cumulated
  ) d
