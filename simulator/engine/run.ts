import { v7 as uuidv7 } from "uuid";
import packageJson from "../../package.json" with { type: "json" };
import { messageOf } from "../../contract/errors.ts";
import { createHttpClient } from "./http.ts";
import type { Exchange } from "./http.ts";
import type { Journey, Step } from "../journeys/journey.ts";
import type { LatencySummary } from "../figures/latency.ts";
import { Meter } from "../figures/meter.ts";
import type { Progress } from "../figures/meter.ts";
import { pace } from "./pacer.ts";
import { stream } from "../../contract/random.ts";
import type { Rng } from "../../contract/random.ts";
import { dueTimes } from "../plan/schedule.ts";
import type { ArrivalPlan } from "../plan/schedule.ts";
import { Sessions } from "./sessions.ts";
import { createTally, NO_TALLY, tallyPath } from "../ledger/tally.ts";
import type { TallyCounts } from "../ledger/tally.ts";

/** What to send where. The rate is of requests, not of journeys. */
export interface Plan extends ArrivalPlan {
  readonly scenario: string; // its name in the report
  readonly target: string; // http(s) URL; its path comes before every step's
  readonly journeys: readonly Journey[];
}

export interface RunOptions {
  readonly home: string | undefined; // the tally goes to <home>/runs/<run_id>.tally; undefined: no tally
  readonly run_id?: string; // a fresh UUIDv7 unless given
  readonly connections?: number;
  readonly max_in_flight?: number; // a request due while so many are under way is not sent
  readonly timeout_ms?: number; // see HttpOptions
  readonly drain_ms?: number; // how long the end waits for requests in flight
  /** Told of each request that ended, in that order. */
  readonly onEnded?: (ended: EndedRequest) => void;
}

export interface EndedRequest {
  readonly at: Date; // when it ended
  readonly method: string;
  readonly path: string;
  readonly status: number | undefined; // undefined: unanswered
  readonly reason: string | undefined; // why unanswered
  readonly response_ms: number; // from the due time
}

export interface Run {
  readonly run_id: string;
  /** A cheap snapshot. */
  progress(): Progress;
  /** Sends nothing new and lets what is in flight end, up to the drain deadline. May be called twice. */
  stop(): void;
  /** The result; rejects with a RushhourError when the tally cannot be written. */
  readonly done: Promise<RunResult>;
}

export interface RunResult {
  readonly run_id: string;
  readonly scenario: string;
  readonly seed: number;
  readonly target: string;
  readonly started_at: string; // ISO 8601, ms, Z
  readonly ended_at: string;
  readonly elapsed_ms: number; // of the schedule; draining is not part of it
  readonly stopped: boolean; // by stop(), before the schedule's end
  readonly scenario_error: string | undefined; // what a journey threw; it ended the run
  readonly counts: TallyCounts;
  readonly failed: number;
  readonly sessions: number;
  readonly statuses: Readonly<Record<string, number>>; // answers by status code
  readonly reasons: Readonly<Record<string, number>>; // unanswered by reason
  readonly target_rate: number; // requests/s
  readonly achieved_rate: number; // sent/s
  readonly service_time: LatencySummary; // see Meter
  readonly response_time: LatencySummary;
  readonly schedule_delay: LatencySummary;
}

const USER_AGENT = `rushhour-simulator/${packageJson.version}`;

/**
 * Starts sending at once. The arrival rate is open: every due time of the schedule sends one request, chosen by
 * {@link Sessions}, whether or not earlier ones were answered. Response times run from the due time, so a stalled
 * server, a wait for a connection and a late simulator all show in them.
 * @throws RushhourError when the tally's folder cannot be made
 */
