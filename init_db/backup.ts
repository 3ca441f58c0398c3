import type { Connection as CoreConnection } from "mysql2";
import { BackupWriter, FORMAT, type BackupTable } from "./backup-file.ts";
import type { Connection, Row } from "./database.ts";
import { migrations } from "./migrate.ts";
import { PARTITIONED } from "./partitions.ts";

export interface BackupOptions {
  readonly onProgress: (table: string, rows: number) => void;
}

/** First in a backup, because the partitions follow from it. */
const FIRST = "retention";

/** Last in a backup: as long as it has no positions, a store that is being restored is not one that can go on. */
const LAST = "ingest_offsets";

/** Text goes to the compressor in pieces of this size. */
const CHUNK_CHARACTERS = 2 ** 18;

/** The tables that our migrations make, in the order of a backup. What else is in the database is somebody else's. */
export function tablesOfStore(): string[] {
  const made = migrations().flatMap(({ sql }) => /^CREATE TABLE IF NOT EXISTS (\w+)/m.exec(sql)?.[1] ?? []);
  return [FIRST, ...made.filter((table) => table !== FIRST && table !== LAST), LAST];
}

/**
 * All rows of the store as text of a backup, as they stand at one moment: positions and rows fit each other while consumers go on. Reads
 * one table after the other and holds next to nothing in memory.
 * @throws Error when the database is not at this program's version
 */
export async function* backupOf(
  connection: Connection,
  { onProgress }: BackupOptions,
): AsyncGenerator<string> {
  await connection.query("SET SESSION net_write_timeout = 3600, time_zone = '+00:00'"); // whoever writes may be slow
  const applied = await appliedMigrations(connection);
  await connection.query("SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ");
  await connection.query("START TRANSACTION");
  const tables = tablesOfStore();
  // Held until the end: a partition that is dropped meanwhile would take rows out of the snapshot.
  for (const table of tables) await connection.query(`SELECT 1 FROM ${table} LIMIT 0`);
  const [[server]] = await connection.query<Row[]>("SELECT VERSION() AS version");

  const writer = new BackupWriter();
  yield writer.head({
    rushhour_backup: FORMAT,
    made_at: new Date().toISOString(),
    server: String(server?.["version"]),
    migrations: applied,
    oldest_ms: await oldestMs(connection),
  });
  for (const table of tables) yield* rowsOf(connection, table, writer, onProgress);
  yield writer.seal();
  await connection.query("COMMIT");
}

async function appliedMigrations(connection: Connection): Promise<string[]> {
  const [rows] = await connection.query<Row[]>("SELECT name FROM schema_migrations ORDER BY version");
  const applied = rows.map((row) => String(row["name"]));
  const known = migrations().map(({ name }) => name);
  if (applied.join() === known.join()) return applied;
  throw new Error("the database is at another version than this program: run npx rushhour migrate first");
}

async function oldestMs(connection: Connection): Promise<number> {
  const oldest = PARTITIONED.map(({ name, column }) =>
    column === "bucket_s"
      ? `(SELECT MIN(bucket_s) FROM ${name})`
      : `(SELECT UNIX_TIMESTAMP(MIN(${column})) FROM ${name})`,
  );
  const now = "UNIX_TIMESTAMP()";
  const [[row]] = await connection.query<Row[]>(
    `SELECT FLOOR(LEAST(${oldest.map((one) => `COALESCE(${one}, ${now})`).join(", ")})) AS oldest_s`,
  );
  return Number(row?.["oldest_s"]) * 1_000;
}

async function* rowsOf(
  connection: Connection,
  table: string,
  writer: BackupWriter,
  onProgress: BackupOptions["onProgress"],
): AsyncGenerator<string> {
  const described = await describe(connection, table);
  const isBinary = described.columns.map((column) => described.binary.includes(column));
  const columns = described.columns.map((column) => `\`${column}\``).join(", ");
  let text = writer.table(described);
  let rows = 0;
  // The promise wrapper reads a whole result; what it wraps reads rows one by one.
  const { connection: core } = connection as unknown as { connection: CoreConnection };
  const stream = core
    .query({ sql: `SELECT ${columns} FROM ${table}`, rowsAsArray: true, typeCast: false })
    .stream({ highWaterMark: 1_000 });
  for await (const row of stream as AsyncIterable<readonly (Buffer | null)[]>) {
    rows++;
    text += writer.row(
      row.map((value, i) => (value === null ? null : value.toString(isBinary[i] ? "hex" : "utf8"))),
    );
    if (text.length < CHUNK_CHARACTERS) continue;
    yield text;
    text = "";
    onProgress(table, rows);
  }
  yield text + writer.endOfTable();
  onProgress(table, rows);
}

/** Columns that hold data: what is generated is not stored twice. */
async function describe(connection: Connection, table: string): Promise<BackupTable> {
  const [rows] = await connection.query<Row[]>(
    `SELECT COLUMN_NAME AS name, DATA_TYPE AS type, EXTRA AS extra FROM information_schema.COLUMNS
      WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = ? ORDER BY ORDINAL_POSITION`,
    [table],
  );
  const stored = rows.filter(({ extra }) => !/\b(?:VIRTUAL|STORED|PERSISTENT)\b/i.test(String(extra)));
  const isBinary = (type: unknown) => /binary|blob|bit/i.test(String(type));
  return {
    table,
    columns: stored.map(({ name }) => String(name)),
    binary: stored.filter(({ type }) => isBinary(type)).map(({ name }) => String(name)),
  };
}
