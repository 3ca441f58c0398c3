import { expect, test } from "vitest";
import { dirtSetting, USUAL_DIRT } from "./dirt.ts";

test("the usual dirt is 1 % late, twice and out of order, half of that malformed", () => {
  const usual = { late: 0.01, duplicate: 0.01, shuffle: 0.01, malformed: 0.005, age_ms: 3_600_000 };
  expect(dirtSetting.parse(USUAL_DIRT)).toEqual(usual);
});

test("what is not named does not happen", () => {
  const only = { late: 0.125, duplicate: 0, shuffle: 0, malformed: 0, age_ms: 21_600_000 };
  expect(dirtSetting.parse("late=12.5%, age=6h")).toEqual(only);
});

test.each([
  "",
  "yes",
  "late",
  "late=1",
  "late=-1%",
  "late=101%",
  "late=1%,late=2%",
  "early=1%",
  "age=0s",
  "late=60%,shuffle=41%",
])("%j is refused with the rule", (text) => {
  expect(dirtSetting.safeParse(text).error?.issues[0]?.message).toMatch(/^must be shares such as late=1%/);
});
