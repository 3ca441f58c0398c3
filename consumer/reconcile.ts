import {
  FINGERPRINT_SQL,
  IS_ERROR_SQL,
  MESSAGE_PATTERN_SQL,
  type ErrorGroup,
} from "../contract/error-group.ts";
import type { AppLogRow } from "../contract/app-log-row.ts";
import {
  bucketStart,
  FUNNEL_STEPS,
  LATENCY_BUCKET_SQL,
  RESOLUTIONS,
  ROUTE_ID_SQL,
} from "../contract/rollup.ts";
import type { Connection, Row } from "../init_db/database.ts";
import { lockHolder, tryLock, unlock } from "../init_db/locks.ts";
import { readBounds, type Bounds, type Kept } from "../init_db/retention.ts";
import { insertAppErrorGroups, namedAppError } from "./rollup-app-errors.ts";
import { closeBuckets, closedTo } from "./close.ts";
import { datetime, number, text } from "./literals.ts";
import { insertErrorGroups } from "./rollup-errors.ts";
import { insertRoutes } from "./rollup-routes.ts";
import {
  APP_ERRORS_TABLE,
  ERRORS_TABLE,
  FOLDED_SHARD,
  ROLLUP_TABLES,
  USERS_TABLE,
  type RollupTable,
} from "./rollup-tables.ts";

/** Rollup cells that did not say what they were made of, by table. */
export type Corrections = ReadonlyMap<string, number>;

export interface ReconcileOptions {
  readonly fromS: number; // Unix seconds
  readonly toS: number;
  /** Leave out `api_users_1d`, which takes a look at all rows of each day; default false. */
  readonly withoutUsers?: boolean;
  /** Only count. */
  readonly dryRun?: boolean;
  /** Called after each table and piece of time. */
  readonly onProgress?: (table: string, uptoS: number) => void;
}

const HOUR_S = 3_600;

/**
 * Makes the rollups of a time say what they were made of: raw rows -> 10 s and 1 min, 1 min -> 1 h, 1 h -> a day, as far back
 * as both sides are kept. They are read in one snapshot, in which they belong together because rows and rollups change in
 * one transaction; the difference is then added. So records that come in meanwhile neither wait nor are counted twice, and doing it
 * again changes nothing. Two at once would correct twice, so the second waits.
 * @throws Error when another one has been at it for a minute
 */
export async function reconcile(connection: Connection, options: ReconcileOptions): Promise<Corrections> {
  if (!(await tryLock(connection, "reconcile", 60)))
    throw new Error(
      `rollups have been reconciled for 60 s by ${await lockHolder(connection, "reconcile")}; wait for it, then repeat`,
    );
  try {
    return await reconcileAlone(connection, options);
  } finally {
    await unlock(connection, "reconcile");
  }
}

async function reconcileAlone(
  connection: Connection,
  { fromS, toS, withoutUsers = false, dryRun = false, onProgress }: ReconcileOptions,
): Promise<Corrections> {
  const corrections = new Map<string, number>();
  const kept = await readBounds(connection);
  for (const table of TABLES) {
    if (withoutUsers && table.name === USERS_TABLE.name) continue;
    const boundS = Math.max(...table.keptBy.map((name) => kept[name]));
    for (let startS = bucketStart(table.pieceS, fromS); startS < toS; startS += table.pieceS) {
      if (startS < boundS) continue;
      const differences = await compare(connection, table, startS, startS + table.pieceS);
      if (differences.length > 0)
        corrections.set(table.name, (corrections.get(table.name) ?? 0) + differences.length);
      if (!dryRun && differences.length > 0) {
        await namesOf(table)(connection, startS, startS + table.pieceS);
        await add(connection, table, differences);
      }
      onProgress?.(table.name, startS + table.pieceS);
    }
  }
  if (!dryRun) await closeAgain(connection, fromS, toS, kept);
  return corrections;
}

/** Closed buckets are made of the rollups above: written anew without a look, they say what those say now. */
async function closeAgain(connection: Connection, fromS: number, toS: number, kept: Bounds): Promise<void> {
  for (const { name, seconds } of RESOLUTIONS) {
    const endS = Math.min(toS, (await closedTo(connection, name)) + 1);
    const buckets: number[] = [];
    for (let startS = bucketStart(seconds, fromS); startS < endS; startS += seconds)
      if (startS >= kept[name]) buckets.push(startS);
    await closeBuckets(connection, name, buckets);
  }
}

/** A rollup table and what it is made of. */
interface Reconciled extends RollupTable {
  readonly keptBy: readonly Kept[]; // names in `retention`: of both sides
  readonly pieceS: number; // compared at once; whole buckets of both sides
  readonly source: (fromS: number, toS: number) => string; // a SELECT of all columns but the shard
}

const MS = "CAST(response_time_ms AS DECIMAL(18, 3))";
const bucketOf = (seconds: number) => `(TO_SECONDS(timestamp) - 62167219200) DIV ${seconds} * ${seconds}`;
const rowsOf = (fromS: number, toS: number, table = "api_logs") =>
  `FROM ${table} WHERE timestamp >= ${datetime(fromS * 1_000)} AND timestamp < ${datetime(toS * 1_000)}`;

