import packageJson from "../../package.json" with { type: "json" };
import { messageOf } from "../../contract/errors.ts";
import type { SampleBatch } from "../figures/samples.ts";
import { IterationSource } from "../journeys/iteration.ts";
import { durationOf, isArrivalExecutor, maxVus } from "../plan/curve.ts";
import type { LoadPlan, Scenario } from "../plan/plan.ts";
import { driveArrivals } from "./arrival-driver.ts";
import { BatchWriter } from "./batch.ts";
import type { Driver, DriverContext, LoadChange } from "./driver.ts";
import { createHttpClient } from "./http.ts";
import { driveTrace } from "./trace-driver.ts";
import { driveVus } from "./vu-driver.ts";

export interface ShardOptions {
  readonly run_id: string;
  readonly shard: { readonly index: number; readonly count: number };
  readonly start_at_ms: number; // Unix ms with fraction, as `performance.timeOrigin + performance.now()`
  readonly connections: number; // requests beyond them wait for one, which their response time shows
  readonly timeout_ms: number;
  readonly drain_ms: number; // how long the end waits for the request that was sent last
  readonly details: boolean;
}

/** A part of a run's load, on one thread. */
export interface Shard {
  /** Starts nothing new and lets what is in flight end. May be called twice. */
  stop(): void;
  change(change: LoadChange): void;
  /** Resolves when all has ended and the last batch is out. */
  readonly done: Promise<ShardResult>;
}

export interface ShardResult {
  readonly scenario_error: string | undefined; // what a journey threw
  /** Until when the schedule went, after the run's start; what was under way then ended later. */
  readonly scheduled_ms: number;
}

const USER_AGENT = `rushhour-simulator/${packageJson.version}`;

/** Starts the shard's share of every scenario of the plan. */
export function startShard(
  plan: LoadPlan,
  options: ShardOptions,
  onBatch: (batch: SampleBatch) => void,
): Shard {
  const { run_id, shard, connections, timeout_ms } = options;
  const startMs = options.start_at_ms - performance.timeOrigin;
  const client = createHttpClient(plan.target, { connections, timeout_ms });
  const batches = new BatchWriter(startMs, options.details, onBatch);
  const cut = Promise.withResolvers<undefined>();
  const idle = Promise.withResolvers<undefined>();
  let inFlight = 0;
  let lastSentMs = startMs;
  let stopped = false;
  let ending = false;
  let scenario_error: string | undefined;

  /** A journey that throws ends the run. */
  const attempt = <T>(work: () => T): T | undefined => {
    try {
      return work();
    } catch (error) {
      scenario_error ??= messageOf(error);
      cutAll();
      return undefined;
    }
  };

  const contextOf = (scenario: Scenario): DriverContext => {
    const counts = batches.scenario(scenario.name);
    const request: DriverContext["request"] = (iteration, step, dueAtMs, done) => {
      const sentMs = performance.now();
      lastSentMs = sentMs;
      inFlight++;
      counts.sent++;
      batches.delayed(sentMs - dueAtMs);
      const headers = { "x-run-id": run_id, traceparent: iteration.traceparent(), "user-agent": USER_AGENT };
      const index = batches.step(scenario.name, iteration.journey.name, step.method, nameOf(step));
      client.send(step, headers, (exchange) => {
        inFlight--;
        batches.ended(index, dueAtMs, step.body === undefined ? 0 : Buffer.byteLength(step.body), exchange);
        batches.detail(() => ({
          at_ms: performance.timeOrigin + exchange.ended_at_ms,
          scenario: scenario.name,
          journey: iteration.journey.name,
          iteration: iteration.number,
          name: nameOf(step),
          method: step.method,
          path: step.path,
          status: exchange.answer?.status,
          reason: exchange.reason,
          response_ms: exchange.ended_at_ms - dueAtMs,
          service_ms:
            exchange.sent_at_ms === undefined ? undefined : exchange.ended_at_ms - exchange.sent_at_ms,
          delay_ms: sentMs - dueAtMs,
          request_id: exchange.request_id,
        }));
        done(exchange.answer);
        if (ending && inFlight === 0) idle.resolve(undefined);
      });
    };
    return {
      ...{ scenario, plan, shard, counts, request, attempt },
      startMs: startMs + scenario.start_ms,
      source: new IterationSource(scenario, plan.seed, (name, passed) =>
        batches.check(scenario.name, name, passed),
      ),
    };
  };

  const driven = plan.scenarios.map((scenario) => {
    const context = contextOf(scenario);
    return { scenario, context, driver: drive(context) };
  });
  const cutAll = () => {
    stopped = true;
    for (const { driver } of driven) driver.cut();
    cut.resolve(undefined);
  };

  /** A schedule that came to its end lasted its whole duration, even when its last arrival was early. */
  const scheduledMs = ({ start_ms, executor }: Scenario) => {
    const nowMs = performance.now() - startMs;
    const duration = isArrivalExecutor(executor) && !stopped ? durationOf(executor) : undefined;
    return duration === undefined ? nowMs : start_ms + duration;
  };
  const untilDone = async (): Promise<ShardResult> => {
    let scheduled_ms = 0;
    await Promise.all(
      driven.map(async ({ scenario, driver }) => {
        await driver.started;
        scheduled_ms = Math.max(scheduled_ms, scheduledMs(scenario));
        await within(scenario.graceful_stop_ms, Promise.race([driver.done, cut.promise]));
        driver.cut();
      }),
    );
    ending = true;
    if (inFlight > 0)
      await within(Math.max(0, lastSentMs + options.drain_ms - performance.now()), idle.promise);
    await client.close(); // what is still in flight ends unanswered
    batches.close();
    return { scenario_error, scheduled_ms };
  };

  return {
    stop() {
      cutAll();
      batches.flush();
    },
    change({ scenario: only, factor, weights }) {
      for (const { scenario, context, driver } of driven) {
        if (only !== undefined && only !== scenario.name) continue;
        if (factor !== undefined) driver.scale(factor);
        if (weights !== undefined) context.source.reweigh(weights);
      }
    },
    done: untilDone().finally(() => client.close()),
  };
}

function drive(context: DriverContext): Driver {
  const { executor } = context.scenario;
  if (isArrivalExecutor(executor)) return driveArrivals(context, executor);
  if (executor.kind === "trace") return driveTrace(context, executor.requests);
  return driveVus(context, executor);
}

/** Connections that a plan may need on a shard: one for each virtual user, else as many as are usual. */
export function connectionsFor(plan: LoadPlan, shards: number, usual: number): number {
  const vus = plan.scenarios.reduce(
    (sum, { executor }) => sum + (isArrivalExecutor(executor) ? 0 : maxVus(executor)),
    0,
  );
  return Math.ceil(Math.max(usual, vus) / shards);
}

function nameOf({ name, method, path }: { name?: string; method: string; path: string }): string {
  if (name !== undefined) return name;
  const query = path.indexOf("?");
  return `${method} ${query < 0 ? path : path.slice(0, query)}`;
}

/** Waits for `work`, at most `ms`. */
async function within(ms: number, work: Promise<unknown>): Promise<void> {
  const deadline = Promise.withResolvers<undefined>();
  const timer = setTimeout(() => deadline.resolve(undefined), ms);
  await Promise.race([work, deadline.promise]);
  clearTimeout(timer);
}
