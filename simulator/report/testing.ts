import { stream } from "../../contract/random.ts";
import type { Rng } from "../../contract/random.ts";
import { LatencyHistogram } from "../figures/latency.ts";
import type { RunRecord, SeriesPoint } from "./record.ts";

/** A server's behaviour, made up. */
export interface Traffic {
  readonly seed?: number;
  readonly points?: number; // intervals of a second
  readonly rate?: number; // requests a second
  readonly slower?: number; // all response times times this
  /** What else a request in this second takes, as a factor. */
  readonly trouble?: (second: number, rng: Rng) => number;
  readonly failed?: (second: number) => number; // share
}

/** A run record with series, summaries and spectrum that belong together, for tests. */
export function aRunRecord(traffic: Traffic = {}, changes: Partial<RunRecord> = {}): RunRecord {
  const { seed = 1, points = 60, rate = 100, slower = 1, trouble = () => 1, failed = () => 0.012 } = traffic;
  const rng = stream(seed, "traffic");
  const response: number[] = [];
  const series: SeriesPoint[] = [];
  let level = 0; // a slow drift, as caches and neighbours make it
  for (let second = 0; second < points; second++) {
    level = 0.4 * level + 0.06 * normal(rng);
    const ended = Math.max(1, Math.round(rate + Math.sqrt(rate) * normal(rng)));
    const times = Array.from({ length: ended }, () => {
      const slow = rng.float() < 0.02 ? 4 : 1;
      return 18 * slower * slow * Math.exp(level + 0.5 * normal(rng)) * trouble(second, rng);
    });
    response.push(...times);
    series.push(pointOf(second, rate, times, Math.round(ended * failed(second)), rng));
  }
  const responseTimes = histogramOf(response);
  const serviceTimes = histogramOf(response.map((ms) => ms * 0.93));
  const sent = response.length;
  const failures = Math.round(series.reduce((sum, point) => sum + point.failed, 0));
  const statuses = { 200: sent - failures - 3, 404: Math.ceil(failures / 2), 503: Math.floor(failures / 2) };
  const response_time_ms = responseTimes.summary();
  const stepTimes = { p50: response_time_ms.p50, p95: response_time_ms.p95, p99: response_time_ms.p99 };
  return {
    ...{ v: 1, run_id: `0192f0c1-7d3a-7cc0-8a51-${String(seed).padStart(12, "0")}`, scenario: "shop" },
    ...{
      target: "http://127.0.0.1:8000",
      seed: 42,
      tags: { build: "1.4.0" },
      balanced: true,
      verdict: "passed",
    },
    digest: "sha256:9f2c4be1f0a7",
    command: "rushhour simulate shop.yaml --seed 42",
    started_at: "2026-11-21T09:30:00.000Z",
    ended_at: new Date(Date.parse("2026-11-21T09:30:00.000Z") + points * 1_000).toISOString(),
    elapsed_ms: points * 1_000,
    exit_code: 0,
    reason: null,
    counts: {
      ...{ offered: sent, sent, unsent: 0, answered: sent - 3, unanswered: 3 },
      ...{ failed: failures + 3, iterations: Math.ceil(sent / 5) },
    },
    rates: { target: rate, achieved: sent / points, requests: sent / points, unit: "requests" },
    statuses,
    reasons: { "timeout after 10 s": 2, "connection reset": 1 },
    data: { sent_bytes: sent * 130, received_bytes: sent * 2_400 },
    service_time_ms: serviceTimes.summary(),
    response_time_ms,
    waiting_ms: serviceTimes.summary(),
    schedule_delay_ms: { p50: 0.08, p90: 0.2, p95: 0.31, p99: 0.9, p99_9: 2.1, max: 6.4 },
    iteration_duration_ms: { p50: 2_100, p90: 5_200, p95: 7_000, p99: 11_000, p99_9: 14_000, max: 15_100 },
    scenarios: [
      {
        ...{
          name: "shoppers",
          executor: "constant-arrival-rate",
          iterations: Math.ceil(sent / 5),
          dropped: 0,
        },
        ...{ requests: sent, failed: failures + 3, response_time_ms },
      },
    ],
    steps: ["GET /products", "GET /products/:id", "POST /orders", "POST /orders/:id/payment"].map(
      (name, i) => ({
        ...{
          scenario: "shoppers",
          journey: "buy",
          name,
          requests: Math.floor(sent / 2 ** (i + 1)),
          failed: i * 7,
        },
        response_time_ms: { ...stepTimes, max: response_time_ms.max },
      }),
    ),
    checks: [{ name: "the order has a number", passed: 1_204, failed: 3 }],
    thresholds: [
      {
        metric: "http_req_failed",
        expression: "rate<0.02",
        value: 0.0121,
        passed: true,
        aborted: false,
        reason: null,
      },
    ],
    incidents: [],
    events: [],
    ledger: {
      ...{ offered: sent, sent, unsent: 0, answered: sent - 3, answered_without_id: 0, unanswered: 3 },
      ...{ stored: sent - 3, stored_unanswered: 1, dead_lettered: 0, dropped: 0, dropped_by_reason: {} },
      ...{ missing: 0, duplicates: 0, pending: 0 },
    },
    delay_to_row_ms: { p50: 15.6, p99: 29.1, max: 61 },
    series,
    spectrum: { response: responseTimes.spectrum(80), service: serviceTimes.spectrum(80) },
    ...changes,
  };
}

function pointOf(at_s: number, planned: number, times: number[], failed: number, rng: Rng): SeriesPoint {
  const histogram = histogramOf(times);
  const { p50, p95, p99, max } = histogram.summary();
  return {
    ...{ at_s, width_s: 1, planned, sent: times.length, ended: times.length, failed, dropped: 0 },
    ...{ vus: Math.round((times.length * p50) / 1_000) + rng.integer(4), p50, p95, p99, max },
    histogram: histogram.encode(),
  };
}

function histogramOf(times: readonly number[]): LatencyHistogram {
  const histogram = new LatencyHistogram();
  for (const ms of times) histogram.record(ms);
  return histogram;
}

function normal(rng: Rng): number {
  return Math.sqrt(-2 * Math.log(1 - rng.float())) * Math.cos(2 * Math.PI * rng.float());
}
