import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { REQUEST_LOG } from "../contract/request-log.ts";
import { createHistory, type HistoryOptions } from "./history.ts";
import type { Incident } from "./synthetic/incidents.ts";

const FROM_MS = Date.UTC(2026, 10, 2, 6, 30, 15, 250); // a Monday
const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

interface Log {
  readonly timestamp: string;
  readonly request_id: string;
  readonly status_code: number;
  readonly response_time_ms: number;
  readonly incident?: string;
}

interface Told {
  readonly incident: Incident;
  readonly endMs: number | undefined;
  readonly affected: number;
}

const isRequestLog = (topic: string) => REQUEST_LOG.topics.includes(topic);

/** A history that is written as it falls due by the (fake) clock. */
function openHistory(options: Partial<HistoryOptions> = {}) {
  const lines: string[] = [];
  const told: Told[] = [];
  const history = createHistory(
    {
      ...{ seed: 1, fromMs: FROM_MS, toMs: FROM_MS + 7 * DAY_MS, volume: { count: 20_000 } },
      onIncident: (incident, _runId, endMs) =>
        told.push({ incident, endMs, affected: incident.requests_affected }),
      ...options,
    },
    { publishJson: ({ topic }, json) => (isRequestLog(topic) && lines.push(json), json) },
  );
  const writeDue = () => {
    while (!history.isDone() && history.isDue()) history.write();
  };
  return { history, lines, told, writeDue, logs: () => lines.map((line) => JSON.parse(line) as Log) };
}

beforeEach(() => {
  vi.useFakeTimers({ now: FROM_MS + 30 * DAY_MS, toFake: ["Date"] });
});
afterEach(() => {
  vi.useRealTimers();
});

const timesOf = (logs: readonly Log[]) => logs.map(({ timestamp }) => Date.parse(timestamp));

describe("a history", () => {
  test("has exactly as many records as asked for, in the order of time, within its bounds", () => {
    const { history, logs, writeDue } = openHistory();
    writeDue();
    expect(history.isDone()).toBe(true);
    const times = timesOf(logs());
    expect(times).toHaveLength(20_000);
    expect(times).toEqual([...times].sort((a, b) => a - b));
    expect(times[0]).toBeGreaterThanOrEqual(FROM_MS);
    expect(times.at(-1)).toBeLessThan(FROM_MS + 7 * DAY_MS);
  });

  test("is the same byte for byte each time, and another for another seed", () => {
    const written = (seed: number) => {
      const { lines, writeDue } = openHistory({ seed, volume: { count: 2_000 } });
      writeDue();
      return lines;
    };
    expect(written(1)).toEqual(written(1));
    expect(written(1)).not.toEqual(written(2));
  });

  test("has as many records as a mean rate says", () => {
    const { history, lines, writeDue } = openHistory({ seed: 3, volume: { meanPerSecond: 0.05 } });
    writeDue();
    expect(Math.abs(lines.length - history.planned)).toBeLessThanOrEqual(1);
    expect(lines.length / (0.05 * 7 * 86_400)).toBeCloseTo(1, 0);
  });

  test("follows the day and the week", () => {
    const { logs, writeDue } = openHistory();
    writeDue();
    const usual = logs().filter(({ incident }) => incident === undefined);
    const perHour = Map.groupBy(timesOf(usual), (ms) => new Date(ms).getUTCHours());
    expect(perHour.get(19)!.length).toBeGreaterThan(3 * perHour.get(7)!.length);
    const perDay = Map.groupBy(timesOf(usual), (ms) => new Date(ms).getUTCDay());
    const [wednesday, saturday] = [perDay.get(3)!.length, perDay.get(6)!.length];
    expect(saturday).toBeLessThan(wednesday * 0.9);
  });
});

describe("incidents", () => {
  test("come about once a day, and their counts are those of the records they touched", () => {
    const { history, told, logs, writeDue } = openHistory({
      ...{ toMs: FROM_MS + 20 * DAY_MS, volume: { count: 60_000 } },
    });
    writeDue();
    history.end();
    const ended = told.filter(({ endMs }) => endMs !== undefined);
    expect(ended.length).toBeGreaterThan(10);
    expect(ended.length).toBeLessThan(32);
    expect(told).toHaveLength(2 * ended.length);
    expect(new Set(ended.map(({ incident }) => incident.kind)).size).toBe(3);

    const touched = Map.groupBy(logs(), ({ incident }) => incident);
    for (const { incident, endMs, affected } of ended) {
      const own = touched.get(incident.id) ?? [];
      expect(own).toHaveLength(affected);
      expect(endMs! - incident.startMs).toBeGreaterThanOrEqual(2 * 60_000);
      expect(endMs! - incident.startMs).toBeLessThanOrEqual(20 * 60_000);
      expect(timesOf(own).every((ms) => ms >= incident.startMs && ms < endMs!)).toBe(true);
      for (const { status_code, response_time_ms } of own) {
        if (incident.kind === "error-burst") expect(status_code).toBe(503);
        if (incident.kind === "slow") expect(response_time_ms).toBeGreaterThan(60);
      }
    }
  });
});

describe("going live", () => {
  const toMs = FROM_MS + 2 * HOUR_MS;
  const options = { toMs, volume: { meanPerSecond: 2 }, liveUntilMs: toMs + HOUR_MS };

  test("writes each record when its time has come, and ends when it shall", () => {
    vi.setSystemTime(toMs);
    const { history, logs, writeDue } = openHistory(options);
    for (let nowMs = toMs; nowMs < toMs + HOUR_MS; nowMs += 10_000) {
      vi.setSystemTime(nowMs);
      writeDue();
      expect(history.isDue()).toBe(false);
      expect(history.atMs).toBeLessThanOrEqual(nowMs);
    }
    vi.setSystemTime(toMs + HOUR_MS);
    writeDue();
    expect(history.isDone()).toBe(true);
    expect(timesOf(logs()).at(-1)).toBeLessThan(toMs + HOUR_MS);
  });

  test("leaves no seam: what was written live is what a history over the whole time has, without a gap or a double second", () => {
    const past = openHistory(options); // all of it lies in the past
    past.writeDue();
    vi.setSystemTime(toMs + 1_234);
    const live = openHistory(options);
    while (!live.history.isDone()) {
      live.writeDue();
      vi.setSystemTime(Date.now() + 777);
    }
    expect(live.lines).toEqual(past.lines);

    const perMinute = Map.groupBy(timesOf(live.logs()), (ms) => Math.floor((ms - toMs) / 60_000));
    const around = [-3, -2, -1, 0, 1, 2].map((minute) => perMinute.get(minute)?.length ?? 0);
    const mean = around.reduce((sum, count) => sum + count, 0) / around.length;
    for (const count of around) {
      expect(count).toBeGreaterThan(mean * 0.6);
      expect(count).toBeLessThan(mean * 1.4);
    }
  });
});
