-- Records that did not become a row, by where they were lost and why; a dead letter that was replayed counts no more. run_id is NULL where none is known.
CREATE OR REPLACE SQL SECURITY INVOKER VIEW v_losses AS
SELECT 'publisher' COLLATE utf8mb4_unicode_ci AS place, COALESCE(NULLIF(d.topic, ''), CASE d.level WHEN 'DEBUG' THEN 'debug-logs' WHEN 'INFO' THEN 'info-logs' ELSE 'error-logs' END) COLLATE utf8mb4_unicode_ci AS topic, NULLIF(d.run_id, '') AS run_id, d.reason,
       SUM(d.dropped) AS records, MAX(p.reported_at) AS last_at
  FROM publisher_drops d JOIN publishers p ON p.source = d.source GROUP BY 2, 3, 4
UNION ALL
SELECT 'kafka' COLLATE utf8mb4_unicode_ci, topic, NULL, 'gone_before_stored' COLLATE utf8mb4_unicode_ci, SUM(GREATEST(CAST(to_offset AS SIGNED) - CAST(from_offset AS SIGNED), 0)), MAX(found_at)
  FROM ingest_gaps GROUP BY topic
UNION ALL
SELECT 'dead_letters' COLLATE utf8mb4_unicode_ci, topic, run_id, reason, COUNT(*), MAX(stored_at) FROM dead_letters WHERE replayed_at IS NULL GROUP BY topic, run_id, reason
UNION ALL
SELECT 'consumer' COLLATE utf8mb4_unicode_ci, COALESCE(NULLIF(topic, ''), CASE level WHEN 'DEBUG' THEN 'debug-logs' WHEN 'INFO' THEN 'info-logs' ELSE 'error-logs' END) COLLATE utf8mb4_unicode_ci AS topic, NULLIF(run_id, '') AS run_id, reason, SUM(dropped), MAX(updated_at)
  FROM ingest_drops GROUP BY 2, 3, 4
