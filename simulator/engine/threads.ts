import { Worker } from "node:worker_threads";
import { messageOf, RushhourError } from "../../contract/errors.ts";
import type { SampleBatch } from "../figures/samples.ts";
import type { LoadPlan } from "../plan/plan.ts";
import type { PlanSource } from "../plan/load-plan.ts";
import { connectionsFor, startShard } from "./shard.ts";
import type { Shard, ShardOptions, ShardResult } from "./shard.ts";
import { warmUp } from "./warm-up.ts";
import type { FromWorker, ToWorker, WorkerInput } from "./worker.ts";

/** The shards of a run, together. */
export interface Shards extends Omit<Shard, "done"> {
  /** When the plan's clock is 0, in `performance.now()` ms of this thread. */
  readonly start_ms: number;
  readonly done: Promise<ShardResult>;
}

type CommonOptions = Omit<ShardOptions, "start_at_ms" | "shard">;
type OnBatch = (shard: number, batch: SampleBatch) => void;

/** One shard on this thread. */
export async function startHere(plan: LoadPlan, options: CommonOptions, onBatch: OnBatch): Promise<Shards> {
  await warmUp();
  const start_ms = performance.now();
  const shard = startShard(
    plan,
    {
      ...options,
      connections: connectionsFor(plan, 1, options.connections),
      shard: { index: 0, count: 1 },
      start_at_ms: performance.timeOrigin + start_ms,
    },
    (batch) => onBatch(0, batch),
  );
  return { ...shard, start_ms };
}

/** Threads need so long to hear of the start. */
const START_LEAD_MS = 50;

/**
 * One shard on each of `count` worker threads; each makes the plan again from `source`, and all start together. When
 * one dies, the others stop and `done` rejects with a RushhourError once they have ended.
 * @throws what making the plan throws on a thread
 */
export async function startOnThreads(
  plan: LoadPlan,
  source: PlanSource,
  count: number,
  options: CommonOptions,
  onBatch: OnBatch,
): Promise<Shards> {
  const connections = connectionsFor(plan, count, options.connections);
  const threads = Array.from({ length: count }, (_, index) => {
    const input: WorkerInput = { source, options: { ...options, connections, shard: { index, count } } };
    return startThread(input, (batch) => onBatch(index, batch));
  });
  const endAll = () => Promise.all(threads.map(({ worker }) => worker.terminate()));
  try {
    await Promise.all(threads.map(({ ready }) => ready));
  } catch (error) {
    await endAll();
    throw error;
  }
  const start_ms = performance.now() + START_LEAD_MS;
  const tellAll = (message: ToWorker) => {
    for (const { worker } of threads) worker.postMessage(message);
  };
  tellAll({ type: "start", start_at_ms: performance.timeOrigin + start_ms });
  const stop = () => tellAll({ type: "stop" });
  const untilDone = async (): Promise<ShardResult> => {
    const results = threads.map(async ({ done }) => {
      const result = await done.catch((error: unknown) => {
        stop();
        throw error;
      });
      if (result.scenario_error !== undefined) stop(); // one thread's journey ends the run of all
      return result;
    });
    await Promise.allSettled(results); // when one died, the others' requests in flight end first
    await endAll();
    return togetherOf(await Promise.all(results));
  };
  return {
    start_ms,
    stop,
    change: (change) => tellAll({ type: "change", change }),
    done: untilDone(),
  };
}

function startThread(input: WorkerInput, onBatch: (batch: SampleBatch) => void) {
  const extension = import.meta.url.endsWith(".ts") ? "ts" : "js";
  const worker = new Worker(new URL(`./worker.${extension}`, import.meta.url), { workerData: input });
  const done = Promise.withResolvers<ShardResult>();
  const ready = Promise.withResolvers<undefined>();
  worker.on("message", (message: FromWorker) => {
    switch (message.type) {
      case "ready":
        return ready.resolve(undefined);
      case "batch":
        return onBatch(message.batch);
      case "done":
        return done.resolve(message.result);
    }
  });
  worker.on("error", (error) => {
    ready.reject(error);
    done.reject(threadDied(messageOf(error), error));
  });
  worker.on("exit", (code) => {
    const died = threadDied(`it exited with code ${code}`);
    ready.reject(died);
    done.reject(died);
  });
  done.promise.catch(() => undefined); // whoever awaits it hears of it
  ready.promise.catch(() => undefined);
  return { worker, ready: ready.promise, done: done.promise };
}

function threadDied(why: string, cause?: unknown): RushhourError {
  const message =
    `a worker thread died in the middle of the run: ${why}; what it had in flight is not known, so there are no ` +
    "figures - mend the journey if that is where it comes from, or give each thread less to do with --workers";
  return new RushhourError("ROLE_FAILED", message, { cause });
}

function togetherOf(results: readonly ShardResult[]): ShardResult {
  return {
    scenario_error: results.find(({ scenario_error }) => scenario_error !== undefined)?.scenario_error,
    scheduled_ms: Math.max(...results.map(({ scheduled_ms }) => scheduled_ms)),
  };
}
