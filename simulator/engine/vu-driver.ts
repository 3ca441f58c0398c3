import { durationOf, vusAt } from "../plan/curve.ts";
import type { VuExecutor } from "../plan/curve.ts";
import type { Driver, DriverContext } from "./driver.ts";
import { walk } from "./walk.ts";

const LOOK_MS = 50; // how often the number of virtual users is looked at
const MAX_EMPTY_ITERATIONS = 1_000;
const AFTER_FAILURE_MS = 10; // a target that refuses at once must not turn its users into busy loops

/** Closed model: virtual users, each starting its next iteration when its last has ended. User v belongs to shard v modulo their number. */
export function driveVus(context: DriverContext, executor: VuExecutor): Driver {
  const { counts, scenario, shard, source, startMs } = context;
  const endMs = startMs + (durationOf(executor) ?? Infinity);
  const numbers = iterationNumbers(executor, shard);
  const active = new Set<number>(); // the virtual users under way
  const started = Promise.withResolvers<undefined>();
  const ended = Promise.withResolvers<undefined>();
  let factor = 1;
  let over = false;
  let cut = false;

  const wanted = (): number =>
    Math.round(factor * vusAt(scenario, performance.now() - (startMs - scenario.start_ms)));
  const mayGoOn = (vu: number): boolean => !over && vu < wanted() && numbers.hasLeft(vu);

  /** Begins the next iteration of `vu` that makes a request; the user rests when there is none for it. */
  const iterate = (vu: number, dueMs: number): void => {
    for (let tries = 0; mayGoOn(vu); tries++) {
      if (tries === MAX_EMPTY_ITERATIONS) {
        context.attempt(endlesslyEmpty);
        break;
      }
      const number = numbers.take(vu);
      counts.started++;
      const iteration = context.attempt(() =>
        executor.kind === "shared-iterations" ? source.begin(number) : source.begin(number, vu),
      );
      if (iteration === undefined) continue; // no request in it; or it threw, and then all is over
      counts.arrived++;
      walk(context, iteration, dueMs, {
        isCut: () => cut,
        onEnd(durationMs) {
          const nowMs = performance.now();
          if (durationMs !== undefined) counts.durations_ms.push(durationMs);
          const restMs = durationMs === undefined ? dueMs + AFTER_FAILURE_MS - nowMs : 0;
          if (restMs > 0) setTimeout(() => iterate(vu, performance.now()), restMs);
          else iterate(vu, nowMs);
        },
      });
      return;
    }
    rest(vu);
  };

  const rest = (vu: number) => {
    active.delete(vu);
    counts.vus = active.size;
    if (active.size > 0) return;
    if (numbers.areUsedUp()) finish();
    if (over) ended.resolve(undefined);
  };

  /** Wakes the users that are wanted and rest; notices the end. */
  const look = () => {
    if (over) return;
    if (performance.now() >= endMs || (active.size === 0 && numbers.areUsedUp())) {
      finish();
      return;
    }
    const vus = wanted();
    for (let vu = shard.index; vu < vus; vu += shard.count) {
      if (active.has(vu) || !numbers.hasLeft(vu)) continue;
      active.add(vu);
      counts.vus = active.size;
      iterate(vu, performance.now());
    }
  };

  const finish = () => {
    over = true;
    clearTimeout(beginning);
    clearInterval(looking);
    started.resolve(undefined);
    if (active.size === 0) ended.resolve(undefined);
  };

  let looking: NodeJS.Timeout | undefined;
  const begin = () => {
    looking = setInterval(look, LOOK_MS);
    look();
  };
  const beginning = setTimeout(begin, Math.max(0, startMs - performance.now()));
  return {
    scale(to) {
      factor = to;
      look();
    },
    stop: finish,
    cut() {
      cut = true;
      finish();
    },
    started: started.promise,
    done: ended.promise,
  };
}

/** The numbers of the iterations that the users of a shard have yet to do. */
interface IterationNumbers {
  hasLeft(vu: number): boolean;
  /** The next one for a user that has one left. */
  take(vu: number): number;
  /** Whether no user has any left. */
  areUsedUp(): boolean;
}

function iterationNumbers(executor: VuExecutor, shard: DriverContext["shard"]): IterationNumbers {
  if (executor.kind === "shared-iterations") return sharedNumbers(executor.iterations, executor.vus, shard);
  const limit = executor.kind === "per-vu-iterations" ? executor.iterations : Infinity;
  const begun: number[] = []; // by user
  const hasLeft = (vu: number) => (begun[vu] ?? 0) < limit;
  return {
    hasLeft,
    take(vu) {
      const number = begun[vu] ?? 0;
      begun[vu] = number + 1;
      return number;
    },
    areUsedUp() {
      if (executor.kind !== "per-vu-iterations") return false;
      for (let vu = shard.index; vu < executor.vus; vu += shard.count) if (hasLeft(vu)) return false;
      return true;
    },
  };
}

/** Shared iteration n belongs to shard n modulo those that have users, so each hands out its own. */
function sharedNumbers(iterations: number, vus: number, shard: DriverContext["shard"]): IterationNumbers {
  const sharers = Math.min(shard.count, vus);
  let next = shard.index < sharers ? shard.index : Infinity;
  const hasLeft = () => next < iterations;
  return {
    hasLeft,
    take() {
      const number = next;
      next += sharers;
      return number;
    },
    areUsedUp: () => !hasLeft(),
  };
}

function endlesslyEmpty(): never {
  throw new Error(`${MAX_EMPTY_ITERATIONS} iterations in a row made no request`);
}
