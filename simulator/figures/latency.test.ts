import fc from "fast-check";
import { expect, test } from "vitest";
import { LatencyHistogram } from "./latency.ts";

const durations = fc.array(fc.double({ min: 0, max: 100_000, noNaN: true }), { minLength: 1 });

function histogramOf(values: readonly number[]): LatencyHistogram {
  const histogram = new LatencyHistogram();
  for (const ms of values) histogram.record(ms);
  return histogram;
}

test("each percentile is the recorded value of that rank, within 0.1 % and 1 µs", () => {
  fc.assert(
    fc.property(durations, fc.constantFrom(50, 90, 95, 99, 99.9), (values, percent) => {
      const sorted = values.toSorted((a, b) => a - b);
      const expected = sorted[Math.ceil((percent / 100) * sorted.length) - 1]!;
      const measured = histogramOf(values).percentile(percent);
      expect(Math.abs(measured - expected)).toBeLessThanOrEqual(expected * 0.001 + 0.001);
    }),
  );
});

test("two histograms added equal one that recorded everything", () => {
  fc.assert(
    fc.property(durations, durations, (left, right) => {
      const sum = histogramOf(left);
      sum.add(histogramOf(right));
      expect(sum.count).toBe(left.length + right.length);
      expect(sum.summary()).toEqual(histogramOf([...left, ...right]).summary());
    }),
  );
});

test("an empty histogram answers 0", () => {
  expect(new LatencyHistogram().summary()).toEqual({ p50: 0, p90: 0, p95: 0, p99: 0, p99_9: 0, max: 0 });
});
