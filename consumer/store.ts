import type { Row as SqlRow } from "../init_db/database.ts";
import { boundsIn, SELECT_BOUNDS, type Bounds } from "../init_db/retention.ts";
import type { Entry } from "./decode.ts";
import {
  DEADLOCK,
  explain,
  isPoison,
  LOCAL_IS_OFF,
  sqlErrorNumber,
  VALUE_MUST_NOT_BE_NULL,
} from "./faults.ts";
import type { IngestConnection, IngestConnections } from "./connection.ts";
import type { Aging, Kind, Numbered, TableWriter } from "./kind.ts";
import { bytes, datetime, number, text } from "./literals.ts";

/** Which part of a partition's log is stored, and by whom. */
export interface Span {
  readonly cluster: string;
  readonly topic: string;
  readonly partition: number;
  readonly start: bigint; // the position it follows
  readonly end: bigint; // the position afterwards
  readonly logEnd: bigint; // the end of the log when this was read
  readonly owner: string;
}

export interface Stored {
  readonly position: bigint; // span.end, unless another consumer went ahead: then nothing was stored
  readonly inserted: number;
  readonly duplicates: number; // rows that were there already, or twice in the batch
  readonly deadLettered: number;
  readonly expired: number; // older than what is kept
}

/** Deadlocks in a row after which it is an outage: two partitions that hold the same records meet once or twice. */
const MAX_DEADLOCKS = 10;

const NOTHING = { inserted: 0, duplicates: 0, deadLettered: 0, expired: 0 };

export interface Store {
  readonly connections: IngestConnections;
  /** What table `retention` said last. Each transaction checks it, so it may be old. */
  kept: Bounds | undefined;
  /** Topics whose last batch held rows that were there already: the next one is asked for them first, which costs less than a rollback. */
  readonly repeating: Set<string>;
  /** Whether the server takes LOAD DATA LOCAL (`local_infile`), as far as is known. */
  loads: boolean;
}

export function createStore(connections: IngestConnections): Store {
  return { connections, kept: undefined, repeating: new Set(), loads: true };
}

/**
 * Stores entries and moves the position in one transaction and one round trip. Rows that the database refuses for
 * their value are found by halving the batch and become dead letters.
 * @throws what is not the records' fault (lost connection, lock wait, disk full): nothing was stored, try again
 */
export async function storeEntries<Row>(
  store: Store,
  kind: Kind<Row>,
  span: Span,
  entries: readonly Entry<Row>[],
): Promise<Stored> {
  try {
    return await store.connections.use((connection) => transaction(store, connection, kind, span, entries));
  } catch (error) {
    if (!isPoison(error)) throw error;
    const [only] = entries;
    if (entries.length === 1 && only) {
      return storeEntries(store, kind, span, [refused(only, error)]);
    }
  }
  const middle = Math.floor(entries.length / 2);
  const border = entries[middle]!.record.offset;
  const first = await storeEntries(store, kind, { ...span, end: border }, entries.slice(0, middle));
  if (first.position !== border) return first;
  const second = await storeEntries(store, kind, { ...span, start: border }, entries.slice(middle));
  return {
    position: second.position,
    inserted: first.inserted + second.inserted,
    duplicates: first.duplicates + second.duplicates,
    deadLettered: first.deadLettered + second.deadLettered,
    expired: first.expired + second.expired,
  };
}

function refused<Row>({ record, rejection }: Entry<Row>, error: unknown): Entry<Row> {
  if (rejection) {
    if (record.value === null) throw error; // a defect of ours, not of the record
    // The dead letter itself does not fit: Kafka has its value for some days, and here it would stop the partition for ever.
    const detail = `value of ${record.value.length} bytes left out (${explain(error)}); ${rejection.detail}`;
    return { record: { ...record, value: null }, rejection: { ...rejection, detail } };
  }
  return { record, rejection: { reason: "refused_by_sql", detail: String(error).slice(0, 1024) } };
}

