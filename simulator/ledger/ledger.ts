import { setTimeout as wait } from "node:timers/promises";
import { LatencyHistogram } from "../figures/latency.ts";
import type { PipelineReport } from "../report/report.ts";
import type { Tally } from "./tally.ts";

/**
 * Every answered request of a run, accounted for: `answered = stored + dead_lettered + dropped + missing + pending`.
 * The left side is the sender's own tally, the right side SQL; they meet by request id.
 */
export interface Ledger {
  readonly offered: number; // wanted by the schedule
  readonly sent: number;
  readonly unsent: number;
  readonly answered: number; // with a request id
  readonly answered_without_id: number; // answered by something that is not logged; not accounted for
  readonly unanswered: number;
  readonly stored: number; // answered, and a row in api_logs
  readonly stored_unanswered: number; // rows of the run whose request got no answer
  readonly dead_lettered: number;
  readonly dropped: number; // by publishers, as they say themselves
  readonly dropped_by_reason: Readonly<Record<string, number>>;
  readonly missing: number; // answered, and nowhere
  readonly duplicates: number; // second rows of one request
  readonly pending: number; // not found while the pipeline was still behind when the wait ended
}

/** What the ledger needs from outside; the simulator itself speaks HTTP only. */
export interface Store {
  /** Runs one SELECT as a reader. */
  query(sql: string, params: readonly unknown[]): Promise<Readonly<Record<string, unknown>>[]>;
  /** Whether every record that publishers hold or Kafka has is stored; throws while it cannot be told. */
  isCaughtUp(): Promise<boolean>;
}

export interface VerifyOptions {
  readonly waitMs?: number | undefined; // how long the pipeline may take to catch up; default 60 s
  readonly onWait?: (ledger: Ledger) => void;
}

export interface VerifiedRun extends PipelineReport {
  readonly ledger: Ledger;
}

const POLL_MS = 250;
const SETTLED_MS = 3_000; // caught up for so long without another row: what is not there will not come
const CLOCK_SLACK_MS = 60_000; // between the simulator's clock and the server's
const PAGE_ROWS = 20_000;

/** Compares the tally with SQL until they balance, nothing more can come, or the wait is over. */
export async function verifyRun(
  tally: Tally,
  store: Store,
  options: VerifyOptions = {},
): Promise<VerifiedRun> {
  const deadlineMs = performance.now() + (options.waitMs ?? 60_000);
  let unchangedSinceMs = performance.now();
  let found = -1;
  for (;;) {
    const rows = await compare(tally, store);
    const progress = rows.stored + rows.stored_unanswered + rows.dead_lettered + rows.dropped;
    const caughtUp = await store.isCaughtUp().catch(() => false);
    const nowMs = performance.now();
    if (progress !== found || !caughtUp) unchangedSinceMs = nowMs;
    found = progress;

    const isSettled = caughtUp && nowMs - unchangedSinceMs >= SETTLED_MS;
    if (rows.unaccounted === 0 || isSettled || nowMs >= deadlineMs) {
      const ledger = ledgerOf(tally, rows, isSettled);
      return {
        ledger,
        balanced: isBalanced(ledger),
        delay_to_row_ms: rows.delay,
        lines: ledgerLines(ledger),
      };
    }
    options.onWait?.(ledgerOf(tally, rows, false));
    await wait(POLL_MS);
  }
}

/** The rule of exit code 111. What is still pending is not proven either. */
export function isBalanced({ missing, duplicates, pending, stored_unanswered, unanswered }: Ledger): boolean {
  return missing === 0 && pending === 0 && duplicates === 0 && stored_unanswered <= unanswered;
}

interface Comparison {
  readonly stored: number;
  readonly stored_unanswered: number;
  readonly duplicates: number;
  readonly dead_lettered: number;
  readonly dropped: number;
  readonly dropped_by_reason: Readonly<Record<string, number>>;
  readonly unaccounted: number;
  readonly delay: PipelineReport["delay_to_row_ms"];
}

