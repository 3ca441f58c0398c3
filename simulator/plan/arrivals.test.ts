import fc from "fast-check";
import { expect, test } from "vitest";
import { ARRIVALS, dueTimes } from "./schedule.ts";
import type { ArrivalPlan } from "./schedule.ts";

const plans = fc.record({
  rate_per_second: fc.double({ min: 0.5, max: 2_000, noNaN: true }),
  arrival: fc.constantFrom(...ARRIVALS),
  duration_ms: fc.integer({ min: 1, max: 5_000 }),
  seed: fc.nat(),
});

test("due times rise, start at 0 or later and end before the duration", () => {
  fc.assert(
    fc.property(plans, (plan) => {
      let last = 0;
      for (const dueMs of dueTimes(plan)) {
        expect(dueMs).toBeGreaterThanOrEqual(last);
        expect(dueMs).toBeLessThan(plan.duration_ms);
        last = dueMs;
      }
    }),
  );
});

test("the same plan gives the same times; another seed other Poisson times", () => {
  fc.assert(
    fc.property(plans, (plan) => {
      expect([...dueTimes(plan)]).toEqual([...dueTimes(plan)]);
    }),
  );
  const poisson: ArrivalPlan = { rate_per_second: 100, arrival: "poisson", duration_ms: 1_000, seed: 1 };
  expect([...dueTimes(poisson)]).not.toEqual([...dueTimes({ ...poisson, seed: 2 })]);
});

test("even arrivals number exactly rate times duration, equally spaced", () => {
  const times = [...dueTimes({ rate_per_second: 200, arrival: "even", duration_ms: 60_000, seed: 1 })];
  expect(times).toHaveLength(12_000);
  expect(times.slice(0, 4)).toEqual([0, 5, 10, 15]);
});

test("Poisson arrivals number rate times duration within five standard deviations, gaps of mean and spread 1/rate", () => {
  fc.assert(
    fc.property(fc.nat(), (seed) => {
      const times = [...dueTimes({ rate_per_second: 500, arrival: "poisson", duration_ms: 20_000, seed })];
      expect(Math.abs(times.length - 10_000)).toBeLessThan(5 * Math.sqrt(10_000));
      const gaps = times.map((dueMs, n) => dueMs - (times[n - 1] ?? 0));
      const mean = gaps.reduce((sum, gap) => sum + gap, 0) / gaps.length;
      const variance = gaps.reduce((sum, gap) => sum + (gap - mean) ** 2, 0) / gaps.length;
      expect(mean).toBeCloseTo(2, 0);
      expect(Math.sqrt(variance) / mean).toBeCloseTo(1, 0); // 1 for exponential gaps, 0 for even ones
    }),
    { numRuns: 20 },
  );
});

test("without a duration the schedule does not end", () => {
  const times = dueTimes({ rate_per_second: 1, arrival: "even", seed: 1 });
  for (let n = 0; n < 100_000; n++) expect(times.next().value).toBe(n * 1_000);
});
