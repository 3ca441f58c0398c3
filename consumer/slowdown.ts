import { setTimeout as wait } from "node:timers/promises";
import { Gauge } from "prom-client";
import { messageOf } from "../contract/errors.ts";
import type { Logger } from "../contract/logger.ts";
import type { Metrics } from "../contract/metrics.ts";
import { CONSUMER_LAG, MAX_CONSUMER_DELAY_MS, MAX_CONSUMER_LAG_MS } from "../contract/simulation.ts";
import type { IngestConnections } from "./connection.ts";
import { datetime, text } from "./literals.ts";

/** An incident of kind consumer-lag that is on, or will be before the next look. */
interface Lag {
  readonly from_ms: number; // Unix ms
  readonly to_ms: number;
  readonly delay_ms: number;
}

export interface Slowdown {
  /** Waits as long as an incident wants before a batch; ends early when the incident does, or once `isAlive()` is false. */
  beforeBatch(isAlive: () => boolean): Promise<void>;
  close(): void;
}

const LOOK_EVERY_MS = 1_000;
const SLICE_MS = 100; // how late a wait notices that it is over

/**
 * Incidents of kind consumer-lag: the simulator announces them, one consumer stores them, and every consumer of the
 * group looks them up once a second. While the database does not answer, what was known last holds on to its end.
 */
export function watchSlowdown(
  connections: IngestConnections,
  logger: Logger,
  { registry }: Metrics,
): Slowdown {
  let lags: readonly Lag[] = [];
  let looking = false;
  let said = 0; // the delay that the log knows of

  /** Of several incidents the longest delay counts. */
  function delayMs(): number {
    const nowMs = Date.now();
    const on = lags.filter(({ from_ms, to_ms }) => from_ms <= nowMs && nowMs < to_ms);
    return Math.max(0, ...on.map(({ delay_ms }) => delay_ms));
  }

  async function look(): Promise<void> {
    if (!looking) {
      looking = true;
      try {
        lags = await connections.use(async (connection) =>
          lagsIn(await connection.run(findLags(Date.now()))),
        );
      } catch (error) {
        logger.debug({ reason: messageOf(error) }, "incidents cannot be looked up");
      } finally {
        looking = false;
      }
    }
    say();
  }

  function say(): void {
    const delay = delayMs();
    if (delay === said) return;
    if (delay > 0) logger.warn({ delay_ms: delay }, "slowed down by an incident of kind consumer-lag");
    else logger.info("no longer slowed down");
    said = delay;
  }

  new Gauge({
    name: "consumer_slowdown_ms",
    help: "Wait before each batch of request logs that an incident of kind consumer-lag asks for",
    registers: [registry],
    collect() {
      this.set(delayMs());
    },
  });
  const looks = setInterval(() => void look(), LOOK_EVERY_MS);
  void look();

  return {
    async beforeBatch(isAlive) {
      const startMs = performance.now();
      for (;;) {
        const leftMs = startMs + delayMs() - performance.now();
        if (leftMs <= 0 || !isAlive()) return;
        await wait(Math.min(leftMs, SLICE_MS));
      }
    },
    close: () => clearInterval(looks),
  };
}

/** No slowdown, for consumers that shall not take part in incidents. */
export const NO_SLOWDOWN: Slowdown = { beforeBatch: () => Promise.resolve(), close: () => undefined };

/** Only those begun within the longest time allowed are read, so what a lost end leaves behind harms nobody. */
function findLags(nowMs: number): string {
  return `SELECT started_at, COALESCE(ended_at, planned_end_at) AS ends_at, JSON_EXTRACT(intensity, '$.delay_ms') AS delay_ms
     FROM incidents
    WHERE started_at BETWEEN ${datetime(nowMs - MAX_CONSUMER_LAG_MS)} AND ${datetime(nowMs + LOOK_EVERY_MS)}
      AND COALESCE(ended_at, planned_end_at) > ${datetime(nowMs)} AND kind = ${text(CONSUMER_LAG)}`;
}

function lagsIn(result: unknown): Lag[] {
  const rows = result as { started_at: Date; ends_at: Date; delay_ms: unknown }[];
  return rows.map(({ started_at, ends_at, delay_ms }) => ({
    from_ms: started_at.getTime(),
    to_ms: Math.min(ends_at.getTime(), started_at.getTime() + MAX_CONSUMER_LAG_MS),
    delay_ms: Math.min(Number(delay_ms) || 0, MAX_CONSUMER_DELAY_MS),
  }));
}
