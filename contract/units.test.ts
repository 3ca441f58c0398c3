import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { z } from "zod";
import { readSettings } from "./config.ts";
import { RushhourError } from "./errors.ts";
import { durationSetting, parseDuration, parseRate, rateSetting } from "./units.ts";

describe("durations", () => {
  test.each([
    ["500ms", 500],
    ["30s", 30_000],
    ["1.5s", 1_500],
    ["1h30m", 5_400_000],
    ["1d2h3m4s5ms", 93_784_005],
  ])("%s is %d ms", (text, ms) => {
    expect(parseDuration(text)).toBe(ms);
  });

  test.each(["", "30", "s", "-5s", "0s", "5 s", "30s1h", "1h1h", "1e3s", "1.s", "abc", "1001d"])(
    '"%s" is refused with the rule',
    (text) => {
      expect(() => parseDuration(text)).toThrow(RushhourError);
      expect(() => parseDuration(text)).toThrow(/such as 500ms, 30s, 1h30m/);
    },
  );

  test("any mix of whole units adds up", () => {
    const part = fc.integer({ min: 0, max: 999 });
    fc.assert(
      fc.property(part, part, part, fc.integer({ min: 1, max: 999 }), (h, m, s, ms) => {
        const total = h * 3_600_000 + m * 60_000 + s * 1_000 + ms;
        expect(parseDuration(`${h}h${m}m${s}s${ms}ms`)).toBe(total);
      }),
    );
  });
});

describe("rates", () => {
  test.each([
    ["50/s", 50],
    ["50", 50],
    ["3000/m", 50],
    ["0.5/s", 0.5],
    ["1800/h", 0.5],
  ])("%s is %d a second", (text, perSecond) => {
    expect(parseRate(text)).toBe(perSecond);
  });

  test.each(["", "0/s", "-1/s", "50/d", "50 /s", "50/", "fast", "1000001/s"])(
    '"%s" is refused with the rule',
    (text) => {
      expect(() => parseRate(text)).toThrow(/such as 50\/s, 3000\/m/);
    },
  );
});

test("as settings both name the flag, the value and the rule, together", () => {
  const schema = z.object({ RATE: rateSetting, DURATION: durationSetting });
  const flags = {
    RATE: { flag: "--rate", value: "fast" },
    DURATION: { flag: "--duration", value: "30" },
  };
  expect(() => readSettings(schema, {}, flags)).toThrow(
    /--rate=fast must be a rate.*\n.*--duration=30 must be a duration/,
  );
  expect(readSettings(schema, { RATE: "60/m", DURATION: "2s" })).toEqual({ RATE: 1, DURATION: 2_000 });
});
