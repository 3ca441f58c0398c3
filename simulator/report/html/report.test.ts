import { createHash } from "node:crypto";
import { expect, test } from "vitest";
import { compareRuns } from "../compare.ts";
import type { RunRecord } from "../record.ts";
import { aRunRecord } from "../testing.ts";
import { comparisonHtml } from "./comparison.ts";
import { reportHtml } from "./report.ts";
import { COLOURS } from "./style.ts";

const ATTACK = `"><script>alert(1)</script><img src=x onerror='alert(2)'>`;

const incident: RunRecord["incidents"][number] = {
  ...{ incident_id: "1", name: "payments-down", kind: "error-burst", route: "POST /orders/:id/payment" },
  ...{ started_at: "2026-11-21T09:30:10.000Z", planned_end_at: "2026-11-21T09:30:30.000Z" },
  ended_at: "2026-11-21T09:30:30.000Z",
  ...{ intensity: { rate: 0.35 }, requests_affected: 204, origin: "scenario" },
};

/** What a reader sees of the page. */
const textOf = (page: string) =>
  page
    .replace(/<(style|script|title|desc)\b.*?<\/\1>/gs, "")
    .replace(/<[^>]+>/g, " ")
    .replace(/\s+/g, " ");

test("the verdict is the first thing said, with its reason", () => {
  const failed = aRunRecord(
    {},
    { exit_code: 112, verdict: "generator_behind", reason: "the p99 of its delay is 2 s" },
  );
  const text = textOf(reportHtml(failed));
  expect(text.indexOf("The generator fell behind")).toBeLessThan(150);
  expect(text.indexOf("The generator fell behind")).toBeLessThan(text.indexOf("the p99 of its delay is 2 s"));
  expect(textOf(reportHtml(aRunRecord()))).toContain("Passed");
});

test("each threshold has its sign and its value in the metric's unit, failed ones first", () => {
  const text = textOf(
    reportHtml(
      aRunRecord(
        {},
        {
          thresholds: [
            {
              metric: "http_req_failed",
              expression: "rate<0.02",
              value: 0.0121,
              passed: true,
              aborted: false,
              reason: null,
            },
            {
              metric: "response_time{name:GET /a}",
              expression: "p(99)<250",
              value: 812,
              passed: false,
              aborted: true,
              reason: null,
            },
            {
              metric: "ingest_lag",
              expression: "p(99)<1000",
              value: null,
              passed: false,
              aborted: false,
              reason: "no data",
            },
          ],
        },
      ),
    ),
  );
  expect(text).toMatch(/✗ response_time\{name:GET \/a\}: p\(99\)&lt;250 812 ms · ended the run/);
  expect(text).toMatch(/✗ ingest_lag: p\(99\)&lt;1000 no data/);
  expect(text).toMatch(/✓ http_req_failed: rate&lt;0.02 1.21 %/);
  expect(text.indexOf("✗ ingest_lag")).toBeLessThan(text.indexOf("✓ http_req_failed"));
});

test("the ledger stands there as an equation, and an imbalance is named", () => {
  const run = aRunRecord();
  expect(textOf(reportHtml(run))).toMatch(
    /[\d,]+ answered = [\d,]+ stored \+ 0 dead-lettered \+ 0 dropped \+ 0 missing ✓ balanced/,
  );
  const lossy = textOf(reportHtml({ ...run, ledger: { ...run.ledger, missing: 7 }, balanced: false }));
  expect(lossy).toContain("7 missing ✗ not balanced");
  expect(textOf(reportHtml({ ...run, ledger: null, balanced: null }))).not.toContain("balanced");
});

test("incidents are bands in every chart over time, and an event is a tick", () => {
  const page = reportHtml(
    aRunRecord({}, { incidents: [incident], events: [{ at_ms: 20_000, text: "rate x1.5" }] }),
  );
  for (const id of ["load", "users", "latency", "failures"]) {
    const chart = new RegExp(`id="${id}-title".*?</figure>`, "s").exec(page)?.[0];
    expect(chart).toContain("A: payments-down, 0:10 to 0:30");
    expect(chart).toContain("0:20 rate x1.5");
  }
});

test("what incidents say of themselves is no event beside", () => {
  const events = ["incident payments-down began", "rate x1.5", "incident payments-down ended"];
  const page = reportHtml(
    aRunRecord({}, { incidents: [incident], events: events.map((text) => ({ at_ms: 20_000, text })) }),
  );
  expect(page).toContain("rate x1.5");
  expect(page).not.toMatch(/payments-down (?:began|ended)/);
});

test("a run in which nothing was answered has dashes for latencies and no curve of them", () => {
  const run = aRunRecord({ points: 10 });
  const none = { p50: 0, p90: 0, p95: 0, p99: 0, p99_9: 0, max: 0 };
  const page = reportHtml({
    ...run,
    ...{ response_time_ms: none, service_time_ms: none, spectrum: { response: [], service: [] } },
    series: run.series.map((point) => ({ ...point, p50: null, p95: null, p99: null, max: null })),
  });
  expect(textOf(page)).toContain("response time p95 – p50 –");
  expect(textOf(page)).toContain("there is no response time to draw");
  expect(page).not.toContain('id="latency-title"');
});