const TABLES: readonly Reconciled[] = ROLLUP_TABLES.map((table) => {
  const { name, resolution, seconds } = table;
  const level = RESOLUTIONS.findIndex((candidate) => candidate.name === resolution);
  const isOfRequests = ![USERS_TABLE, ERRORS_TABLE, APP_ERRORS_TABLE].includes(table);
  const finer = level >= 2 && isOfRequests ? RESOLUTIONS[level - 1]!.name : undefined;
  const finerTable = name.replace(resolution, finer ?? "");
  return {
    ...table,
    keptBy: [resolution, finer ?? "api_logs"], // the bound of all raw rows
    pieceS: Math.max(HOUR_S, seconds),
    source: (fromS, toS) => {
      if (table === APP_ERRORS_TABLE) return selectAppErrors(table, rowsOf(fromS, toS, "app_logs"));
      if (finer === undefined) return selectOfRows(table, rowsOf(fromS, toS));
      const columns = [...table.key.slice(1), ...table.added, ...Object.keys(table.extremes)];
      return `SELECT bucket_s DIV ${seconds} * ${seconds} AS bucket_s, ${columns.join(", ")}
                FROM ${finerTable} WHERE bucket_s >= ${fromS} AND bucket_s < ${toS}`;
    },
  };
});

/** What each raw row is in a rollup, if anything. */
function selectOfRows(table: RollupTable, rows: string): string {
  const select = `SELECT ${bucketOf(table.seconds)} AS bucket_s`;
  if (table === USERS_TABLE) {
    const steps = FUNNEL_STEPS.map(
      ({ column, method, endpoint }) =>
        `status_code < 400 AND CAST(method AS BINARY) = '${method}' AND CAST(endpoint AS BINARY) = '${endpoint}' AS ${column}`,
    );
    return `${select}, user_id COLLATE utf8mb4_bin AS user_id, 1 AS count, status_code >= 400 AS errors,
              ${steps.join(", ")}, ${MS} AS sum_ms, timestamp AS first_at, timestamp AS last_at ${rows} AND user_id IS NOT NULL`;
  }
  if (table === ERRORS_TABLE)
    return `${select}, ${FINGERPRINT_SQL} AS fingerprint, 1 AS count, timestamp AS first_at, timestamp AS last_at,
              request_id AS last_request_id FROM (${selectErrors(rows)}) AS failed`;
  if (table.key.includes("bucket"))
    return `${select}, ${ROUTE_ID_SQL} AS route_id, ${LATENCY_BUCKET_SQL} AS bucket, 1 AS count ${rows}`;
  return `${select}, ${ROUTE_ID_SQL} AS route_id, status_code, level, 1 AS count, ${MS} AS sum_ms,
            COALESCE(bytes_in, 0) AS bytes_in, COALESCE(bytes_out, 0) AS bytes_out, ${MS} AS max_ms ${rows}`;
}

/** Errors that programs logged. */
const selectAppErrors = ({ seconds }: RollupTable, rows: string) =>
  `SELECT ${bucketOf(seconds)} AS bucket_s, fingerprint, service COLLATE utf8mb4_bin AS service, CONCAT(level) AS level, 1 AS count,
          timestamp AS first_at, timestamp AS last_at, log_id AS last_log_id ${rows} AND ${IS_ERROR_SQL}`;

/** Failed requests, each with the pattern of its message. */
const selectErrors = (rows: string) =>
  `SELECT timestamp, request_id, service, method, endpoint, status_code, error_type, ${MESSAGE_PATTERN_SQL} AS message
     ${rows} AND ${IS_ERROR_SQL}`;

/** A cell whose sides differ: its key, what is to be added, and of each extreme what the source says (null: it has no such cell). */
type Difference = Row;

async function compare(
  connection: Connection,
  { name, key, added, extremes, source }: Reconciled,
  fromS: number,
  toS: number,
): Promise<Difference[]> {
  const keys = key.join(", ");
  const ends = Object.entries(extremes);
  const select = (sign: "" | "-", is: (column: string, take: string) => string) =>
    [
      keys,
      ...added.map((column) => `${sign}SUM(${column}) AS ${column}`),
      ...ends.map(([c, take]) => is(c, take)),
    ].join(", ");
  const differs = [
    ...added.map((column) => `SUM(${column}) <> 0`),
    ...ends.map(([column, take]) => `NOT COALESCE(${take}(${column}_is) = ${take}(${column}_was), TRUE)`),
  ];
  await connection.query("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ");
  await connection.query("START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY");
  try {
    const [rows] = await connection.query<Row[]>(
      `SELECT ${select("", (column, take) => `${take}(${column}_is) AS ${column}_is, ${take}(${column}_was) AS ${column}_was`)}
         FROM (SELECT ${select("", (column, take) => `${take}(${column}) AS ${column}_is, NULL AS ${column}_was`)}
                 FROM (${source(fromS, toS)}) AS source GROUP BY ${keys}
               UNION ALL
               SELECT ${select("-", (column, take) => `NULL, ${take}(${column})`)}
                 FROM ${name} WHERE bucket_s >= ${fromS} AND bucket_s < ${toS} GROUP BY ${keys}) AS sides
        GROUP BY ${keys} HAVING ${differs.join(" OR ")}`,
    );
    return rows;
  } finally {
    await connection.query("ROLLBACK");
  }
}

