import { createHash } from "node:crypto";
import type { Connection, Row } from "./database.ts";

export interface Account {
  readonly user: string;
  readonly password: string;
}

export interface Accounts {
  readonly writer: Account;
  readonly reader: Account;
}

/** Users are server-wide, so the name carries the database; MySQL allows 32 characters. */
export function userName(role: "writer" | "reader", database: string): string {
  const name = `rushhour_${role}_${database}`;
  if (name.length <= 32) return name;
  return `rushhour_${role}_${createHash("sha256").update(database).digest("hex").slice(0, 15)}`;
}

/** What people and panels may run at most, in seconds. */
export const READER_STATEMENT_SECONDS = 30;

/**
 * Makes the two users or sets their passwords: the writer inserts and updates, the reader only selects. Neither
 * changes the schema, deletes, or reads files.
 * Only MariaDB limits statements by account; MySQL's limit is the server's `max_execution_time`.
 */
export async function ensureUsers(
  connection: Connection,
  database: string,
  { writer, reader }: Accounts,
): Promise<void> {
  const [[server]] = await connection.query<Row[]>("SELECT VERSION() AS version");
  const isMariaDb = String(server?.["version"]).includes("MariaDB");
  for (const account of [writer, reader]) {
    const identified = [account.user, account.password];
    await connection.query("CREATE USER IF NOT EXISTS ?@'%' IDENTIFIED BY ?", identified);
    await connection.query("ALTER USER ?@'%' IDENTIFIED BY ?", identified);
  }
  // In a grant "_" and "%" of a database name are wildcards.
  const pattern = connection.escapeId(database.replace(/([_%])/g, "\\$1"));
  await connection.query(`GRANT SELECT, INSERT, UPDATE ON ${pattern}.* TO ?@'%'`, [writer.user]);
  await connection.query(`GRANT SELECT, SHOW VIEW ON ${pattern}.* TO ?@'%'`, [reader.user]);
  if (isMariaDb) {
    await connection.query(`ALTER USER ?@'%' WITH MAX_STATEMENT_TIME ${READER_STATEMENT_SECONDS}`, [
      reader.user,
    ]);
  }
}
