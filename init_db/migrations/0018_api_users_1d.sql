-- What each user did on each day (UTC): activity and the steps of the funnel, which are successful requests to the shop's
-- POST /login, GET /products/:id, POST /orders and POST /orders/:id/payment.
CREATE TABLE IF NOT EXISTS api_users_1d (
  bucket_s INT UNSIGNED NOT NULL COMMENT 'start, Unix seconds',
  user_id VARCHAR(64) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
  shard SMALLINT UNSIGNED NOT NULL,
  count INT NOT NULL COMMENT 'requests',
  errors INT NOT NULL COMMENT 'status 400 and above',
  logins INT NOT NULL,
  product_views INT NOT NULL,
  orders INT NOT NULL,
  payments INT NOT NULL,
  sum_ms DECIMAL(18, 3) NOT NULL,
  first_at DATETIME(3) NOT NULL,
  last_at DATETIME(3) NOT NULL,
  PRIMARY KEY (bucket_s, user_id, shard)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci
PARTITION BY RANGE (bucket_s) (PARTITION p_future VALUES LESS THAN MAXVALUE)
