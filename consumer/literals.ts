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

/** Whole microseconds as the SQL literal of milliseconds. */
export function ms(us: number): string {
  return (us / 1_000).toFixed(3);
}

/** SQL literal of bytes. */
export function bytes(value: Buffer | null): string {
  return value === null ? "NULL" : value.length === 0 ? "''" : `0x${value.toString("hex")}`;
}

/** SQL literal of a text or number. */
export function literal(value: string | number | null): string {
  return typeof value === "number" ? String(value) : text(value);
}

/** What LOAD DATA takes for a tab, a newline or the start of an escape. */
const SPECIAL = /[\t\n\\]/;

/** A value as LOAD DATA reads it by default: between tabs, with backslashes as escapes and \\N for NULL. */
export function field(value: string | number | null): string {
  if (value === null) return "\\N";
  if (typeof value === "number") return String(value);
  return SPECIAL.test(value) ? value.replace(/[\t\n\\]/g, "\\$&") : value;
}

let lastMs = NaN;
let lastTime = "";

/** Unix ms as MySQL reads them, UTC. Records follow each other within the millisecond, so the last one is kept. */
export function time(unixMs: number): string {
  if (unixMs !== lastMs) {
    lastTime = new Date(unixMs).toISOString().slice(0, 23);
    lastMs = unixMs;
  }
  return lastTime;
}

/** DATETIME(3) literal of Unix ms, UTC. */
export function datetime(unixMs: number): string {
  return `'${time(unixMs)}'`;
}
