import { stream, zipf } from "../contract/random.ts";
import type { Fields } from "../contract/record.ts";
import { requestIdAt } from "../contract/request-id.ts";
import { requestLogRow, type RequestLogRow } from "../contract/request-log-row.ts";
import { createSyntheticLogs } from "../producer/synthetic.ts";

export const DAY_MS = 86_400_000;
export const HOUR_MS = 3_600_000;
export const DAYS = 30;

/** What a store holds after {@link DAYS} days: rows evenly over time, up to midnight of today (UTC). */
export interface History {
  readonly rows: number;
  readonly startMs: number;
  readonly endMs: number;
  readonly seed: number;
  readonly templates: readonly RequestLogRow[];
}

/** Rows are drawn from so many, so that making one costs next to nothing. */
const TEMPLATES = 20_000;

export function historyOf(rows: number, seed: number): History {
  const endMs = Math.floor(Date.now() / DAY_MS) * DAY_MS;
  const templates = syntheticRows(seed, Math.min(TEMPLATES, rows));
  return { rows, startMs: endMs - DAYS * DAY_MS, endMs, seed, templates };
}

const USERS = 20_000;
const ROWS_PER_TRACE = 4;
/** A run of the simulator each day. */
const RUN_FROM_MS = 12 * HOUR_MS;
const RUN_MS = HOUR_MS / 2;

/** The run of the day that `timeMs` lies in, and from when to when it lasted. */
export function runOf(timeMs: number): { run_id: string; fromMs: number; untilMs: number } {
  const dayMs = Math.floor(timeMs / DAY_MS) * DAY_MS;
  const fromMs = dayMs + RUN_FROM_MS;
  return {
    run_id: `0192f0c1-0000-7000-8000-${dayMs.toString().padStart(12, "0")}`,
    fromMs,
    untilMs: fromMs + RUN_MS,
  };
}

/**
 * One row in `lanes` of a history, in order of time: partitions of a topic hold the same minutes side by side. Users are
 * as popular as Zipf's law has it, four requests in a row share a trace, half an hour each day belongs to a run.
 */
export function* laneOf(history: History, lane: number, lanes: number): Generator<RequestLogRow> {
  const { rows, startMs, endMs, seed, templates } = history;
  const rng = stream(seed, `lane ${lane}`);
  const user = zipf(USERS);
  const source = crypto.randomUUID();
  const stepMs = (endMs - startMs) / rows;
  const idPart = () => rng.uint32().toString(16).padStart(8, "0");
  let user_id = "";
  let trace_id = "";
  for (let n = lane, seq = 1; n < rows; n += lanes, seq++) {
    if (seq % ROWS_PER_TRACE === 1) {
      trace_id = idPart() + idPart() + idPart() + idPart();
      user_id = `user-${1 + user(rng)}`;
    }
    const timestampMs = Math.floor(startMs + n * stepMs);
    const run = runOf(timestampMs);
    const isOfRun = timestampMs >= run.fromMs && timestampMs < run.untilMs;
    yield {
      ...rng.pick(templates),
      ...{ request_id: requestIdAt(timestampMs), timestampMs, user_id, trace_id, source, seq },
      run_id: isOfRun ? run.run_id : null,
    };
  }
}

function syntheticRows(seed: number, count: number): RequestLogRow[] {
  const timeMs = Date.now();
  const logs = createSyntheticLogs({ seed, startMs: timeMs, meanPerSecond: 1_000 });
  return Array.from({ length: count }, () => {
    const record = { ...RECORD, timeMs };
    const decoded = requestLogRow(JSON.parse(logs.next(timeMs).json) as Fields, record, timeMs);
    if ("row" in decoded) return decoded.row;
    throw new Error(`a synthetic record was refused: ${JSON.stringify(decoded.rejection)}`);
  });
}

const RECORD = { cluster: "bench", topic: "info-logs", partition: 0, offset: 0n, key: null, value: null };

/** The next `count` of them, fewer at the end. */
export function take<T>(rows: Iterator<T>, count: number): T[] {
  const taken: T[] = [];
  while (taken.length < count) {
    const next = rows.next();
    if (next.done) break;
    taken.push(next.value);
  }
  return taken;
}
