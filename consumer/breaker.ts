import { Gauge } from "prom-client";
import { messageOf } from "../contract/errors.ts";
import type { Logger } from "../contract/logger.ts";
import type { Metrics } from "../contract/metrics.ts";
import type { IngestConnections } from "./connection.ts";
import { datetime, number, text } from "./literals.ts";

export interface BreakerOptions {
  readonly connections: IngestConnections;
  /** Dead letters within a minute that a topic may have; 0: no topic is paused by this consumer. */
  readonly limit: number;
  readonly topics: readonly string[];
  readonly onResumed: (topic: string) => void;
  readonly logger: Logger;
  readonly metrics: Metrics;
}

export interface Breaker {
  /** From now on it looks each second; before, it knows of no pause. */
  open(cluster: string): Promise<void>;
  readonly isPaused: (topic: string) => boolean;
  /** To be called behind a batch with dead letters, so that a flood is stopped after a batch and not after a second. */
  check(): Promise<void>;
  /** The topics that are paused, for `/health`; undefined when none is. */
  warning(): string | undefined;
  close(): void;
}

const LOOK_EVERY_MS = 1_000;
const WINDOW_MS = 60_000;

/** What the consumers of a group have done of a topic since the beginning. */
interface Counts {
  readonly atMs: number; // performance.now()
  readonly dead: number;
  readonly records: number;
}

/** As table `topic_pauses` said last; a time is Unix ms. */
interface Pause {
  readonly topic: string;
  readonly isPaused: boolean;
  readonly dead: number;
  readonly records: number;
  readonly resumedAtMs: number | null;
}

/**
 * Stops reading a topic that has turned to garbage: more than `limit` dead letters, and over half of its records, within a minute.
 * What is read into dead letters can be replayed, but a wrong schema that has eaten a topic for a night is a long repair. The counts
 * are those of all consumers (`ingest_offsets`), and so is the pause: it is a row of `topic_pauses` that every consumer looks
 * up each second, and holds until `rushhour dead-letters resume`.
 */
export function createBreaker(options: BreakerOptions): Breaker {
  const { connections, limit, logger } = options;
  const paused = new Gauge({
    name: "consumer_topic_paused",
    help: "1 while a topic is not read because most of it became dead letters, until rushhour dead-letters resume",
    labelNames: ["topic"],
    registers: [options.metrics.registry],
  });
  for (const topic of options.topics) paused.set({ topic }, 0);
  const windows = new Map<string, Counts[]>(); // by topic, oldest first
  let pauses = new Map<string, Pause>();
  let cluster = "";
  let looks: NodeJS.Timeout | undefined;
  let looking: Promise<void> = Promise.resolve();

  async function look(): Promise<void> {
    const { counts, found } = await connections.use(async (connection) => {
      const [counted, rows] = (await connection.run(`${findCounts(cluster)};\n${findPauses(cluster)}`)) as [
        object[],
        object[],
      ];
      return { counts: countsIn(counted), found: pausesIn(rows) };
    });
    apply(new Map(found.map((pause) => [pause.topic, pause])));
    if (limit === 0) return;
    for (const topic of options.topics) {
      if (pauses.get(topic)?.isPaused) continue;
      const flood = floodOf(topic, counts.get(topic) ?? { dead: 0, records: 0 });
      if (flood) await pause(topic, flood);
    }
  }

  /** Takes over what the table says; a topic that was resumed begins with a new window. */
  function apply(found: Map<string, Pause>): void {
    const before = pauses;
    pauses = found;
    for (const { topic, isPaused, dead, records, resumedAtMs } of found.values()) {
      const known = before.get(topic);
      if (known?.resumedAtMs !== resumedAtMs) windows.delete(topic);
      if (isPaused === (known?.isPaused ?? false)) continue;
      paused.set({ topic }, isPaused ? 1 : 0);
      if (isPaused)
        logger.error(
          { topic, deadLetters: dead, records },
          "paused: most of its records became dead letters within a minute; rushhour dead-letters resume goes on",
        );
      else {
        logger.info({ topic }, "reads on");
        options.onResumed(topic);
      }
    }
  }

  /** Adds to the topic's window. @returns its counts within a minute when they are too many */
  function floodOf(topic: string, now: Omit<Counts, "atMs">): Omit<Counts, "atMs"> | undefined {
    const atMs = performance.now();
    const window = (windows.get(topic) ?? []).filter((counts) => counts.atMs > atMs - WINDOW_MS);
    windows.set(topic, [...window, { ...now, atMs }]);
    const [first] = window;
    if (!first) return undefined;
    const dead = now.dead - first.dead;
    const records = now.records - first.records;
    return dead > limit && dead * 2 > records ? { dead, records } : undefined;
  }

  async function pause(topic: string, counts: Omit<Counts, "atMs">): Promise<void> {
    const sql = insertPause(cluster, topic, counts, pauses.get(topic)?.resumedAtMs ?? null);
    await connections.use(async (connection) => {
      await connection.run(sql);
      const rows = (await connection.run(findPauses(cluster))) as object[];
      apply(new Map(pausesIn(rows).map((found) => [found.topic, found])));
    });
  }

  /** One after the other; while the database does not answer, what was known last holds. */
  function lookInTurn(): Promise<void> {
    looking = looking.then(look).catch((error: unknown) => {
      logger.debug({ reason: messageOf(error) }, "pauses of topics cannot be looked up");
    });
    return looking;
  }

  return {
    async open(of) {
      cluster = of;
      await look();
      looks = setInterval(() => void lookInTurn(), LOOK_EVERY_MS);
    },
    isPaused: (topic) => pauses.get(topic)?.isPaused ?? false,
    check: lookInTurn,
    warning() {
      const all = [...pauses.values()].filter(({ isPaused }) => isPaused);
      if (all.length === 0) return undefined;
      return all
        .map(
          ({ topic, dead, records }) =>
            `${topic} is paused: ${dead} of ${records} records within a minute became dead letters. Look: npx rushhour dead-letters list --topic ${topic}; go on: npx rushhour dead-letters resume ${topic}`,
        )
        .join("; ");
    },
    close: () => clearInterval(looks),
  };
}

