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

test("minimum, mean and maximum are those of the values, within 0.1 % and 1 µs", () => {
  fc.assert(
    fc.property(durations, (values) => {
      const histogram = histogramOf(values);
      const near = (measured: number, expected: number) =>
        expect(Math.abs(measured - expected)).toBeLessThanOrEqual(expected * 0.001 + 0.001);
      near(histogram.min, Math.min(...values));
      near(histogram.max, Math.max(...values));
      near(histogram.mean, values.reduce((sum, value) => sum + value, 0) / values.length);
      expect(histogram.percentile(50)).toBeLessThanOrEqual(histogram.max);
    }),
  );
});

test("a spectrum rises from the minimum to the maximum, closer and closer to 100 %", () => {
  fc.assert(
    fc.property(durations, fc.integer({ min: 2, max: 120 }), (values, points) => {
      const histogram = histogramOf(values);
      const spectrum = histogram.spectrum(points);
      expect(spectrum).toHaveLength(points);
      expect(spectrum[0]).toEqual([0, histogram.min]);
      expect(spectrum.at(-1)).toEqual([100, histogram.max]);
      for (const column of [0, 1] as const) {
        const numbers = spectrum.map((point) => point[column]);
        expect(numbers).toEqual(numbers.toSorted((a, b) => a - b));
      }
    }),
  );
  expect(new LatencyHistogram().spectrum(120)).toEqual([]);
});

test("a histogram survives its encoding, and counts on", () => {
  fc.assert(
    fc.property(durations, (values) => {
      const histogram = histogramOf(values);
      const decoded = LatencyHistogram.decode(histogram.encode());
      expect(decoded.count).toBe(values.length);
      for (const percent of [0, 50, 99, 100]) {
        const expected = histogram.percentile(percent);
        expect(Math.abs(decoded.percentile(percent) - expected)).toBeLessThanOrEqual(
          expected * 0.001 + 0.001,
        );
      }
      decoded.record(1e6);
      expect(decoded.max).toBe(1e6);
    }),
  );
  expect(new LatencyHistogram().encode()).toBe("");
  expect(LatencyHistogram.decode("").count).toBe(0);
});
