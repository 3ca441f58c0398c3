import { RECORD_TOPICS } from "../contract/topics.ts";
import type { Level } from "../contract/request-log.ts";
import { RAW_TABLES } from "../init_db/partitions.ts";
import type { Bounds } from "../init_db/retention.ts";
import type { Derived, TableWriter, TopicPartition } from "./kind.ts";
import { datetime, field, literal, text, time } from "./literals.ts";
import { sourceCounts } from "./source-counts.ts";

/** What every row has that is kept by age and counted by publisher. */
export interface RecordRow {
  readonly timestampMs: number; // Unix ms
  readonly run_id: string | null;
  readonly source: string | null; // its publisher's boot id
  readonly seq: number | null;
}

export interface RecordTable<Row extends RecordRow> {
  /** A table of RAW_TABLES (init_db/partitions.ts): `PRIMARY KEY (timestamp, <id>)`, in partitions by day. */
  readonly table: string;
  readonly id: { readonly column: string; readonly of: (row: Row) => string };
  /** The columns beside the id and those of {@link RecordRow}, each with its value. */
  readonly columns: Columns<Row>;
  /** Under which level a row is counted that is too old to be kept. */
  readonly levelOf: (row: Row) => Level;
  /**
   * What new rows change in other tables, such as sums: part of their transaction.
   * @param shard a number of their partition alone
   * @param kept from when on each is kept, for tables whose rows age otherwise than these
   */
  readonly derived?: (
    rows: readonly Row[],
    shard: number,
    kept: Bounds,
  ) => Pick<Derived, "statements"> & Partial<Derived>;
}

export type Columns<Row> = readonly (readonly [
  column: string,
  value: (row: Row) => string | number | null,
])[];

/** One number for each partition of the record topics: transactions of two partitions never touch the same row of a rollup. */
const shardOf = ({ topic, partition }: TopicPartition): number =>
  (partition * RECORD_TOPICS.length + RECORD_TOPICS.indexOf(topic)) % 65_535; // see FOLDED_SHARD

/**
 * Writes a table of records: rows by LOAD DATA or INSERT, twins found by the primary key, age, and the counts by publisher that prove
 * gaps. A row that is there stays as it is. Never INSERT IGNORE: it would turn truncation and bad values into warnings.
 * @throws Error for a table that nobody makes partitions for
 */
export function recordTable<Row extends RecordRow>(options: RecordTable<Row>): TableWriter<Row> {
  const { table, id, levelOf, derived } = options;
  if (!RAW_TABLES.includes(table))
    throw new Error(`${table} must stand in PARTITIONED (init_db/partitions.ts), by its column timestamp`);
  const columns: Columns<Row> = [
    [id.column, id.of],
    ["timestamp", (row) => time(row.timestampMs)],
    ["run_id", (row) => row.run_id],
    ["source", (row) => row.source],
    ["seq", (row) => row.seq],
    ...options.columns,
  ];
  const names = columns.map(([column]) => `\`${column}\``).join(",");
  const values = columns.map(([, value]) => value);
  const rowLiteral = (row: Row) => `(${values.map((value) => literal(value(row))).join(",")})`;
  const key = (row: Row) => `(${datetime(row.timestampMs)},${text(id.of(row))})`;

  function linesOf(rows: readonly Row[]): Buffer {
    let lines = "";
    for (const row of rows) {
      let separator = "";
      for (const value of values) {
        lines += separator + field(value(row));
        separator = "\t";
      }
      lines += "\n";
    }
    return Buffer.from(lines);
  }

  return {
    identity: (row) => `${row.timestampMs}/${id.of(row)}`,
    order: (a, b) => a.timestampMs - b.timestampMs || (id.of(a) < id.of(b) ? -1 : 1),
    insert: (rows) => [
      `INSERT INTO ${table} (${names}) VALUES\n${rows.map(rowLiteral).join(",\n")}
       ON DUPLICATE KEY UPDATE ${id.column} = ${table}.${id.column}`,
    ],
    load: (rows) => ({
      statement: `LOAD DATA LOCAL INFILE 'rows' INTO TABLE ${table} CHARACTER SET utf8mb4 (${names})`,
      lines: linesOf(rows),
    }),
    existing: (rows) =>
      `SELECT CONCAT(ROUND(UNIX_TIMESTAMP(timestamp) * 1000), '/', ${id.column}) AS identity, source, seq FROM ${table}
        WHERE (timestamp, ${id.column}) IN (${rows.map(key).join(",")})`,
    numberOf: ({ source, seq }) => (source === null || seq === null ? undefined : { source, seq }),
    aging: {
      name: "api_logs", // raw rows of every kind are kept as long
      timeMs: (row) => row.timestampMs,
      account: (row) => ({ run_id: row.run_id ?? "", level: levelOf(row) }),
    },
    derived(rows, from, kept) {
      const shard = shardOf(from);
      const { statements = [], onCommit = nothing } = derived?.(rows, shard, kept) ?? {};
      return { statements: [...statements, ...sourceCounts(rows, shard)], onCommit };
    },
  };
}

const nothing = () => undefined;
