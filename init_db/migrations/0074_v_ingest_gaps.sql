-- Publishers of which fewer rows are stored than they numbered records: still on their way, dead letters, expired, or lost. Only those
-- whose rows are all kept. Reads every raw row: some seconds for ten million.
CREATE OR REPLACE SQL SECURITY INVOKER VIEW v_ingest_gaps AS
SELECT p.source, p.service, p.instance, p.started_at, p.closed AS is_closed, p.last_seq, COALESCE(a.stored_rows, 0) AS stored_rows,
       CAST(p.last_seq AS SIGNED) - COALESCE(a.stored_rows, 0) AS missing_records
  FROM publishers p
  LEFT JOIN (SELECT source, COUNT(*) AS stored_rows FROM api_logs WHERE source IS NOT NULL GROUP BY source) a ON a.source = p.source
 WHERE p.last_seq > COALESCE(a.stored_rows, 0)
   AND p.started_at >= COALESCE((SELECT TIMESTAMP('1970-01-01') + INTERVAL kept_from_s SECOND FROM retention WHERE name = 'api_logs'), '1970-01-01')
