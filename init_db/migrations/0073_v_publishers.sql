-- What each publisher said of itself. One that is not closed is at work, or ended without saying so: then its tail is unknown.
CREATE OR REPLACE SQL SECURITY INVOKER VIEW v_publishers AS
SELECT source, service, instance, started_at, reported_at, TIMESTAMPDIFF(SECOND, reported_at, UTC_TIMESTAMP()) AS silent_s,
       closed AS is_closed, last_seq, acknowledged, CAST(last_seq AS SIGNED) - CAST(acknowledged AS SIGNED) AS unacknowledged, dropped
  FROM publishers
