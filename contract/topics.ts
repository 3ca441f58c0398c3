import { APP_LOG } from "./app-log.ts";
import { REQUEST_LOG } from "./request-log.ts";
import { SHOP_EVENT } from "./shop-event.ts";
import { UI_EVENT } from "./ui-event.ts";

/** Copies of each partition, on as many brokers: a number, or as many as there are brokers, up to 3. */
export type Replication = number | "auto";

export interface Topic {
  readonly name: string;
  /** As many it gets when it is new. */
  readonly partitions: number;
  /** Whether an existing topic with fewer partitions gets more; otherwise it stays as it is. */
  readonly grows: boolean;
  readonly replication: Replication;
  readonly retentionMs: number;
  readonly retentionBytes: number; // per partition, as Kafka counts it
}

const DAY_MS = 86_400_000;
const GIB = 2 ** 30;

/** Absolute counts of each publisher (see publisher-status.ts). */
export const PUBLISHER_STATUS_TOPIC = "publisher-status";

/** Runs of the simulator and their incidents (see simulation.ts). */
export const SIMULATIONS_TOPIC = "simulations";

/** What people changed (see audit.ts). */
export const AUDIT_TOPIC = "audit";
/** Copies of dead letters, for whoever wants them as a stream; the table is the truth. */
export const DEAD_LETTERS_TOPIC = "dead-letters";

/** Topics of the further kinds of record; one more is added at the end. */
const FURTHER_TOPICS: readonly string[] = [...APP_LOG.topics, ...UI_EVENT.topics, ...SHOP_EVENT.topics];

/** The topics of every kind of record that publishers number. */
export const RECORD_TOPICS: readonly string[] = [...REQUEST_LOG.topics, ...FURTHER_TOPICS];

const REQUEST_LOG_PARTITIONS = 6;
const PARTITIONS = 3;

/**
 * Every topic of the pipeline, each kept for 7 days and up to 1 GiB.
 * @param partitions of the request-log topics; existing ones that have fewer get more. Not given: 6 for new ones
 */
export function allTopics(partitions?: number, replication: Replication = "auto"): Topic[] {
  const topic = (name: string, count: number, grows = false): Topic => ({
    ...{ name, partitions: count, grows, replication },
    retentionMs: 7 * DAY_MS,
    retentionBytes: Math.floor(GIB / count),
  });
  return [
    ...REQUEST_LOG.topics.map((name) =>
      topic(name, partitions ?? REQUEST_LOG_PARTITIONS, partitions !== undefined),
    ),
    ...FURTHER_TOPICS.map((name) => topic(name, PARTITIONS)),
    topic(PUBLISHER_STATUS_TOPIC, 1),
    topic(SIMULATIONS_TOPIC, 1), // one partition: in the order of the run
    topic(AUDIT_TOPIC, 1),
    topic(DEAD_LETTERS_TOPIC, 1),
  ];
}
