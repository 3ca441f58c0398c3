import type { Entry } from "./decode.ts";
import { isPoison, sqlErrorNumber, VALUE_MUST_NOT_BE_NULL } from "./faults.ts";
import type { IngestConnection, IngestConnections } from "./connection.ts";
import type { Kind } from "./kind.ts";
import { bytes, datetime, number, text } from "./literals.ts";

/** Which part of a partition's log is stored, and by whom. */
export interface Span {
  readonly cluster: string;
  readonly topic: string;
  readonly partition: number;
  readonly start: bigint; // the position it follows
  readonly end: bigint; // the position afterwards
  readonly owner: string;
}

export interface Stored {
  readonly position: bigint; // span.end, unless another consumer went ahead: then nothing was stored
  readonly inserted: number;
  readonly duplicates: number; // rows that were there already, or twice in the batch
  readonly deadLettered: number;
}

/**
 * Stores entries and moves the position in one transaction and one round trip. Rows that the database refuses for
 * their value are found by halving the batch and become dead letters.
 * @throws what is not the records' fault (lost connection, lock wait, disk full): nothing was stored, try again
 */
export async function storeEntries<Row>(
  connections: IngestConnections,
  kind: Kind<Row>,
  span: Span,
  entries: readonly Entry<Row>[],
): Promise<Stored> {
  try {
    return await connections.use((connection) => transaction(connection, kind, span, entries));
  } catch (error) {
    if (!isPoison(error)) throw error;
    const [only] = entries;
    if (entries.length === 1 && only) {
      return storeEntries(connections, kind, span, [refused(only, error)]);
    }
  }
  const middle = Math.floor(entries.length / 2);
  const border = entries[middle]!.record.offset;
  const first = await storeEntries(connections, kind, { ...span, end: border }, entries.slice(0, middle));
  if (first.position !== border) return first;
  const second = await storeEntries(connections, kind, { ...span, start: border }, entries.slice(middle));
  return {
    position: second.position,
    inserted: first.inserted + second.inserted,
    duplicates: first.duplicates + second.duplicates,
    deadLettered: first.deadLettered + second.deadLettered,
  };
}

function refused<Row>({ record, rejection }: Entry<Row>, error: unknown): Entry<Row> {
  if (rejection) throw error; // the dead letter itself does not fit: a defect of ours, not of the record
  return { record, rejection: { reason: "refused_by_sql", detail: String(error).slice(0, 1024) } };
}

/**
 *     BEGIN
 *     fence         next_offset = start ? end : NULL     somebody else went ahead -> error 1048
 *     rows          INSERT … ON DUPLICATE KEY UPDATE nothing
 *     guard         rows_in + n if n rows were added, else NULL     a twin was there -> error 1048
 *     dead letters
 *     COMMIT
 *
 * Both columns are NOT NULL, so either doubt ends the transaction before COMMIT. Then the position tells which of
 * the two it was: a fence ends here; for twins the rest is sent again with its own count.
 */
async function transaction<Row>(
  connection: IngestConnection,
  kind: Kind<Row>,
  span: Span,
  entries: readonly Entry<Row>[],
): Promise<Stored> {
  const { table } = kind;
  const deadLetters = entries.filter((entry) => entry.rejection !== undefined);
  const received = entries.flatMap((entry) => (entry.rejection === undefined ? [entry.row] : []));
  let rows = new Map(received.map((row) => [table.identity(row), row]));

  for (;;) {
    const duplicates = received.length - rows.size;
    try {
      await connection.run(
        [
          "BEGIN",
          fence(span, deadLetters.length),
          ...(rows.size > 0 ? table.insert([...rows.values()]) : []),
          guard(span, rows.size, duplicates, rows.size > 0 && table.existing !== undefined),
          ...(deadLetters.length > 0 ? [insertDeadLetters(span, deadLetters)] : []),
          "COMMIT",
        ].join(";\n"),
      );
      return { position: span.end, inserted: rows.size, duplicates, deadLettered: deadLetters.length };
    } catch (error) {
      if (sqlErrorNumber(error) !== VALUE_MUST_NOT_BE_NULL) throw error;
      await connection.run("ROLLBACK");
      const position = await readPosition(connection, span);
      if (position !== span.start) return { position, inserted: 0, duplicates: 0, deadLettered: 0 };
      const fresh = await withoutStored(connection, kind, rows);
      if (fresh.size === rows.size) throw error; // no twin either: a row of ours holds NULL where none may be
      rows = fresh;
    }
  }
}

async function withoutStored<Row>(
  connection: IngestConnection,
  { table }: Kind<Row>,
  rows: ReadonlyMap<string, Row>,
): Promise<Map<string, Row>> {
  if (!table.existing || rows.size === 0) return new Map(rows);
  const stored = (await connection.run(table.existing([...rows.values()]))) as { identity: string }[];
  const identities = new Set(stored.map(({ identity }) => identity));
  return new Map([...rows].filter(([identity]) => !identities.has(identity)));
}

export const wherePartition = ({
  cluster,
  topic,
  partition,
}: Pick<Span, "cluster" | "topic" | "partition">) =>
  `WHERE cluster = ${text(cluster)} AND topic = ${text(topic)} AND \`partition\` = ${number(partition)}`;

const fence = (span: Span, deadLettered: number) =>
  `UPDATE ingest_offsets SET next_offset = IF(next_offset = ${number(span.start)}, ${number(span.end)}, NULL),
     dead_lettered = dead_lettered + ${number(deadLettered)}, owner = ${text(span.owner)} ${wherePartition(span)}`;

const guard = (span: Span, added: number, duplicates: number, isCounted: boolean) =>
  `UPDATE ingest_offsets SET duplicates = duplicates + ${number(duplicates)},
     rows_in = ${isCounted ? `IF(ROW_COUNT() = ${number(added)}, rows_in + ${number(added)}, NULL)` : `rows_in + ${number(added)}`}
     ${wherePartition(span)}`;

function insertDeadLetters<Row>({ cluster, topic, partition }: Span, entries: readonly Entry<Row>[]): string {
  const values = entries.map(
    ({ record, rejection }) =>
      `(${text(cluster)},${text(topic)},${number(partition)},${number(record.offset)},${text(rejection!.reason)},` +
      `${text(rejection!.detail.slice(0, 1024))},${bytes(record.key?.subarray(0, 1024) ?? null)},${bytes(record.value)},` +
      `${text(rejection!.request_id ?? null)},${text(rejection!.run_id ?? null)},${datetime(record.timeMs)})`,
  );
  return `INSERT INTO dead_letters (cluster, topic, \`partition\`, \`offset\`, reason, detail, record_key, value,
      request_id, run_id, record_time) VALUES ${values.join(",\n")} ON DUPLICATE KEY UPDATE id = dead_letters.id`;
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
