import { setTimeout as wait } from "node:timers/promises";
import type { LatencyHistogram } from "../figures/latency.ts";
import type { PipelineReport } from "../report/record.ts";
import { compare, type Comparison } from "./comparison.ts";
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
  readonly settledMs?: number; // caught up for so long without another row, what is not there is missing; default 3 s
  readonly maxInMemory?: number; // requests; more are compared by way of the disk
  readonly onWait?: (ledger: Ledger) => void;
}

export interface VerifiedRun extends PipelineReport {
  readonly ledger: Ledger;
  readonly delay: LatencyHistogram; // response to row, of the stored
}

const POLL_MS = 250;
const MAX_IN_MEMORY = 500_000; // about 180 MB
const COMPARED_PER_MS = 100; // requests, about
const WAIT_PER_COMPARISON = 10; // times its own length, so that asking does not slow down what is waited for

/**
 * Compares the tally with SQL until they balance, nothing more can come, or the wait is over. While the pipeline is
 * behind a small run is compared again and again, a large one once it has caught up.
 */
export async function verifyRun(
  tally: Tally,
  store: Store,
  { waitMs = 60_000, settledMs = 3_000, maxInMemory = MAX_IN_MEMORY, onWait }: VerifyOptions = {},
): Promise<VerifiedRun> {
  const deadlineMs = performance.now() + waitMs;
  let nextMs = performance.now() + (WAIT_PER_COMPARISON * tally.counts.sent) / COMPARED_PER_MS;
  let quietSinceMs: number | undefined; // caught up since then, and nothing more was found
  let found = -1;
  for (;;) {
    const caughtUp = await store.isCaughtUp().catch(() => false);
    const beganMs = performance.now();
    const isOver = beganMs >= deadlineMs;
    if (!caughtUp) quietSinceMs = undefined;
    const isQuiet = quietSinceMs !== undefined && beganMs - quietSinceMs >= settledMs;
    const justCaughtUp = caughtUp && quietSinceMs === undefined;

    if (justCaughtUp || isQuiet || isOver || beganMs >= nextMs) {
      const rows = await compare(tally, store, maxInMemory).catch((error: unknown) => {
        const isLost = (error as { fatal?: unknown }).fatal === true; // the connection, not the question
        if (!isLost || performance.now() >= deadlineMs) throw error;
      });
      if (!rows) {
        quietSinceMs = undefined; // the database is away: that is waited out as well
        await wait(POLL_MS);
        continue;
      }
      const progress = rows.stored + rows.stored_unanswered + rows.dead_lettered + rows.dropped;
      const isSettled = isQuiet && progress === found;
      if (rows.unaccounted === 0 || isSettled || isOver) return verified(tally, rows, isSettled);
      if (caughtUp && (justCaughtUp || progress !== found)) quietSinceMs = beganMs;
      found = progress;
      nextMs = performance.now() + WAIT_PER_COMPARISON * (performance.now() - beganMs);
      onWait?.(ledgerOf(tally, rows, false));
    }
    await wait(POLL_MS);
  }
}

function verified(tally: Tally, rows: Comparison, isSettled: boolean): VerifiedRun {
  const ledger = ledgerOf(tally, rows, isSettled);
  const { stored, delay } = rows;
  return {
    ledger,
    delay,
    balanced: isBalanced(ledger),
    delay_to_row_ms:
      stored === 0
        ? null
        : { p50: delay.percentile(50), p99: delay.percentile(99), max: delay.summary().max },
    lines: ledgerLines(ledger),
  };
}

/** The rule of exit code 111. What is still pending is not proven either. */
export function isBalanced({ missing, duplicates, pending, stored_unanswered, unanswered }: Ledger): boolean {
  return missing === 0 && pending === 0 && duplicates === 0 && stored_unanswered <= unanswered;
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
