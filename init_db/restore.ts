import { writeAudit } from "./audit.ts";
import { tablesOfStore } from "./backup.ts";
import { readBackup, type BackupHead, type BackupRow, type BackupTable } from "./backup-file.ts";
import { connect, databaseOf, type Connection, type Row } from "./database.ts";
import { lockHolder, tryLock } from "./locks.ts";
import { applyMigrations, migrate, migrations, useDatabase } from "./migrate.ts";
import { ensurePartitions } from "./partitions.ts";
import type { Keep } from "./retention.ts";
import type { Accounts } from "./users.ts";

export interface RestoreOptions {
  readonly accounts: Accounts;
  readonly keep: Keep;
  /** Whether rows that are there go first. */
  readonly replace: boolean;
  readonly onProgress: (table: string, rows: number) => void;
}

export interface Restored {
  readonly database: string;
  readonly made_at: string; // the backup
  readonly tables: number;
  readonly rows: number;
}

/** `migrate` writes into these, so they say nothing of whether anybody has used the store. */
const SEEDED: ReadonlySet<string> = new Set(["retention", "audit_log"]);

const MAX_ROWS = 2_000;
const MAX_CHARACTERS = 2 ** 20; // of a statement; servers take 16 MiB by default

/**
 * Makes the store of a backup: its tables as they were then, its rows, and what migrations have come since. The file is read
 * through once before anything is changed.
 * @throws Error when the file is damaged, of a newer program, or the store is not empty and not to be replaced
 */
export async function restore(path: string, ownerUrl: string, options: RestoreOptions): Promise<Restored> {
  const head = await checked(path);
  const database = databaseOf(ownerUrl);
  const connection = await connect(ownerUrl, { database: "" });
  try {
    await useDatabase(connection, database);
    await refuseConsumers(connection);
    if (!options.replace) await refuseRows(connection, database);
    await dropStore(connection);
    await applyMigrations(connection, (migration) => head.migrations.includes(migration));
    const { tables, rows } = await load(connection, path, head, options);
    await migrate(ownerUrl, options.accounts, options.keep);
    await writeAudit(connection, {
      ...{ via: "cli", action: "restore", target: database, result: "done" },
      detail: { made_at: head.made_at, rows },
    });
    return { database, made_at: head.made_at, tables, rows };
  } finally {
    connection.destroy(); // gives the lock back too
  }
}

/** Reads the whole file. @returns its head */
async function checked(path: string): Promise<BackupHead> {
  let found: BackupHead | undefined;
  await readBackup(path, {
    head(head) {
      const known = new Set(migrations().map(({ name }) => name));
      const newer = head.migrations.filter((name) => !known.has(name));
      if (newer.length > 0) {
        throw new Error(
          `${path} is newer than this program, which does not know ${newer.join(", ")}: use the version of rushhour that made it, or a later one`,
        );
      }
      found = head;
    },
  });
  return found!;
}

/** What a consumer stored into a half-restored store would be neither here nor there. Held until the restore has ended. */
async function refuseConsumers(connection: Connection): Promise<void> {
  if (await tryLock(connection, "upkeep", 0)) return;
  throw new Error(
    `a consumer stores into this database (${await lockHolder(connection, "upkeep")}): stop all consumers, then repeat`,
  );
}

async function refuseRows(connection: Connection, database: string): Promise<void> {
  const there = await existing(connection, "BASE TABLE");
  for (const table of tablesOfStore()) {
    if (!there.has(table) || SEEDED.has(table)) continue;
    const [rows] = await connection.query<Row[]>(`SELECT 1 FROM ${table} LIMIT 1`);
    if (rows.length === 0) continue;
    throw new Error(
      `the database ${database} is not empty: ${table} has rows. Name another one in MYSQL_URL, or add --replace, which removes every row of this store first`,
    );
  }
}

/** Drops what our migrations made, and nothing else. */
async function dropStore(connection: Connection): Promise<void> {
  const ours = migrations().flatMap(({ sql }) => /\bVIEW (\w+) AS$/m.exec(sql)?.[1] ?? []);
  const [views, tables] = [await existing(connection, "VIEW"), await existing(connection, "BASE TABLE")];
  for (const view of ours) if (views.has(view)) await connection.query(`DROP VIEW IF EXISTS ${view}`);
  for (const table of [...tablesOfStore(), "schema_migrations"]) {
    if (tables.has(table)) await connection.query(`DROP TABLE ${table}`);
  }
}

async function existing(connection: Connection, type: "BASE TABLE" | "VIEW"): Promise<Set<string>> {
  const [rows] = await connection.query<Row[]>(
    "SELECT TABLE_NAME AS name FROM information_schema.TABLES WHERE TABLE_SCHEMA = DATABASE() AND TABLE_TYPE = ?",
    [type],
  );
  return new Set(rows.map(({ name }) => String(name)));
}

async function load(
  connection: Connection,
  path: string,
  head: BackupHead,
  { onProgress }: RestoreOptions,
): Promise<{ tables: number; rows: number }> {
  await connection.query("SET SESSION sql_mode = 'STRICT_ALL_TABLES,NO_AUTO_VALUE_ON_ZERO'");
  let table: BackupTable | undefined;
  let isBinary: boolean[] = [];
  let literals: string[] = [];
  let characters = 0;
  let rows = 0;

  async function insert(): Promise<void> {
    if (literals.length === 0) return;
    const columns = table!.columns.map((column) => connection.escapeId(column)).join(", ");
    const sql = `INSERT INTO ${connection.escapeId(table!.table)} (${columns}) VALUES ${literals.join(",\n")}`;
    rows += literals.length;
    literals = [];
    characters = 0;
    try {
      await connection.query(sql);
    } catch (error) {
      throw new Error(
        `${table!.table} does not take the rows of the backup, which now is half restored: if a consumer was started meanwhile, stop it and repeat with --replace. The database says`,
        { cause: error },
      );
    }
    onProgress(table!.table, rows);
  }

  const literal = (value: string | null, i: number) =>
    value === null ? "NULL" : isBinary[i] ? `x'${value.replace(/[^\da-f]/g, "")}'` : connection.escape(value);

  return readBackup(path, {
    table(next) {
      if (!tablesOfStore().includes(next.table)) throw new Error(`a backup has no table ${next.table}`);
      table = next;
      isBinary = next.columns.map((column) => next.binary.includes(column));
      rows = 0;
    },
    row(row: BackupRow) {
      const text = `(${row.map(literal).join()})`;
      literals.push(text);
      characters += text.length;
      return literals.length < MAX_ROWS && characters < MAX_CHARACTERS ? undefined : insert();
    },
    async endOfTable() {
      await insert();
      // Its rows say from when on there are partitions.
      if (table!.table === "retention") await ensurePartitions(connection, { fromMs: head.oldest_ms });
    },
  });
}