const CELLS_PER_STATEMENT = 1_000;

async function add(
  connection: Connection,
  { name, key, added, extremes }: RollupTable,
  differences: readonly Difference[],
): Promise<void> {
  const ends = Object.entries(extremes);
  const columns = [...key, "shard", ...added, ...Object.keys(extremes)];
  const changes = [
    ...added.map((column) => `${column} = ${column} + VALUES(${column})`),
    ...ends.map(([column, take]) => {
      const choose = take === "MAX" ? "GREATEST" : "LEAST";
      return `${column} = ${choose}(${column}, VALUES(${column}))`;
    }),
  ];
  for (let i = 0; i < differences.length; i += CELLS_PER_STATEMENT) {
    const part = differences.slice(i, i + CELLS_PER_STATEMENT);
    const values = part.map((cell) =>
      [
        ...key.map((column) => literal(cell[column])),
        String(FOLDED_SHARD),
        ...added.map((column) => literal(cell[column])),
        ...ends.map(([column]) => literal(extremeOf(cell, column))),
      ].join(","),
    );
    await connection.query(
      `INSERT INTO ${name} (${columns.join(", ")}) VALUES ${values.map((row) => `(${row})`).join(",")}
       ON DUPLICATE KEY UPDATE ${changes.join(", ")}`,
    );
  }
  for (const [column, take] of ends) {
    for (const cell of differences) {
      const was: unknown = cell[`${column}_was`];
      const is = literal(extremeOf(cell, column));
      if (was === null || literal(was) === is) continue;
      // Beyond what the source says, where GREATEST and LEAST have left it.
      await connection.query(
        `UPDATE ${name} SET ${column} = ${is}
          WHERE ${key.map((part) => `${part} = ${literal(cell[part])}`).join(" AND ")} AND ${column} ${take === "MAX" ? ">" : "<"} ${is}`,
      );
    }
  }
}

/** What the source says. A cell that it has not is left to be folded away: with no response time, and times and ids as they were. */
function extremeOf(cell: Difference, column: string): unknown {
  return cell[`${column}_is`] ?? (column === "max_ms" ? 0 : cell[`${column}_was`]);
}

/** Numbers may come as text, because they can have more digits than a double holds; other texts are names. */
function literal(value: unknown): string {
  if (value instanceof Date) return datetime(value.getTime());
  if (typeof value === "number" || typeof value === "bigint") return number(value);
  return text(String(value));
}

/** What gives cells of a table their names. */
function namesOf(table: RollupTable) {
  if (table.name === APP_ERRORS_TABLE.name) return nameAppErrorGroups;
  return table.name === ERRORS_TABLE.name ? nameErrorGroups : nameRoutes;
}

/** Routes that rows have and nobody named: their consumers did so before, unless the table was changed by hand. */
async function nameRoutes(connection: Connection, fromS: number, toS: number): Promise<void> {
  const [rows] = await connection.query<Row[]>(
    `SELECT DISTINCT ${ROUTE_ID_SQL} AS route_id, service, method, endpoint ${rowsOf(fromS, toS)}`,
  );
  const routes = rows.map(({ route_id, service, method, endpoint }) => ({
    ...{ id: Number(route_id), service: String(service) },
    ...{ method: String(method), endpoint: String(endpoint) },
  }));
  for (const sql of insertRoutes(routes)) await connection.query(sql);
}

/** The same for groups of errors. */
async function nameErrorGroups(connection: Connection, fromS: number, toS: number): Promise<void> {
  const [rows] = await connection.query<Row[]>(
    `SELECT DISTINCT ${FINGERPRINT_SQL} AS fingerprint, service, method, endpoint, status_code, error_type, message
       FROM (${selectErrors(rowsOf(fromS, toS))}) AS failed`,
  );
  const groups = rows.map(({ fingerprint, ...group }) => [String(fingerprint), group as ErrorGroup] as const);
  for (const sql of insertErrorGroups(groups)) await connection.query(sql);
}

/** The same for groups of errors that programs logged: of each that has no name a row says what it is. */
async function nameAppErrorGroups(connection: Connection, fromS: number, toS: number): Promise<void> {
  const rows = rowsOf(fromS, toS, "app_logs");
  const [unnamed] = await connection.query<Row[]>(
    `SELECT DISTINCT fingerprint ${rows} AND ${IS_ERROR_SQL} AND fingerprint NOT IN (SELECT fingerprint FROM app_error_groups)`,
  );
  for (const { fingerprint } of unnamed) {
    const [[example]] = await connection.query<Row[]>(
      `SELECT error_type, message, stack, module, \`function\` ${rows} AND fingerprint = ${text(String(fingerprint))} LIMIT 1`,
    );
    const group = namedAppError(example as unknown as AppLogRow);
    for (const sql of insertAppErrorGroups([[String(fingerprint), group]])) await connection.query(sql);
  }
}
