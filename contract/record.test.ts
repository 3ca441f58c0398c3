import { expect, test } from "vitest";
import { MAX_ORIGIN, originIn, originOf } from "./record.ts";

const AT = { cluster: "5L6g3nShT-eMCtK--X86sw", topic: "info-logs", partition: 2, offset: 4711n };

test("a replayed record is known by where it stood first, however often it was replayed", () => {
  const first = originOf(AT);
  expect(first).toBe("5L6g3nShT-eMCtK--X86sw/info-logs/2/4711");
  const headers = { "x-origin": Buffer.from(first), "x-origin-time": Buffer.from("1700000000000") };
  const replayed = { ...AT, offset: 5000n, ...originIn(headers) };
  expect(replayed).toMatchObject({ origin: first, timeMs: 1_700_000_000_000 });
  expect(originOf(replayed)).toBe(first);
});

test("headers that name no origin, or no time of it, say nothing", () => {
  const time = "1700000000000";
  const wrong = [
    "",
    "info-logs/2/4711",
    "c/t/2/x",
    "c/t/2/4711/5",
    `c/${"t".repeat(MAX_ORIGIN)}/2/4711`,
    "c/t\n/2/3",
  ];
  for (const origin of wrong) expect(originIn({ "x-origin": origin, "x-origin-time": time })).toBeUndefined();
  expect(originIn({ "x-origin": "c/t/2/4711" })).toBeUndefined();
  expect(originIn({ "x-origin": "c/t/2/4711", "x-origin-time": "-1" })).toBeUndefined();
  expect(originIn({ other: "c/t/2/4711" })).toBeUndefined();
  expect(originIn(undefined)).toBeUndefined();
});
