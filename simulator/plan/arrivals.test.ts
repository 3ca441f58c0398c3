import fc from "fast-check";
import { expect, test } from "vitest";
import { stream } from "../../contract/random.ts";
import { Arrivals, dueTimes as dueTimesOf } from "./arrivals.ts";
import { expectedArrivals, rateAt } from "./curve.ts";
import { ARRIVALS } from "./plan.ts";
import type { Arrival, Executor } from "./plan.ts";
import { aPlan } from "./testing.ts";

interface Constant {
  readonly rate_per_second: number;
  readonly arrival: Arrival;
  readonly duration_ms?: number;
  readonly seed: number;
}

const open = { arriving: "iterations", max_vus: 100 } as const;

function dueTimes({ rate_per_second, arrival, duration_ms, seed }: Constant) {
  const kind = "constant-arrival-rate";
  const plan = aPlan({ executor: { kind, rate_per_second, arrival, duration_ms, ...open }, seed });
  return dueTimesOf(plan.scenarios[0]!, plan);
}

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
  const poisson: Constant = { rate_per_second: 100, arrival: "poisson", duration_ms: 1_000, seed: 1 };
  expect([...dueTimes(poisson)]).not.toEqual([...dueTimes({ ...poisson, seed: 2 })]);
});

test("even arrivals number exactly rate times duration, equally spaced", () => {
  const times = [...dueTimes({ rate_per_second: 200, arrival: "even", duration_ms: 60_000, seed: 1 })];
  expect(times).toHaveLength(12_000);
  expect(times.slice(0, 4)).toEqual([0, 5, 10, 15]);
});

test.each(ARRIVALS)("a stage of 0s is a jump from nothing to its rate: %s", (arrival) => {
  const executor: Executor = {
    ...{ kind: "ramping-arrival-rate", start_rate_per_second: 0, arrival, ...open },
    stages: [
      { target: 0, duration_ms: 1_000 },
      { target: 100, duration_ms: 0 },
      { target: 100, duration_ms: 1_000 },
    ],
  };
  const plan = aPlan({ executor });
  const times = [...dueTimesOf(plan.scenarios[0]!, plan)];
  expect(times.length).toBeGreaterThan(70);
  expect(times.length).toBeLessThan(130);
  expect(times.every((ms) => ms >= 1_000 && ms < 2_000)).toBe(true);
  expect(rateAt(plan.scenarios[0]!, 1_000, plan)).toBe(100);
});

test("a ramp's arrivals follow the integral of its rate", () => {
  const executor: Executor = {
    ...{ kind: "ramping-arrival-rate", start_rate_per_second: 0, arrival: "even", ...open },
    stages: [
      { target: 100, duration_ms: 10_000 },
      { target: 100, duration_ms: 5_000 },
      { target: 0, duration_ms: 10_000 },
    ],
  };
  const plan = aPlan({ executor });
  const times = [...dueTimesOf(plan.scenarios[0]!, plan)];
  expect(times).toHaveLength(1_500);
  expect(times.filter((ms) => ms < 5_000)).toHaveLength(125); // 100 / 10 s * (5 s)² / 2
  expect(times.filter((ms) => ms >= 10_000 && ms < 15_000)).toHaveLength(500);
  expect(expectedArrivals(plan.scenarios[0]!, 0, 25_000, plan)).toBeCloseTo(1_500);
  expect(rateAt(plan.scenarios[0]!, 2_500, plan)).toBeCloseTo(25);
});

test("a traffic spike multiplies the rate for its time only", () => {
  const spike = { name: "sale", kind: "traffic-spike", at_ms: 2_000, duration_ms: 1_000 } as const;
  const incidents = [{ ...spike, route: undefined, intensity: { factor: 5 } }];
  const plan = aPlan({ incidents, start_ms: 500 });
  const times = [...dueTimesOf(plan.scenarios[0]!, plan)].map((ms) => ms + 500);
  expect(times.filter((ms) => ms >= 2_000 && ms < 3_000)).toHaveLength(500);
  expect(times.filter((ms) => ms >= 1_000 && ms < 2_000)).toHaveLength(100);
});

test("a daily curve has its peak and trough at their local times and the weekend's share", () => {
  const executor: Executor = {
    ...{ kind: "daily-curve", peak_per_second: 80, trough_per_second: 8, peak_at_ms: 20.5 * 3_600_000 },
    ...{ time_zone: "Europe/Berlin", weekend: 0.5, day_ms: 86_400_000, duration_ms: undefined },
    ...{ arrival: "even", ...open },
  };
  const starts_at = new Date("2026-11-19T23:00:00Z"); // Friday, midnight in Berlin
  const plan = aPlan({ executor, starts_at });
  const at = (hour: number) => rateAt(plan.scenarios[0]!, hour * 3_600_000, plan);
  expect(at(20.5)).toBeCloseTo(80, 1);
  expect(at(8.5)).toBeCloseTo(8, 1);
  expect(at(24 + 20.5)).toBeCloseTo(40, 1); // Saturday
  expect(at(72 + 20.5)).toBeCloseTo(80, 1); // Monday
  const fast = aPlan({ executor: { ...executor, day_ms: 86_400, duration_ms: 80_000 }, starts_at });
  expect(rateAt(fast.scenarios[0]!, 20.5 * 3_600, fast)).toBeCloseTo(80, 1);
  expect([...dueTimesOf(fast.scenarios[0]!, fast)].at(-1)).toBeLessThan(80_000);
});

test("the rate can be changed, paused and resumed while it goes on", () => {
  const steady = { from_ms: 0, to_ms: 10_000, from_rate: 100, to_rate: 100 };
  const arrivals = new Arrivals([steady].values(), "even", stream(1, "x"));
  const takeUntil = (ms: number) => {
    let count = 0;
    for (; (arrivals.peek() ?? Infinity) < ms; count++) arrivals.take();
    return count;
  };
  expect(takeUntil(2_000)).toBe(200);
  arrivals.scale(3, 2_000);
  expect(takeUntil(4_000)).toBe(600);
  arrivals.scale(0, 4_000);
  expect(arrivals.peek()).toBe(Infinity);
  arrivals.scale(1, 7_000);
  expect(takeUntil(10_000)).toBe(300);
  expect(arrivals.peek()).toBeUndefined();
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
