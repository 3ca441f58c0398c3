-- The error budget of the last 30 days: how many requests may be bad, and how many still may.
CREATE OR REPLACE SQL SECURITY INVOKER VIEW v_slo AS
SELECT objective, target_percent, threshold_ms, requests, bad_requests, ROUND(100 - bad_percent, 3) AS good_percent,
       ROUND(requests * (100 - target_percent) / 100) AS budget_requests,
       ROUND(1e2 * (1 - burn_rate), 1) AS budget_left_percent
  FROM v_slo_burn WHERE span = '30d'