const findCounts = (cluster: string) =>
  `SELECT topic, SUM(dead_lettered) AS dead, SUM(rows_in + duplicates + dead_lettered + expired) AS records
     FROM ingest_offsets WHERE cluster = ${text(cluster)} GROUP BY topic`;

function countsIn(rows: readonly object[]): Map<string, { dead: number; records: number }> {
  const counts = rows as { topic: string; dead: unknown; records: unknown }[];
  return new Map(
    counts.map(({ topic, dead, records }) => [topic, { dead: Number(dead), records: Number(records) }]),
  );
}

const findPauses = (cluster: string) =>
  `SELECT topic, dead_letters, records, resumed_at FROM topic_pauses WHERE cluster = ${text(cluster)}`;

function pausesIn(rows: readonly object[]): Pause[] {
  const pauses = rows as {
    topic: string;
    dead_letters: unknown;
    records: unknown;
    resumed_at: Date | null;
  }[];
  return pauses.map(({ topic, dead_letters, records, resumed_at }) => ({
    ...{ topic, isPaused: resumed_at === null, dead: Number(dead_letters), records: Number(records) },
    resumedAtMs: resumed_at?.getTime() ?? null,
  }));
}

/** A pause that somebody has ended since this consumer looked is not begun again with counts from before. */
function insertPause(
  cluster: string,
  topic: string,
  { dead, records }: Omit<Counts, "atMs">,
  resumedAtMs: number | null,
): string {
  const isKnown = resumedAtMs === null ? "FALSE" : `resumed_at = ${datetime(resumedAtMs)}`;
  const set = (column: string) => `${column} = IF(${isKnown}, VALUES(${column}), ${column})`;
  return `INSERT INTO topic_pauses (cluster, topic, paused_at, dead_letters, records)
    VALUES (${text(cluster)}, ${text(topic)}, UTC_TIMESTAMP(3), ${number(dead)}, ${number(records)})
    ON DUPLICATE KEY UPDATE ${["paused_at", "dead_letters", "records", "resumed_at"].map(set).join(", ")}`;
}