/**
 *     BEGIN
 *     fence         next_offset = start ? end : NULL     somebody else went ahead -> error 1048
 *     rows          LOAD DATA LOCAL, or INSERT … ON DUPLICATE KEY UPDATE nothing
 *     guard         rows_in + n if n rows were added without a warning and nothing more has expired, else NULL -> error 1048
 *     derived       rollups of exactly these rows
 *     repeats, drops, dead letters
 *     COMMIT
 *
 * Both columns are NOT NULL, so either doubt ends the transaction before COMMIT. Then position and retention tell which
 * it was: a fence ends here; expired rows and twins are taken out and the rest is sent again with its own count. What is left
 * is a value that LOAD DATA would have bent to fit: the INSERT says which error that is.
 */
async function transaction<Row>(
  store: Store,
  connection: IngestConnection,
  kind: Kind<Row>,
  span: Span,
  entries: readonly Entry<Row>[],
): Promise<Stored> {
  const { table } = kind;
  const deadLetters = entries.filter((entry) => entry.rejection !== undefined);
  const received = entries.flatMap((entry) => (entry.rejection === undefined ? [entry.row] : []));
  const stored = new Map<string, StoredTwin>(); // rows that were there before, by identity
  if (store.repeating.has(span.topic))
    for (const twin of await storedOf(connection, kind, received)) stored.set(twin.identity, twin);

  let canLoad = table.load !== undefined;
  for (let deadlocks = 0; ;) {
    const kept = (store.kept ??= await loadBounds(connection));
    const { current, expired } = partedByAge(received, table.aging, kept);
    const unique = new Map(current.map((row) => [table.identity(row), row]));
    const rows = [...unique].flatMap(([identity, row]) => (stored.has(identity) ? [] : [row]));
    if (table.order) rows.sort((a, b) => table.order!(a, b));
    const duplicates = current.length - rows.length;
    const repeats = duplicates > 0 ? repeatsOf(table, current, unique, stored) : [];
    const load = canLoad && store.loads && rows.length > 0 ? table.load!(rows) : undefined;
    const derived = rows.length > 0 ? table.derived?.(rows, span, kept) : undefined;
    try {
      await connection.run(
        [
          "BEGIN",
          fence(span, { deadLettered: deadLetters.length, expired: expired.length }),
          ...(load ? [load.statement] : rows.length > 0 ? table.insert(rows) : []),
          "SET @added = ROW_COUNT(), @warnings = @@warning_count",
          guard(span, kind, { rows, duplicates, kept, isLoaded: load !== undefined }),
          ...(derived?.statements ?? []),
          ...(repeats.length > 0 ? [insertRepeats(repeats)] : []),
          ...(table.aging && expired.length > 0 ? [insertDrops(span, table.aging, expired)] : []),
          ...(deadLetters.length > 0 ? [insertDeadLetters(span, deadLetters)] : []),
          "COMMIT",
        ].join(";\n"),
        load?.lines,
      );
    } catch (error) {
      const number = sqlErrorNumber(error) ?? 0;
      if (number === DEADLOCK && ++deadlocks <= MAX_DEADLOCKS) continue; // it is rolled back already
      if (load && LOCAL_IS_OFF.has(number)) store.loads = false;
      else if (number !== VALUE_MUST_NOT_BE_NULL) throw error;
      await connection.run("ROLLBACK");
      if (load && !store.loads) continue;
      const position = await readPosition(connection, span);
      if (position !== span.start) return { position, ...NOTHING };
      store.kept = await loadBounds(connection);
      if (boundOf(table.aging, store.kept) !== boundOf(table.aging, kept)) continue;
      const found = await storedOf(connection, kind, rows);
      for (const twin of found) stored.set(twin.identity, twin);
      if (found.length > 0) continue;
      if (!load) throw error; // no twin either: a row of ours holds NULL where none may be
      canLoad = false;
      continue;
    }
    derived?.onCommit();
    if (stored.size > 0) store.repeating.add(span.topic);
    else store.repeating.delete(span.topic);
    return {
      ...{ position: span.end, inserted: rows.length, duplicates },
      ...{ deadLettered: deadLetters.length, expired: expired.length },
    };
  }
}

