import { expect, test } from "vitest";
import { behindSchedule, outcomeOf } from "./verdict.ts";
import type { Ending } from "./verdict.ts";

const failed = { passed: false, metric: "http_req_failed", expression: "rate<0.01" };

const endingWith = (part: Partial<Ending> = {}): Ending => ({
  scenario_error: undefined,
  balanced: true,
  counts: { offered: 12_000, sent: 11_998, unsent: 2 },
  delay_p99_ms: 1.9,
  stopped: false,
  thresholds: [{ ...failed, passed: true }],
  ...part,
});

test("the first verdict that applies wins: exception, ledger, generator, signal, thresholds", () => {
  const everything = endingWith({
    ...{ scenario_error: "no such field", balanced: false, delay_p99_ms: 101, stopped: true },
    thresholds: [failed],
  });
  expect(outcomeOf(everything)).toMatchObject({ exit_code: 107, verdict: "scenario_exception" });
  const noException = { ...everything, scenario_error: undefined };
  expect(outcomeOf(noException)).toMatchObject({ exit_code: 111, verdict: "ledger_unbalanced" });
  const balanced = { ...noException, balanced: true };
  expect(outcomeOf(balanced)).toMatchObject({ exit_code: 112, verdict: "generator_behind" });
  const inTime = { ...balanced, delay_p99_ms: 1 };
  expect(outcomeOf(inTime)).toMatchObject({ exit_code: 105, verdict: "stopped" });
  const toTheEnd = { ...inTime, stopped: false };
  expect(outcomeOf(toTheEnd)).toMatchObject({ exit_code: 99, reason: "1 of 1 thresholds failed" });
  expect(outcomeOf(endingWith({ balanced: null }))).toEqual({
    verdict: "passed",
    exit_code: 0,
    reason: null,
  });
});

test("a generator is behind when it was late at p99 or left out more than 5 %, and not before", () => {
  const unsent = (count: number) =>
    endingWith({ counts: { offered: 12_000, unsent: count, sent: 12_000 - count } });
  expect(behindSchedule(endingWith({ delay_p99_ms: 101 }))).toMatch(/p99 of the schedule delay is 101 ms/);
  expect(behindSchedule(endingWith({ delay_p99_ms: 100 }))).toBeUndefined();
  expect(behindSchedule(unsent(601))).toMatch(/601 of 12,000 requests were not sent/);
  expect(behindSchedule(unsent(600))).toBeUndefined();
});
