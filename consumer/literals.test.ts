import { expect, test } from "vitest";
import { bytes, datetime, number, text } from "./literals.ts";

// That a real database reads them back as they were is shown in test/store.test.ts.

test.each([
  ["plain", "'plain'"],
  ["", "''"],
  ["it's", String.raw`'it\'s'`],
  ['say "x"', String.raw`'say \"x\"'`],
  ["back\\slash", String.raw`'back\\slash'`],
  ["line\nfeed\r\0\x1a", String.raw`'line\nfeed\r\0\Z'`],
  ["'; DROP TABLE api_logs; --", String.raw`'\'; DROP TABLE api_logs; --'`],
  ["größe 😀", "'größe 😀'"],
])("the text %j is the literal %s", (value, literal) => {
  expect(text(value)).toBe(literal);
});

test("bytes are hexadecimal", () => {
  expect(bytes(Buffer.from([0, 39, 255]))).toBe("0x0027ff");
  expect(bytes(Buffer.alloc(0))).toBe("''");
});

test("a time is UTC with milliseconds", () => {
  expect(datetime(Date.UTC(2026, 0, 2, 3, 4, 5, 678))).toBe("'2026-01-02T03:04:05.678'");
});

test("numbers keep their digits", () => {
  expect(number(2n ** 63n)).toBe("9223372036854775808");
  expect(number(12.345)).toBe("12.345");
  expect(number(0)).toBe("0");
});

test("nothing is NULL", () => {
  expect([text(null), bytes(null), number(null)]).toEqual(["NULL", "NULL", "NULL"]);
});