async function loadBounds(connection: IngestConnection): Promise<Bounds> {
  return boundsIn((await connection.run(SELECT_BOUNDS)) as SqlRow[]);
}

/** Unix seconds; a kind whose rows do not age keeps everything. */
const boundOf = <Row>(aging: Aging<Row> | undefined, kept: Bounds): number => (aging ? kept[aging.name] : 0);

/** A row below the bound is not stored: its twin may have been there and been dropped. */
function partedByAge<Row>(
  rows: readonly Row[],
  aging: Aging<Row> | undefined,
  kept: Bounds,
): { current: readonly Row[]; expired: readonly Row[] } {
  const boundMs = boundOf(aging, kept) * 1_000;
  if (!aging || boundMs === 0) return { current: rows, expired: [] };
  const isCurrent = (row: Row) => aging.timeMs(row) >= boundMs;
  return { current: rows.filter(isCurrent), expired: rows.filter((row) => !isCurrent(row)) };
}

/** A row as it is stored, with its number. */
interface StoredTwin {
  readonly identity: string;
  readonly source: string | null;
  readonly seq: number | string | null;
}

/** Those of the rows that are stored already. */
async function storedOf<Row>(
  connection: IngestConnection,
  { table }: Kind<Row>,
  rows: readonly Row[],
): Promise<readonly StoredTwin[]> {
  if (!table.existing || rows.length === 0) return [];
  return (await connection.run(table.existing(rows))) as StoredTwin[];
}

/** The numbers of duplicates whose row has another one: somebody published a record again. */
function repeatsOf<Row>(
  table: TableWriter<Row>,
  rows: readonly Row[],
  unique: ReadonlyMap<string, Row>,
  stored: ReadonlyMap<string, StoredTwin>,
): Numbered[] {
  return rows.flatMap((row) => {
    const number = table.numberOf?.(row);
    if (number === undefined) return [];
    const identity = table.identity(row);
    const kept = stored.get(identity) ?? table.numberOf!(unique.get(identity)!);
    const isItsOwn = kept?.source === number.source && Number(kept.seq) === number.seq;
    return isItsOwn ? [] : [number];
  });
}

/** Sorted, so that two consumers who meet the same ones wait in the same order. */
function insertRepeats(repeats: readonly Numbered[]): string {
  const values = repeats.map(({ source, seq }) => `(${text(source)},${number(seq)})`).sort();
  return `INSERT INTO ingest_repeats (source, seq) VALUES ${values.join(",")} ON DUPLICATE KEY UPDATE seq = ingest_repeats.seq`;
}

export const wherePartition = ({
  cluster,
  topic,
  partition,
}: Pick<Span, "cluster" | "topic" | "partition">) =>
  `WHERE cluster = ${text(cluster)} AND topic = ${text(topic)} AND \`partition\` = ${number(partition)}`;

const fence = (span: Span, { deadLettered, expired }: { deadLettered: number; expired: number }) =>
  `UPDATE ingest_offsets SET next_offset = IF(next_offset = ${number(span.start)}, ${number(span.end)}, NULL),
     log_end = GREATEST(log_end, ${number(span.logEnd)}), dead_lettered = dead_lettered + ${number(deadLettered)},
     expired = expired + ${number(expired)}, owner = ${text(span.owner)} ${wherePartition(span)}`;

interface Added<Row> {
  readonly rows: readonly Row[];
  readonly duplicates: number;
  readonly kept: Bounds;
  readonly isLoaded: boolean;
}

/**
 * Stands behind the rows: by now this transaction uses their table, so a partition that is dropped after the bound was
 * compared takes these rows with it.
 */
