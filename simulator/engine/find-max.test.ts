import { expect, test } from "vitest";
import { findMax } from "./find-max.ts";

const capacityOf = (limit: number) => (rate_per_second: number) =>
  Promise.resolve({ rate_per_second, held: rate_per_second <= limit });
const search = { from_per_second: 100, step_per_second: 100, max_per_second: 1_000, refinements: 3 };

test("the rate goes up in steps until one does not hold, then the gap is halved", async () => {
  const { trials, held, broke } = await findMax(search, capacityOf(330));
  expect(trials.map(({ rate_per_second }) => rate_per_second)).toEqual([100, 200, 300, 400, 350, 325, 337.5]);
  expect(held?.rate_per_second).toBe(325);
  expect(broke?.rate_per_second).toBe(337.5);
});

test("a limit below the first rate and one above the last are told apart", async () => {
  const low = await findMax(search, capacityOf(50));
  expect(low.trials).toHaveLength(1);
  expect(low.held).toBeUndefined();
  const high = await findMax(search, capacityOf(5_000));
  expect(high.trials).toHaveLength(10);
  expect(high.broke).toBeUndefined();
  expect(high.held?.rate_per_second).toBe(1_000);
});

test("steps of a fraction reach the last rate, and none is tried twice", async () => {
  const tenths = { from_per_second: 0.1, step_per_second: 0.1, max_per_second: 0.5, refinements: 1 };
  const { trials } = await findMax(tenths, capacityOf(1));
  expect(trials.map(({ rate_per_second }) => rate_per_second)).toEqual([0.1, 0.2, 0.3, 0.4, 0.5]);
});

test("what an attempt throws ends the search", async () => {
  const broken = () => Promise.reject(new Error("the target is gone"));
  await expect(findMax(search, broken)).rejects.toThrow("the target is gone");
});
