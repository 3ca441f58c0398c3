import { Readable } from "node:stream";
import { requestLogs } from "../consumer/request-logs.ts";
import type { RequestLogRow } from "../contract/request-log-row.ts";
import { connect, type Connection, type Row } from "../init_db/database.ts";
import {
  createDatabase,
  markdownTable,
  numberOf,
  spread,
  stopwatchOfCpu,
  type Bench,
  type BenchDatabase,
  type DatabaseServer,
} from "./harness.ts";
import { loadColumns, loadText, loadValues, WITH_LOCAL_FILES } from "./load-text.ts";
import { historyOf, laneOf, take } from "./store-history.ts";
import { layOut, LAYOUTS } from "./store-layouts.ts";

/** Ways to write the same rows into `api_logs`: their speed, and what each does to a value that does not fit. */

interface InsertPath {
  readonly title: string;
  /** What each connection needs once. */
  readonly prepare?: (columns: readonly string[]) => string;
  /** One transaction. @throws whatever the database refuses; it is rolled back then */
  readonly write: (connection: Connection, rows: readonly RequestLogRow[]) => Promise<unknown>;
}

const { table } = requestLogs();
const ON_DUPLICATE = "ON DUPLICATE KEY UPDATE request_id = api_logs.request_id";
const DROP_STAGING = "DROP TEMPORARY TABLE IF EXISTS staging";

export const INSERT_PATHS: Readonly<Record<string, InsertPath>> = {
  text: {
    title: "literal multi-row INSERT (consumer/request-logs.ts)",
    write: (connection, rows) => connection.query(transaction(...table.insert(rows))),
  },
  staged: {
    title: "LOAD DATA into a staging table of text, INSERT … SELECT",
    prepare: (columns) =>
      `${DROP_STAGING}; CREATE TEMPORARY TABLE staging (${columns.map((column) => `${column} LONGTEXT`).join()})`,
    write: (connection, rows) => writeStaged(connection, rows),
  },
  "staged-typed": {
    title: "LOAD DATA into a staging table with the columns of api_logs, INSERT … SELECT",
    prepare: (columns) =>
      `${DROP_STAGING}; CREATE TEMPORARY TABLE staging AS SELECT ${columns.join()} FROM api_logs LIMIT 0`,
    write: (connection, rows) => writeStaged(connection, rows),
  },
  json: {
    title: "INSERT … SELECT from JSON_TABLE",
    write: (connection, rows) => connection.query(transaction(insertFromJson(rows))),
  },
  load: {
    title: "LOAD DATA straight into api_logs",
    write: (connection, rows) => connection.query(loading(transaction(loadInto("api_logs", rows)), rows)),
  },
  "load-checked": {
    title: "the same, rolled back at any warning or missing row",
    write: writeChecked,
  },
};

const transaction = (...statements: string[]) => ["BEGIN", ...statements, "COMMIT"].join(";\n");

const loadInto = (name: string, [row]: readonly RequestLogRow[]) =>
  `LOAD DATA LOCAL INFILE 'rows' INTO TABLE ${name} CHARACTER SET utf8mb4 (${loadColumns(row!).join()})`;

/** What mysql2 sends when the server asks for the file. */
const loading = (sql: string, rows: readonly RequestLogRow[]) => ({
  sql,
  infileStreamFactory: () => Readable.from([loadText(rows)]),
});

async function writeStaged(connection: Connection, rows: readonly RequestLogRow[]): Promise<void> {
  const columns = loadColumns(rows[0]!).join();
  const insert = `INSERT INTO api_logs (${columns}) SELECT ${columns} FROM staging ${ON_DUPLICATE}`;
  const statements = [transaction(loadInto("staging", rows), insert), "TRUNCATE TABLE staging"];
  await connection.query(loading(statements.join(";\n"), rows));
}

