-- What each user did today (UTC), and in the 7 and 30 days before together with today.
CREATE OR REPLACE SQL SECURITY INVOKER VIEW v_users AS
SELECT 'today' COLLATE utf8mb4_unicode_ci AS span, user_id, SUM(count) AS requests, SUM(errors) AS errors, ROUND(1e2 * SUM(errors) / SUM(count), 3) AS error_percent,
       ROUND(SUM(sum_ms) / SUM(count), 3) AS mean_ms, SUM(orders) AS orders, SUM(payments) AS payments,
       MIN(first_at) AS first_at, MAX(last_at) AS last_at
  FROM api_users_1d WHERE bucket_s >= (UNIX_TIMESTAMP() DIV 86400 - 0) * 86400 GROUP BY user_id
UNION ALL
SELECT '7d' COLLATE utf8mb4_unicode_ci AS span, user_id, SUM(count) AS requests, SUM(errors) AS errors, ROUND(1e2 * SUM(errors) / SUM(count), 3) AS error_percent,
       ROUND(SUM(sum_ms) / SUM(count), 3) AS mean_ms, SUM(orders) AS orders, SUM(payments) AS payments,
       MIN(first_at) AS first_at, MAX(last_at) AS last_at
  FROM api_users_1d WHERE bucket_s >= (UNIX_TIMESTAMP() DIV 86400 - 7) * 86400 GROUP BY user_id
UNION ALL
SELECT '30d' COLLATE utf8mb4_unicode_ci AS span, user_id, SUM(count) AS requests, SUM(errors) AS errors, ROUND(1e2 * SUM(errors) / SUM(count), 3) AS error_percent,
       ROUND(SUM(sum_ms) / SUM(count), 3) AS mean_ms, SUM(orders) AS orders, SUM(payments) AS payments,
       MIN(first_at) AS first_at, MAX(last_at) AS last_at
  FROM api_users_1d WHERE bucket_s >= (UNIX_TIMESTAMP() DIV 86400 - 30) * 86400 GROUP BY user_id