test("an incident that nobody ended lasts as long as planned, within the run, and one after it has no band", () => {
  const open = { ...incident, ended_at: null, planned_end_at: "2026-11-21T09:33:00.000Z" };
  const late = { ...open, name: "late", started_at: "2026-11-21T09:32:00.000Z" };
  const page = reportHtml(aRunRecord({}, { incidents: [open, late] }));
  expect(page).toContain("A: payments-down, 0:10 to 1:00");
  expect(page).not.toContain("B: late");
  expect(textOf(page)).toContain("B late");
});

test("what comes from outside is text, wherever it stands", () => {
  const run = aRunRecord({ points: 10 });
  const hostile: RunRecord = {
    ...run,
    ...{ scenario: ATTACK, target: ATTACK, digest: ATTACK, command: ATTACK, reason: ATTACK, run_id: ATTACK },
    tags: { [ATTACK]: ATTACK },
    statuses: { [ATTACK]: 1 },
    reasons: { [ATTACK]: 1 },
    scenarios: run.scenarios.map((one) => ({ ...one, name: ATTACK, executor: ATTACK })),
    steps: run.steps.map((one) => ({ ...one, scenario: ATTACK, journey: ATTACK, name: ATTACK })),
    checks: [{ name: ATTACK, passed: 1, failed: 0 }],
    thresholds: [
      { metric: ATTACK, expression: ATTACK, value: 1, passed: true, aborted: false, reason: null },
    ],
    incidents: [
      { ...incident, name: ATTACK, kind: ATTACK, route: ATTACK, intensity: { [ATTACK]: 1 }, ended_at: null },
    ],
    events: [{ at_ms: 1_000, text: ATTACK }],
    ledger: { ...run.ledger, dropped: 1, dropped_by_reason: { [ATTACK]: 1 } },
  };
  const comparison = compareRuns(run, hostile, { tolerance: 0.05, strict: false });
  for (const page of [reportHtml(hostile), comparisonHtml(run, hostile, comparison)]) {
    expect(page).not.toContain("<script>alert");
    expect(page).not.toContain("<img");
    expect(page).toContain("&quot;&gt;&lt;script&gt;alert(1)");
    expect(page.match(/<script/g)).toHaveLength(1);
  }
});

test("the browser is told to run and to load nothing but what the page itself carries", () => {
  const page = reportHtml(aRunRecord());
  const policy = /Content-Security-Policy" content="([^"]+)"/.exec(page)?.[1] ?? "";
  expect(policy).toContain("default-src 'none'");
  for (const tag of ["style", "script"]) {
    const inside = new RegExp(`<${tag}>(.*?)</${tag}>`, "s").exec(page)?.[1] ?? "";
    const digest = createHash("sha256").update(inside).digest("base64");
    expect(policy).toContain(`${tag}-src 'sha256-${digest}'`);
  }
  expect(page).not.toMatch(/\s(?:src|href|style|on\w+)=/);
});

test("600 points take less than 500 KB", () => {
  expect(reportHtml(aRunRecord({ points: 600, rate: 20 })).length).toBeLessThan(500_000);
});

test("a run of one point, of none and without an answer can be shown", () => {
  const run = aRunRecord({ points: 1 });
  const silent = run.series.map((point) => ({
    ...point,
    ...{ sent: 0, ended: 0, vus: 0, planned: null, histogram: "" },
    ...{ p50: null, p95: null, p99: null, max: null },
  }));
  const spectrum = { response: [], service: [] };
  const pages = [
    reportHtml(run),
    reportHtml({ ...run, series: silent, spectrum }),
    reportHtml({ ...run, series: [], spectrum, scenarios: [], steps: [], checks: [], thresholds: [] }),
  ];
  for (const page of pages) expect(page).not.toMatch(/NaN|undefined|Infinity/);
  expect(pages[2]).toContain("ended before there was anything to draw");
});

test("text has a contrast of 4.5:1 to its ground, in light and in dark", () => {
  for (const colours of Object.values(COLOURS)) {
    const pairs = [
      ...["text", "muted", "good", "bad", "unsure"].map((name) => [name, "panel"]),
      ...["text", "muted"].flatMap((name) =>
        ["page", "good-ground", "bad-ground", "unsure-ground"].map((ground) => [name, ground]),
      ),
      ...["good", "bad", "unsure"].map((name) => ["panel", name]), // the sign in its circle
    ] as [keyof typeof colours, keyof typeof colours][];
    for (const [name, ground] of pairs)
      expect
        .soft(contrast(colours[name], colours[ground]), `${name} on ${ground}`)
        .toBeGreaterThanOrEqual(4.5);
  }
});

/** @see https://www.w3.org/TR/WCAG22/#dfn-contrast-ratio */
function contrast(one: string, other: string): number {
  const [dark, light] = [luminance(one), luminance(other)].sort((a, b) => a - b) as [number, number];
  return (light + 0.05) / (dark + 0.05);
}

function luminance(hex: string): number {
  const [red, green, blue] = [1, 3, 5].map((at) => {
    const value = parseInt(hex.slice(at, at + 2), 16) / 255;
    return value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
  }) as [number, number, number];
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
}
