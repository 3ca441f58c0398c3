import type { LoadPlan } from "../plan/plan.ts";
import { Gauge } from "./gauge.ts";
import { LatencyHistogram } from "./latency.ts";
import { isStarting, Parts } from "./parts.ts";
import type { Part, Sample } from "./parts.ts";
import type { SampleBatch, ScenarioCounts, StepKey } from "./samples.ts";
import { Series } from "./series.ts";

/** What became of the requests the plan wanted: `sent + unsent = offered`, `answered + unanswered = sent` in the end. */
export interface RequestCounts {
  offered: number;
  sent: number;
  unsent: number; // never started, as too many were under way
  answered: number;
  answered_without_id: number; // of these: responses without a usable x-request-id
  unanswered: number;
}

/** How a run stands, for a live status. Latencies are response times in ms. */
export interface Progress extends Readonly<RequestCounts> {
  readonly elapsed_ms: number;
  readonly in_flight: number;
  readonly vus: number; // iterations under way
  readonly iterations: number; // started
  readonly failed: number; // unanswered, or answered with status 400 or above
  readonly error_rate: number; // failed of those that ended, 0-1
  readonly rate_per_second: number; // sent in the last seconds
  readonly recent: Percentiles; // of those that ended in the last seconds
  readonly all: Percentiles;
}

type Percentiles = Readonly<Record<"p50" | "p95" | "p99", number>>;

export interface StepTotals {
  readonly key: StepKey;
  requests: number;
  failed: number;
  readonly response: LatencyHistogram;
}

export interface ScenarioTotals {
  readonly name: string;
  arrived: number;
  dropped: number;
  sent: number;
  started: number; // iterations
  completed: number;
  vus: number; // now
  requests: number; // ended
  failed: number;
  readonly response: LatencyHistogram;
}

const RECENT_MS = 6_000;

/**
 * Adds up what the shards of a run report. Latencies are those of answered requests and of those given up, which took
 * at least that long; a request that was refused or reset has none.
 */
export class Recorder {
  /** From the actual send until the last byte. */
  readonly service = new LatencyHistogram();
  /** From the due time until the last byte: what a user feels who does not wait for the server to act. */
  readonly response = new LatencyHistogram();
  /** From the send to the first byte. */
  readonly waiting = new LatencyHistogram();
  /** From the due time until the HTTP client had the request: how late the simulator itself was. */
  readonly delay = new LatencyHistogram();
  readonly iterationDuration = new LatencyHistogram();
  readonly counts: RequestCounts = {
    ...{ offered: 0, sent: 0, unsent: 0, answered: 0, answered_without_id: 0, unanswered: 0 },
  };
  /** Iterations under way, counted ten times a second as long as some are started. */
  readonly vus = new Gauge();
  readonly data = { sent_bytes: 0, received_bytes: 0 };
  readonly statuses: Record<string, number> = {};
  readonly reasons: Record<string, number> = {};
  readonly scenarios: ReadonlyMap<string, ScenarioTotals>;
  readonly checks = new Map<string, { name: string; passed: number; failed: number }>();
  readonly series = new Series();
  readonly parts: Parts;
  readonly #steps = new Map<string, StepTotals & { readonly parts: readonly Part[] }>();
  readonly #stepsOfShard: (StepTotals & { readonly parts: readonly Part[] })[][] = [];
  readonly #vusOfShard: Map<string, number>[] = [];
  #failed = 0;

  constructor(plan: LoadPlan) {
    this.parts = new Parts(plan);
    this.scenarios = new Map(
      plan.scenarios.map(({ name }) => [
        name,
        {
          ...{
            name,
            arrived: 0,
            dropped: 0,
            sent: 0,
            started: 0,
            completed: 0,
            vus: 0,
            requests: 0,
            failed: 0,
          },
          response: new LatencyHistogram(),
        },
      ]),
    );
  }

  get failed(): number {
    return this.#failed;
  }

  get inFlight(): number {
    return this.counts.sent - this.counts.answered - this.counts.unanswered;
  }

  get iterations(): { readonly started: number; readonly completed: number; readonly arrived: number } {
    const sum = { started: 0, completed: 0, arrived: 0 };
    for (const { started, completed, arrived } of this.scenarios.values()) {
      sum.started += started;
      sum.completed += completed;
      sum.arrived += arrived;
    }
    return sum;
  }

