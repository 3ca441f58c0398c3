/** A schedule being followed; its clock is 0 at `started_at_ms` of `performance.now()`. */
export interface Pacer {
  readonly started_at_ms: number;
  /** Fires nothing any more. May be called twice. */
  stop(): void;
  /** Resolves when the schedule has ended or was stopped. */
  readonly done: Promise<unknown>;
}

/** So many at most are fired in a row before the sockets have their turn, when the process fell behind. */
const MAX_PER_TURN = 64;
const MAX_SLEEP_MS = 1_000;

/**
 * Calls `fire` once for each due time (ms after the start, rising), as soon as it has come: never early, late by the
 * granularity of Node's timers (about 1 ms) or by as long as the process was busy. Late ones are fired, not skipped.
 */
export function pace(dueTimes: Iterator<number, unknown, undefined>, fire: (dueMs: number) => void): Pacer {
  const started_at_ms = performance.now();
  const { promise: done, resolve } = Promise.withResolvers<undefined>();
  let sleeping: NodeJS.Timeout | undefined;
  let next = dueTimes.next();
  let stopped = false;

  const end = () => {
    stopped = true;
    clearTimeout(sleeping);
    resolve(undefined);
  };
  const turn = () => {
    for (let fired = 0; fired < MAX_PER_TURN; fired++) {
      if (stopped) return;
      if (next.done === true) {
        end();
        return;
      }
      if (next.value > performance.now() - started_at_ms) break;
      fire(next.value);
      next = dueTimes.next();
    }
    sleepUntilDue();
  };
  const sleepUntilDue = () => {
    if (stopped) return;
    const waitMs = next.done === true ? 0 : next.value - (performance.now() - started_at_ms);
    if (waitMs <= 0) setImmediate(turn);
    else sleeping = setTimeout(turn, Math.min(waitMs, MAX_SLEEP_MS));
  };
  setImmediate(turn);
  return { started_at_ms, stop: end, done };
}
