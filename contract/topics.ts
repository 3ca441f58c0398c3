import type { Level } from "./request-log.ts";

export interface Topic {
  readonly name: string;
  readonly partitions: number;
  readonly retentionMs: number;
  readonly retentionBytes: number; // per partition, as Kafka counts it
}

const DAY_MS = 86_400_000;
const GIB = 2 ** 30;

/** The topic of each level: the three request-log topics. */
export const TOPIC_OF_LEVEL: Readonly<Record<Level, string>> = {
  DEBUG: "debug-logs",
  INFO: "info-logs",
  ERROR: "error-logs",
  CRITICAL: "error-logs",
};

export const REQUEST_LOG_TOPICS = ["info-logs", "error-logs", "debug-logs"] as const;

/** Absolute counts of each publisher (see publisher-status.ts). */
export const PUBLISHER_STATUS_TOPIC = "publisher-status";

/** Runs of the simulator and their incidents (see simulation.ts). */
export const SIMULATIONS_TOPIC = "simulations";

/** Every topic of the pipeline: 7 days and 1 GiB unless configured otherwise. */
export function allTopics(partitions: number): Topic[] {
  const topic = (name: string, count: number): Topic => ({
    name,
    partitions: count,
    retentionMs: 7 * DAY_MS,
    retentionBytes: Math.floor(GIB / count),
  });
  return [
    ...REQUEST_LOG_TOPICS.map((name) => topic(name, partitions)),
    topic(PUBLISHER_STATUS_TOPIC, 1),
    topic(SIMULATIONS_TOPIC, 1), // one partition: in the order of the run
  ];
}
