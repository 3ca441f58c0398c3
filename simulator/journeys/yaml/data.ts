import { readFile, stat } from "node:fs/promises";
import { extname, resolve } from "node:path";
import { parse } from "csv-parse/sync";
import { z } from "zod";
import { messageOf } from "../../../contract/errors.ts";
import type { SessionContext } from "../journey.ts";
import { zipfRank } from "./functions.ts";
import type { Path, Problems } from "../../scenario/problems.ts";
import { scalarOf } from "./scalar.ts";
import { VariableName } from "./scope.ts";

/** Rows from a file or from the scenario itself. */
export interface DataSet {
  readonly rows: readonly unknown[];
  /** The variable that holds the row of an iteration; undefined: there is none, the rows are only a list. */
  readonly as: string | undefined;
  /** The row of an iteration: the same for the same seed and number, on whatever thread. */
  rowOf(session: SessionContext): unknown;
}

const MAX_FILE_BYTES = 256 * 2 ** 20;
const MAX_ROWS = 1_000_000;

const BY = {
  sequential: ({ iteration }: SessionContext, rows: number) => iteration % rows,
  random: ({ rng }: SessionContext, rows: number) => rng.integer(rows),
  zipf: ({ rng }: SessionContext, rows: number) => zipfRank(rng, rows, 1),
  "per-vu": ({ vu }: SessionContext, rows: number) => vu % rows,
};

const Shape = z.strictObject(
  {
    file: z.string("must be the name of a .csv or .jsonl file").optional(),
    rows: z.array(z.unknown(), "must be a list of rows").optional(),
    delimiter: z.string("must be one character").length(1, "must be one character").optional(),
    as: VariableName.optional(),
    by: z
      .enum(Object.keys(BY) as (keyof typeof BY)[], `must be one of ${Object.keys(BY).join(", ")}`)
      .optional(),
  },
  "must be a map such as {file: users.csv, as: user, by: random}",
);

/** Reads what stands under `data:`, every set by its name. A set with a problem is there without rows. */
export async function loadData(
  definitions: unknown,
  folder: string,
  problems: Problems,
): Promise<ReadonlyMap<string, DataSet>> {
  const sets = new Map<string, DataSet>();
  if (definitions === undefined) return sets;
  const named = problems.read(
    z.record(z.string(), z.unknown(), "must be a map of names to data"),
    definitions,
    ["data"],
  );
  for (const [name, definition] of Object.entries(named ?? {})) {
    const path = ["data", name];
    const { error } = VariableName.safeParse(name);
    if (error !== undefined) problems.reportKey(path, error.issues[0]!.message);
    sets.set(name, await loadSet(definition, folder, path, problems));
  }
  return sets;
}

async function loadSet(
  definition: unknown,
  folder: string,
  path: Path,
  problems: Problems,
): Promise<DataSet> {
  const shape = problems.read(Shape, definition, path);
  if (shape === undefined) return { rows: [], as: nameIn(definition), rowOf: () => undefined };
  const { file, as, by = "sequential" } = shape;
  const found = problems.list.length;
  let rows = shape.rows ?? [];
  if ((file === undefined) === (shape.rows === undefined)) {
    problems.report(path, "must have either file: or rows:");
  } else if (file !== undefined) {
    try {
      rows = await readRows(resolve(folder, file), shape.delimiter);
    } catch (error) {
      problems.report([...path, "file"], `"${file}" ${messageOf(error)}`);
    }
  }
  if (shape.by !== undefined && as === undefined) {
    problems.report(
      [...path, "by"],
      `chooses the row of an iteration, so it needs "as:", the variable that holds the row`,
    );
  }
  if (rows.length === 0 && problems.list.length === found)
    problems.report(path, "has no rows; it needs at least one");
  if (rows.length > MAX_ROWS) problems.report(path, `has ${rows.length} rows; at most ${MAX_ROWS} are taken`);
  return { rows, as, rowOf: (session) => rows[BY[by](session, rows.length)] };
}

/** What a broken definition would have called its row, so that the variable is not unknown as well. */
function nameIn(definition: unknown): string | undefined {
  const as: unknown = (definition as { as?: unknown } | null | undefined)?.as;
  return typeof as === "string" ? as : undefined;
}

/** @throws Error saying what is wrong with the file */
async function readRows(file: string, delimiter = ","): Promise<unknown[]> {
  const read = {
    ".csv": (text: string) => csvRows(text, delimiter),
    ".jsonl": jsonlRows,
    ".ndjson": jsonlRows,
  }[extname(file).toLowerCase()];
  if (read === undefined) throw new Error("must end in .csv, .jsonl or .ndjson");
  const stats = await stat(file).catch((error: unknown) => {
    if ((error as NodeJS.ErrnoException).code === "ENOENT")
      throw new Error(`does not exist (looked for ${file})`);
    throw error;
  });
  if (!stats.isFile()) throw new Error("must be a file");
  if (stats.size > MAX_FILE_BYTES)
    throw new Error(`has ${stats.size} bytes; at most ${MAX_FILE_BYTES} are read`);
  return read(await readFile(file, "utf8"));
}

/** Rows by the names in the first line. */
function csvRows(text: string, delimiter: string): unknown[] {
  return parse(text, {
    bom: true,
    columns: true,
    delimiter,
    skip_empty_lines: true,
    trim: true,
    cast: (cell, { header, quoting }) => (header || quoting ? cell : scalarOf(cell)),
  });
}

function jsonlRows(text: string): unknown[] {
  const rows: unknown[] = [];
  for (const [index, line] of text
    .replace(/^\uFEFF/, "")
    .split("\n")
    .entries()) {
    if (line.trim() === "") continue;
    try {
      rows.push(JSON.parse(line));
    } catch (error) {
      throw new Error(`is not JSON in line ${index + 1}: ${messageOf(error)}`, { cause: error });
    }
  }
  return rows;
}
