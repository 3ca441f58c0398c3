import { setTimeout as wait } from "node:timers/promises";
import type { Connection, Row } from "./database.ts";
import { lockHolder, tryLock, unlock } from "./locks.ts";
import { readBounds, type Bounds, type Kept } from "./retention.ts";

const DAY_MS = 86_400_000;

/** A table in partitions of equal spans: age is dropped with them, never deleted. */
export interface PartitionedTable {
  readonly name: string;
  readonly column: "timestamp" | "created_at" | "bucket_s"; // DATETIME(3) in UTC, or Unix seconds
  readonly spanMs: number; // of a partition; spans begin at multiples of it
  readonly kept: Kept; // whose bound drops it
}

export const PARTITIONED: readonly PartitionedTable[] = [
  { name: "api_logs", column: "timestamp", spanMs: DAY_MS, kept: "api_logs" },
  { name: "app_logs", column: "timestamp", spanMs: DAY_MS, kept: "api_logs" },
  { name: "ui_events", column: "timestamp", spanMs: DAY_MS, kept: "api_logs" },
  { name: "shop_events", column: "timestamp", spanMs: DAY_MS, kept: "api_logs" },
  { name: "notifications", column: "created_at", spanMs: DAY_MS, kept: "api_logs" },
  { name: "api_rollup_10s", column: "bucket_s", spanMs: DAY_MS, kept: "10s" },
  { name: "api_latency_10s", column: "bucket_s", spanMs: DAY_MS, kept: "10s" },
  { name: "api_traffic_10s", column: "bucket_s", spanMs: DAY_MS, kept: "10s" },
  { name: "api_rollup_1m", column: "bucket_s", spanMs: 7 * DAY_MS, kept: "1m" },
  { name: "api_latency_1m", column: "bucket_s", spanMs: 7 * DAY_MS, kept: "1m" },
  { name: "api_traffic_1m", column: "bucket_s", spanMs: 7 * DAY_MS, kept: "1m" },
  { name: "api_rollup_1h", column: "bucket_s", spanMs: 30 * DAY_MS, kept: "1h" },
  { name: "api_latency_1h", column: "bucket_s", spanMs: 30 * DAY_MS, kept: "1h" },
  { name: "api_traffic_1h", column: "bucket_s", spanMs: 30 * DAY_MS, kept: "1h" },
  { name: "api_errors_1h", column: "bucket_s", spanMs: 30 * DAY_MS, kept: "1h" },
  { name: "app_errors_1h", column: "bucket_s", spanMs: 30 * DAY_MS, kept: "1h" },
  { name: "api_rollup_1d", column: "bucket_s", spanMs: 360 * DAY_MS, kept: "1d" },
  { name: "api_latency_1d", column: "bucket_s", spanMs: 360 * DAY_MS, kept: "1d" },
  { name: "api_traffic_1d", column: "bucket_s", spanMs: 360 * DAY_MS, kept: "1d" },
  { name: "api_users_1d", column: "bucket_s", spanMs: 360 * DAY_MS, kept: "1d" },
];

/** The tables of records as they came, one for each kind that publishers number: rows by time, none ever changed. */
export const RAW_TABLES: readonly string[] = PARTITIONED.filter(({ column }) => column === "timestamp").map(
  ({ name }) => name,
);

/** Time kept ready ahead of now, so that nothing reaches the catch-all while nobody is there to make partitions. */
const DAYS_AHEAD = 14;

/** Takes what is older than the first partition made: late records of a young store, for upkeep to give them theirs. */
export const PAST = "p_past";

/** Takes what is later than the last partition made; empty unless nobody made any for {@link DAYS_AHEAD} days. */
export const CATCH_ALL = "p_future";

export interface Partition {
  readonly name: string;
  readonly toMs: number; // Unix ms it ends before; Infinity for the catch-all
}

/** One table as it stands. */
export interface TableState {
  readonly partitions: readonly Partition[]; // in order of time
  readonly pastRows: number; // in p_past, counted up to MOST_COUNTED
  readonly oldestInPastMs: number; // the first row of p_past that is to be kept; Infinity without one
}

/** Counting rows stops here. So many in p_past stay there until they expire: giving them partitions would hold up ingestion. */
export const MOST_COUNTED = 100_000;

/** Late rows get so many partitions at once at most: some half a second in which nobody else writes. */
const MOST_FOR_LATE_ROWS = 31;

export interface Change {
  readonly kind: "make" | "drop" | "empty";
  readonly table: string;
  readonly partitions: readonly string[]; // that are made, dropped or emptied
  readonly sql: string;
}

export interface Times {
  readonly nowMs?: number; // default: the clock
  /** Partitions are wanted from here on, as far as it is kept (a back-fill); default: now. */
  readonly fromMs?: number;
}

