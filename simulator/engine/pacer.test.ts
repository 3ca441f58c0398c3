import { expect, test } from "vitest";
import { pace } from "./pacer.ts";

test("each due time is fired once, in order, never early", async () => {
  const due = Array.from({ length: 300 }, (_, n) => n * 0.7);
  const fired: number[] = [];
  const early: number[] = [];
  const pacer = pace(due.values(), (dueMs) => {
    fired.push(dueMs);
    if (performance.now() - pacer.started_at_ms < dueMs) early.push(dueMs);
  });
  await pacer.done;
  expect(fired).toEqual(due);
  expect(early).toEqual([]);
});

test("a busy process makes due times late, but loses none", async () => {
  const fired: number[] = [];
  const pacer = pace([0, 1, 2, 3, 4, 5].values(), (dueMs) => {
    fired.push(dueMs);
    const until = performance.now() + 5;
    while (performance.now() < until); // busy for longer than the gaps
  });
  await pacer.done;
  expect(fired).toEqual([0, 1, 2, 3, 4, 5]);
});

test("between many late due times other work has its turn", async () => {
  let immediates = 0;
  const count = () => {
    immediates++;
    setImmediate(count).unref();
  };
  count();
  const seen: number[] = [];
  await pace(Array.from({ length: 1_000 }, () => 0).values(), () => seen.push(immediates)).done;
  expect(seen).toHaveLength(1_000);
  expect(new Set(seen).size).toBeGreaterThan(10);
});

test("nothing is fired after stop, even within one turn", async () => {
  const fired: number[] = [];
  const pacer = pace([0, 0, 0].values(), (dueMs) => {
    fired.push(dueMs);
    pacer.stop();
  });
  await pacer.done;
  expect(fired).toEqual([0]);
});
