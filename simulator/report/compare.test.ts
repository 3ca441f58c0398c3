import { expect, test } from "vitest";
import { compareRuns } from "./compare.ts";
import type { Comparison } from "./compare.ts";
import type { RunRecord } from "./record.ts";
import { aRunRecord } from "./testing.ts";

const OPTIONS = { tolerance: 0.05, strict: false };

const figure = ({ figures }: Comparison, name: string) => figures.find((one) => one.name === name)!;

/** Comparisons of so many pairs of runs, of seeds 1 and 2, 3 and 4 … */
function pairs(count: number, pair: (seedA: number, seedB: number) => [RunRecord, RunRecord]): Comparison[] {
  return Array.from({ length: count }, (_, i) => compareRuns(...pair(2 * i + 1, 2 * i + 2), OPTIONS));
}

test("two runs of the same server are called a regression in at most 5 of 100", { timeout: 60_000 }, () => {
  const comparisons = pairs(100, (a, b) => [
    aRunRecord({ seed: a, points: 20, rate: 50 }),
    aRunRecord({ seed: b, points: 20, rate: 50 }),
  ]);
  expect(comparisons.filter(({ verdict }) => verdict === "regression").length).toBeLessThanOrEqual(5);
});

test("a p95 that is 20 % slower is found nearly always", { timeout: 60_000 }, () => {
  const comparisons = pairs(30, (a, b) => [aRunRecord({ seed: a }), aRunRecord({ seed: b, slower: 1.2 })]);
  const found = comparisons.filter((one) => figure(one, "response time p95").judgement === "regression");
  expect(found.length).toBeGreaterThanOrEqual(28);
});

test("what is faster is an improvement, not a regression", () => {
  const comparison = compareRuns(aRunRecord({ seed: 2, slower: 1.4 }), aRunRecord({ seed: 1 }), OPTIONS);
  expect(figure(comparison, "response time p95").judgement).toBe("improvement");
  expect(comparison.verdict).toBe("no_regression");
});

test("one stall of a second is noise, though it moves the p99 of the whole run", { timeout: 60_000 }, () => {
  const stalled = (second: number) => (second === 7 ? 60 : 1);
  const comparisons = pairs(40, (a, b) => [
    aRunRecord({ seed: a, points: 24, rate: 50 }),
    aRunRecord({ seed: b, points: 24, rate: 50, trouble: stalled }),
  ]);
  const p99 = comparisons.map((one) => figure(one, "response time p99").ratio!);
  expect(Math.min(...p99)).toBeGreaterThan(1.5);
  expect(comparisons.filter(({ verdict }) => verdict === "regression").length).toBeLessThanOrEqual(4);
});

test("a load that rises and falls in both runs does not hide a change", () => {
  const wave = (second: number) => 3 + 2 * Math.sin(second / 6);
  const comparison = compareRuns(
    aRunRecord({ seed: 1, points: 80, trouble: wave }),
    aRunRecord({ seed: 2, points: 80, trouble: wave, slower: 1.15 }),
    OPTIONS,
  );
  expect(figure(comparison, "response time p50").judgement).toBe("regression");
});

test("failures that came of nothing regress; a single one does not", () => {
  const base = aRunRecord({ seed: 1, failed: () => 0 });
  const often = compareRuns(base, aRunRecord({ seed: 2, failed: (s) => (s % 3 === 0 ? 0.1 : 0) }), OPTIONS);
  expect(figure(often, "failed")).toMatchObject({ judgement: "regression" });
  const once = compareRuns(base, aRunRecord({ seed: 2, failed: (s) => (s === 5 ? 0.01 : 0) }), OPTIONS);
  expect(figure(once, "failed")).toMatchObject({ judgement: "no_difference" });
});

test("the same two runs give the same intervals each time", () => {
  const [a, b] = [aRunRecord({ seed: 1 }), aRunRecord({ seed: 2 })];
  expect(compareRuns(a, b, OPTIONS)).toEqual(compareRuns(a, b, OPTIONS));
});

