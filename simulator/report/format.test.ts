import { expect, test } from "vitest";
import {
  bytes,
  decimal,
  elapsed,
  hours,
  latencyText,
  measuredText,
  milliseconds,
  percent,
} from "./format.ts";
import type { ThresholdResult } from "./record.ts";

test("durations change their unit with their size, and have three digits at most", () => {
  expect([0, 0.0004, 0.25, 0.9996, 1.234, 12.34, 123.4, 999.6, 61_234, 4e6].map(milliseconds)).toEqual([
    ...["0", "0.4 µs", "250 µs", "1 ms", "1.23 ms", "12.3 ms", "123 ms", "1 s", "61.2 s", "4,000 s"],
  ]);
});

test("numbers have three digits, or all from 1,000", () => {
  expect([0, 0.012345, 98.76, 999.4, 999.6, 12_345.6].map(decimal)).toEqual([
    ...["0", "0.0123", "98.8", "999", "1,000", "12,346"],
  ]);
  expect([percent(0.5), percent(0.012345)]).toEqual(["50 %", "1.23 %"]);
  expect([0, 999, 4_200_000].map(bytes)).toEqual(["0 B", "999 B", "4.2 MB"]);
});

test("time since the start is as long as it must be", () => {
  expect([5, 3_725, 266_525].map(elapsed)).toEqual(["0:05", "1:02:05", "3d 2:02:05"]);
  expect([0, 5_400, 172_800].map(hours)).toEqual(["0", "1h30m", "2d"]);
});

test.each([
  ["response_time{name:GET /a}", "p(99)<250", 250.1, "250.1 ms"],
  ["http_req_failed", "rate<2%", 0.020_01, "2.001 %"],
  ["http_reqs", "rate>50/s", 49.96, "49.96/s"],
  ["http_reqs", "count>50", 12_345, "12,345"],
  ["vus", "value<5", 3, "3"],
  ["errors of the shop", "value<10", 12.5, "12.5"],
  ["toString", "value<10", null, "the query found nothing"],
])("%s: %s measured %d is shown as it was bounded", (metric, expression, value, text) => {
  const reason = value === null ? "the query found nothing" : null;
  expect(measuredText({ metric, expression, value, passed: true, aborted: false, reason })).toBe(text);
});

test("a record of an earlier version, without reasons, has no data", () => {
  const early = { metric: "vus", expression: "value<5", value: null, passed: false, aborted: false };
  expect(measuredText(early as ThresholdResult)).toBe("no data");
});

test("a latency that was not measured is a dash, not 0", () => {
  expect(latencyText({ p50: 0, max: 0 }, "p50")).toBe("–");
  expect(latencyText({ p50: 0, max: 3 }, "p50")).toBe("0");
});
