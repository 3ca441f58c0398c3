import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { messageOf, RushhourError } from "../contract/errors.ts";
import { connectReader, type Row } from "../init_db/database.ts";
import type { RunRecord } from "../simulator/report/record.ts";
import { databaseError } from "./reach.ts";
import { userUrlOf, type ServerSettings } from "./servers.ts";

const RUN_ID = /^[\w-]{1,64}$/;
const LATEST = /^latest(?:~(?<back>\d{1,6}))?$/;

export function runRecordPath(home: string, runId: string): string {
  return join(home, "runs", `${runId}.json`);
}

/**
 * The record of a run.
 * @param wanted its id or the beginning of it, `latest`, `latest~1` for the one before and so on, or the path of a
 *   record's file. The files of this checkout come first, then the table `runs`; `latest` asks SQL only where there is
 *   no file at all.
 * @throws RushhourError RUN_UNKNOWN when there is none or several begin so; SERVER_UNREACHABLE
 */
export async function loadRun(wanted: string, settings: ServerSettings): Promise<RunRecord> {
  if (/[/\\]|\.json$/.test(wanted)) return readRecord(wanted);
  const home = settings.RUSHHOUR_HOME;
  const latest = LATEST.exec(wanted);
  const found = latest
    ? await findLatest(Number(latest.groups?.["back"] ?? 0), settings)
    : await findByBeginning(wanted, settings);
  const path = runRecordPath(home, found);
  return existsSync(path) ? readRecord(path) : storedRecord(found, settings);
}

/** Ids of the runs that have a file here, newest first: they are UUIDv7. */
export function localRunIds(home: string): string[] {
  const folder = join(home, "runs");
  const files = existsSync(folder) ? readdirSync(folder) : [];
  return files
    .filter((file) => file.endsWith(".json"))
    .map((file) => file.slice(0, -".json".length))
    .filter((id) => RUN_ID.test(id))
    .sort()
    .reverse();
}

const recordShape = z.looseObject({
  v: z.literal(1),
  run_id: z.string().regex(RUN_ID),
  scenario: z.string(),
  started_at: z.iso.datetime(),
  counts: z.looseObject({ sent: z.number(), failed: z.number() }),
  response_time_ms: z.looseObject({ p95: z.number() }),
  thresholds: z.array(z.looseObject({})),
  incidents: z.array(z.looseObject({})),
  series: z.array(z.looseObject({})),
});

/** @throws RushhourError RUN_UNKNOWN when the file is not there or holds something else */
export function readRecord(path: string): RunRecord {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (error) {
    throw unknown(`no run can be read from ${path}: ${messageOf(error)}`, error);
  }
  return parseRecord(text, path);
}

function parseRecord(text: string, where: string): RunRecord {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw unknown(`${where} is not the record of a run: ${messageOf(error)}`, error);
  }
  const parsed = recordShape.safeParse(value);
  if (parsed.success) return value as RunRecord;
  throw unknown(`${where} is not the record of a run:\n${z.prettifyError(parsed.error)}`);
}

async function findLatest(back: number, settings: ServerSettings): Promise<string> {
  const folder = join(settings.RUSHHOUR_HOME, "runs");
  const local = localRunIds(settings.RUSHHOUR_HOME);
  if (local.length > 0) {
    const found = local[back];
    if (found !== undefined) return found;
    throw unknown(
      `latest~${back} goes back too far: ${folder} holds ${local.length} ${local.length === 1 ? "run" : "runs"}; npx rushhour runs lists those in SQL too`,
    );
  }
  const [run] = hasDatabase(settings) ? await queryRuns(settings, NEWEST, [back]) : [];
  if (run) return String(run["run_id"]);
  throw unknown(
    `there is no run yet in ${folder}, nor in SQL: make one with npm start or npx rushhour simulate`,
  );
}

const NEWEST = "SELECT run_id FROM runs WHERE state = 'finished' ORDER BY started_at DESC LIMIT ?, 1";