async function compare(tally: Tally, store: Store): Promise<Comparison> {
  const expected = new Map<string, number>(); // rows found of each answered request
  for await (const id of tally.ids()) expected.set(id, 0);
  const others = new Set<string>();
  const delay = new LatencyHistogram();
  let stored = 0;
  let duplicates = 0;
  for await (const { request_id, delay_ms } of rowsOf(tally, store)) {
    const found = expected.get(request_id);
    if (found === undefined) {
      if (others.has(request_id)) duplicates++;
      others.add(request_id);
      continue;
    }
    expected.set(request_id, found + 1);
    if (found > 0) duplicates++;
    else {
      stored++;
      delay.record(delay_ms);
    }
  }

  const isOpen = (id: unknown) => typeof id === "string" && expected.get(id) === 0;
  const { run_id } = tally.header;
  const letters = await store.query("SELECT DISTINCT request_id FROM dead_letters WHERE run_id = ?", [
    run_id,
  ]);
  const dead_lettered = letters.filter(({ request_id }) => isOpen(request_id)).length;
  const drops = await store.query(
    "SELECT reason, SUM(dropped) AS dropped FROM publisher_drops WHERE run_id = ? GROUP BY reason",
    [run_id],
  );
  const dropped_by_reason = Object.fromEntries(
    drops.map(({ reason, dropped }) => [String(reason), Number(dropped)]),
  );
  const saidDropped = Object.values(dropped_by_reason).reduce((sum, count) => sum + count, 0);
  const open = expected.size - stored - dead_lettered;
  // A dropped record's request may have stayed unanswered too, so publishers can say more than is open.
  const dropped = Math.min(saidDropped, open);
  return {
    ...{ stored, stored_unanswered: others.size, duplicates, dead_lettered, dropped, dropped_by_reason },
    unaccounted: open - dropped,
    delay:
      stored === 0
        ? null
        : { p50: delay.percentile(50), p99: delay.percentile(99), max: delay.summary().max },
  };
}

/**
 * The run's rows, page by page along the primary key. `delay_ms` is the time from when the response had been handed
 * over to the statement that inserted its row.
 */
async function* rowsOf(
  { header, ended_at }: Tally,
  store: Store,
): AsyncGenerator<{ request_id: string; delay_ms: number }> {
  let fromMs = Date.parse(header.started_at) - CLOCK_SLACK_MS;
  let afterId = "";
  const untilMs = (ended_at === undefined ? Date.now() : Date.parse(ended_at)) + CLOCK_SLACK_MS;
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

function ledgerOf({ counts }: Tally, rows: Comparison, isSettled: boolean): Ledger {
  const { offered, sent, unsent, answered, answered_without_id, unanswered } = counts;
  const { stored, stored_unanswered, dead_lettered, dropped, dropped_by_reason, duplicates, unaccounted } =
    rows;
  return {
    ...{ offered, sent, unsent, answered: answered - answered_without_id, answered_without_id, unanswered },
    ...{ stored, stored_unanswered, dead_lettered, dropped, dropped_by_reason },
    missing: isSettled ? unaccounted : 0,
    duplicates,
    pending: isSettled ? 0 : unaccounted,
  };
}

/** The proof as people read it. */
export function ledgerLines(ledger: Ledger): string[] {
  const n = (count: number) => count.toLocaleString("en");
  const { answered, stored, dead_lettered, dropped, missing, pending } = ledger;
  const reasons = Object.entries(ledger.dropped_by_reason).map(([reason, count]) => `${reason}: ${n(count)}`);
  const parts = [
    `${n(stored)} stored`,
    `${n(dead_lettered)} dead-lettered`,
    `${n(dropped)} dropped${dropped > 0 ? ` (${reasons.join(", ")})` : ""}`,
    `${n(missing)} missing`,
    ...(pending > 0 ? [`${n(pending)} pending`] : []),
  ];
  return [
    `offered ${n(ledger.offered)}   sent ${n(ledger.sent)}   unsent ${n(ledger.unsent)}   unanswered ${n(ledger.unanswered)}`,
    `answered ${n(answered)} = ${parts.join(" + ")}`,
    `duplicates ${n(ledger.duplicates)}   stored though unanswered ${n(ledger.stored_unanswered)}`,
    ...(ledger.answered_without_id > 0
      ? [`${n(ledger.answered_without_id)} more answers carried no request id: what sent them is not logged`]
      : []),
    isBalanced(ledger)
      ? "balanced: every answered request is accounted for"
      : `NOT balanced: ${imbalance(ledger)}`,
  ];
}

function imbalance({ missing, pending, duplicates, stored_unanswered, unanswered }: Ledger): string {
  return [
    ...(missing > 0 ? [`${missing} answered requests have no row`] : []),
    ...(pending > 0
      ? [`${pending} answered requests have no row yet, the pipeline is still behind; verify again later`]
      : []),
    ...(duplicates > 0 ? [`${duplicates} rows are duplicates`] : []),
    ...(stored_unanswered > unanswered
      ? [`${stored_unanswered - unanswered} rows belong to no request of the tally`]
      : []),
  ].join("; ");
}
