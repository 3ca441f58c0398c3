import { createColors } from "picocolors";
import { expect, test } from "vitest";
import { behindSchedule, milliseconds, outcomeOf, reportText, summaryOf } from "./report.ts";
import type { PipelineReport } from "./report.ts";
import type { RunResult } from "../engine/run.ts";

const plain = createColors(false);
const latency = { p50: 1.234, p90: 5, p95: 8, p99: 1_020, p99_9: 30_000, max: 30_000 };
const delay = { p50: 0.6, p90: 1, p95: 1.1, p99: 1.9, p99_9: 3, max: 4 };

const resultWith = (part: Partial<RunResult> = {}): RunResult => ({
  run_id: "01890000-0000-7000-8000-000000000000",
  scenario: "shop",
  seed: 42,
  target: "http://127.0.0.1:8000",
  started_at: "2026-01-01T00:00:00.000Z",
  ended_at: "2026-01-01T00:01:00.000Z",
  elapsed_ms: 60_000,
  stopped: false,
  scenario_error: undefined,
  counts: {
    offered: 12_000,
    sent: 11_998,
    unsent: 2,
    answered: 11_990,
    answered_without_id: 0,
    unanswered: 8,
  },
  failed: 120,
  sessions: 3_000,
  statuses: { 200: 11_000, 201: 878, 404: 100, 409: 10, 503: 2 },
  reasons: { ECONNRESET: 7, UND_ERR_HEADERS_TIMEOUT: 1 },
  target_rate: 200,
  achieved_rate: 199.97,
  service_time: latency,
  response_time: latency,
  schedule_delay: delay,
  ...part,
});

const pipeline = (balanced: boolean): PipelineReport => ({
  ledger: { stored: 11_990, missing: balanced ? 0 : 1 },
  balanced,
  delay_to_row_ms: { p50: 20, p99: 90, max: 120 },
  lines: ["stored 11990"],
});

const late = { schedule_delay: { ...delay, p99: 101 } };

test("the summary has the agreed fields, and null for what needs a pipeline", () => {
  expect(summaryOf(resultWith(), null)).toEqual({
    run_id: "01890000-0000-7000-8000-000000000000",
    seed: 42,
    digest: null,
    scenario: "shop",
    started_at: "2026-01-01T00:00:00.000Z",
    ended_at: "2026-01-01T00:01:00.000Z",
    exit_code: 0,
    verdict: "passed",
    ledger: null,
    http: { rate: 199.97, failed_rate: 120 / 11_998, service_time_ms: latency, response_time_ms: latency },
    schedule: {
      target_rate: 200,
      achieved_rate: 199.97,
      delay_ms: { p50: 0.6, p99: 1.9, max: 4 },
      dropped_iterations: 2,
    },
    delay_to_row_ms: null,
    thresholds: [],
  });
  expect(summaryOf(resultWith(), pipeline(true))).toMatchObject({
    ledger: { stored: 11_990, missing: 0 },
    delay_to_row_ms: { p50: 20, p99: 90, max: 120 },
  });
});

test("the first verdict that applies wins: exception, ledger, generator, signal", () => {
  const everything = resultWith({ ...late, scenario_error: "no such field", stopped: true });
  expect(outcomeOf(everything, pipeline(false)).exit_code).toBe(107);
  expect(outcomeOf({ ...everything, scenario_error: undefined }, pipeline(false)).exit_code).toBe(111);
  expect(outcomeOf({ ...everything, scenario_error: undefined }, pipeline(true)).exit_code).toBe(112);
  expect(outcomeOf(resultWith({ stopped: true }), null).exit_code).toBe(105);
  expect(outcomeOf(resultWith(), pipeline(true)).exit_code).toBe(0);
});

test("a generator is behind when it was late at p99 or left out more than 5 %, and not before", () => {
  const unsent = (count: number) =>
    resultWith({ counts: { ...resultWith().counts, unsent: count, sent: 12_000 - count } });
  expect(behindSchedule(resultWith(late))).toMatch(/p99 of the schedule delay is 101 ms/);
  expect(behindSchedule(resultWith({ schedule_delay: { ...delay, p99: 100, max: 900 } }))).toBeUndefined();
  expect(behindSchedule(unsent(601))).toMatch(/601 of 12,000 requests were not sent/);
  expect(behindSchedule(unsent(600))).toBeUndefined();
});

test("the report fits 80 columns, shows sections in order and ends with the command to repeat it", () => {
  const text = reportText(resultWith(late), pipeline(true), "rushhour simulate --seed 42", plain);
  for (const line of text.split("\n")) expect(line.length, line).toBeLessThanOrEqual(80);
  expect(text).toMatch(
    /^HTTP\n[^]*\nSCHEDULE\n[^]*\nLEDGER\n {2}stored 11990\n[^]*figures not valid[^]*seed 42\nagain: rushhour simulate --seed 42$/,
  );
  expect(text).toContain("UND_ERR_HEADERS_TIMEOUT: 1");
  expect(text).not.toContain("\x1b");
  expect(reportText(resultWith(), null, "x", createColors(true))).toContain("\x1b");
});

test("durations change their unit with their size", () => {
  expect([0, 0.0004, 0.25, 0.9996, 1.234, 12.34, 123.4, 999.6, 61_234].map(milliseconds)).toEqual([
    "0 µs",
    "0 µs",
    "250 µs",
    "1.00 ms",
    "1.23 ms",
    "12.3 ms",
    "123 ms",
    "1.00 s",
    "61.23 s",
  ]);
});