function guard<Row>(
  span: Span,
  { table }: Kind<Row>,
  { rows, duplicates, kept, isLoaded }: Added<Row>,
): string {
  const { aging } = table;
  const certain = [
    ...(table.existing && rows.length > 0 ? [`@added = ${rows.length}`] : []),
    ...(isLoaded ? ["@warnings = 0"] : []),
    ...(aging
      ? [
          `COALESCE((SELECT kept_from_s FROM retention WHERE name = ${text(aging.name)}), 0) = ${boundOf(aging, kept)}`,
        ]
      : []),
  ];
  const added = `rows_in + ${rows.length}`;
  const sets = [
    `rows_in = ${certain.length > 0 ? `IF(${certain.join(" AND ")}, ${added}, NULL)` : added}`,
    `duplicates = duplicates + ${duplicates}`,
    ...(aging && rows.length > 0
      ? [`touched_from_s = LEAST(touched_from_s, ${Math.floor(earliest(aging, rows) / 1_000)})`]
      : []),
  ];
  return `UPDATE ingest_offsets SET ${sets.join(", ")} ${wherePartition(span)}`;
}

const earliest = <Row>(aging: Aging<Row>, rows: readonly Row[]) =>
  rows.reduce((min, row) => Math.min(min, aging.timeMs(row)), Infinity);

/** Sorted, so that two consumers who drop for the same runs wait in the same order. */
function insertDrops<Row>({ topic }: Span, aging: Aging<Row>, expired: readonly Row[]): string {
  const counts = new Map<string, number>();
  for (const row of expired) {
    const { run_id, level } = aging.account(row);
    const key = `${text(run_id)},${text(level)}`;
    counts.set(key, (counts.get(key) ?? 0) + 1);
  }
  const values = [...counts].sort().map(([key, count]) => `(${text(topic)},${key},'expired',${count})`);
  return `INSERT INTO ingest_drops (topic, run_id, level, reason, dropped) VALUES ${values.join(",")}
    ON DUPLICATE KEY UPDATE dropped = dropped + VALUES(dropped)`;
}

function insertDeadLetters<Row>({ cluster, topic, partition }: Span, entries: readonly Entry<Row>[]): string {
  const values = entries.map(
    ({ record, rejection }) =>
      `(${text(cluster)},${text(topic)},${number(partition)},${number(record.offset)},${text(rejection!.reason)},` +
      `${text(rejection!.detail.slice(0, 1024))},${bytes(record.key?.subarray(0, 1024) ?? null)},${bytes(record.value)},` +
      `${text(rejection!.request_id ?? null)},${text(rejection!.run_id ?? null)},${numberOf(record.value)},` +
      `${datetime(record.timeMs)},${text(record.origin ?? null)})`,
  );
  return `INSERT INTO dead_letters (cluster, topic, \`partition\`, \`offset\`, reason, detail, record_key, value,
      request_id, run_id, source, seq, record_time, first_origin) VALUES ${values.join(",\n")} ON DUPLICATE KEY UPDATE id = dead_letters.id`;
}

/** `source, seq` as a publisher put them at the end of a record, whatever stands before. */
function numberOf(value: Buffer | null): string {
  const end = value?.toString("latin1", Math.max(0, value.length - 100)) ?? "";
  const [, source, seq] = /"source":"([\da-f-]{36})","seq":(\d{1,15})\}$/.exec(end) ?? [];
  return source === undefined ? "NULL,NULL" : `${text(source)},${seq!}`;
}

/** @throws Error when the partition has no position yet (see position.ts) */
export async function readPosition(
  connection: IngestConnection,
  partition: Pick<Span, "cluster" | "topic" | "partition">,
): Promise<bigint> {
  const position = await findPosition(connection, partition);
  if (position === undefined)
    throw new Error(`ingest_offsets has no row for ${partition.topic}/${partition.partition}`);
  return position;
}

export async function findPosition(
  connection: IngestConnection,
  partition: Pick<Span, "cluster" | "topic" | "partition">,
): Promise<bigint | undefined> {
  const [row] = (await connection.run(
    `SELECT CAST(next_offset AS CHAR) AS position FROM ingest_offsets ${wherePartition(partition)}`,
  )) as {
    position: string;
  }[];
  return row && BigInt(row.position);
}
