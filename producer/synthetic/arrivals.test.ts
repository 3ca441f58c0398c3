import { expect, test } from "vitest";
import { createArrivals, meanRateFor } from "./arrivals.ts";
import type { Incident, Incidents } from "./incidents.ts";

const FROM_MS = Date.UTC(2026, 10, 4, 19, 0); // a Wednesday, at the peak
const MINUTE_MS = 60_000;

const quiet: Incidents = { runId: "r", at: () => undefined, news: () => [] };

/** A spike of three times the traffic, from the 10th to the 20th minute. */
const spiky: Incidents = {
  ...quiet,
  at: (ms) =>
    ms >= FROM_MS + 10 * MINUTE_MS && ms < FROM_MS + 20 * MINUTE_MS
      ? ({ kind: "traffic-spike", intensity: { factor: 3 } } as unknown as Incident)
      : undefined,
};

/** Arrivals in each of the minutes from `FROM_MS` on. */
function perMinute(minutes: number, incidents = quiet, seed = 1): number[] {
  const arrivals = createArrivals({ seed, fromMs: FROM_MS, meanPerSecond: 10, incidents });
  const counts = Array<number>(minutes).fill(0);
  while (arrivals.nextMs < FROM_MS + minutes * MINUTE_MS) {
    counts[Math.floor((arrivals.nextMs - FROM_MS) / MINUTE_MS)]!++;
    arrivals.advance();
  }
  return counts;
}

const mean = (counts: readonly number[]) => counts.reduce((sum, count) => sum + count, 0) / counts.length;

test("a spike brings as many times the traffic as it says, for as long as it lasts", () => {
  const counts = perMinute(30, spiky);
  const usual = perMinute(30);
  expect(mean(counts.slice(10, 20)) / mean(usual.slice(10, 20))).toBeCloseTo(3, 1);
  expect([...counts.slice(0, 10), ...counts.slice(21)]).toHaveLength(19);
  expect(mean(counts.slice(0, 10))).toBeCloseTo(mean(usual.slice(0, 10)), 0);
});

test("minutes are as restless as traffic is, and no two seeds alike", () => {
  const counts = perMinute(60);
  const usual = mean(counts);
  expect(Math.max(...counts) / usual).toBeGreaterThan(1.08);
  expect(Math.max(...counts) / usual).toBeLessThan(1.5);
  expect(counts).not.toEqual(perMinute(60, quiet, 2));
});

test("the mean rate for a count brings just so many, also over parts of a minute", () => {
  const [fromMs, toMs] = [FROM_MS + 12_345, FROM_MS + 25 * MINUTE_MS + 678];
  const meanPerSecond = meanRateFor(5_000, toMs, { seed: 1, fromMs, incidents: spiky });
  const arrivals = createArrivals({ seed: 1, fromMs, meanPerSecond, incidents: spiky });
  let count = 0;
  for (; arrivals.nextMs < toMs; count++) arrivals.advance();
  expect(Math.abs(count - 5_000)).toBeLessThanOrEqual(1);
});
