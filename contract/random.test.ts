import fc from "fast-check";
import { expect, test } from "vitest";
import { stream, weighted, Xoshiro128, zipf } from "./random.ts";

const draw = (seed: number, name: string, count = 8) => {
  const rng = stream(seed, name);
  return Array.from({ length: count }, () => rng.uint32());
};

test("xoshiro128** gives the sequence of the C reference for the state 1, 2, 3, 4", () => {
  const rng = new Xoshiro128(1, 2, 3, 4);
  expect(Array.from({ length: 8 }, () => rng.uint32())).toEqual([
    11520, 0, 5927040, 70819200, 2031721883, 1637235492, 1287239034, 3734860849,
  ]);
});

test("a stream is decided by seed and name, and by both", () => {
  fc.assert(
    fc.property(fc.nat(), fc.string(), (seed, name) => {
      expect(draw(seed, name)).toEqual(draw(seed, name));
      expect(draw(seed, name)).not.toEqual(draw(seed + 1, name));
      expect(draw(seed, name)).not.toEqual(draw(seed, `${name}x`));
    }),
  );
});

test("drawing from one stream leaves another as it was", () => {
  const arrivals = stream(7, "arrivals");
  const other = stream(7, "other");
  const drawn = Array.from({ length: 8 }, () => (other.uint32(), arrivals.uint32()));
  expect(drawn).toEqual(draw(7, "arrivals"));
});

test("numbers stay inside their bounds", () => {
  fc.assert(
    fc.property(fc.nat(), fc.integer({ min: 1, max: 1e6 }), (seed, below) => {
      const rng = stream(seed, "bounds");
      for (let n = 0; n < 50; n++) {
        const value = rng.integer(below);
        expect(Number.isInteger(value) && value >= 0 && value < below).toBe(true);
        expect(rng.exponential(5)).toBeGreaterThanOrEqual(0);
      }
    }),
  );
});

test("weights decide how often an index is drawn, and 0 means never", () => {
  const rng = stream(1, "weights");
  const choose = weighted([1, 0, 3]);
  const drawn = [0, 0, 0];
  for (let n = 0; n < 40_000; n++) drawn[choose(rng)]!++;
  expect(drawn[1]).toBe(0);
  expect(drawn[2]! / drawn[0]!).toBeCloseTo(3, 0);
});

test("Zipf makes the first rank about ten times as popular as the tenth", () => {
  const rng = stream(1, "zipf");
  const rank = zipf(100);
  const drawn = Array.from({ length: 100 }, () => 0);
  for (let n = 0; n < 200_000; n++) drawn[rank(rng)]!++;
  expect(drawn[0]! / drawn[9]!).toBeGreaterThan(8);
  expect(drawn[0]! / drawn[9]!).toBeLessThan(12);
  expect(Math.min(...drawn)).toBeGreaterThan(0);
});

test("a larger exponent makes the first rank more popular still", () => {
  const rng = stream(1, "zipf");
  const rank = zipf(100, 2);
  const drawn = Array.from({ length: 100 }, () => 0);
  for (let n = 0; n < 100_000; n++) drawn[rank(rng)]!++;
  expect(drawn[0]! / drawn[1]!).toBeGreaterThan(3.6);
  expect(drawn[0]! / drawn[1]!).toBeLessThan(4.4);
});

test("lognormal numbers have the median and the spread that was asked for, from two draws each", () => {
  const rng = stream(1, "lognormal");
  const drawn = Array.from({ length: 50_000 }, () => rng.lognormal(800, 0.5)).sort((a, b) => a - b);
  expect(drawn[0]).toBeGreaterThan(0);
  expect(drawn[25_000]! / 800).toBeCloseTo(1, 1);
  expect(Math.log(drawn[42_067]! / 800)).toBeCloseTo(0.5, 1); // one sigma up: 84.13 %
  const skipped = stream(1, "lognormal");
  for (let n = 0; n < 100_000; n++) skipped.uint32();
  expect(rng.uint32()).toBe(skipped.uint32());
});
