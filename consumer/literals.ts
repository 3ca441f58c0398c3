import { escape } from "mysql2";

/** Text that needs no escaping: printable ASCII without quotes, backslashes and percent signs of comments. */
const PLAIN = /^[ !#-&(-[\]-~]*$/;

/** SQL literal of a text. The session must not run with NO_BACKSLASH_ESCAPES (connection.ts sets its sql_mode). */
export function text(value: string | null): string {
  if (value === null) return "NULL";
  return PLAIN.test(value) ? `'${value}'` : escape(value);
}

/** SQL literal of a finite number. */
export function number(value: number | bigint | null): string {
  return value === null ? "NULL" : String(value);
}

/** SQL literal of bytes. */
export function bytes(value: Buffer | null): string {
  return value === null ? "NULL" : value.length === 0 ? "''" : `0x${value.toString("hex")}`;
}

let lastMs = NaN;
let lastLiteral = "";

/** DATETIME(3) literal of Unix ms, UTC. Records follow each other within the millisecond, so the last one is kept. */
export function datetime(unixMs: number): string {
  if (unixMs !== lastMs) {
    lastLiteral = `'${new Date(unixMs).toISOString().slice(0, 23)}'`;
    lastMs = unixMs;
  }
  return lastLiteral;
}
