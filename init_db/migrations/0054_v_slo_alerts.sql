-- Multi-window burn-rate alerts: the long window says that it matters, the short one that it still goes on.
-- See https://sre.google/workbook/alerting-on-slos/, "Multiwindow, Multi-Burn-Rate Alerts".
CREATE OR REPLACE SQL SECURITY INVOKER VIEW v_slo_alerts AS
SELECT objective, severity, long_span, short_span, burn_limit, long_burn_rate, short_burn_rate,
       COALESCE(long_burn_rate > burn_limit AND short_burn_rate > burn_limit, 0) AS is_firing
  FROM (
    SELECT b.objective, a.severity, a.long_span, a.short_span, a.burn_limit,
           MAX(CASE WHEN b.span = a.long_span THEN b.burn_rate END) AS long_burn_rate,
           MAX(CASE WHEN b.span = a.short_span THEN b.burn_rate END) AS short_burn_rate
      FROM (
        SELECT 'page' COLLATE utf8mb4_unicode_ci AS severity, '1h' COLLATE utf8mb4_unicode_ci AS long_span, '5m' COLLATE utf8mb4_unicode_ci AS short_span, 14.4 AS burn_limit
        UNION ALL SELECT 'page' COLLATE utf8mb4_unicode_ci, '6h' COLLATE utf8mb4_unicode_ci, '30m' COLLATE utf8mb4_unicode_ci, 6
        UNION ALL SELECT 'ticket' COLLATE utf8mb4_unicode_ci, '3d' COLLATE utf8mb4_unicode_ci, '6h' COLLATE utf8mb4_unicode_ci, 1
      ) a
      JOIN v_slo_burn b ON b.span IN (a.long_span, a.short_span)
     WHERE b.span IN ('5m', '30m', '1h', '6h', '3d')
     GROUP BY b.objective, a.severity, a.long_span, a.short_span, a.burn_limit
  ) alerts
