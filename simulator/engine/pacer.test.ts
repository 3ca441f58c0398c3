import { expect, test } from "vitest";
import { pace } from "./pacer.ts";

const scheduleOf = (times: readonly number[]) => {
  let at = 0;
  return {
    peek: () => times[at],
    take: () => {
      at++;
    },
  };
};

test("each due time is fired once, in order, never early", async () => {
  const due = Array.from({ length: 300 }, (_, n) => n * 0.7);
  const fired: number[] = [];
  const early: number[] = [];
  const startMs = performance.now() + 20; // it may lie ahead
  const pacer = pace(scheduleOf(due), startMs, (dueMs) => {
    fired.push(dueMs);
    if (performance.now() - startMs < dueMs) early.push(dueMs);
  });
  await pacer.done;
  expect(fired).toEqual(due);
  expect(early).toEqual([]);
});

test("a busy process makes due times late, but loses none", async () => {
  const fired: number[] = [];
  const pacer = pace(scheduleOf([0, 1, 2, 3, 4, 5]), performance.now(), (dueMs) => {
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
  const late = scheduleOf(Array.from({ length: 1_000 }, () => 0));
  await pace(late, performance.now(), () => seen.push(immediates)).done;
  expect(seen).toHaveLength(1_000);
  expect(new Set(seen).size).toBeGreaterThan(10);
});

test("nothing is fired after stop, even within one turn", async () => {
  const fired: number[] = [];
  const pacer = pace(scheduleOf([0, 0, 0]), performance.now(), (dueMs) => {
    fired.push(dueMs);
    pacer.stop();
  });
  await pacer.done;
  expect(fired).toEqual([0]);
});

test("a schedule that waits for a change goes on when it is woken", async () => {
  const times = [0, Infinity];
  const fired: number[] = [];
  const schedule = scheduleOf(times);
  const pacer = pace(schedule, performance.now(), (dueMs) => {
    fired.push(dueMs);
    if (dueMs !== 0) return;
    setImmediate(() => {
      times[1] = 1;
      pacer.wake();
    });
  });
  await pacer.done;
  expect(fired).toEqual([0, 1]);
});
