-- The routes that rollups speak of by number. The number follows from the names alone (contract/rollup.ts), so consumers
-- need no agreement and no look-up: CONV(LEFT(SHA2(CONCAT_WS(CHAR(0), service, method, endpoint), 256), 13), 16, 10).
CREATE TABLE IF NOT EXISTS api_routes (
  route_id BIGINT UNSIGNED NOT NULL COMMENT 'first 52 bits of SHA-256 of service, method and endpoint',
  service VARCHAR(64) NOT NULL,
  method VARCHAR(16) NOT NULL,
  endpoint VARCHAR(255) NOT NULL,
  first_stored_at DATETIME(3) NOT NULL DEFAULT CURRENT_TIMESTAMP(3),
  PRIMARY KEY (route_id)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci
