import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Level } from "../contract/request-log.ts";
import { createBuffer, type BufferedRecord } from "./buffer.ts";

const record = (value: string, topic = "info-logs"): BufferedRecord => ({
  ...{ topic, value, bytes: Buffer.byteLength(value), level: "INFO", run_id: undefined, isNumbered: true },
});

const openBuffer = (cap: { records?: number; bytes?: number } = {}) =>
  createBuffer({ records: 100_000, bytes: 64 * 2 ** 20, ...cap });

describe("admission", () => {
  const LEVELS: Level[] = ["DEBUG", "INFO", "ERROR", "CRITICAL"];
  const admitted = (buffer: ReturnType<typeof openBuffer>) =>
    LEVELS.filter((level) => buffer.hasRoomFor(level));

  test.each([
    [0, LEVELS],
    [79, LEVELS],
    [80, ["INFO", "ERROR", "CRITICAL"]],
    [90, ["ERROR", "CRITICAL"]],
    [99, ["ERROR", "CRITICAL"]],
    [100, []],
  ])("at %d of 100 records there is room for %j", (held, levels) => {
    const buffer = openBuffer({ records: 100 });
    for (let i = 0; i < held; i++) buffer.add(record("x"));
    expect(admitted(buffer)).toEqual(levels);
    expect(buffer.fill()).toBeCloseTo(held / 100);
  });

  test("bytes bound it as well as records, whichever comes first", () => {
    const buffer = openBuffer({ bytes: 100 });
    buffer.add(record("漢".repeat(30))); // 90 bytes
    expect(admitted(buffer)).toEqual(["ERROR", "CRITICAL"]);
    buffer.take();
    expect(admitted(buffer)).toEqual(LEVELS);
    expect(buffer.fill()).toBe(0);
  });
});

describe("a batch", () => {
  test("holds the oldest records, grouped by topic in their order", () => {
    const buffer = openBuffer();
    for (const [value, topic] of [
      ["1", "a"],
      ["2", "b"],
      ["3", "a"],
    ] as const)
      buffer.add(record(value, topic));
    const { records, topics } = buffer.take();
    expect(records.map(({ value }) => value)).toEqual(["1", "2", "3"]);
    expect(Object.fromEntries(topics)).toEqual({ a: ["1", "3"], b: ["2"] });
    expect(buffer.take()).toEqual({ records: [], topics: new Map() });
  });

  test("is full at 2,000 records", () => {
    const buffer = openBuffer();
    for (let i = 0; i < 1_999; i++) buffer.add(record("x"));
    expect(buffer.hasFullBatch()).toBe(false);
    for (let i = 0; i < 10; i++) buffer.add(record("x"));
    expect(buffer.hasFullBatch()).toBe(true);
    expect(buffer.take().records).toHaveLength(2_000);
    expect(buffer.size()).toBe(9);
    expect(buffer.hasFullBatch()).toBe(false);
  });

  test.each(["x", "漢"])("of records full of %s stays below the 1 MiB that Kafka takes", (character) => {
    const buffer = openBuffer();
    for (let i = 0; i < 200; i++) buffer.add(record(character.repeat(9_000)));
    expect(buffer.hasFullBatch()).toBe(true);
    const bytes = buffer.take().records.reduce((sum, { value }) => sum + Buffer.byteLength(value), 0);
    expect(bytes).toBeGreaterThan(600 * 1024);
    expect(bytes).toBeLessThan(700 * 1024);
  });

  test("takes a record that is larger than a batch by itself", () => {
    const buffer = openBuffer();
    buffer.add(record("x".repeat(2 ** 20)));
    buffer.add(record("y"));
    expect(buffer.take().records).toHaveLength(1);
    expect(buffer.take().records).toHaveLength(1);
  });
});

test("whatever is added, taken and drained comes out once, in order, and is counted right", () => {
  const step = fc.oneof(
    fc.record({ kind: fc.constant("add" as const), count: fc.integer({ min: 1, max: 3_000 }) }),
    fc.constant({ kind: "take" as const }),
    fc.constant({ kind: "takeAll" as const }),
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 30 }), (steps) => {
      const buffer = openBuffer();
      let added = 0;
      const out: string[] = [];
      for (const step of steps) {
        if (step.kind === "add") for (let i = 0; i < step.count; i++) buffer.add(record(String(added++)));
        else
          out.push(
            ...(step.kind === "take" ? buffer.take().records : buffer.takeAll()).map(({ value }) => value),
          );
        expect(buffer.size()).toBe(added - out.length);
      }
      out.push(...buffer.takeAll().map(({ value }) => value));
      expect(out).toEqual(Array.from({ length: added }, (_, i) => String(i)));
      expect(buffer.fill()).toBe(0);
    }),
    { numRuns: 50 },
  );
});
