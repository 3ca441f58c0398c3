-- Failed requests of each window by route and status, with their share in the requests of the route.
CREATE OR REPLACE SQL SECURITY INVOKER VIEW v_errors AS
SELECT r.span, n.service, n.method, n.endpoint, r.status_code, r.requests, ROUND(1e2 * r.requests / r.of_route, 3) AS route_percent
  FROM (
    SELECT span, route_id, status_code, count AS requests, SUM(count) OVER (PARTITION BY span, route_id) AS of_route
      FROM v_span_requests
  ) r
  JOIN api_routes n ON n.route_id = r.route_id
 WHERE r.status_code >= 400
