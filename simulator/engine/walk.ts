import type { Iteration } from "../journeys/iteration.ts";
import type { DriverContext } from "./driver.ts";

interface Walk {
  /** Whether it shall not go on. */
  readonly isCut: () => boolean;
  /** @param durationMs undefined when it did not come to its end */
  readonly onEnd: (durationMs: number | undefined) => void;
}

/**
 * Goes through an iteration at its own pace: the first request is due at `dueAtMs`, each further one when the one
 * before it has ended and the think time has passed. So a stall shows in the requests that were due in it, and what
 * was never asked for is nobody's latency.
 */
export function walk(
  context: DriverContext,
  iteration: Iteration,
  dueAtMs: number,
  { isCut, onEnd }: Walk,
): void {
  const startedMs = dueAtMs;
  const next = (dueMs: number) => {
    context.request(iteration, iteration.next, dueMs, (answer) => {
      const endedMs = performance.now();
      if (answer === undefined || isCut()) {
        onEnd(undefined);
        return;
      }
      const goesOn = context.attempt(() => iteration.answered(answer));
      if (goesOn === undefined) onEnd(undefined);
      else if (!goesOn) onEnd(endedMs - startedMs);
      else pause(endedMs + iteration.thinkMs);
    });
  };
  /** Waits until the next request is due. */
  const pause = (dueMs: number) => {
    const waitMs = dueMs - performance.now();
    if (waitMs <= 0) next(dueMs);
    else setTimeout(pauseOver, waitMs, dueMs).unref(); // what is cut need not be waited for
  };
  const pauseOver = (dueMs: number) => {
    if (isCut()) onEnd(undefined);
    else if (dueMs > performance.now())
      pause(dueMs); // timers count whole ms
    else next(dueMs);
  };
  pause(dueAtMs);
}
