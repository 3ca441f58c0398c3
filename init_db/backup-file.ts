import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { createGunzip } from "node:zlib";

/**
 * What a backup is: gzip over lines of JSON. First the head, then of each table a line that names it, its rows and a line
 * that counts them, then the seal: SHA-256 over all that stands before. Values are text as the server writes it, those of binary
 * columns in hex; so a file goes from MariaDB to MySQL and back, and `zcat` shows it.
 */
export interface BackupHead {
  readonly rushhour_backup: number; // FORMAT
  readonly made_at: string;
  readonly server: string; // its version, for people
  readonly migrations: readonly string[]; // that made the tables
  readonly oldest_ms: number; // of the rows in partitioned tables, Unix ms
}

export interface BackupTable {
  readonly table: string;
  readonly columns: readonly string[];
  readonly binary: readonly string[]; // of the columns those in hex
}

/** In the order of the columns; null is NULL. */
export type BackupRow = readonly (string | null)[];

export interface BackupSeal {
  readonly tables: number;
  readonly rows: number;
  readonly sha256: string;
}

export const FORMAT = 1;

/** Turns lines into the file's text, and counts and hashes what it writes. */
export class BackupWriter {
  readonly #hash = createHash("sha256");
  #tables = 0;
  #rows = 0;
  #ofTable = 0;

  head(head: BackupHead): string {
    return this.#line(head);
  }

  table(table: BackupTable): string {
    this.#tables++;
    this.#ofTable = 0;
    return this.#line(table);
  }

  row(row: BackupRow): string {
    this.#ofTable++;
    return this.#line(row);
  }

  endOfTable(): string {
    this.#rows += this.#ofTable;
    return this.#line({ rows: this.#ofTable });
  }

  seal(): string {
    const seal = { tables: this.#tables, rows: this.#rows, sha256: this.#hash.digest("hex") };
    return `${JSON.stringify(seal)}\n`;
  }

  #line(value: unknown): string {
    const line = `${JSON.stringify(value)}\n`;
    this.#hash.update(line);
    return line;
  }
}

/** What reads a backup; `row` may be slow, reading waits for it. */
export interface BackupReader {
  head?(head: BackupHead): Promise<void> | void;
  table?(table: BackupTable): Promise<void> | void;
  row?(row: BackupRow): Promise<void> | undefined;
  endOfTable?(): Promise<void> | void;
}

/**
 * Reads a backup from its head to its seal.
 * @throws Error when it is none, or not whole: cut off, or with a single bit changed
 */
export async function readBackup(path: string, reader: BackupReader): Promise<BackupSeal> {
  const hash = createHash("sha256");
  let hasHead = false;
  let tables = 0;
  let rows = 0;
  let ofTable: number | undefined; // undefined between tables
  let seal: BackupSeal | undefined;

  async function take(line: string): Promise<void> {
    if (seal) throw damaged(path, "something stands behind its end");
    const value = parsed(path, line);
    if (!hasHead) {
      if (!("rushhour_backup" in value)) throw new Error(`${path} is no backup of rushhour`);
      if (value.rushhour_backup !== FORMAT) {
        throw new Error(
          `${path} has format ${String(value.rushhour_backup)}, and this program reads format ${FORMAT}: use the version of rushhour that made it, or a later one`,
        );
      }
      hasHead = true;
      await reader.head?.(value as unknown as BackupHead);
    } else if (Array.isArray(value)) {
      if (ofTable === undefined) throw damaged(path, "a row of no table");
      ofTable++;
      const waiting = reader.row?.(value as BackupRow);
      if (waiting) await waiting;
    } else if ("table" in value) {
      if (ofTable !== undefined) throw damaged(path, "a table without an end");
      tables++;
      ofTable = 0;
      await reader.table?.(value as unknown as BackupTable);
    } else if ("sha256" in value) {
      seal = value as unknown as BackupSeal;
      if (ofTable !== undefined || seal.tables !== tables || seal.rows !== rows) {
        throw damaged(path, "rows are missing");
      }
      if (seal.sha256 !== hash.digest("hex")) throw damaged(path, "its checksum is another one");
      return;
    } else {
      if (value["rows"] !== ofTable) throw damaged(path, "rows are missing");
      rows += ofTable!;
      ofTable = undefined;
      await reader.endOfTable?.();
    }
    hash.update(line).update("\n");
  }

  for await (const line of linesOf(path)) await take(line);
  if (seal === undefined) throw damaged(path, "it was cut off");
  return seal;
}

const damaged = (path: string, how: string) =>
  new Error(`${path} is damaged (${how}): take another backup, nothing can be trusted of this one`);

function parsed(path: string, line: string): Record<string, unknown> | unknown[] {
  try {
    const value: unknown = JSON.parse(line);
    if (typeof value === "object" && value !== null) return value as Record<string, unknown>;
  } catch {
    // said below
  }
  throw damaged(path, "a line that is none");
}

async function* linesOf(path: string): AsyncGenerator<string> {
  const file = createReadStream(path, { highWaterMark: 2 ** 18 });
  const text = createGunzip({ chunkSize: 2 ** 18 });
  file.once("error", (error) => text.destroy(error));
  let rest: Buffer[] = [];
  try {
    for await (const chunk of file.pipe(text) as AsyncIterable<Buffer>) {
      let from = 0;
      for (let end = chunk.indexOf(10); end >= 0; end = chunk.indexOf(10, from)) {
        const last = chunk.subarray(from, end);
        yield (rest.length === 0 ? last : Buffer.concat([...rest, last])).toString();
        rest = [];
        from = end + 1;
      }
      if (from < chunk.length) rest.push(chunk.subarray(from));
    }
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "Z_DATA_ERROR" && file.bytesRead <= file.readableHighWaterMark)
      throw new Error(`${path} is no backup of rushhour, or damaged`, { cause: error });
    if (code?.startsWith("Z_")) throw damaged(path, code === "Z_BUF_ERROR" ? "it was cut off" : "not gzip");
    throw error;
  } finally {
    file.destroy();
  }
  if (rest.length > 0) throw damaged(path, "it was cut off");
}