test("an interval holds the ratio of the values, and of a run to itself it is 1", () => {
  const a = aRunRecord({ seed: 1 });
  for (const { interval } of compareRuns(a, a, OPTIONS).figures) expect(interval ?? [1, 1]).toEqual([1, 1]);
  for (const { ratio, interval } of compareRuns(a, aRunRecord({ seed: 2 }), OPTIONS).figures) {
    if (interval === null) continue;
    expect(ratio).toBeGreaterThanOrEqual(interval[0] * 0.98);
    expect(ratio).toBeLessThanOrEqual(interval[1] * 1.02);
  }
});

test("with fewer than eight points in time nothing is judged but counts, unless strictly", () => {
  const [a, b] = [aRunRecord({ seed: 1, points: 7 }), aRunRecord({ seed: 2, points: 7, slower: 2 })];
  const comparison = compareRuns(a, b, OPTIONS);
  expect(comparison.too_short).toContain("A has 7 and B 7 points in time");
  expect(figure(comparison, "response time p95")).toMatchObject({ judgement: "not_judged", interval: null });
  expect(comparison.verdict).toBe("not_judged");
  expect(compareRuns(a, b, { ...OPTIONS, strict: true }).verdict).toBe("regression");
});

test("a row more missing than in the base is a regression, however short the runs are", () => {
  const [a, b] = [aRunRecord({ seed: 1, points: 2 }), aRunRecord({ seed: 2, points: 2 })];
  const lossy = { ...b, ledger: { ...b.ledger, missing: 1 } };
  expect(figure(compareRuns(a, lossy, OPTIONS), "missing").judgement).toBe("regression");
  expect(figure(compareRuns(a, { ...b, ledger: null }, OPTIONS), "missing").judgement).toBe("not_judged");
});

test("runs of different loads are compared, and what differs is said", () => {
  const [a, b] = [aRunRecord({ seed: 1 }), aRunRecord({ seed: 2 }, { seed: 43, digest: null })];
  expect(compareRuns(a, a, OPTIONS).differences).toEqual([]);
  expect(compareRuns(a, b, OPTIONS).differences).toEqual([
    "seed 42 and 43",
    "digest sha256:9f2c4be1f0a7 and unknown",
  ]);
});

test("steps that only one run has are left out", () => {
  const a = aRunRecord({ seed: 1 });
  const { steps } = compareRuns(a, aRunRecord({ seed: 2 }, { steps: a.steps.slice(0, 1) }), OPTIONS);
  expect(steps.map(({ name }) => name)).toEqual(["shoppers / buy: GET /products"]);
});

test("a run without an answer is not fast", () => {
  const a = aRunRecord({ seed: 1 });
  const nothing = { p50: 0, p90: 0, p95: 0, p99: 0, p99_9: 0, max: 0 };
  const series = a.series.map((point) => ({ ...point, failed: point.ended, histogram: "" }));
  const silent = { ...a, series, response_time_ms: nothing, counts: { ...a.counts, failed: a.counts.sent } };
  const comparison = compareRuns(a, silent, OPTIONS);
  expect(figure(comparison, "response time p95")).toMatchObject({ b: null, judgement: "not_judged" });
  expect(figure(comparison, "failed").judgement).toBe("regression");
});

test("a histogram that cannot be read is an error that names the run and the time", () => {
  const a = aRunRecord({ seed: 1 });
  const cut = {
    ...a,
    series: a.series.map((point) => ({ ...point, histogram: point.histogram.slice(0, 20) })),
  };
  expect(() => compareRuns(a, cut, OPTIONS)).toThrow(/the histogram of run 0192f0c1.* at 0 s cannot be read/);
});

test("what a generator measured that fell behind is compared, and named", () => {
  const reason = "generator fell behind, figures not valid: p99 of the schedule delay is 2 s, above 100 ms";
  const b = aRunRecord({ seed: 2 }, { verdict: "generator_behind", exit_code: 112, reason });
  expect(compareRuns(aRunRecord({ seed: 1 }), b, OPTIONS).invalid).toEqual([`B: ${reason}`]);
});
