import { createHash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { connect, databaseOf, lockName } from "./database.ts";
import type { Connection, Row } from "./database.ts";
import { ensureDayPartitions } from "./partitions.ts";
import { ensureUsers } from "./users.ts";
import type { Accounts } from "./users.ts";

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
  readonly partitions: readonly string[]; // days made now
}

/**
 * Brings the database of `ownerUrl` up to date: makes it, runs what is new in migrations/ in order, makes the days
 * ahead and the two users. Safe to run again and by several at once (GET_LOCK); DDL commits by itself, so each
 * migration is one statement that may be repeated.
 * @throws Error naming the migration that failed; those before it stay
 */
export async function migrate(ownerUrl: string, accounts: Accounts): Promise<Migrated> {
  const database = databaseOf(ownerUrl);
  const connection = await connect(ownerUrl, { database: "" });
  try {
    const name = connection.escapeId(database);
    await connection.query(
      `CREATE DATABASE IF NOT EXISTS ${name} CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci`,
    );
    await connection.query(`USE ${name}`);
    await lock(connection, lockName(database, "migrate"));
    const applied = await applyNew(connection);
    const partitions = await ensureDayPartitions(connection);
    await ensureUsers(connection, database, accounts);
    return { database, applied, partitions };
  } finally {
    await connection.end(); // gives the lock back too
  }
}

async function lock(connection: Connection, name: string): Promise<void> {
  const [[row]] = await connection.query<Row[]>("SELECT GET_LOCK(?, 60) AS taken", [name]);
  if (Number(row?.["taken"]) !== 1) {
    throw new Error(
      "another migration has been running for 60 s (lock " + name + "); wait for it or end it, then repeat",
    );
  }
}

async function applyNew(connection: Connection): Promise<string[]> {
  await connection.query(
    `CREATE TABLE IF NOT EXISTS schema_migrations (
       version INT UNSIGNED NOT NULL PRIMARY KEY, name VARCHAR(128) NOT NULL, checksum CHAR(64) NOT NULL,
       applied_at DATETIME(3) NOT NULL DEFAULT CURRENT_TIMESTAMP(3)
     ) ENGINE = InnoDB DEFAULT CHARACTER SET ascii`,
  );
  const [rows] = await connection.query<Row[]>("SELECT version, checksum FROM schema_migrations");
  const checksums = new Map(rows.map((row) => [Number(row["version"]), String(row["checksum"])]));

  const applied: string[] = [];
  for (const migration of migrations()) {
    const known = checksums.get(migration.version);
    if (known === migration.checksum) continue;
    if (known !== undefined) {
      throw new Error(
        `migration ${migration.name} was changed after it ran here; a merged migration is never edited`,
      );
    }
    try {
      await connection.query(migration.sql);
    } catch (error) {
      throw new Error(`migration ${migration.name} failed`, { cause: error });
    }
    await connection.query("INSERT INTO schema_migrations (version, name, checksum) VALUES (?, ?, ?)", [
      migration.version,
      migration.name,
      migration.checksum,
    ]);
    applied.push(migration.name);
  }
  return applied;
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
