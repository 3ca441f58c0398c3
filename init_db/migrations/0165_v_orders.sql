-- Orders and revenue of the last 30 days by hour, from what happened in it: an order may be placed in one hour and paid in the next.
CREATE OR REPLACE SQL SECURITY INVOKER VIEW v_orders AS
SELECT CAST(DATE_FORMAT(timestamp, '%Y-%m-%d %H:00:00') AS DATETIME) AS bucket_time,
       SUM(type = 'order_placed') AS placed, SUM(type = 'order_paid') AS paid, SUM(type = 'payment_declined') AS declined,
       SUM(IF(type = 'order_placed', total_cents, 0)) AS placed_cents, SUM(IF(type = 'order_paid', total_cents, 0)) AS revenue_cents,
       COUNT(DISTINCT IF(type = 'order_paid', user_id, NULL)) AS paying_users
  FROM shop_events WHERE timestamp >= UTC_TIMESTAMP(3) - INTERVAL 30 DAY
 GROUP BY 1
