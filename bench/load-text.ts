import type { RequestLogRow } from "../contract/request-log-row.ts";

/** Rows as LOAD DATA reads them by default: a line each, a tab between columns, \N for NULL. */

/** For a connection that may LOAD DATA LOCAL, which ours may not (init_db/database.ts). */
export const WITH_LOCAL_FILES = { flags: ["-FOUND_ROWS", "LOCAL_FILES"] };

/** The columns of {@link loadText}, in order. */
export function loadColumns(row: RequestLogRow): string[] {
  return Object.keys(row).map((field) => (field === "timestampMs" ? "timestamp" : field));
}

export function loadText(rows: readonly RequestLogRow[]): Buffer {
  return Buffer.from(rows.map((row) => `${loadValues(row).map(cell).join("\t")}\n`).join(""));
}

/** The values of a row in the order of {@link loadColumns}. */
export function loadValues({ request_id, timestampMs, ...row }: RequestLogRow): Value[] {
  return [request_id, new Date(timestampMs).toISOString().slice(0, 23), ...Object.values<Value>(row)];
}

type Value = string | number | null;

const SPECIAL = /[\\\t\n]/;

/** Tested first: replacing in all of them takes three times as long. */
function cell(value: Value): string {
  if (value === null) return String.raw`\N`;
  if (typeof value === "number") return String(value);
  return SPECIAL.test(value) ? value.replace(/[\\\t\n]/g, String.raw`\$&`) : value;
}
