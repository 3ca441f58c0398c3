import type { Schedule } from "../plan/arrivals.ts";

/** A schedule being followed. */
export interface Pacer {
  /** Looks again when the next is due; to be called when the schedule was changed. */
  wake(): void;
  /** Fires nothing any more. May be called twice. */
  stop(): void;
  /** Resolves when the schedule has ended or was stopped. */
  readonly done: Promise<unknown>;
}

/** So many at most are fired in a row before the sockets have their turn, when the process fell behind. */
const MAX_PER_TURN = 64;
const MAX_SLEEP_MS = 1_000;

/**
 * Calls `fire` once for each time of the schedule, as soon as it has come: never early, late by the granularity of
 * Node's timers (about 1 ms) or by as long as the process was busy. Late ones are fired, not skipped.
 * @param startMs when the schedule's clock is 0, in `performance.now()` ms; may lie ahead
 * @param durationMs when a schedule ends that waits for a change, as while it is paused
 */
export function pace(
  schedule: Schedule,
  startMs: number,
  fire: (dueMs: number) => void,
  durationMs = Infinity,
): Pacer {
  const { promise: done, resolve } = Promise.withResolvers<undefined>();
  let sleeping: NodeJS.Timeout | undefined;
  let turning: NodeJS.Immediate | undefined;
  let stopped = false;

  const end = () => {
    stopped = true;
    clearTimeout(sleeping);
    clearImmediate(turning);
    resolve(undefined);
  };
  const turn = () => {
    turning = undefined;
    for (let fired = 0; fired < MAX_PER_TURN; fired++) {
      if (stopped) return;
      const dueMs = schedule.peek();
      const nowMs = performance.now() - startMs;
      if (dueMs === undefined || (dueMs === Infinity && nowMs >= durationMs)) {
        end();
        return;
      }
      if (dueMs > nowMs) break;
      schedule.take(); // before it is fired: what it does may change the schedule
      fire(dueMs);
    }
    sleepUntilDue();
  };
  const sleepUntilDue = () => {
    if (stopped) return;
    const waitMs = Math.min(schedule.peek() ?? 0, durationMs) - (performance.now() - startMs);
    if (waitMs <= 0) turning = setImmediate(turn);
    else sleeping = setTimeout(turn, Math.min(waitMs, MAX_SLEEP_MS));
  };
  turning = setImmediate(turn);
  return {
    wake() {
      if (stopped || turning !== undefined) return;
      clearTimeout(sleeping);
      turning = setImmediate(turn);
    },
    stop: end,
    done,
  };
}
