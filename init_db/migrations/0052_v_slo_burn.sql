-- How fast each window (v_spans) spends the error budget: at 1 it lasts exactly the 30 days it is for.
CREATE OR REPLACE SQL SECURITY INVOKER VIEW v_slo_burn AS
SELECT objective, span, target_percent, threshold_ms, requests, bad_requests, ROUND(1e2 * bad_requests / requests, 3) AS bad_percent,
       ROUND(1e2 * bad_requests / requests / (100 - target_percent), 3) AS burn_rate
  FROM (
    SELECT o.objective, o.target_percent, o.threshold_ms, r.span, SUM(r.count) AS requests,
           SUM(IF(r.status_code >= 500, r.count, 0)) AS bad_requests
      FROM v_span_requests r JOIN v_slo_objectives o ON o.threshold_ms IS NULL
     GROUP BY o.objective, o.target_percent, o.threshold_ms, r.span
    UNION ALL
    SELECT o.objective, o.target_percent, o.threshold_ms, l.span, SUM(l.count),
           SUM(IF(POW(1.1, l.bucket + 0.5) / 1000 > o.threshold_ms, l.count, 0))
      FROM v_span_latency l JOIN v_slo_objectives o ON o.threshold_ms IS NOT NULL
     GROUP BY o.objective, o.target_percent, o.threshold_ms, l.span
  ) measured
