import { durationOf, maxVus, vusAt } from "../plan/curve.ts";
import type { VuExecutor } from "../plan/curve.ts";
import type { Driver, DriverContext } from "./driver.ts";
import { walk } from "./walk.ts";

const LOOK_MS = 50; // how often the number of virtual users is looked at
const MAX_EMPTY_ITERATIONS = 1_000;

/**
 * Closed model: virtual users, each starting its next iteration when its last has ended. User v belongs to shard v modulo
 * their number; shared iteration n likewise, so each shard hands out its own.
 */
export function driveVus(context: DriverContext, executor: VuExecutor): Driver {
  const { counts, scenario, shard, source, startMs } = context;
  const endMs = startMs + (durationOf(executor) ?? Infinity);
  const started = Promise.withResolvers<undefined>();
  const ended = Promise.withResolvers<undefined>();
  const isActive: boolean[] = []; // by virtual user: whether it is under way
  const iterations: number[] = []; // begun, by virtual user
  let sharedNext = shard.index;
  let factor = 1;
  let over = false;
  let cut = false;

  const isOver = () => over; // changes behind the compiler's back
  const wanted = (): number =>
    Math.round(factor * vusAt(scenario, performance.now() - (startMs - scenario.start_ms)));

  /** The number of the iteration that user `vu` does next; undefined when there is none left for it. */
  const takeNumber = (vu: number): number | undefined => {
    if (executor.kind === "shared-iterations") {
      const number = sharedNext;
      if (number >= executor.iterations) return undefined;
      sharedNext += shard.count;
      return number;
    }
    const number = iterations[vu] ?? 0;
    if (executor.kind === "per-vu-iterations" && number >= executor.iterations) return undefined;
    iterations[vu] = number + 1;
    return number;
  };

  const iterate = (vu: number, dueMs: number): void => {
    for (let tries = 0; tries < MAX_EMPTY_ITERATIONS; tries++) {
      if (over || vu >= wanted()) return rest(vu);
      const number = takeNumber(vu);
      if (number === undefined) return rest(vu);
      counts.started++;
      const iteration = context.attempt(() =>
        executor.kind === "shared-iterations" ? source.begin(number) : source.begin(number, vu),
      );
      if (isOver()) return rest(vu); // the journey threw
      if (iteration === undefined) continue;
      counts.arrived++;
      walk(context, iteration, dueMs, {
        isCut: () => cut,
        onEnd(durationMs) {
          if (durationMs !== undefined) counts.durations_ms.push(durationMs);
          const nowMs = performance.now();
          // A request that failed at once must not turn the user into a busy loop.
          if (durationMs === undefined && nowMs - dueMs < 1)
            setTimeout(() => iterate(vu, performance.now()), 10);
          else iterate(vu, nowMs);
        },
      });
      return;
    }
    context.attempt(() => {
      throw new Error(`${MAX_EMPTY_ITERATIONS} iterations in a row made no request`);
    });
    rest(vu);
  };
  const rest = (vu: number) => {
    isActive[vu] = false;
    counts.vus--;
    look();
  };

  /** Wakes the users that are wanted and rest; notices the end. */
  const look = () => {
    if (!over && (performance.now() >= endMs || isUsedUp())) finish();
    if (over) {
      if (counts.vus === 0) ended.resolve(undefined);
      return;
    }
    const vus = wanted();
    for (let vu = shard.index; vu < vus; vu += shard.count) {
      if (isActive[vu] || hasNoneLeft(vu)) continue;
      isActive[vu] = true;
      counts.vus++;
      iterate(vu, performance.now());
    }
  };
  const hasNoneLeft = (vu: number) =>
    executor.kind === "shared-iterations"
      ? sharedNext >= executor.iterations
      : executor.kind === "per-vu-iterations" && (iterations[vu] ?? 0) >= executor.iterations;
  const isUsedUp = () => {
    if (executor.kind !== "shared-iterations" && executor.kind !== "per-vu-iterations") return false;
    if (performance.now() < startMs || counts.vus > 0) return false;
    for (let vu = shard.index; vu < maxVus(executor); vu += shard.count) if (!hasNoneLeft(vu)) return false;
    return true;
  };
  const finish = () => {
    over = true;
    clearInterval(looking);
    clearTimeout(beginning);
    started.resolve(undefined);
    if (counts.vus === 0) ended.resolve(undefined);
  };

  let looking: NodeJS.Timeout | undefined;
  const beginning = setTimeout(
    () => {
      looking = setInterval(look, LOOK_MS);
      look();
    },
    Math.max(0, startMs - performance.now()),
  );
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
