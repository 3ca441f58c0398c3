import type { CheckCounts, EndedRequest, SampleBatch, ScenarioCounts, StepKey } from "../figures/samples.ts";
import { answeredLine, isRequestId, unansweredLine } from "../ledger/tally.ts";
import type { Exchange } from "./http.ts";

const ROWS = 512;
const FLUSH_MS = 100; // what a killed simulator may lose of its tally
const MAX_NAMES = 1_000; // steps told apart in a shard: beyond them they are `(other)`

/** Counts of a scenario that a driver raises as things happen. */
export interface LiveCounts {
  readonly scenario: string;
  arrived: number;
  dropped: number;
  sent: number;
  started: number;
  durations_ms: number[];
  vus: number; // stays when a batch goes
}

/** Collects what happens in a shard and hands it on in batches: when one is full, and ten times a second. */
export class BatchWriter {
  readonly #onBatch: (batch: SampleBatch) => void;
  readonly #startMs: number;
  readonly #details: boolean;
  readonly #indexes = new Map<string, Map<string, number>>(); // by scenario and journey, then method and name
  readonly #scenarios: LiveCounts[] = [];
  readonly #timer: NodeJS.Timeout;
  #names = 0;
  #columns = emptyColumns();
  #count = 0;
  #delays: number[] = [];
  #steps: StepKey[] = [];
  #tally = "";
  #reasons: Record<string, number> = {};
  #withoutId = 0;
  #checks = new Map<string, { scenario: string; name: string; passed: number; failed: number }>();
  #requests: EndedRequest[] = [];

  /** @param details whether the requests are wanted one by one */
  constructor(startMs: number, details: boolean, onBatch: (batch: SampleBatch) => void) {
    this.#startMs = startMs;
    this.#details = details;
    this.#onBatch = onBatch;
    this.#timer = setInterval(() => this.flush(), FLUSH_MS);
  }

  scenario(scenario: string): LiveCounts {
    const counts = { scenario, arrived: 0, dropped: 0, sent: 0, started: 0, durations_ms: [], vus: 0 };
    this.#scenarios.push(counts);
    return counts;
  }

  /** The index of a step for `ended`. */
  step(scenario: string, journey: string, method: string, name: string): number {
    const group = `${scenario}\n${journey}`;
    let indexes = this.#indexes.get(group);
    if (indexes === undefined) this.#indexes.set(group, (indexes = new Map<string, number>()));
    const known = indexes.get(name);
    if (known !== undefined) return known;
    if (this.#names >= MAX_NAMES && name !== OTHER) return this.step(scenario, journey, method, OTHER);
    const index = this.#names++;
    indexes.set(name, index);
    this.#steps.push({ scenario, journey, name, method });
    return index;
  }

  /** A request was handed to the HTTP client, `ms` after it was due. */
  delayed(ms: number): void {
    this.#delays.push(ms);
  }

  ended(step: number, dueAtMs: number, sentBytes: number, exchange: Exchange): void {
    const row = this.#count++;
    const columns = this.#columns;
    const { answer, ended_at_ms, sent_at_ms, first_byte_at_ms } = exchange;
    const hasLatency = answer !== undefined || exchange.timed_out;
    columns.step[row] = step;
    columns.status[row] = answer?.status ?? 0;
    columns.ended_ms[row] = ended_at_ms - this.#startMs;
    columns.response_ms[row] = hasLatency ? ended_at_ms - dueAtMs : NaN;
    columns.service_ms[row] = hasLatency && sent_at_ms !== undefined ? ended_at_ms - sent_at_ms : NaN;
    columns.waiting_ms[row] =
      sent_at_ms !== undefined && first_byte_at_ms !== undefined ? first_byte_at_ms - sent_at_ms : NaN;
    columns.sent_bytes[row] = sentBytes;
    columns.received_bytes[row] = exchange.received_bytes;
    if (answer === undefined) {
      const reason = exchange.reason ?? "unknown";
      this.#tally += unansweredLine(reason);
      this.#reasons[reason] = (this.#reasons[reason] ?? 0) + 1;
    } else {
      const id = exchange.request_id;
      this.#tally += answeredLine(id);
      if (!isRequestId(id)) this.#withoutId++;
    }
    if (this.#count === ROWS) this.flush();
  }

  detail(request: () => EndedRequest): void {
    if (this.#details) this.#requests.push(request());
  }

  check(scenario: string, name: string, passed: boolean): void {
    const key = `${scenario}\n${name}`;
    let counts = this.#checks.get(key);
    if (counts === undefined) {
      if (this.#checks.size >= MAX_NAMES) return;
      this.#checks.set(key, (counts = { scenario, name, passed: 0, failed: 0 }));
    }
    if (passed) counts.passed++;
    else counts.failed++;
  }

  flush(): void {
    const count = this.#count;
    const columns = this.#columns;
    const batch: SampleBatch = {
      count,
      step: columns.step.subarray(0, count),
      status: columns.status.subarray(0, count),
      ended_ms: columns.ended_ms.subarray(0, count),
      response_ms: columns.response_ms.subarray(0, count),
      service_ms: columns.service_ms.subarray(0, count),
      waiting_ms: columns.waiting_ms.subarray(0, count),
      sent_bytes: columns.sent_bytes.subarray(0, count),
      received_bytes: columns.received_bytes.subarray(0, count),
      delay_ms: Float32Array.from(this.#delays),
      steps: this.#steps,
      tally: this.#tally,
      reasons: this.#reasons,
      without_id: this.#withoutId,
      iterations: this.#scenarios.map((counts): ScenarioCounts => ({ ...counts })),
      checks: [...this.#checks.values()] satisfies CheckCounts[],
      details: this.#details ? this.#requests : undefined,
    };
    for (const counts of this.#scenarios) {
      Object.assign(counts, { arrived: 0, dropped: 0, sent: 0, started: 0, durations_ms: [] });
    }
    this.#columns = emptyColumns();
    this.#count = 0;
    this.#delays = [];
    this.#steps = [];
    this.#tally = "";
    this.#reasons = {};
    this.#withoutId = 0;
    this.#checks = new Map();
    this.#requests = [];
    this.#onBatch(batch);
  }

  /** Hands on what is left. */
  close(): void {
    clearInterval(this.#timer);
    this.flush();
  }
}

const OTHER = "(other)";

function emptyColumns() {
  return {
    step: new Uint32Array(ROWS),
    status: new Uint16Array(ROWS),
    ended_ms: new Float64Array(ROWS),
    response_ms: new Float32Array(ROWS),
    service_ms: new Float32Array(ROWS),
    waiting_ms: new Float32Array(ROWS),
    sent_bytes: new Uint32Array(ROWS),
    received_bytes: new Float64Array(ROWS),
  };
}
