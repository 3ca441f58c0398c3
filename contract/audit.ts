import { z } from "zod";

/** How somebody asked for a change. */
const AUDIT_VIAS = ["api", "control", "key", "cli", "consumer"] as const;

/** What somebody did who may change things: a record of the topic `audit`, a row of `audit_log` that nobody edits. */
export const auditRecord = z.object({
  v: z.literal(1),
  audit_id: z.uuid(), // the identity, so that a redelivered record adds no row
  time: z.iso.datetime().refine((iso) => Date.parse(iso) >= 0, "must not lie before 1970"),
  actor: z.string().min(1).max(128), // address, or user@host: as far as anybody knows
  via: z.enum(AUDIT_VIAS),
  action: z.string().regex(/^[a-z][a-z._-]{0,63}$/), // such as fault.start
  target: z.string().max(255), // what it was done to
  result: z.enum(["done", "refused", "failed"]),
  detail: z.record(z.string().max(64), z.unknown()), // never a token
});

export type AuditRecord = z.output<typeof auditRecord>;
export type AuditEntry = Pick<AuditRecord, "actor" | "via" | "action" | "target" | "result" | "detail">;

/** Takes what was done; never throws and never waits. */
export type Audit = (entry: AuditEntry) => void;
