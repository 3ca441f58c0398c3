import type { Fields, ReceivedRecord, Rejection } from "../contract/record.ts";

/**
 * A kind of record: which topics carry it, how one is read, which table takes it. The rest of the consumer (positions,
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
  /** Statements that store the rows; the last one adds one affected row for each row that is new. */
  insert(rows: readonly Row[]): string[];
  /**
   * A SELECT of what is stored already of these rows, as the column `identity`. Without it rows are not counted: a kind whose
   * newest record replaces what was there.
   */
  existing?(rows: readonly Row[]): string;
}
