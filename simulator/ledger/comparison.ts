import { REQUEST_LOG_TOPICS } from "../../contract/request-log.ts";
import { LatencyHistogram } from "../figures/latency.ts";
import { openBuckets } from "./buckets.ts";
import type { Store } from "./ledger.ts";
import type { Tally } from "./tally.ts";

/** What became of the answered requests, as far as it can be found now. */
export interface Comparison extends Matches {
  readonly dropped: number;
  readonly dropped_by_reason: Readonly<Record<string, number>>;
  readonly unaccounted: number;
  readonly delay: LatencyHistogram; // response to row, of the stored
}

interface Matches {
  ids: number; // of answered requests
  stored: number;
  stored_unanswered: number;
  duplicates: number;
  dead_lettered: number;
}

/** The same requests as the sender, the table and the dead letters know them. */
interface Sides {
  readonly answered: AsyncIterable<string>;
  readonly rows: AsyncIterable<StoredRow>;
  readonly letters: AsyncIterable<string>;
}

interface StoredRow {
  readonly request_id: string;
  readonly delay_ms: number; // NaN where the server's clock was wrong
}

const CLOCK_SLACK_MS = 60_000; // between the simulator's clock and the server's
const PAGE_ROWS = 20_000;

/**
 * Compares a tally with SQL, id by id. Requests beyond `maxInMemory` are sorted into buckets on disk first and compared
 * bucket by bucket, so memory does not grow with the run; the result is the same.
 */
export async function compare(tally: Tally, store: Store, maxInMemory: number): Promise<Comparison> {
  const sides = { answered: tally.ids(), rows: rowsOf(tally, store), letters: lettersOf(tally, store) };
  const { sent } = tally.counts;
  const delay = new LatencyHistogram();
  const found: Matches = { ids: 0, stored: 0, stored_unanswered: 0, duplicates: 0, dead_lettered: 0 };
  const parts =
    sent <= maxInMemory ? [sides] : inBuckets(sides, tally.path, Math.ceil((2 * sent) / maxInMemory));
  for await (const part of parts) await match(part, found, delay);

  const dropped_by_reason = await dropsOf(tally, store);
  const saidDropped = Object.values(dropped_by_reason).reduce((sum, count) => sum + count, 0);
  const open = found.ids - found.stored - found.dead_lettered;
  // A dropped record's request may have stayed unanswered too, so publishers can say more than is open.
  const dropped = Math.min(saidDropped, open);
  return { ...found, dropped, dropped_by_reason, unaccounted: open - dropped, delay };
}

/** Adds what the sides have in common to `found`, and the delay of each stored request to `delay`. */
async function match({ answered, rows, letters }: Sides, found: Matches, delay: LatencyHistogram) {
  const isAccounted = new Map<string, boolean>(); // of each answered request
  for await (const id of answered) isAccounted.set(id, false);
  found.ids += isAccounted.size;
  const others = new Set<string>();
  for await (const { request_id, delay_ms } of rows) {
    const before = isAccounted.get(request_id);
    if (before === false) {
      isAccounted.set(request_id, true);
      found.stored++;
      if (!Number.isNaN(delay_ms)) delay.record(delay_ms);
    } else if (before === true || others.has(request_id)) {
      found.duplicates++;
    } else {
      others.add(request_id);
    }
  }
  found.stored_unanswered += others.size;
  for await (const id of letters) {
    if (isAccounted.get(id) !== false) continue;
    isAccounted.set(id, true);
    found.dead_lettered++;
  }
}

/** The same sides in `count` parts of about equal size, each id in one part. */
async function* inBuckets(sides: Sides, path: string, count: number): AsyncGenerator<Sides> {
  const buckets = await openBuckets(path, count);
  try {
    const answered = await buckets.sort(sides.answered);
    const rows = await buckets.sort(rowLines(sides.rows));
    const letters = await buckets.sort(sides.letters);
    for (let n = 0; n < count; n++) {
      yield { answered: answered(n), rows: rowsOfLines(rows(n)), letters: letters(n) };
    }
  } finally {
    await buckets.close();
  }
}

