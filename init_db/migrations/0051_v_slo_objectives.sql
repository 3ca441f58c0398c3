-- The objectives that v_slo, v_slo_burn and v_slo_alerts measure: one without threshold_ms is about status 500 and above, the others about
-- slow answers. Others are set by replacing this view.
CREATE OR REPLACE SQL SECURITY INVOKER VIEW v_slo_objectives AS
SELECT 'availability' COLLATE utf8mb4_unicode_ci AS objective, 99.0 AS target_percent, NULL AS threshold_ms
UNION ALL SELECT 'latency' COLLATE utf8mb4_unicode_ci, 99.0, 300
