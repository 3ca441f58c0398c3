import { arrivalsOf } from "../plan/arrivals.ts";
import type { Schedule } from "../plan/arrivals.ts";
import { durationOf, laneCount } from "../plan/curve.ts";
import type { ArrivalExecutor } from "../plan/curve.ts";
import type { Driver, DriverContext } from "./driver.ts";
import { walk } from "./walk.ts";
import { pace } from "./pacer.ts";
import { Sessions } from "../journeys/sessions.ts";

/** Open model: what is due is started, whether or not earlier ones were answered. */
export function driveArrivals(context: DriverContext, executor: ArrivalExecutor): Driver {
  return executor.arriving === "iterations"
    ? driveIterations(context, executor)
    : driveRequests(context, executor);
}

/** Each due time starts an iteration, which then goes its way. Iteration n belongs to shard n modulo their number. */
function driveIterations(context: DriverContext, executor: ArrivalExecutor): Driver {
  const { counts, shard, source, startMs } = context;
  const schedule = arrivalsOf(context.scenario, context.plan);
  const numbered = shardOf(schedule, shard);
  const cap = Math.ceil(executor.max_vus / shard.count);
  const ended = Promise.withResolvers<undefined>();
  let over = false;
  let cut = false;
  const settle = () => {
    if (over && counts.vus === 0) ended.resolve(undefined);
  };
  const pacer = pace(
    numbered,
    startMs,
    (dueMs) => {
      counts.arrived++;
      if (counts.vus >= cap) {
        counts.dropped++;
        return;
      }
      counts.started++;
      const iteration = context.attempt(() => source.begin(numbered.taken));
      if (iteration === undefined) return;
      counts.vus++;
      walk(context, iteration, startMs + dueMs, {
        isCut: () => cut,
        onEnd(durationMs) {
          counts.vus--;
          if (durationMs !== undefined) counts.durations_ms.push(durationMs);
          settle();
        },
      });
    },
    durationOf(executor),
  );
  void pacer.done.then(() => {
    over = true;
    settle();
  });
  return {
    scale(factor) {
      schedule.scale(factor, performance.now() - startMs);
      pacer.wake();
    },
    stop: () => pacer.stop(),
    cut() {
      cut = true;
      pacer.stop();
    },
    started: pacer.done,
    done: ended.promise,
  };
}

/**
 * Each due time sends one request, of whichever session is ready. Sessions stay in their lane: due time n and its
 * sessions belong to lane n modulo the number of lanes, which only the plan decides, and a lane to one shard. So the
 * same requests are planned however many shards there are.
 */
function driveRequests(context: DriverContext, executor: ArrivalExecutor): Driver {
  const { counts, shard, source, startMs } = context;
  const lanes = laneCount(context.scenario, context.plan);
  const sessions = Array.from({ length: lanes }, (_, lane) => new Sessions(source, lane, lanes));
  const schedule = arrivalsOf(context.scenario, context.plan);
  const numbered = shardOf(schedule, shard, lanes);
  const cap = Math.ceil(executor.max_vus / Math.min(lanes, shard.count)); // a shard may have no lane
  const ended = Promise.withResolvers<undefined>();
  let inFlight = 0;
  let over = false;
  let waiting = 0; // sessions between two requests
  const settle = () => {
    if (over && inFlight === 0) ended.resolve(undefined);
  };
  const pacer = pace(
    numbered,
    startMs,
    (dueMs) => {
      counts.arrived++;
      if (inFlight >= cap) {
        counts.dropped++;
        return;
      }
      const lane = sessions[numbered.taken % lanes]!;
      const startedBefore = lane.started;
      const session = context.attempt(() => lane.take(dueMs));
      if (session === undefined) return;
      if (lane.started === startedBefore) waiting--;
      counts.started += lane.started - startedBefore;
      inFlight++;
      const { iteration } = session;
      context.request(iteration, iteration.next, startMs + dueMs, (answer) => {
        inFlight--;
        const goesOn = answer !== undefined && !over && context.attempt(() => lane.answered(session, answer));
        if (goesOn) waiting++;
        else if (answer !== undefined && !over)
          counts.durations_ms.push(performance.now() - startMs - session.startedMs);
        counts.vus = inFlight + waiting;
        settle();
      });
      counts.vus = inFlight + waiting;
    },
    durationOf(executor),
  );
  void pacer.done.then(() => {
    over = true;
    waiting = 0;
    counts.vus = inFlight;
    settle();
  });
  return {
    scale(factor) {
      schedule.scale(factor, performance.now() - startMs);
      pacer.wake();
    },
    stop: () => pacer.stop(),
    cut: () => pacer.stop(),
    started: pacer.done,
    done: ended.promise,
  };
}

interface Numbered extends Schedule {
  /** The number, among all of the scenario, of the due time taken last. */
  readonly taken: number;
}

/** The due times that are a shard's own: those whose number modulo `lanes` is congruent to the shard's index. */
function shardOf(schedule: Schedule, shard: DriverContext["shard"], lanes = shard.count): Numbered {
  let number = 0;
  let taken = -1;
  const skip = () => {
    while ((number % lanes) % shard.count !== shard.index) {
      const due = schedule.peek();
      if (due === undefined || due === Infinity) return;
      schedule.take();
      number++;
    }
  };
  return {
    get taken() {
      return taken;
    },
    peek() {
      skip();
      return schedule.peek();
    },
    take() {
      schedule.take();
      taken = number++;
    },
  };
}
