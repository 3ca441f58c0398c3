import { expect, test } from "vitest";
import { REQUEST_LOGS_OF } from "../contract/request-log.ts";
import { createDrops } from "./drops.ts";

const { DEBUG, INFO, ERROR } = REQUEST_LOGS_OF;

const sum = (drops: ReturnType<typeof createDrops>) =>
  drops.list().reduce((all, { dropped }) => all + dropped, 0);

test("counts by run, topic, level and reason", () => {
  const drops = createDrops();
  expect(drops.list()).toEqual([]);
  drops.add("run-1", DEBUG, "buffer_full");
  drops.add("run-1", DEBUG, "buffer_full");
  drops.add("run-1", ERROR, "buffer_full");
  drops.add("", DEBUG, "closed");
  expect(drops.list()).toEqual([
    { run_id: "run-1", topic: "debug-logs", level: "DEBUG", reason: "buffer_full", dropped: 2 },
    { run_id: "run-1", topic: "error-logs", level: "ERROR", reason: "buffer_full", dropped: 1 },
    { run_id: "", topic: "debug-logs", level: "DEBUG", reason: "closed", dropped: 1 },
  ]);
});

test("a list once given stays as it was", () => {
  const drops = createDrops();
  drops.add("run-1", INFO, "closed");
  const before = drops.list();
  drops.add("run-1", INFO, "closed");
  expect(before[0]!.dropped).toBe(1);
  expect(drops.list()[0]!.dropped).toBe(2);
});

test("a flood of run ids is counted whole and stays bounded: what later runs lose is of no run", () => {
  const drops = createDrops();
  for (let i = 0; i < 5_000; i++) drops.add(`run-${i}`, INFO, "buffer_full");
  drops.add("run-0", INFO, "buffer_full");
  expect(sum(drops)).toBe(5_001);
  expect(drops.list().length).toBeLessThanOrEqual(1_001);
  expect(drops.list().find(({ run_id }) => run_id === "run-0")!.dropped).toBe(2); // known before the flood
  expect(drops.list().find(({ run_id }) => run_id === "")!.dropped).toBe(4_000);
});