  /** The steps, most frequent first. */
  get steps(): readonly StepTotals[] {
    return [...this.#steps.values()].sort((a, b) => b.requests - a.requests);
  }

  /** @param nowMs after the run's start */
  add(shard: number, batch: SampleBatch, nowMs: number): void {
    const steps = (this.#stepsOfShard[shard] ??= []);
    for (const key of batch.steps) steps.push(this.#stepOf(key));
    for (let row = 0; row < batch.count; row++) this.#request(steps[batch.step[row]!]!, batch, row);
    for (const ms of batch.delay_ms) this.delay.record(ms);
    for (const counts of batch.iterations) this.#scenario(shard, counts, nowMs);
    for (const counts of batch.checks) {
      const check = this.checks.get(counts.name) ?? { name: counts.name, passed: 0, failed: 0 };
      check.passed += counts.passed;
      check.failed += counts.failed;
      this.checks.set(counts.name, check);
      this.parts.check(counts);
    }
    this.counts.answered_without_id += batch.without_id;
    for (const [reason, count] of Object.entries(batch.reasons)) {
      this.reasons[reason] = (this.reasons[reason] ?? 0) + count;
    }
  }

  /** A cheap snapshot. */
  progress(nowMs: number): Progress {
    const recent = this.series.recent(nowMs, RECENT_MS);
    const ended = this.counts.answered + this.counts.unanswered;
    return {
      ...this.counts,
      elapsed_ms: nowMs,
      in_flight: this.inFlight,
      vus: this.#underWay(),
      iterations: this.iterations.started,
      failed: this.#failed,
      error_rate: ended === 0 ? 0 : this.#failed / ended,
      rate_per_second: recent.sum.sent / (recent.ms / 1_000),
      recent: percentilesOf(recent.sum.response),
      all: percentilesOf(this.response),
    };
  }

  #request(step: StepTotals & { readonly parts: readonly Part[] }, batch: SampleBatch, row: number): void {
    const status = batch.status[row]!;
    const response_ms = batch.response_ms[row]!;
    const service_ms = batch.service_ms[row]!;
    const waiting_ms = batch.waiting_ms[row]!;
    const failed = status === 0 || status >= 400;
    const scenario = this.scenarios.get(step.key.scenario)!;
    const interval = this.series.at(batch.ended_ms[row]!);
    step.requests++;
    scenario.requests++;
    interval.ended++;
    if (status === 0) this.counts.unanswered++;
    else {
      this.counts.answered++;
      this.statuses[status] = (this.statuses[status] ?? 0) + 1;
    }
    if (failed) {
      this.#failed++;
      step.failed++;
      scenario.failed++;
      interval.failed++;
    }
    if (!Number.isNaN(response_ms)) {
      this.response.record(response_ms);
      step.response.record(response_ms);
      scenario.response.record(response_ms);
      interval.response.record(response_ms);
    }
    if (!Number.isNaN(service_ms)) this.service.record(service_ms);
    if (!Number.isNaN(waiting_ms)) this.waiting.record(waiting_ms);
    const sent_bytes = batch.sent_bytes[row]!;
    const received_bytes = batch.received_bytes[row]!;
    this.data.sent_bytes += sent_bytes;
    this.data.received_bytes += received_bytes;
    if (step.parts.length === 0) return;
    const sample: Sample = {
      status,
      failed,
      response_ms,
      service_ms,
      waiting_ms,
      sent_bytes,
      received_bytes,
    };
    for (const part of step.parts) this.parts.request(part, sample);
  }

  #scenario(shard: number, counts: ScenarioCounts, nowMs: number): void {
    const totals = this.scenarios.get(counts.scenario)!;
    const interval = this.series.at(nowMs);
    totals.arrived += counts.arrived;
    totals.dropped += counts.dropped;
    totals.sent += counts.sent;
    totals.started += counts.started;
    totals.completed += counts.durations_ms.length;
    const vus = (this.#vusOfShard[shard] ??= new Map<string, number>());
    totals.vus += counts.vus - (vus.get(counts.scenario) ?? 0);
    vus.set(counts.scenario, counts.vus);
    this.counts.sent += counts.sent;
    this.counts.unsent += counts.dropped;
    this.counts.offered += counts.sent + counts.dropped;
    interval.sent += counts.sent;
    interval.dropped += counts.dropped;
    const underWay = this.#underWay();
    interval.vus = Math.max(interval.vus, underWay);
    if (isStarting(counts)) this.vus.set(underWay);
    for (const ms of counts.durations_ms) this.iterationDuration.record(ms);
    this.parts.scenario(counts, totals.vus);
  }

  /** Iterations, in all scenarios. */
  #underWay(): number {
    let vus = 0;
    for (const scenario of this.scenarios.values()) vus += scenario.vus;
    return vus;
  }

  #stepOf(key: StepKey) {
    const id = `${key.scenario}\n${key.journey}\n${key.method}\n${key.name}`;
    let step = this.#steps.get(id);
    if (step === undefined) {
      const parts = this.parts.ofStep(key);
      step = { key, requests: 0, failed: 0, response: new LatencyHistogram(), parts };
      this.#steps.set(id, step);
    }
    return step;
  }
}

function percentilesOf(histogram: LatencyHistogram): Percentiles {
  return { p50: histogram.percentile(50), p95: histogram.percentile(95), p99: histogram.percentile(99) };
}
