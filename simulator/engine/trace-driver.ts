import { numberedStreams } from "../../contract/random.ts";
import { traceparent } from "../journeys/iteration.ts";
import type { Schedule } from "../plan/arrivals.ts";
import type { TracedRequest } from "../plan/plan.ts";
import type { Driver, DriverContext } from "./driver.ts";
import { pace } from "./pacer.ts";

const AHEAD = 4_000; // requests read before they are due

/** A trace's own time, which passes `factor` times as fast as ours. */
class TraceClock {
  #traceMs = 0;
  #atMs = 0; // when it was that time
  #factor = 1;

  /** 0 stops it. */
  scale(factor: number, nowMs: number): void {
    this.#traceMs += (nowMs - this.#atMs) * this.#factor;
    this.#atMs = nowMs;
    this.#factor = factor;
  }

  /** Infinity while it is stopped before that. */
  whenIs(traceMs: number): number {
    const aheadMs = traceMs - this.#traceMs;
    return aheadMs <= 0 ? this.#atMs : this.#atMs + aheadMs / this.#factor;
  }
}

/** Replays requests at the times they are due. They are read ahead, so a slow source does not delay them. */
export function driveTrace(context: DriverContext, requests: () => AsyncIterable<TracedRequest>): Driver {
  const { counts, startMs } = context;
  const traces = numberedStreams(context.plan.seed, `${context.scenario.name} traces`);
  const source = requests()[Symbol.asyncIterator]();
  const clock = new TraceClock();
  const ended = Promise.withResolvers<undefined>();
  let queue: TracedRequest[] = [];
  let at = 0; // of the next in the queue
  let number = 0;
  let inFlight = 0;
  let isReading = false;
  let isRead = false;
  let over = false;

  const readAhead = async () => {
    if (isReading || isRead) return;
    isReading = true;
    queue = queue.slice(at);
    at = 0;
    while (!over && !isRead && queue.length < AHEAD) {
      const next = await source.next();
      if (next.done === true) isRead = true;
      else queue.push(next.value);
      if (queue.length <= 1) pacer.wake();
    }
    isReading = false;
  };
  const read = () => {
    readAhead().catch((error: unknown) =>
      context.attempt(() => {
        throw error;
      }),
    );
  };
  let current: TracedRequest | undefined;
  const schedule: Schedule = {
    peek() {
      const next = queue[at];
      return next === undefined ? (isRead ? undefined : Infinity) : clock.whenIs(next.due_ms);
    },
    take() {
      current = queue[at++];
      if (queue.length - at < AHEAD / 2) read();
    },
  };
  const pacer = pace(schedule, startMs, (dueMs) => {
    const { step } = current!;
    const trace = traces(number);
    const request = { number: number++, journey: { name: "replay" }, traceparent: () => traceparent(trace) };
    counts.arrived++;
    counts.started++;
    counts.vus = ++inFlight;
    context.request(request, step, startMs + dueMs, () => {
      counts.vus = --inFlight;
      if (over && inFlight === 0) ended.resolve(undefined);
    });
  });
  read();
  void pacer.done.then(async () => {
    over = true;
    if (inFlight === 0) ended.resolve(undefined);
    await source.return?.();
  });
  return {
    scale(factor) {
      clock.scale(factor, performance.now() - startMs);
      pacer.wake();
    },
    stop: () => pacer.stop(),
    cut: () => pacer.stop(),
    started: pacer.done,
    done: ended.promise,
  };
}
