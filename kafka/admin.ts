import type { Admin, Kafka } from "kafkajs";
import type { Topic } from "../contract/topics.ts";

/** First and next offset of a partition's log. */
export interface LogRange {
  readonly partition: number;
  readonly start: bigint;
  readonly end: bigint;
}

export interface TopicDescription {
  readonly name: string;
  readonly partitions: number;
  readonly records: bigint; // between start and end of all partitions
}

export interface KafkaAdmin {
  /** Identity of the cluster: positions in SQL are only good for the cluster they were read from. */
  clusterId(): Promise<string>;
  /** Creates those that are missing with their partitions and retention; leaves the others as they are. @returns names created */
  createTopics(topics: readonly Topic[]): Promise<string[]>;
  describeTopics(): Promise<TopicDescription[]>;
  logRanges(topic: string): Promise<LogRange[]>;
  close(): Promise<void>;
}

export async function connectAdmin(kafka: Kafka): Promise<KafkaAdmin> {
  const admin = kafka.admin();
  await admin.connect();
  return {
    clusterId: async () => (await admin.describeCluster()).clusterId,
    createTopics: (topics) => createMissing(admin, topics),
    async describeTopics() {
      const { topics } = await admin.fetchTopicMetadata();
      const described = topics.map(async ({ name, partitions }) => {
        const ranges = await logRanges(admin, name);
        return {
          name,
          partitions: partitions.length,
          records: ranges.reduce((n, { start, end }) => n + end - start, 0n),
        };
      });
      return (await Promise.all(described)).sort((a, b) => a.name.localeCompare(b.name));
    },
    logRanges: (topic) => logRanges(admin, topic),
    close: () => admin.disconnect(),
  };
}

async function createMissing(admin: Admin, topics: readonly Topic[]): Promise<string[]> {
  const existing = new Set(await admin.listTopics());
  const missing = topics.filter(({ name }) => !existing.has(name));
  if (missing.length === 0) return [];
  await admin.createTopics({
    waitForLeaders: true,
    timeout: 15_000,
    topics: missing.map(({ name, partitions, retentionMs, retentionBytes }) => ({
      topic: name,
      numPartitions: partitions,
      configEntries: [
        { name: "retention.ms", value: String(retentionMs) },
        { name: "retention.bytes", value: String(retentionBytes) },
      ],
    })),
  });
  return missing.map(({ name }) => name);
}

async function logRanges(admin: Admin, topic: string): Promise<LogRange[]> {
  const offsets = await admin.fetchTopicOffsets(topic);
  return offsets
    .map(({ partition, low, high }) => ({ partition, start: BigInt(low), end: BigInt(high) }))
    .sort((a, b) => a.partition - b.partition);
}