/** What one table lacks and what it has too much of; in this order. */
export function planTable(
  table: PartitionedTable,
  state: TableState,
  { nowMs, fromMs, keptFromMs }: Required<Times> & { readonly keptFromMs: number },
): Change[] {
  const { partitions } = state;
  const startOf = (ms: number) => Math.floor(ms / table.spanMs) * table.spanMs;
  const keptMs = startOf(keptFromMs);
  const wantedMs = Math.max(keptMs, startOf(Math.min(nowMs, fromMs, lateFromMs(table, state))));
  const aheadMs = startOf(nowMs + DAYS_AHEAD * DAY_MS) + table.spanMs;
  const spans = (startMs: number, endMs: number) => spansOf(table, startMs, endMs);

  const oldest = partitions[0]!;
  if (oldest.name === CATCH_ALL) {
    return [split(table, CATCH_ALL, [past(wantedMs), ...spans(wantedMs, aheadMs), catchAll])];
  }
  const changes: Change[] = [];
  if (oldest.name !== PAST) {
    const startMs = Math.min(wantedMs, startOf(oldest.toMs - 1)); // made when the first day held all that was older
    changes.push(split(table, oldest.name, [past(startMs), ...spans(startMs, oldest.toMs)]));
  } else if (wantedMs < oldest.toMs) {
    changes.push(split(table, PAST, [past(wantedMs), ...spans(wantedMs, oldest.toMs)]));
  }
  const lastMs = partitions.at(-2)!.toMs;
  if (lastMs < aheadMs) {
    changes.push(split(table, CATCH_ALL, [...spans(Math.max(lastMs, keptMs), aheadMs), catchAll]));
  }
  const expired = partitions.filter(({ name, toMs }) => name !== PAST && toMs <= keptFromMs);
  if (expired.length > 0) changes.push(alter(table, "drop", expired, `DROP PARTITION ${namesOf(expired)}`));
  if (oldest.name === PAST && oldest.toMs <= keptFromMs && state.pastRows > 0) {
    changes.push(alter(table, "empty", [oldest], `TRUNCATE PARTITION ${PAST}`));
  }
  return changes;
}

/** From when on late rows are to have partitions; Infinity: there are none, or too many. */
function lateFromMs(
  { spanMs }: PartitionedTable,
  { partitions, pastRows, oldestInPastMs }: TableState,
): number {
  if (pastRows >= MOST_COUNTED) return Infinity;
  return Math.max(oldestInPastMs, partitions[0]!.toMs - MOST_FOR_LATE_ROWS * spanMs);
}

const past = (toMs: number): Partition => ({ name: PAST, toMs });
const catchAll: Partition = { name: CATCH_ALL, toMs: Infinity };

function spansOf({ spanMs }: PartitionedTable, startMs: number, endMs: number): Partition[] {
  const spans: Partition[] = [];
  for (let ms = startMs; ms < endMs; ms += spanMs) spans.push({ name: nameOf(ms), toMs: ms + spanMs });
  return spans;
}

function split(table: PartitionedTable, name: string, into: readonly Partition[]): Change {
  const made = into.filter((part) => part !== catchAll && part.name !== PAST);
  const parts = into.map((part) => `PARTITION ${part.name} VALUES LESS THAN ${limitOf(table, part)}`);
  return alter(table, "make", made, `REORGANIZE PARTITION ${name} INTO (${parts.join(", ")})`);
}

function alter(
  table: PartitionedTable,
  kind: Change["kind"],
  parts: readonly Partition[],
  sql: string,
): Change {
  return {
    ...{ kind, table: table.name, partitions: parts.map(({ name }) => name) },
    sql: `ALTER TABLE ${table.name} ${sql}`,
  };
}

function limitOf({ column }: PartitionedTable, { toMs }: Partition): string {
  if (toMs === Infinity) return "(MAXVALUE)";
  return column === "bucket_s" ? `(${toMs / 1_000})` : `('${dateOf(toMs)}')`;
}

const namesOf = (partitions: readonly Partition[]) => partitions.map(({ name }) => name).join(", ");
const dateOf = (ms: number) => new Date(ms).toISOString().slice(0, 10);
const nameOf = (ms: number) => `p${dateOf(ms).replaceAll("-", "")}`;

/** Looks at every partitioned table. @returns its state by its name */
export async function readTables(connection: Connection, bounds: Bounds): Promise<Map<string, TableState>> {
  const [rows] = await connection.query<Row[]>(
    `SELECT TABLE_NAME AS table_name, PARTITION_NAME AS name, PARTITION_DESCRIPTION AS bound
       FROM information_schema.PARTITIONS WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME IN (?)
      ORDER BY TABLE_NAME, PARTITION_ORDINAL_POSITION`,
    [PARTITIONED.map(({ name }) => name)],
  );
  const states = new Map<string, TableState>();
  for (const table of PARTITIONED) {
    const partitions = rows
      .filter((row) => row["table_name"] === table.name)
      .map((row) => ({ name: String(row["name"]), toMs: msOf(String(row["bound"])) }));
    const hasPast = partitions[0]?.name === PAST;
    const pastRows = hasPast ? await readPast(connection, table, bounds[table.kept]) : NO_ROWS;
    states.set(table.name, { partitions, ...pastRows });
  }
  return states;
}

const NO_ROWS = { pastRows: 0, oldestInPastMs: Infinity };