export function startRun(plan: Plan, options: RunOptions): Run {
  const {
    run_id = uuidv7(),
    connections = 128,
    max_in_flight = 10_000,
    timeout_ms = 30_000,
    drain_ms = 30_000,
  } = options;
  const started_at = new Date().toISOString();
  const header = { run_id, seed: plan.seed, target: plan.target, started_at };
  const tally = options.home === undefined ? NO_TALLY : createTally(tallyPath(options.home, run_id), header);
  const client = createHttpClient(plan.target, { connections, timeout_ms });
  const sessions = new Sessions(plan.journeys, plan.seed);
  const traces = stream(plan.seed, "traces");
  const drained = Promise.withResolvers<undefined>();
  let stopped = false;
  let ending = false;
  let scenario_error: string | undefined;

  const fire = (dueMs: number) => {
    const session = meter.inFlight < max_in_flight ? attempt(() => sessions.take(dueMs)) : undefined;
    if (session === undefined) {
      meter.unsent();
      return;
    }
    const step = session.next;
    const dueAtMs = pacer.started_at_ms + dueMs;
    meter.sent(dueAtMs, performance.now());
    client.send(step, headersOf(run_id, traces), (exchange) => {
      meter.ended(dueAtMs, exchange);
      if (exchange.answer === undefined) tally.unanswered(exchange.reason ?? "unknown");
      else tally.answered(exchange.answer.request_id);
      options.onEnded?.(endedRequest(step, dueAtMs, exchange));
      const { answer } = exchange;
      if (answer !== undefined && !ending) attempt(() => sessions.answered(session, answer));
      if (ending && meter.inFlight === 0) drained.resolve(undefined);
    });
  };
  const pacer = pace(dueTimes(plan), fire);
  const meter = new Meter(pacer.started_at_ms);

  /** A journey that throws ends the run. */
  const attempt = <T>(advance: () => T): T | undefined => {
    try {
      return advance();
    } catch (error) {
      scenario_error ??= messageOf(error);
      pacer.stop();
      return undefined;
    }
  };

  const untilDone = async (): Promise<RunResult> => {
    await Promise.race([pacer.done, tally.failed]);
    const elapsed_ms = elapsedOf(plan, performance.now() - pacer.started_at_ms, stopped);
    ending = true;
    if (meter.inFlight > 0) await Promise.race([drained.promise, tally.failed, deadline(drain_ms)]);
    await client.close(); // what is still in flight ends unanswered
    const ended_at = new Date().toISOString();
    await tally.close({ ...meter.counts(), ended_at });
    return {
      ...header,
      scenario: plan.scenario,
      ended_at,
      elapsed_ms,
      stopped,
      scenario_error,
      counts: meter.counts(),
      failed: meter.failed,
      sessions: sessions.started,
      statuses: meter.statuses,
      reasons: meter.reasons,
      target_rate: plan.rate_per_second,
      achieved_rate: meter.counts().sent / (elapsed_ms / 1_000),
      service_time: meter.serviceTime.summary(),
      response_time: meter.responseTime.summary(),
      schedule_delay: meter.scheduleDelay.summary(),
    };
  };

  return {
    run_id,
    progress: () => meter.progress(performance.now()),
    stop() {
      stopped ||= !ending;
      pacer.stop();
    },
    done: untilDone().finally(() => {
      pacer.stop();
      return client.close();
    }),
  };
}

/** The schedule's own time: a schedule that came to its end lasted its whole duration, even when its last request was early. */
function elapsedOf(plan: Plan, elapsedMs: number, stopped: boolean): number {
  return stopped ? elapsedMs : Math.max(plan.duration_ms ?? 0, elapsedMs);
}

function headersOf(run_id: string, traces: Rng): Record<string, string> {
  const hex = () => traces.uint32().toString(16).padStart(8, "0");
  const traceparent = `00-${hex()}${hex()}${hex()}${hex()}-${hex()}${hex()}-01`;
  return { "x-run-id": run_id, traceparent, "user-agent": USER_AGENT };
}

function endedRequest(step: Step, dueAtMs: number, exchange: Exchange): EndedRequest {
  return {
    at: new Date(),
    method: step.method,
    path: step.path,
    status: exchange.answer?.status,
    reason: exchange.reason,
    response_ms: exchange.ended_at_ms - dueAtMs,
  };
}

function deadline(ms: number): Promise<void> {
  return new Promise((resolve) => void setTimeout(resolve, ms).unref());
}
