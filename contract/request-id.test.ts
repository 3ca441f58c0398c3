import { validate, version } from "uuid";
import { expect, test } from "vitest";
import { requestIdAt } from "./request-id.ts";

test("an id is a UUIDv7 that holds its millisecond", () => {
  for (const ms of [0, 1, 255, 1_700_000_000_000, Date.now(), 2 ** 48 - 1]) {
    const id = requestIdAt(ms);
    expect(validate(id)).toBe(true);
    expect(version(id)).toBe(7);
    expect(parseInt(id.replaceAll("-", "").slice(0, 12), 16)).toBe(ms);
  }
});

test("ids of one millisecond differ, and those of a later one sort behind them", () => {
  const ids = Array.from({ length: 10_000 }, () => requestIdAt(1_700_000_000_000));
  expect(new Set(ids).size).toBe(ids.length);
  const later = requestIdAt(1_700_000_000_001);
  expect(ids.every((id) => id < later)).toBe(true);
});
