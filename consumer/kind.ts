import type { Fields, ReceivedRecord, Rejection } from "../contract/record.ts";
import type { Level } from "../contract/request-log.ts";
import type { Bounds, Kept } from "../init_db/retention.ts";

/**
 * A kind of record as the consumer sees it: which topics carry it, how one is read, which table takes it. The rest of the consumer (positions,
 * transactions, dead letters) serves every kind without knowing it.
 */
export interface Kind<Row> {
  readonly name: string;
  readonly topics: readonly string[];
  /** @param nowMs Unix ms */
  decode(fields: Fields, record: ReceivedRecord, nowMs: number): { row: Row } | { rejection: Rejection };
  /** Who wrote it and how it ended, for `log_entries_by_source_total`. */
  origin(row: Row): { source: string; status: string };
  readonly table: TableWriter<Row>;
}

export interface TableWriter<Row> {
  /** Two rows with the same identity are the same row; of repeats inside a batch the last one counts. */
  identity(row: Row): string;
  /** The order of the primary key: two transactions that hold the same records then wait for each other in turn, not in a ring. */
  order?(a: Row, b: Row): number;
  /** Statements that store the rows; the last one adds one affected row for each row that is new. Whatever is wrong is an error. */
  insert(rows: readonly Row[]): string[];
  /** The same by LOAD DATA LOCAL, for half the database's time: whatever is wrong is a warning, and rows that were there are left out. */
  load?(rows: readonly Row[]): { readonly statement: string; readonly lines: Buffer };
  /**
   * A SELECT of what is stored already of these rows, as the columns `identity`, `source` and `seq` (its number). Without it rows are
   * not counted: a kind whose newest record replaces what was there.
   */
  existing?(rows: readonly Row[]): string;
  /** The number that its publisher gave to a record, where one did. */
  numberOf?(row: Row): Numbered | undefined;
  /** For rows that are dropped by age: what decides, and how those too old to be taken in are accounted for. */
  readonly aging?: Aging<Row>;
  /** What new rows change beside their own table, such as rollups: part of their transaction. */
  derived?(rows: readonly Row[], from: TopicPartition, kept: Bounds): Derived;
}

export interface Numbered {
  readonly source: string;
  readonly seq: number;
}

export interface Aging<Row> {
  readonly name: Kept;
  timeMs(row: Row): number; // Unix ms
  account(row: Row): { readonly run_id: string; readonly level: Level };
}

export interface TopicPartition {
  readonly topic: string;
  readonly partition: number;
}

export interface Derived {
  readonly statements: readonly string[];
  readonly onCommit: () => void;
}