async function* rowLines(rows: AsyncIterable<StoredRow>): AsyncGenerator<string> {
  for await (const { request_id, delay_ms } of rows) yield `${request_id} ${delay_ms}`;
}

async function* rowsOfLines(lines: AsyncIterable<string>): AsyncGenerator<StoredRow> {
  for await (const line of lines) {
    const space = line.indexOf(" ");
    yield { request_id: line.slice(0, space), delay_ms: Number(line.slice(space + 1)) };
  }
}

const LAST_MS = Date.UTC(9999, 11, 31);

/** The run's rows: those of its time, then those that a server whose clock was wrong has dated otherwise. */
async function* rowsOf(tally: Tally, store: Store): AsyncGenerator<StoredRow> {
  const { started_at } = tally.header;
  const fromMs = Date.parse(started_at) - CLOCK_SLACK_MS;
  const untilMs = (tally.ended_at === undefined ? Date.now() : Date.parse(tally.ended_at)) + CLOCK_SLACK_MS;
  yield* rowsBetween(fromMs, untilMs, tally, store);
  for (const [from, until] of [[0, fromMs - 1] as const, [untilMs + 1, LAST_MS] as const])
    for await (const { request_id } of rowsBetween(from, until, tally, store))
      yield { request_id, delay_ms: NaN };
}

/**
 * Page by page along the primary key. `delay_ms` is the time from when the response had been handed over to the statement that
 * inserted its row.
 */
async function* rowsBetween(
  firstMs: number,
  untilMs: number,
  { header }: Tally,
  store: Store,
): AsyncGenerator<StoredRow> {
  let fromMs = firstMs;
  let afterId = "";
  for (;;) {
    const from = new Date(fromMs);
    const rows = await store.query(
      `SELECT request_id, timestamp, TIMESTAMPDIFF(MICROSECOND, timestamp, stored_at) / 1000 - response_time_ms AS delay_ms
         FROM api_logs
        WHERE timestamp >= ? AND timestamp <= ? AND (timestamp > ? OR request_id > ?) AND run_id = ?
        ORDER BY timestamp, request_id LIMIT ${PAGE_ROWS}`,
      [from, new Date(untilMs), from, afterId, header.run_id],
    );
    for (const row of rows)
      yield { request_id: String(row["request_id"]), delay_ms: Number(row["delay_ms"]) };
    const last = rows.at(-1);
    if (!last || rows.length < PAGE_ROWS) return;
    fromMs = (last["timestamp"] as Date).getTime();
    afterId = String(last["request_id"]);
  }
}

/** The request ids of the run's dead letters that were not replayed, as far as they have one, page by page. */
async function* lettersOf({ header }: Tally, store: Store): AsyncGenerator<string> {
  let afterId: unknown = 0;
  for (;;) {
    const letters = await store.query(
      `SELECT id, request_id FROM dead_letters WHERE run_id = ? AND replayed_at IS NULL AND id > ? ORDER BY id LIMIT ${PAGE_ROWS}`,
      [header.run_id, afterId],
    );
    for (const { request_id } of letters) if (typeof request_id === "string") yield request_id;
    const last = letters.at(-1);
    if (!last || letters.length < PAGE_ROWS) return;
    afterId = last["id"];
  }
}

/** Topics of request logs; what an earlier version dropped names none. */
const OF_REQUESTS = ["", ...REQUEST_LOG_TOPICS];

async function dropsOf({ header }: Tally, store: Store): Promise<Record<string, number>> {
  const drops = await store.query(
    `SELECT reason, SUM(dropped) AS dropped FROM publisher_drops WHERE run_id = ? AND topic IN (?) GROUP BY reason
     UNION ALL SELECT reason, SUM(dropped) FROM ingest_drops WHERE run_id = ? AND topic IN (?) GROUP BY reason`,
    [header.run_id, OF_REQUESTS, header.run_id, OF_REQUESTS],
  );
  return Object.fromEntries(drops.map(({ reason, dropped }) => [String(reason), Number(dropped)]));
}
