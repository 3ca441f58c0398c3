import { z } from "zod";
import { auditRecord, type AuditRecord } from "../contract/audit.ts";
import { AUDIT_TOPIC } from "../contract/topics.ts";
import type { Kind } from "./kind.ts";
import { datetime, text } from "./literals.ts";

/**
 * audit -> `audit_log`, which takes rows and changes none: the writer may not even UPDATE it, so what is there already is left out
 * by the SELECT.
 */
export const audits: Kind<AuditRecord> = {
  name: "audit",
  topics: [AUDIT_TOPIC],
  decode(fields) {
    const parsed = auditRecord.safeParse(fields);
    if (parsed.success) return { row: parsed.data };
    return { rejection: { reason: "invalid_field", detail: z.prettifyError(parsed.error) } };
  },
  origin: ({ via, result }) => ({ source: via, status: result }),
  table: {
    identity: ({ audit_id }) => audit_id,
    insert(rows) {
      const values = rows.map(
        ({ audit_id, time, actor, via, action, target, result, detail }) =>
          `SELECT ${text(audit_id)} AS audit_id, ${datetime(Date.parse(time))} AS at, ${text(actor)} AS actor, ${text(via)} AS via, ` +
          `${text(action)} AS action, ${text(target)} AS target, ${text(result)} AS result, ${text(JSON.stringify(detail))} AS detail`,
      );
      return [
        `INSERT INTO audit_log (audit_id, at, actor, via, action, target, result, detail)
         SELECT n.audit_id, n.at, n.actor, n.via, n.action, n.target, n.result, n.detail FROM (${values.join(" UNION ALL ")}) AS n
          WHERE NOT EXISTS (SELECT 1 FROM audit_log AS a WHERE a.audit_id = CONVERT(n.audit_id USING ascii))`,
      ];
    },
  },
};