/** One array a row. A path alone gives NULL for whatever does not fit, so all are text and an error stays one. */
function insertFromJson(rows: readonly RequestLogRow[]): string {
  const names = loadColumns(rows[0]!);
  const columns = names.map((name, n) => `${name} LONGTEXT PATH '$[${n}]' ERROR ON ERROR`);
  const json = JSON.stringify(rows.map(loadValues)).replace(/[\\']/g, String.raw`\$&`);
  return `INSERT INTO api_logs (${names.join()}) SELECT ${names.join()}
    FROM JSON_TABLE('${json}', '$[*]' COLUMNS (${columns.join()})) AS batch ${ON_DUPLICATE}`;
}

/** LOCAL turns errors and twins into warnings; so with any of them nothing is stored, and another path would have to take over. */
async function writeChecked(connection: Connection, rows: readonly RequestLogRow[]): Promise<void> {
  const [results] = await connection.query(loading(`BEGIN;\n${loadInto("api_logs", rows)}`, rows));
  const { affectedRows, warningStatus } = (
    results as unknown as { affectedRows: number; warningStatus: number }[]
  )[1]!;
  if (affectedRows !== rows.length || warningStatus > 0) throw new Error(`${warningStatus} warnings`);
  await connection.query("COMMIT");
}

/* ---- speed ---- */

const ROWS_PER_TRANSACTION = 4_000;
const CONNECTIONS = 2;
/** Held in memory, so that making them is not measured. */
const MAX_ROWS = 300_000;

interface Figures {
  readonly rowsPerSecond: number;
  readonly clientCpuUs: number | undefined; // a row; undefined where it cannot be read
  readonly databaseCpuUs: number | undefined;
}

/** Writes the same rows by each path into empty tables. @returns Markdown */
export async function measurePaths(
  bench: Bench,
  server: DatabaseServer,
  names: readonly string[],
  { rows: wanted, repeats, seed }: { rows: number; repeats: number; seed: number },
): Promise<string> {
  const history = historyOf(Math.min(wanted, MAX_ROWS), seed);
  const rows = [...laneOf(history, 0, 1)];
  const figures = new Map<string, Figures[]>(names.map((name) => [name, []]));
  const outcomes = new Map<string, string[]>();
  for (let repeat = 1; repeat <= repeats; repeat++) {
    for (const name of names) {
      const path = INSERT_PATHS[name]!;
      const database = await createDatabase(bench, server);
      const connections = await openConnections(bench, database, path, rows);
      await layOut(connections[0]!, server, LAYOUTS["none"]!, history);
      const measured = await write(connections, server, path, rows);
      const stored = await numberOf(database.pool, "SELECT COUNT(*) FROM api_logs");
      if (stored !== rows.length) throw new Error(`${name} stored ${stored} of ${rows.length} rows`);
      if (repeat === 1) outcomes.set(name, await outcomesOf(connections[0]!, path, rows[0]!));
      for (const connection of connections) await connection.end();
      await database.drop();
      figures.get(name)!.push(measured);
      bench.progress(
        `${repeat}/${repeats} ${server.label} ${name}: ${Math.round(measured.rowsPerSecond)} rows/s, CPU µs/row ${measured.clientCpuUs?.toFixed(1)} + ${measured.databaseCpuUs?.toFixed(1)}`,
      );
    }
  }
  return `${speedTable(figures)}\n\n${outcomeTable(outcomes)}\n`;
}

/** Connections with the session of the consumer, as the owner: temporary tables need a privilege that the writer has not. */
async function openConnections(
  bench: Bench,
  { ownerUrl }: BenchDatabase,
  { prepare }: InsertPath,
  [row]: readonly RequestLogRow[],
): Promise<Connection[]> {
  const connections: Connection[] = [];
  while (connections.length < CONNECTIONS) {
    const connection = await connect(ownerUrl, {
      ...WITH_LOCAL_FILES,
      multipleStatements: true,
      queryFormat: (sql) => sql,
    });
    bench.onClose(() => connection.end());
    await connection.query("SET SESSION sql_mode = 'STRICT_ALL_TABLES'");
    await connection.query("SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED");
    if (prepare) await connection.query(prepare(loadColumns(row!)));
    connections.push(connection);
  }
  return connections;
}

async function write(
  connections: readonly Connection[],
  server: DatabaseServer,
  path: InsertPath,
  rows: readonly RequestLogRow[],
): Promise<Figures> {
  const client = stopwatchOfCpu(process.pid, rows.length);
  const database = stopwatchOfCpu(server.pid, rows.length);
  const startedMs = performance.now();
  const left = rows[Symbol.iterator]();
  const writeOn = async (connection: Connection) => {
    for (
      let batch = take(left, ROWS_PER_TRANSACTION);
      batch.length > 0;
      batch = take(left, ROWS_PER_TRANSACTION)
    ) {
      await path.write(connection, batch);
    }
  };
  await Promise.all(connections.map(writeOn));
  const elapsedMs = performance.now() - startedMs;
  return {
    rowsPerSecond: (rows.length / elapsedMs) * 1_000,
    ...{ clientCpuUs: client(), databaseCpuUs: database() },
  };
}

/* ---- values that do not fit ---- */

/** Column, and a value that its type refuses. */
const MISFITS: readonly (readonly [title: string, column: keyof RequestLogRow, value: unknown])[] = [
  ["`service` of 65 characters", "service", "x".repeat(65)],
  ["`status_code` 70000", "status_code", 70_000],
  ["`level` 'WRONG'", "level", "WRONG"],
  ["`response_time_ms` 'slow'", "response_time_ms", "slow"],
  ["`path` NULL", "path", null],
];

/** What becomes of each misfit: the error, or what is stored in its place. */
async function outcomesOf(connection: Connection, path: InsertPath, row: RequestLogRow): Promise<string[]> {
  const outcomes: string[] = [];
  for (const [, column, value] of MISFITS) {
    const request_id = crypto.randomUUID();
    const misfit = { ...row, request_id, [column]: value } as RequestLogRow;
    try {
      await path.write(connection, [misfit]);
      const [[stored]] = await connection.query<Row[]>(
        `SELECT LEFT(${column}, 16) AS value FROM api_logs WHERE request_id = '${request_id}'`,
      );
      outcomes.push(`stored as '${String(stored?.["value"])}'`);
    } catch (error) {
      await connection.query("ROLLBACK");
      outcomes.push(`error: ${(error as Error).message.slice(0, 80)}`);
    }
  }
  return outcomes;
}

/* ---- tables ---- */

function speedTable(figures: ReadonlyMap<string, readonly Figures[]>): string {
  const rows = [...figures].map(([name, own]) => [
    `${name}: ${INSERT_PATHS[name]!.title}`,
    spread(own.map(({ rowsPerSecond }) => rowsPerSecond)),
    spread(
      own.flatMap(({ clientCpuUs }) => clientCpuUs ?? []),
      1,
    ),
    spread(
      own.flatMap(({ databaseCpuUs }) => databaseCpuUs ?? []),
      1,
    ),
  ]);
  return markdownTable(["path", "rows/s", "client CPU µs/row", "database CPU µs/row"], rows);
}

function outcomeTable(outcomes: ReadonlyMap<string, readonly string[]>): string {
  const rows = MISFITS.map(([title], n) => [title, ...[...outcomes.values()].map((own) => own[n]!)]);
  return markdownTable(["value that does not fit", ...outcomes.keys()], rows);
}
