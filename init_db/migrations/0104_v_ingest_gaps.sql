-- Numbers that publishers gave to records and that no row or dead letter has, range by range: on their way as long as the tail is alive, then lost.
-- A tail that is unknown is a row of its own, without an end. Reads the rows of publishers with missing records only; of those that
-- are older than the oldest row it says how many are missing, but not which.
CREATE OR REPLACE SQL SECURITY INVOKER VIEW v_ingest_gaps AS
SELECT p.source, p.service, p.instance, p.started_at, p.tail, p.dropped, CAST(g.first_seq AS SIGNED) AS first_seq, CAST(g.last_seq AS SIGNED) AS last_seq, CAST(g.last_seq AS SIGNED) - CAST(g.first_seq AS SIGNED) + 1 AS missing_records
  FROM (
    SELECT source, previous_seq + 1 AS first_seq, seq - 1 AS last_seq
      FROM (
        SELECT source, seq, COALESCE(LAG(seq) OVER (PARTITION BY source ORDER BY seq), 0) AS previous_seq
          FROM (
            SELECT source, seq FROM api_logs
             WHERE seq IS NOT NULL AND source IN (SELECT source FROM v_publishers WHERE missing_records > 0)
               AND timestamp >= (SELECT COALESCE(MIN(started_at), UTC_TIMESTAMP()) - INTERVAL 1 DAY FROM v_publishers WHERE missing_records > 0)
             UNION ALL
            SELECT source, seq FROM dead_letters WHERE seq IS NOT NULL AND replayed_at IS NULL
             UNION ALL
            SELECT p.source, GREATEST(p.last_seq, COALESCE((SELECT MAX(highest_seq) FROM ingest_sources s WHERE s.source = p.source), 0)) + 1 FROM publishers p
          ) AS numbered
      ) AS neighbours WHERE seq > previous_seq + 1
  ) AS g
  JOIN v_publishers p ON p.source = g.source AND p.missing_records > 0
   AND p.started_at >= COALESCE((SELECT TIMESTAMP('1970-01-01') + INTERVAL kept_from_s SECOND FROM retention WHERE name = 'api_logs'), '1970-01-01')
UNION ALL
SELECT source, service, instance, started_at, tail, dropped, NULL, NULL, missing_records FROM v_publishers
 WHERE missing_records > 0 AND started_at < COALESCE((SELECT TIMESTAMP('1970-01-01') + INTERVAL kept_from_s SECOND FROM retention WHERE name = 'api_logs'), '1970-01-01')
UNION ALL
SELECT p.source, p.service, p.instance, p.started_at, p.tail, p.dropped, CAST(GREATEST(p.last_seq, COALESCE((SELECT MAX(highest_seq) FROM ingest_sources s WHERE s.source = p.source), 0)) AS SIGNED) + 1, NULL, NULL
  FROM v_publishers p WHERE p.tail = 'unknown'