async function readPast(connection: Connection, { name, column }: PartitionedTable, keptFromS: number) {
  const seconds = column === "bucket_s" ? "bucket_s" : `UNIX_TIMESTAMP(${column})`;
  const bound = column === "bucket_s" ? keptFromS : new Date(keptFromS * 1_000);
  const [[row]] = await connection.query<Row[]>(
    `SELECT (SELECT COUNT(*) FROM (SELECT 1 FROM ${name} PARTITION (${PAST}) LIMIT ${MOST_COUNTED}) AS some_rows) AS past_rows,
            (SELECT ${seconds} FROM ${name} PARTITION (${PAST}) WHERE ${column} >= ? ORDER BY ${column} LIMIT 1) AS oldest_s`,
    [bound],
  );
  const oldest: unknown = row?.["oldest_s"] ?? null;
  return {
    pastRows: Number(row?.["past_rows"]),
    oldestInPastMs: oldest === null ? Infinity : Number(oldest) * 1_000,
  };
}

/** PARTITION_DESCRIPTION: `'2026-11-21'`, Unix seconds, or MAXVALUE. */
function msOf(bound: string): number {
  if (bound === "MAXVALUE") return Infinity;
  return bound.startsWith("'") ? Date.parse(`${bound.slice(1, 11)}T00:00:00Z`) : Number(bound) * 1_000;
}

/** What all tables lack and have too much of. @param bounds default: those that hold */
export async function planPartitions(
  connection: Connection,
  { nowMs = Date.now(), fromMs = nowMs }: Times = {},
  bounds?: Bounds,
): Promise<Change[]> {
  const kept = bounds ?? (await readBounds(connection));
  const states = await readTables(connection, kept);
  return PARTITIONED.flatMap((table) => {
    const state = states.get(table.name)!;
    if (state.partitions.length === 0) return []; // a later migration makes it
    return planTable(table, state, { nowMs, fromMs, keptFromMs: kept[table.kept] * 1_000 });
  });
}

export interface Applied {
  readonly done: readonly Change[];
  readonly blocked: readonly Change[]; // a transaction or query held the table for longer than we wait
}

const LOCK_WAIT_TIMEOUT = 1205;

/**
 * Makes the changes. Each waits at most 1 s for whoever uses the table, because everybody else's inserts wait behind it; then
 * it gives up and leaves the table as it was.
 */
export async function applyChanges(connection: Connection, changes: readonly Change[]): Promise<Applied> {
  const done: Change[] = [];
  const blocked: Change[] = [];
  await connection.query("SET SESSION lock_wait_timeout = 1");
  try {
    for (const change of changes) {
      try {
        await connection.query(change.sql);
        done.push(change);
      } catch (error) {
        if ((error as { errno?: unknown }).errno !== LOCK_WAIT_TIMEOUT) throw error;
        blocked.push(change);
      }
    }
  } finally {
    await connection.query("SET SESSION lock_wait_timeout = DEFAULT");
  }
  return { done, blocked };
}

/** Runs `work` while no other process of ours changes partitions of this database. */
export async function alone<T>(connection: Connection, work: () => Promise<T>): Promise<T> {
  if (!(await tryLock(connection, "partitions", 60))) {
    const holder = await lockHolder(connection, "partitions");
    throw new Error(`partitions have been changed for 60 s by ${holder}; wait for it, then repeat`);
  }
  try {
    return await work();
  } finally {
    await unlock(connection, "partitions");
  }
}

const TRIES = 3;
const BETWEEN_TRIES_MS = 1_000; // inserts that waited behind a try go through

/**
 * For commands: makes the changes of `plan`, and tries for some five seconds behind a long reader.
 * @returns what was done, and what somebody held all the time
 */
export function changePatiently(connection: Connection, plan: () => Promise<Change[]>): Promise<Applied> {
  return alone(connection, async () => {
    const done: Change[] = [];
    for (let tries = 1; ; tries++) {
      const applied = await applyChanges(connection, await plan());
      done.push(...applied.done);
      if (applied.blocked.length === 0 || tries === TRIES) return { done, blocked: applied.blocked };
      await wait(BETWEEN_TRIES_MS);
    }
  });
}

/**
 * Makes the partitions that are missing from `fromMs` (as far as it is kept) to {@link DAYS_AHEAD} days ahead of now; drops
 * none. Cheap, because what it splits is next to empty.
 * @returns what it made, such as `api_logs.p20261121`
 * @throws Error naming the tables that others held all the time
 */
export async function ensurePartitions(connection: Connection, times: Times = {}): Promise<string[]> {
  const { done, blocked } = await changePatiently(connection, async () =>
    (await planPartitions(connection, times)).filter(({ kind }) => kind === "make"),
  );
  if (blocked.length > 0) throw new Error(heldMessage(blocked));
  return done.flatMap(({ table, partitions }) => partitions.map((name) => `${table}.${name}`));
}

/** What to tell when others held a table. */
export function heldMessage(blocked: readonly Change[]): string {
  const tables = [...new Set(blocked.map(({ table }) => table))].join(", ");
  return `partitions of ${tables} stay as they are: a query or an open transaction holds the table; wait for it or end it (SHOW PROCESSLIST), then repeat`;
}
