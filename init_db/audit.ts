import { randomUUID } from "node:crypto";
import { hostname, userInfo } from "node:os";
import type { Connection } from "./database.ts";
import type { Change } from "./partitions.ts";

/** As a record of the topic `audit`; who has a connection writes the row without one. */
export interface AuditRow {
  readonly actor?: string; // default: {@link thisProcess}
  readonly via: "cli" | "consumer";
  readonly action: string; // such as retention.drop
  readonly target: string;
  readonly result: "done" | "refused" | "failed";
  readonly detail: Readonly<Record<string, unknown>>;
}

/** Adds a row to `audit_log`; for migrations, retention and whatever else changes the database itself. */
export async function writeAudit(connection: Connection, row: AuditRow): Promise<void> {
  const { actor = thisProcess(), via, action, target, result, detail } = row;
  await connection.query(
    `INSERT INTO audit_log (audit_id, at, actor, via, action, target, result, detail)
     VALUES (?, UTC_TIMESTAMP(3), ?, ?, ?, ?, ?, ?)`,
    [randomUUID(), actor.slice(0, 128), via, action, target.slice(0, 255), result, JSON.stringify(detail)],
  );
}

/** Who runs this process, as `user@host`: as far as a process knows. */
export function thisProcess(): string {
  try {
    return `${userInfo().username}@${hostname()}`;
  } catch {
    return `uid ${process.getuid?.() ?? "?"}@${hostname()}`; // a container's user without a name
  }
}

/** A row for each table that lost partitions by age. */
export async function auditDrops(
  connection: Connection,
  changes: readonly Change[],
  { via, detail }: Pick<AuditRow, "via" | "detail">,
): Promise<void> {
  for (const { kind, table, partitions } of changes) {
    if (kind === "make") continue;
    const action = `retention.${kind}`;
    await writeAudit(connection, {
      via,
      action,
      target: table,
      result: "done",
      detail: { partitions, ...detail },
    });
  }
}
