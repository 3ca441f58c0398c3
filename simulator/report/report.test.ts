import { createColors } from "picocolors";
import { expect, test } from "vitest";
import { reportText, summaryOf } from "./report.ts";
import { aRunRecord } from "./testing.ts";

const plain = createColors(false);

test("the summary has the agreed fields, and null for what needs a pipeline", () => {
  const record = aRunRecord({}, { ledger: null, delay_to_row_ms: null, balanced: null });
  const { response_time_ms, service_time_ms, schedule_delay_ms, counts, rates } = record;
  expect(summaryOf(record)).toEqual({
    run_id: record.run_id,
    seed: record.seed,
    digest: record.digest,
    scenario: "shop",
    started_at: record.started_at,
    ended_at: record.ended_at,
    exit_code: 0,
    verdict: "passed",
    ledger: null,
    http: {
      ...{ requests: counts.sent, answered: counts.answered, failed: counts.failed },
      rate: rates.requests,
      failed_rate: counts.failed / (counts.answered + counts.unanswered),
      service_time_ms,
      response_time_ms,
    },
    schedule: {
      target_rate: rates.target,
      achieved_rate: rates.achieved,
      delay_ms: { p50: schedule_delay_ms.p50, p99: schedule_delay_ms.p99, max: schedule_delay_ms.max },
      dropped_iterations: counts.unsent,
    },
    delay_to_row_ms: null,
    checks: record.checks,
    incidents: record.incidents,
    thresholds: record.thresholds,
  });
});

test("the report fits 80 columns, shows sections in order and ends with digest and the command to repeat it", () => {
  const latency = { p50: 1.234, p90: 5, p95: 8, p99: 1_020, p99_9: 30_000, max: 30_000 };
  const record = aRunRecord(
    {},
    {
      ...{ reason: "1 of 2 thresholds failed", response_time_ms: latency, service_time_ms: latency },
      ...{ digest: "ab".repeat(32), command: "rushhour simulate --seed 42" },
      reasons: { ECONNRESET: 7, UND_ERR_HEADERS_TIMEOUT: 1 },
      thresholds: [
        {
          metric: "http_req_failed",
          expression: "rate<0.01",
          value: 0.0512,
          passed: false,
          aborted: true,
          reason: null,
        },
        {
          metric: "response_time",
          expression: "p(99)<2s",
          value: null,
          passed: true,
          aborted: false,
          reason: "no data",
        },
      ],
      checks: [{ name: "status", passed: 9, failed: 1 }],
    },
  );
  for (const mode of ["compact", "full"] as const) {
    const text = reportText(record, ["answered 1 = 1 stored"], mode, plain);
    for (const line of text.split("\n")) expect(line.length, line).toBeLessThanOrEqual(80);
    const order =
      /^THRESHOLDS\n[^]*\nCHECKS\n[^]*\nHTTP\n[^]*\nEXECUTION\n[^]*\nNETWORK\n[^]*\nSCHEDULE\n[^]*\nLEDGER\n {2}answered/;
    expect(text).toMatch(order);
    expect(text).toMatch(
      /thresholds failed\nrun [^\n]*seed 42\ndigest (?:ab){32}\nagain: rushhour simulate --seed 42$/,
    );
    expect(text).toContain("✗ http_req_failed  rate<0.01  is 5.12 %  ended the run");
    expect(text).toContain("✓ response_time  p(99)<2s  no data");
    expect(text).toContain("UND_ERR_HEADERS_TIMEOUT: 1");
    expect(text.includes("STEPS\n")).toBe(mode === "full");
    expect(text).not.toContain("\x1b");
  }
  expect(reportText(record, [], "compact", createColors(true))).toContain("\x1b");
});

test("what was changed while the run went on is listed, incidents only among the incidents", () => {
  const incident = {
    ...{ incident_id: "1", name: "outage", kind: "error-burst", origin: "scenario" as const },
    route: "POST /orders/:id/payments/:payment_id",
    ...{ started_at: "2026-11-21T09:30:02.000Z", planned_end_at: "2026-11-21T09:30:05.000Z", ended_at: null },
    ...{ intensity: {}, requests_affected: 3 },
  };
  const events = [
    { at_ms: 1_000, text: "load times 2" },
    { at_ms: 2_000, text: "incident outage began" },
    ...Array.from({ length: 11 }, (_, n) => ({
      at_ms: 3_000 + n,
      text: `${"long ".repeat(30)}\x1b[31m${n}`,
    })),
  ];
  const record = aRunRecord({}, { events, incidents: [incident] });
  const text = reportText(record, [], "compact", plain);
  expect(text).toMatch(/\nEVENTS\n {2}1s {2}load times 2\n {2}3s {2}long [^]*\n {2}and 2 more\n\nSCHEDULE/);
  expect(text).not.toContain("outage began");
  expect(text).toMatch(/\n {2}2s to \? {2}outage: error-burst on POST [^\n]*\n {6}3 requests affected\n/);
  expect(text).not.toContain("\x1b");
  for (const line of text.split("\n")) expect(line.length, line).toBeLessThanOrEqual(80);
});
