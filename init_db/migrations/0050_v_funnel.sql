-- Users of each day (UTC) who signed in; of these, who looked at a product; of these, who ordered; of these, who paid. What they did
-- before midnight counts for the day before.
CREATE OR REPLACE SQL SECURITY INVOKER VIEW v_funnel AS
SELECT bucket_s, DATE(TIMESTAMP('1970-01-01') + INTERVAL bucket_s SECOND) AS day, login_users, view_users, order_users, payment_users,
       ROUND(1e2 * view_users / NULLIF(login_users, 0), 3) AS view_percent,
       ROUND(1e2 * order_users / NULLIF(view_users, 0), 3) AS order_percent,
       ROUND(1e2 * payment_users / NULLIF(order_users, 0), 3) AS payment_percent,
       ROUND(1e2 * payment_users / NULLIF(login_users, 0), 3) AS conversion_percent
  FROM (
    SELECT bucket_s, SUM(step >= 1) AS login_users, SUM(step >= 2) AS view_users, SUM(step >= 3) AS order_users,
           SUM(step >= 4) AS payment_users
      FROM (
        SELECT bucket_s, user_id,
               CASE WHEN SUM(logins) = 0 THEN 0 WHEN SUM(product_views) = 0 THEN 1 WHEN SUM(orders) = 0 THEN 2
                    WHEN SUM(payments) = 0 THEN 3 ELSE 4 END AS step
          FROM api_users_1d GROUP BY bucket_s, user_id
      ) users
     GROUP BY bucket_s
  ) days
