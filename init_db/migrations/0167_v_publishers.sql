-- What each publisher said of itself, and how many of the records it numbered are stored. tail: closed (nothing follows), alive (spoke within
-- 5 s), recovered (killed, but all it answered for was on its disk and is delivered), or unknown: it ended without a word, and may have
-- numbered more than anybody knows. Retention drops rows, not these counts. The highest number known may be that of a dead letter, or of a
-- record that had a row under another number (repeats).
CREATE OR REPLACE SQL SECURITY INVOKER VIEW v_publishers AS
SELECT p.source, p.service, p.instance, p.started_at, p.reported_at, TIMESTAMPDIFF(SECOND, p.reported_at, UTC_TIMESTAMP()) AS silent_s,
       p.closed AS is_closed, p.last_seq, p.acknowledged, CAST(p.last_seq AS SIGNED) - CAST(p.acknowledged AS SIGNED) AS unacknowledged, p.dropped,
       p.spool, p.spooled_bytes, COALESCE(s.rows_in, 0) AS stored_rows, COALESCE(d.dead_letters, 0) AS dead_letters,
       CAST(GREATEST(p.last_seq, COALESCE(s.highest_seq, 0), COALESCE(d.highest_seq, 0), COALESCE(r.highest_seq, 0)) AS SIGNED) - CAST(COALESCE(s.rows_in, 0) AS SIGNED) - COALESCE(d.dead_letters, 0)
         - COALESCE(r.repeats, 0) AS missing_records,
       CASE WHEN p.closed THEN 'closed' WHEN p.reported_at > UTC_TIMESTAMP(3) - INTERVAL 5 SECOND THEN 'alive'
            WHEN p.recovered AND p.spool = 'always' THEN 'recovered' ELSE 'unknown' END AS tail,
       COALESCE(r.repeats, 0) AS repeats
  FROM publishers p
  LEFT JOIN (SELECT source, SUM(rows_in) AS rows_in, MAX(highest_seq) AS highest_seq FROM ingest_sources GROUP BY source) s ON s.source = p.source
  LEFT JOIN (SELECT source, COUNT(DISTINCT seq) AS dead_letters, MAX(seq) AS highest_seq
               FROM dead_letters WHERE seq IS NOT NULL AND replayed_at IS NULL GROUP BY source) d ON d.source = p.source
  LEFT JOIN (SELECT source, COUNT(*) AS repeats, MAX(seq) AS highest_seq FROM ingest_repeats GROUP BY source) r ON r.source = p.source
