import { v7 as uuidv7 } from "uuid";
import { Recorder } from "../figures/recorder.ts";
import type { Progress } from "../figures/recorder.ts";
import type { EndedRequest, SampleBatch } from "../figures/samples.ts";
import { createTally, NO_TALLY, tallyPath } from "../ledger/tally.ts";
import type { TallyWriter } from "../ledger/tally.ts";
import type { PlanSource } from "../plan/load-plan.ts";
import type { LoadPlan } from "../plan/plan.ts";
import type { RunEvent } from "../report/record.ts";
import type { LoadChange } from "./driver.ts";
import { RunEvents } from "./run-events.ts";
import { startHere, startOnThreads } from "./threads.ts";

export interface RunOptions {
  readonly home: string | undefined; // the tally goes to <home>/runs/<run_id>.tally; undefined: no tally
  readonly run_id?: string; // a fresh UUIDv7 unless given
  readonly workers?: number; // threads that share the load; 1: none beside this one
  readonly source?: PlanSource; // of the plan, for threads
  readonly connections?: number; // see ShardOptions
  readonly timeout_ms?: number; // to the headers of a response, and between two pieces of its body
  readonly drain_ms?: number; // how long the end waits for the request that was sent last
  /** Told of the requests that ended, in that order. */
  readonly onEnded?: ((ended: readonly EndedRequest[]) => void) | undefined;
}

export interface Run {
  readonly run_id: string;
  readonly started_at: Date;
  readonly recorder: Recorder;
  /** What was changed while it went on. */
  readonly events: readonly RunEvent[];
  /** Since its start, ms. */
  readonly elapsedMs: () => number;
  /** A cheap snapshot. */
  progress(): Progress;
  /** Changes the load from now on. */
  change(change: LoadChange): void;
  /** Adds an event. */
  note(text: string): void;
  /** Tells `listener` of each event; the function returned ends that. */
  onEvent(listener: (event: RunEvent) => void): () => void;
  /** Sends nothing new and lets what is in flight end, up to the drain deadline. May be called twice. */
  stop(): void;
  /** The result; rejects with a RushhourError when the tally cannot be written or a worker thread died. */
  readonly done: Promise<RunResult>;
}

export interface RunResult {
  readonly run_id: string;
  readonly plan: LoadPlan;
  readonly started_at: Date;
  readonly ended_at: Date;
  readonly elapsed_ms: number; // of the schedule; draining is not part of it
  readonly stopped: boolean; // by stop(), before the schedule's end
  readonly scenario_error: string | undefined; // what a journey threw; it ended the run
  readonly figures: Recorder;
  readonly events: readonly RunEvent[];
}

/**
 * Starts sending at once, as the plan says. Response times run from the due time, so a stalled server, a wait for a
 * connection and a late simulator all show in them.
 * @throws RushhourError when the tally's folder cannot be made
 */
export async function startRun(plan: LoadPlan, options: RunOptions): Promise<Run> {
  const { run_id = uuidv7(), workers = 1, source, onEnded } = options;
  const { connections = 1_000, timeout_ms = 30_000, drain_ms = 30_000 } = options;
  const recorder = new Recorder(plan);
  const events = new RunEvents();
  const tally = openTally(plan, run_id, options.home);

  const elapsedMs = () => performance.now() - shards.start_ms;
  const onBatch = (shard: number, batch: SampleBatch) => {
    recorder.add(shard, batch, elapsedMs());
    if (batch.tally !== "") tally.lines(batch.tally);
    if (batch.details !== undefined && batch.details.length > 0) onEnded?.(batch.details);
  };
  const common = { run_id, connections, timeout_ms, drain_ms, details: onEnded !== undefined };
  const shards =
    workers > 1 && source !== undefined
      ? await startOnThreads(plan, source, workers, common, onBatch)
      : await startHere(plan, common, onBatch);
  const started_at = new Date(performance.timeOrigin + shards.start_ms);

  let stopped = false;
  let ended = false;
  const stop = () => {
    if (!ended) stopped = true;
    shards.stop();
  };

  const untilDone = async (): Promise<RunResult> => {
    try {
      const { scenario_error, scheduled_ms } = await Promise.race([shards.done, tally.failed]);
      ended = true;
      const ended_at = new Date();
      await tally.close({ ...recorder.counts, ended_at: ended_at.toISOString() });
      return {
        ...{ run_id, plan, started_at, ended_at, stopped, scenario_error, events: events.all },
        elapsed_ms: scheduled_ms,
        figures: recorder,
      };
    } catch (error) {
      stop();
      await tally.close().catch(() => undefined); // why is known already
      throw error;
    }
  };

  return {
    ...{ run_id, started_at, recorder, elapsedMs, stop, events: events.all },
    progress: () => recorder.progress(elapsedMs()),
    change: (change) => shards.change(change),
    note: (text) => events.add(elapsedMs(), text),
    onEvent: (listener) => events.listen(listener),
    done: untilDone(),
  };
}

function openTally({ seed, target }: LoadPlan, run_id: string, home: string | undefined): TallyWriter {
  if (home === undefined) return NO_TALLY;
  return createTally(tallyPath(home, run_id), { run_id, seed, target, started_at: new Date().toISOString() });
}
