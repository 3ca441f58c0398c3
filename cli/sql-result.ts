import { isUtf8 } from "node:buffer";
import type { FieldPacket } from "mysql2/promise";

/** How a column's text is to be read: aligned, quoted, shown in hexadecimal. */
type Kind = "number" | "double" | "time" | "text" | "json" | "bits" | "bytes";

export interface Column {
  readonly name: string;
  readonly kind: Kind;
}

/** A row as the server sent it: each value's bytes, as text but for BIT and what is binary. */
export type Row = readonly (Buffer | null)[];

/** What one statement found. Rows come as the server sends them; not all of them are in memory at any time. */
export interface Result {
  readonly columns: readonly Column[];
  readonly rows: AsyncIterable<Row>;
}

/** Writes the rows of one result as text, one after the other, so that none needs to stay in memory. */
export interface Writer {
  readonly head: string;
  line(row: Row, index: number): string;
  tail(rows: number): string;
}

/** Of the protocol. @see https://dev.mysql.com/doc/dev/mysql-server/latest/field__types_8h.html */
const KINDS: Readonly<Record<number, Kind>> = {
  ...{
    0: "number",
    1: "number",
    2: "number",
    3: "number",
    8: "number",
    9: "number",
    13: "number",
    246: "number",
  },
  ...{ 4: "double", 5: "double", 7: "time", 10: "time", 11: "time", 12: "time" },
  ...{ 16: "bits", 242: "bytes", 245: "json", 255: "bytes" },
};
const BINARY = 63; // the character set of what is no text

export function columnOf({ name, columnType = 0, characterSet, extendedFormat }: FieldPacket): Column {
  const isJson = extendedFormat === "json"; // MariaDB's JSON is a LONGTEXT
  return {
    name,
    kind: isJson ? "json" : (KINDS[columnType] ?? (characterSet === BINARY ? "bytes" : "text")),
  };
}

export function isNumeric({ kind }: Column): boolean {
  return kind === "number" || kind === "double" || kind === "bits";
}

/** A value as text with all its digits, times in UTC; binary that is no readable text as 0x…; NULL stays null. */
export function textOf(bytes: Buffer | null, { kind }: Column): string | null {
  if (bytes === null) return null;
  if (kind === "bits") return BigInt(`0x${bytes.toString("hex")}`).toString();
  if (kind === "bytes" && !isReadable(bytes)) return `0x${bytes.toString("hex").toUpperCase()}`;
  return bytes.toString("utf8");
}

function isReadable(bytes: Buffer): boolean {
  return isUtf8(bytes) && !/[^\P{Cc}\t\n\r]/u.test(bytes.toString("utf8"));
}

/** RFC 4180. NULL is an empty field, empty text is `""`. */
export function csvWriter(columns: readonly Column[]): Writer {
  return {
    head: `${columns.map(({ name }) => csvText(name)).join(",")}\r\n`,
    line: (row) => `${columns.map((column, i) => csvField(row[i]!, column)).join(",")}\r\n`,
    tail: () => "",
  };
}

function csvField(bytes: Buffer | null, column: Column): string {
  const text = textOf(bytes, column);
  return text === null ? "" : isNumeric(column) || column.kind === "time" ? text : csvText(text);
}

/**
 * Text that a spreadsheet would take for a formula gets an apostrophe before it, which shows it as it is.
 * @see https://www.rfc-editor.org/rfc/rfc4180
 * @see https://owasp.org/www-community/attacks/CSV_Injection
 */
function csvText(value: string): string {
  const text = /^[=+\-@\t\r]/.test(value) ? `'${value}` : value;
  return text === "" || /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

/** One JSON array with an object a row. */
export function jsonWriter(columns: readonly Column[]): Writer {
  const objectOf = objectWriter(columns);
  return {
    head: "[",
    line: (row, index) => `${index === 0 ? "" : ","}\n  ${objectOf(row)}`,
    tail: (rows) => (rows === 0 ? "]\n" : "\n]\n"),
  };
}

/** A JSON object a line. */
export function ndjsonWriter(columns: readonly Column[]): Writer {
  const objectOf = objectWriter(columns);
  return { head: "", line: (row) => `${objectOf(row)}\n`, tail: () => "" };
}

function objectWriter(columns: readonly Column[]): (row: Row) => string {
  const keys = distinct(columns.map(({ name }) => name)).map((name) => JSON.stringify(name));
  return (row) => `{${columns.map((column, i) => `${keys[i]}:${jsonValue(row[i]!, column)}`).join(",")}}`;
}

/** A join may give two columns one name, which an object cannot have: `id`, `id_2`. */
function distinct(names: readonly string[]): string[] {
  const taken = new Set<string>();
  return names.map((name) => {
    let free = name;
    for (let n = 2; taken.has(free); n += 1) free = `${name}_${n}`;
    taken.add(free);
    return free;
  });
}

function jsonValue(bytes: Buffer | null, column: Column): string {
  const text = textOf(bytes, column);
  if (text === null) return "null";
  if (column.kind === "json") return text.replaceAll(/[\r\n]+/g, " "); // MariaDB keeps it as it was written
  return isNumeric(column) && isExact(text, column) ? text : JSON.stringify(text);
}

/** Whether the text is a JSON number of which those who parse it keep every digit; others are sent as text. */
function isExact(text: string, { kind }: Column): boolean {
  if (!/^-?(?:0|[1-9]\d*)(?:\.\d+)?(?:e[+-]?\d+)?$/i.test(text)) return false; // such as ZEROFILL's
  if (kind === "double") return true;
  return text.includes(".")
    ? text.replace(/^-?[0.]*/, "").replace(".", "").length <= 15
    : Number.isSafeInteger(Number(text));
}
