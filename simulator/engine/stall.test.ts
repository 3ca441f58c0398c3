import { monitorEventLoopDelay } from "node:perf_hooks";
import { expect, onTestFinished, test } from "vitest";
import { aPlan } from "../plan/testing.ts";
import { startRun } from "./run.ts";
import { serve } from "./testing.ts";

const SERVICE_MS = 100;
const STALL_MS = 1_000;
const PERIOD_MS = 1_600; // each ends with a stall
const GAP_MS = 5;
const PERIODS = 2;

/** When a request that came at `ms` is answered: nothing leaves the server while it stalls. */
function answeredAt(ms: number): number {
  const readyMs = ms + SERVICE_MS;
  const intoMs = readyMs % PERIOD_MS;
  return intoMs < PERIOD_MS - STALL_MS ? readyMs : readyMs - intoMs + PERIOD_MS;
}

/** The value that so many percent of the sorted values do not exceed. */
function percentileOf(sorted: readonly number[], percent: number): number {
  return sorted[Math.max(0, Math.ceil((percent / 100) * sorted.length) - 1)]!;
}

/**
 * Whatever is late - a timer of the server, the generator, a busy machine - makes an answer later, never earlier: from
 * below the figures are exact, but for the histogram's 0.1 %; from above they may be off by how late this process was,
 * which it measures meanwhile.
 */
test("a server that stalls: every percentile of the response time is what its stalls make it", async () => {
  const loop = monitorEventLoopDelay({ resolution: 1 });
  onTestFinished(() => void loop.disable());
  let startMs = 0; // of the schedule
  let lateMs = 0; // the server's own, at worst
  const target = await serve((_, response) => {
    const dueMs = answeredAt(performance.now() - startMs);
    const answer = () => {
      const waitMs = dueMs - (performance.now() - startMs);
      if (waitMs > 0) return void setTimeout(answer, waitMs); // timers may be a millisecond early
      lateMs = Math.max(lateMs, -waitMs);
      response.end();
    };
    answer();
  });
  const plan = aPlan({
    target,
    executor: {
      ...{ kind: "constant-arrival-rate", rate_per_second: 1_000 / GAP_MS, duration_ms: PERIODS * PERIOD_MS },
      ...{ arrival: "even", arriving: "requests", max_vus: 10_000 },
    },
  });
  loop.enable();
  const run = await startRun(plan, { home: undefined });
  startMs = performance.now() - run.elapsedMs();
  const { figures } = await run.done;

  const dueMs = Array.from({ length: (PERIODS * PERIOD_MS) / GAP_MS }, (_, n) => n * GAP_MS);
  const expected = dueMs.map((ms) => answeredAt(ms) - ms).sort((a, b) => a - b);
  expect(figures.counts).toMatchObject({ sent: expected.length, answered: expected.length });
  const slackMs = 20 + lateMs + figures.delay.max + 2 * (loop.max / 1e6);
  for (const percent of [1, 25, 50, 75, 90, 95, 99, 99.9, 100]) {
    const exact = percentileOf(expected, percent);
    const measured = figures.response.percentile(percent);
    expect(measured, `p${percent}`).toBeGreaterThanOrEqual(exact * 0.999);
    expect(measured, `p${percent}`).toBeLessThanOrEqual(exact * 1.001 + slackMs);
  }
}, 20_000);
