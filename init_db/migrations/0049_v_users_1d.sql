-- Users of each day (UTC). New is who was never seen before, as far back as days are kept.
CREATE OR REPLACE SQL SECURITY INVOKER VIEW v_users_1d AS
SELECT days.bucket_s, DATE(TIMESTAMP('1970-01-01') + INTERVAL days.bucket_s SECOND) AS day, days.users, COALESCE(firsts.users, 0) AS new_users,
       days.users - COALESCE(firsts.users, 0) AS returning_users
  FROM (SELECT bucket_s, COUNT(DISTINCT user_id) AS users FROM api_users_1d GROUP BY bucket_s) days
  LEFT JOIN (
    SELECT first_s, COUNT(*) AS users
      FROM (SELECT user_id, MIN(bucket_s) AS first_s FROM api_users_1d GROUP BY user_id) first_days
     GROUP BY first_s
  ) firsts ON firsts.first_s = days.bucket_s
