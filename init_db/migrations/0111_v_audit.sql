-- Who changed what, newest first as long as nobody orders otherwise.
CREATE OR REPLACE SQL SECURITY INVOKER VIEW v_audit AS
SELECT at, actor, via, action, target, result, detail, TIMESTAMPDIFF(SECOND, at, stored_at) AS stored_after_s
  FROM audit_log ORDER BY at DESC, audit_id DESC
