import type { Exchange } from "../engine/http.ts";
import { LatencyHistogram } from "./latency.ts";
import { isRequestId } from "../ledger/tally.ts";
import type { TallyCounts } from "../ledger/tally.ts";

type Percentiles = Readonly<Record<"p50" | "p95" | "p99", number>>;

/** How a run stands, for a live status. Latencies are response times in ms. */
export interface Progress extends TallyCounts {
  readonly elapsed_ms: number;
  readonly in_flight: number;
  readonly failed: number; // unanswered, or answered with status 400 or above
  readonly error_rate: number; // failed of those that ended, 0-1
  readonly rate_per_second: number; // sent in the last 5 to 10 seconds
  readonly recent: Percentiles; // of those that ended in the last 5 to 10 seconds
  readonly all: Percentiles;
}

const WINDOW_MS = 5_000;

interface Window {
  readonly startedAtMs: number;
  sent: number;
  readonly responseTime: LatencyHistogram;
}

/**
 * Counts and times the requests of one run; all times are `performance.now()` ms. Latencies are those of answered
 * requests and of those given up, which took at least that long; a request that was refused or reset has none.
 */
export class Meter {
  /** From the actual send until the last byte. */
  readonly serviceTime = new LatencyHistogram();
  /** From the due time until the last byte: what a user feels who does not wait for the server to act. */
  readonly responseTime = new LatencyHistogram();
  /** From the due time until the HTTP client had the request: how late the simulator itself was. */
  readonly scheduleDelay = new LatencyHistogram();
  readonly statuses: Record<string, number> = {};
  readonly reasons: Record<string, number> = {};
  readonly #startedAtMs: number;
  readonly #counts = {
    offered: 0,
    sent: 0,
    unsent: 0,
    answered: 0,
    answered_without_id: 0,
    unanswered: 0,
  };
  #failed = 0;
  #previous: Window;
  #current: Window;

  constructor(startedAtMs: number) {
    this.#startedAtMs = startedAtMs;
    this.#previous = this.#current = windowFrom(startedAtMs);
  }

  get inFlight(): number {
    return this.#counts.sent - this.#counts.answered - this.#counts.unanswered;
  }

  get failed(): number {
    return this.#failed;
  }

  counts(): TallyCounts {
    return { ...this.#counts };
  }

  unsent(): void {
    this.#counts.offered++;
    this.#counts.unsent++;
  }

  sent(dueAtMs: number, nowMs: number): void {
    this.#counts.offered++;
    this.#counts.sent++;
    this.#window(nowMs).sent++;
    this.scheduleDelay.record(nowMs - dueAtMs);
  }

  ended(dueAtMs: number, exchange: Exchange): void {
    if (exchange.answer === undefined) this.#unanswered(exchange.reason ?? "unknown");
    else this.#answered(exchange.answer.status, exchange.answer.request_id);
    if (exchange.answer === undefined && !exchange.timed_out) return;
    const responseMs = exchange.ended_at_ms - dueAtMs;
    this.responseTime.record(responseMs);
    this.#window(exchange.ended_at_ms).responseTime.record(responseMs);
    if (exchange.sent_at_ms !== undefined)
      this.serviceTime.record(exchange.ended_at_ms - exchange.sent_at_ms);
  }

  progress(nowMs: number): Progress {
    const current = this.#window(nowMs);
    const recent = new LatencyHistogram();
    recent.add(this.#previous.responseTime);
    if (current !== this.#previous) recent.add(current.responseTime);
    const recentlySent = current.sent + (current === this.#previous ? 0 : this.#previous.sent);
    const ended = this.#counts.answered + this.#counts.unanswered;
    return {
      ...this.#counts,
      elapsed_ms: nowMs - this.#startedAtMs,
      in_flight: this.inFlight,
      failed: this.#failed,
      error_rate: ended === 0 ? 0 : this.#failed / ended,
      rate_per_second: recentlySent / (Math.max(1, nowMs - this.#previous.startedAtMs) / 1_000),
      recent: percentilesOf(recent),
      all: percentilesOf(this.responseTime),
    };
  }

  #answered(status: number, requestId: string | undefined): void {
    this.#counts.answered++;
    if (!isRequestId(requestId)) this.#counts.answered_without_id++;
    if (status >= 400) this.#failed++;
    this.statuses[status] = (this.statuses[status] ?? 0) + 1;
  }

  #unanswered(reason: string): void {
    this.#counts.unanswered++;
    this.#failed++;
    this.reasons[reason] = (this.reasons[reason] ?? 0) + 1;
  }

  /** The window of now; the one before it is kept, older ones are forgotten. */
  #window(nowMs: number): Window {
    if (nowMs - this.#current.startedAtMs >= WINDOW_MS) {
      this.#previous = this.#current;
      this.#current = windowFrom(nowMs);
    }
    return this.#current;
  }
}

function windowFrom(startedAtMs: number): Window {
  return { startedAtMs, sent: 0, responseTime: new LatencyHistogram() };
}

function percentilesOf(histogram: LatencyHistogram): Percentiles {
  return { p50: histogram.percentile(50), p95: histogram.percentile(95), p99: histogram.percentile(99) };
}
