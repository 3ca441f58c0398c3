-- Presses of the last 24 hours by minute, name and page.
CREATE OR REPLACE SQL SECURITY INVOKER VIEW v_ui_events AS
SELECT CAST(DATE_FORMAT(timestamp, '%Y-%m-%d %H:%i:00') AS DATETIME) AS bucket_time, name, page,
       COUNT(*) AS events, COUNT(DISTINCT session_id) AS sessions, COUNT(DISTINCT user_id) AS users
  FROM ui_events WHERE timestamp >= UTC_TIMESTAMP(3) - INTERVAL 1 DAY
 GROUP BY 1, 2, 3
