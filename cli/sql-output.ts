import { once } from "node:events";
import pc from "picocolors";
import { integer } from "../simulator/report/format.ts";
import { csvWriter, jsonWriter, ndjsonWriter, type Result, type Row } from "./sql-result.ts";
import { harmless } from "../contract/harmless.ts";
import { tableOf } from "./sql-table.ts";

export const FORMATS = ["table", "csv", "json", "ndjson"] as const;

/** Rows that a table shows at most, unless told otherwise: whoever wants more wants a file. */
export const TABLE_ROWS = 1_000;

/** How many of the others are counted: after so many the server stops. */
export const COUNTED_ROWS = 100_000;

export interface Output {
  readonly format: (typeof FORMATS)[number];
  readonly limit: number; // rows of a table
}

const WRITERS = { csv: csvWriter, json: jsonWriter, ndjson: ndjsonWriter };
const BETWEEN = { table: "\n", csv: "\r\n", json: "", ndjson: "" };
const CHUNK = 65_536; // characters

/** Writes a result to standard output, not faster than it is read there. */
export async function writeResult(
  result: Result,
  { format, limit }: Output,
  { isFirst, startMs }: { isFirst: boolean; startMs: number },
): Promise<void> {
  if (!isFirst) await print(BETWEEN[format]);
  if (format === "table") return writeTable(result, limit, startMs);
  const writer = WRITERS[format](result.columns);
  let rows = 0;
  let chunk = harmlessHere(writer.head);
  for await (const row of result.rows) {
    chunk += harmlessHere(writer.line(row, rows));
    rows += 1;
    if (chunk.length < CHUNK) continue;
    await print(chunk);
    chunk = "";
  }
  await print(chunk + writer.tail(rows));
}

/** The rows up to the limit as soon as they are there, then how many there are. */
async function writeTable({ columns, rows }: Result, limit: number, startMs: number): Promise<void> {
  const shown: Row[] = [];
  const width = process.stdout.isTTY ? process.stdout.columns || 80 : Infinity;
  const show = async () => {
    const table = tableOf(columns, shown, width);
    if (table !== "") await print(`${table}\n`);
  };
  let count = 0;
  for await (const row of rows) {
    count += 1;
    if (count <= limit) shown.push(row);
    else if (count === limit + 1) await show();
  }
  if (count <= limit) await show();
  const took = `${integer(Math.round(performance.now() - startMs))} ms`;
  await print(pc.dim(`${rowsWord(Math.min(count, limit))}, ${took}${leftOff(count, limit)}\n`));
}

function leftOff(count: number, limit: number): string {
  if (count <= limit) return "";
  if (count - limit >= COUNTED_ROWS)
    return `; more than ${integer(COUNTED_ROWS)} others are left off: --format csv writes all`;
  return `; ${integer(count - limit)} more are left off: --limit ${count} shows them, --format csv writes them`;
}

function rowsWord(count: number): string {
  return `${integer(count)} ${count === 1 ? "row" : "rows"}`;
}

/** A terminal gets no controls that somebody stored; a file or a pipe gets what is stored. */
function harmlessHere(text: string): string {
  return process.stdout.isTTY ? harmless(text) : text;
}

async function print(text: string): Promise<void> {
  if (!process.stdout.write(text)) await once(process.stdout, "drain");
}
