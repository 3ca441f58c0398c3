import { createHash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { writeAudit } from "./audit.ts";
import { connect, databaseOf } from "./database.ts";
import type { Connection, Row } from "./database.ts";
import { makeGapsView } from "./gaps-view.ts";
import { lockHolder, tryLock } from "./locks.ts";
import { ensurePartitions } from "./partitions.ts";
import { seedBounds } from "./retention.ts";
import type { Keep } from "./retention.ts";
import { ensureUsers } from "./users.ts";
import type { Accounts } from "./users.ts";

const MIGRATED = { via: "cli", action: "migrate", result: "done" } as const;

const FOLDER = new URL("./migrations/", import.meta.url);

interface Migration {
  readonly version: number;
  readonly name: string;
  readonly sql: string;
  readonly checksum: string;
}

export interface Migrated {
  readonly database: string;
  readonly applied: readonly string[]; // names of the migrations run now
  readonly partitions: readonly string[]; // made now, such as api_logs.p20261121
}

/**
 * Brings the database of `ownerUrl` up to date: makes it, runs what is new in migrations/ in order, makes the
 * partitions ahead and the two users. Safe to run again and by several at once (GET_LOCK), and after it was killed: each migration
 * is one statement that may be repeated (IF NOT EXISTS, OR REPLACE) or that says when it need not ({@link isThere}).
 * @param keep how long each is kept, where the table `retention` does not say so yet
 * @throws Error naming the migration that failed and its statement; those before it stay
 */
export async function migrate(ownerUrl: string, accounts: Accounts, keep: Keep): Promise<Migrated> {
  const database = databaseOf(ownerUrl);
  const connection = await connect(ownerUrl, { database: "" });
  try {
    await useDatabase(connection, database);
    await lock(connection);
    await connection.query("SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED"); // what fills a table locks none that it reads
    const applied = await applyMigrations(connection);
    if (applied.length > 0)
      await writeAudit(connection, { ...MIGRATED, target: database, detail: { applied } });
    await makeGapsView(connection);
    await seedBounds(connection, keep, Date.now());
    const partitions = await ensurePartitions(connection);
    await ensureUsers(connection, database, accounts);
    return { database, applied, partitions };
  } finally {
    await connection.end(); // gives the lock back too
  }
}

/** Makes it where it is missing. */
export async function useDatabase(connection: Connection, database: string): Promise<void> {
  const name = connection.escapeId(database);
  await connection.query(
    `CREATE DATABASE IF NOT EXISTS ${name} CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci`,
  );
  await connection.query(`USE ${name}`);
}

async function lock(connection: Connection): Promise<void> {
  if (await tryLock(connection, "migrate", 60)) return;
  const holder = await lockHolder(connection, "migrate");
  throw new Error(
    `another migration has been running for 60 s: ${holder}; wait for it or end it, then repeat`,
  );
}

/**
 * Runs what is new in the connection's database.
 * @param isWanted by its name; default: all
 * @returns the names of those that ran
 */
export async function applyMigrations(
  connection: Connection,
  isWanted: (name: string) => boolean = () => true,
): Promise<string[]> {
  await connection.query(
    `CREATE TABLE IF NOT EXISTS schema_migrations (
       version INT UNSIGNED NOT NULL PRIMARY KEY, name VARCHAR(128) NOT NULL, checksum CHAR(64) NOT NULL,
       applied_at DATETIME(3) NOT NULL DEFAULT CURRENT_TIMESTAMP(3)
     ) ENGINE = InnoDB DEFAULT CHARACTER SET ascii`,
  );
  const [rows] = await connection.query<Row[]>("SELECT version, name, checksum FROM schema_migrations");
  const known = migrations();
  refuseNewer(rows, known);
  const checksums = new Map(rows.map((row) => [Number(row["version"]), String(row["checksum"])]));

  const applied: string[] = [];
  for (const migration of known.filter(({ name }) => isWanted(name))) {
    const checksum = checksums.get(migration.version);
    if (checksum === migration.checksum) continue;
    if (checksum !== undefined) {
      throw new Error(
        `migration ${migration.name} was changed after it ran here; a merged migration is never edited`,
      );
    }
    await apply(connection, migration);
    applied.push(migration.name);
  }
  return applied;
}

/** What this program does not know was made by a newer one, whose tables it could misread. */
function refuseNewer(rows: readonly Row[], known: readonly Migration[]): void {
  const versions = new Set(known.map(({ version }) => version));
  const newer = rows.filter((row) => !versions.has(Number(row["version"]))).map((row) => String(row["name"]));
  if (newer.length === 0) return;
  throw new Error(
    `the database is newer than this program, which does not know ${newer.join(", ")}; use the version of rushhour that made it, or a later one`,
  );
}

/** Runs the statement, unless its guard finds that an earlier attempt got as far, and writes down that it ran. */
async function apply(connection: Connection, { version, name, sql, checksum }: Migration): Promise<void> {
  try {
    if (!(await isThere(connection, sql))) await connection.query(sql);
  } catch (error) {
    throw new Error(
      `migration ${name} failed at\n\n${sql.trim()}\n\nThose before it stay; remove the cause and repeat, it goes on from here. The database says`,
      { cause: error },
    );
  }
  await connection.query("INSERT INTO schema_migrations (version, name, checksum) VALUES (?, ?, ?)", [
    ...[version, name, checksum],
  ]);
}

const GUARD = /^-- unless (?<what>column|index) (?<table>\w+)\.(?<member>\w+)$/m;

/**
 * DDL commits by itself, so a migrator that dies before it has written down what ran leaves the change behind. MySQL knows
 * no ADD COLUMN IF NOT EXISTS; such a migration says in its first line what it adds: `-- unless column table.column` or
 * `-- unless index table.index`.
 */
async function isThere(connection: Connection, sql: string): Promise<boolean> {
  const guard = GUARD.exec(sql)?.groups;
  if (!guard) return false;
  const [view, member] =
    guard["what"] === "column" ? ["COLUMNS", "COLUMN_NAME"] : ["STATISTICS", "INDEX_NAME"];
  const [found] = await connection.query<Row[]>(
    `SELECT 1 FROM information_schema.${view} WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = ? AND ${member} = ? LIMIT 1`,
    [guard["table"], guard["member"]],
  );
  return found.length > 0;
}

/** The files of migrations/ such as 0001_api_logs.sql, in order. */
export function migrations(): Migration[] {
  return readdirSync(FOLDER)
    .filter((file) => /^\d{4}_\w+\.sql$/.test(file))
    .sort()
    .map((file) => {
      const sql = readFileSync(new URL(file, FOLDER), "utf8");
      return {
        version: Number(file.slice(0, 4)),
        name: file.slice(0, -".sql".length),
        sql,
        checksum: createHash("sha256").update(sql).digest("hex"),
      };
    });
}
