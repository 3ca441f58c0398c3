import { createHash } from "node:crypto";
import { READER_STATEMENT_SECONDS, type Connection, type Row } from "./database.ts";
import { PARTITIONED } from "./partitions.ts";

export interface Account {
  readonly user: string;
  readonly password: string;
}

export interface Accounts {
  readonly writer: Account;
  readonly reader: Account;
}

/** What nobody but a migration changes: who may write the audit may add to it, no more. */
const NEVER_UPDATED = ["audit_log", "schema_migrations"];

/** UPDATE by table, because a right to the whole database cannot be taken back for one of its tables. */
async function grantUpdates(connection: Connection, database: string, user: string): Promise<void> {
  const [tables] = await connection.query<Row[]>(
    `SELECT TABLE_NAME AS name FROM information_schema.TABLES
      WHERE TABLE_SCHEMA = ? AND TABLE_TYPE = 'BASE TABLE' AND TABLE_NAME NOT IN (?)`,
    [database, NEVER_UPDATED],
  );
  for (const { name } of tables) {
    const table = `${connection.escapeId(database)}.${connection.escapeId(String(name))}`;
    await connection.query(`GRANT UPDATE ON ${table} TO ?@'%'`, [user]);
  }
}

/** Before there was an audit the writer might UPDATE the whole database. MySQL takes back only what was given. */
async function revokeOldUpdate(connection: Connection, pattern: string, user: string): Promise<void> {
  const [held] = await connection.query<Row[]>(
    `SELECT 1 FROM information_schema.SCHEMA_PRIVILEGES
      WHERE GRANTEE = ? AND PRIVILEGE_TYPE = 'UPDATE' AND CONCAT('\`', TABLE_SCHEMA, '\`') = ?`,
    [`'${user}'@'%'`, pattern],
  );
  if (held.length > 0) await connection.query(`REVOKE UPDATE ON ${pattern}.* FROM ?@'%'`, [user]);
}

/** Users are server-wide, so the name carries the database; MySQL allows 32 characters. */
export function userName(role: "writer" | "reader", database: string): string {
  const name = `rushhour_${role}_${database}`;
  if (name.length <= 32) return name;
  return `rushhour_${role}_${createHash("sha256").update(database).digest("hex").slice(0, 15)}`;
}

/** Connections of people and panels together: of the 151 that both databases allow by default, writers keep most. */
export const READER_CONNECTIONS = 60;

/**
 * Makes the two users or sets their passwords: the writer inserts and updates, and keeps the partitions of
 * partitioned tables; the reader only selects. Neither reads files or goes beyond the database.
 *
 * The reader's limits keep mistakes small. They are no wall: MariaDB alone limits the time of statements by account
 * (`connectReader` does it for both), and a session may lift it; MySQL alone asks for the password before it is changed.
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
  await connection.query(`GRANT SELECT, INSERT ON ${pattern}.* TO ?@'%'`, [writer.user]);
  await grantUpdates(connection, database, writer.user);
  await revokeOldUpdate(connection, pattern, writer.user);
  for (const { name, kept } of PARTITIONED) {
    const table = `${connection.escapeId(database)}.${connection.escapeId(name)}`;
    const rights = `ALTER, CREATE, DROP${kept === "api_logs" ? "" : ", DELETE"}`; // partitions; folded rollups
    await connection.query(`GRANT ${rights} ON ${table} TO ?@'%'`, [writer.user]);
  }
  await connection.query(`GRANT SELECT, SHOW VIEW ON ${pattern}.* TO ?@'%'`, [reader.user]);
  const limits = isMariaDb
    ? `WITH MAX_USER_CONNECTIONS ${READER_CONNECTIONS} MAX_STATEMENT_TIME ${READER_STATEMENT_SECONDS}`
    : `WITH MAX_USER_CONNECTIONS ${READER_CONNECTIONS} PASSWORD REQUIRE CURRENT`;
  await connection.query(`ALTER USER ?@'%' ${limits}`, [reader.user]);
}
