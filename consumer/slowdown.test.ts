import { pino } from "pino";
import { describe, expect, onTestFinished, test, vi } from "vitest";
import { createMetrics } from "../contract/metrics.ts";
import type { IngestConnections } from "./connection.ts";
import { watchSlowdown } from "./slowdown.ts";

const MINUTE_MS = 60_000;

interface LagRow {
  started_at: Date;
  ends_at: Date;
  delay_ms: unknown;
}

const lag = (delay_ms: unknown, fromMs = -1_000, toMs = MINUTE_MS): LagRow => {
  return { started_at: new Date(Date.now() + fromMs), ends_at: new Date(Date.now() + toMs), delay_ms };
};

/** Looks at what `rows` gives, as if the database had said it. */
function watch(rows: () => LagRow[]) {
  const connections: IngestConnections = {
    use: (work) => work({ run: () => Promise.resolve().then(rows) }),
    count: () => 1,
    close: () => Promise.resolve(),
  };
  const lines: string[] = [];
  const logger = pino({ level: "info" }, { write: (line: string) => void lines.push(line) });
  const metrics = createMetrics();
  const slowdown = watchSlowdown(connections, logger, metrics);
  onTestFinished(() => slowdown.close());
  const gauge = async () => {
    const metric = await metrics.registry.getSingleMetric("consumer_slowdown_ms")!.get();
    return metric.values[0]!.value;
  };
  return { slowdown, gauge, lines };
}

const alive = () => true;

describe("a slowdown", () => {
  test("waits for nothing while no incident is on", async () => {
    const { slowdown, gauge, lines } = watch(() => [
      lag(10_000, -2 * MINUTE_MS, -MINUTE_MS),
      lag(10_000, MINUTE_MS),
    ]);
    await vi.waitFor(async () => expect(await gauge()).toBe(0));
    await slowdown.beforeBatch(alive);
    expect(lines).toEqual([]);
  });

  test("of several incidents is the longest, at most ten seconds, and said once", async () => {
    const { gauge, lines } = watch(() => [lag("200"), lag(60_000), lag(null)]);
    await vi.waitFor(async () => expect(await gauge()).toBe(10_000));
    expect(lines).toHaveLength(1);
    expect(JSON.parse(lines[0]!)).toMatchObject({ level: 40, delay_ms: 10_000 });
  });

  test("ends in the middle of a wait when the incident does", async () => {
    let rows = [lag(10_000)];
    const { slowdown, gauge, lines } = watch(() => rows);
    await vi.waitFor(async () => expect(await gauge()).toBe(10_000));
    const waiting = slowdown.beforeBatch(alive);
    rows = [];
    await waiting; // after ten seconds the test would have failed
    expect(await gauge()).toBe(0);
    expect(lines.map((line) => (JSON.parse(line) as { msg: string }).msg)).toEqual([
      "slowed down by an incident of kind consumer-lag",
      "no longer slowed down",
    ]);
  });

  test("ends in the middle of a wait when the partition is lost or the consumer closes", async () => {
    const { slowdown, gauge } = watch(() => [lag(10_000)]);
    await vi.waitFor(async () => expect(await gauge()).toBe(10_000));
    let isAlive = true;
    const waiting = slowdown.beforeBatch(() => isAlive);
    isAlive = false;
    await waiting;
  });

  test("goes on with what was known while the database is away, and no longer than the incident", async () => {
    let looks = 0;
    const { slowdown, gauge } = watch(() => {
      if (looks++ > 0) throw new Error("connect ECONNREFUSED");
      return [lag(10_000, -1_000, 1_500)];
    });
    await vi.waitFor(async () => expect(await gauge()).toBe(10_000));
    await slowdown.beforeBatch(alive);
    expect(looks).toBeGreaterThan(1);
    expect(await gauge()).toBe(0);
  });
});