async function findByBeginning(beginning: string, settings: ServerSettings): Promise<string> {
  const folder = join(settings.RUSHHOUR_HOME, "runs");
  if (!RUN_ID.test(beginning)) {
    throw unknown(
      `"${beginning}" is no run: give an id or its beginning, latest, latest~1 or the path of a record; npx rushhour runs lists them`,
    );
  }
  const local = localRunIds(settings.RUSHHOUR_HOME);
  const here = local.includes(beginning) ? beginning : onlyOne(beginning, local);
  if (here !== undefined) return here;
  if (!hasDatabase(settings)) {
    throw unknown(
      `run "${beginning}" is not in ${folder}, and there is no database to look it up in; npx rushhour runs lists those that are`,
    );
  }
  const rows = await queryRuns(
    settings,
    "SELECT run_id FROM runs WHERE run_id LIKE ? ORDER BY run_id = ? DESC, started_at DESC LIMIT 10",
    [`${beginning.replaceAll("_", "\\_")}%`, beginning],
  );
  const stored = rows.map((row) => String(row["run_id"]));
  const there = stored[0] === beginning ? beginning : onlyOne(beginning, stored);
  if (there !== undefined) return there;
  throw unknown(
    `run "${beginning}" is neither in ${folder} nor in the table runs; npx rushhour runs lists those that are`,
  );
}

function onlyOne(beginning: string, ids: readonly string[]): string | undefined {
  const [first, ...others] = ids.filter((id) => id.startsWith(beginning));
  if (first === undefined || others.length === 0) return first;
  const shown = [first, ...others].slice(0, 5).map((id) => `  ${id}`);
  throw unknown(`several runs begin with "${beginning}"; give more of the id:\n${shown.join("\n")}`);
}

async function storedRecord(runId: string, settings: ServerSettings): Promise<RunRecord> {
  const [row] = await queryRuns(settings, "SELECT record FROM runs WHERE run_id = ?", [runId]);
  const record = (row?.["record"] ?? null) as object | string | null;
  if (record === null) {
    throw unknown(
      `run "${runId}" has no record yet: it still goes on, or was killed; what is known is in SQL: npx rushhour sql "SELECT * FROM incidents WHERE run_id = '${runId}'"`,
    );
  }
  const text = typeof record === "string" ? record : JSON.stringify(record); // MariaDB's JSON is text, MySQL's a value
  return parseRecord(text, `the column record of run ${runId}`);
}

/** Whether a database is named, or runs for this checkout with a reader to ask as. */
export function hasDatabase(settings: ServerSettings): boolean {
  if (settings.MYSQL_URL !== undefined) return true; // if it cannot be asked, that is to be said
  try {
    userUrlOf("reader", settings);
    return true;
  } catch (error) {
    if (error instanceof RushhourError && error.code === "CONFIG_INVALID") return false;
    throw error;
  }
}

/**
 * One SELECT as the reader; times come as Date.
 * @throws RushhourError SERVER_UNREACHABLE, CONFIG_INVALID without a database, QUERY_FAILED
 */
export async function queryRuns(
  settings: ServerSettings,
  sql: string,
  params: readonly unknown[],
): Promise<Row[]> {
  const url = userUrlOf("reader", settings);
  const connection = await connectReader(url).catch((error: unknown) => {
    throw databaseError(error, url, "MYSQL_READER_URL or MYSQL_URL");
  });
  try {
    const [rows] = await connection.query<Row[]>(sql, [...params]);
    return rows;
  } catch (error) {
    const isNotMigrated = (error as { code?: unknown }).code === "ER_NO_SUCH_TABLE";
    throw new RushhourError(
      "QUERY_FAILED",
      `the database says: ${messageOf(error)}${isNotMigrated ? "; npx rushhour migrate makes the table" : ""}`,
      { cause: error },
    );
  } finally {
    connection.destroy();
  }
}

function unknown(message: string, cause?: unknown): RushhourError {
  return new RushhourError("RUN_UNKNOWN", message, { cause });
}
