import { setTimeout as wait } from "node:timers/promises";
import type { Admin, ITopicMetadata } from "kafkajs";
import { RushhourError } from "../contract/errors.ts";
import type { Replication, Topic } from "../contract/topics.ts";
import type { Kafka } from "./client.ts";
import { connected } from "./connected.ts";
import { clearly } from "./refusal.ts";

/** First and next offset of a partition's log. */
export interface LogRange {
  readonly partition: number;
  readonly start: bigint;
  readonly end: bigint;
}

export interface TopicDescription {
  readonly name: string;
  readonly partitions: number;
  /** Copies of each partition, the fewest where they differ. */
  readonly replication: number;
  /** Partitions whose copies are all up to date. */
  readonly inSync: number;
  readonly records: bigint; // between start and end of all partitions
}

/** Names of the topics that were changed. */
export interface TopicChanges {
  readonly created: readonly string[];
  readonly grown: readonly string[];
}

export interface KafkaAdmin {
  /** Identity of the cluster: positions in SQL are only good for the cluster they were read from. */
  clusterId(): Promise<string>;
  /**
   * Creates those that are missing, adds partitions to those that shall grow, leaves the others as they are. What the
   * new partitions hold is read from its beginning by consumers that run already.
   * @throws RushhourError CONFIG_INVALID naming everything that cannot be done; nothing was changed then
   */
  createTopics(topics: readonly Topic[]): Promise<TopicChanges>;
  topicNames(): Promise<string[]>;
  describeTopics(): Promise<TopicDescription[]>;
  logRanges(topic: string): Promise<LogRange[]>;
  close(): Promise<void>;
}

/** @throws RushhourError CONFIG_INVALID when Kafka refuses us or we refuse its certificate; what kafkajs says when it is away */
export async function connectAdmin(kafka: Kafka): Promise<KafkaAdmin> {
  const admin = await connected(kafka.admin()).catch((error: unknown) => {
    throw clearly(error, kafka.servers);
  });
  const rangesOf = inTurn((topic) => logRanges(admin, topic));
  return {
    clusterId: async () => (await admin.describeCluster()).clusterId,
    createTopics: (topics) => createTopics(admin, topics),
    topicNames: () => admin.listTopics(),
    async describeTopics() {
      const { topics } = await admin.fetchTopicMetadata();
      const described = await Promise.all(topics.map((topic) => describe(topic, rangesOf)));
      return described.sort((a, b) => a.name.localeCompare(b.name));
    },
    logRanges: rangesOf,
    close: () => admin.disconnect(),
  };
}

async function describe(
  { name, partitions }: ITopicMetadata,
  rangesOf: (topic: string) => Promise<LogRange[]>,
): Promise<TopicDescription> {
  const ranges = await rangesOf(name);
  return {
    name,
    partitions: partitions.length,
    replication: replicationOf(partitions),
    inSync: partitions.filter(({ isr, replicas }) => isr.length === replicas.length).length,
    records: ranges.reduce((n, { start, end }) => n + end - start, 0n),
  };
}

const replicationOf = (partitions: ITopicMetadata["partitions"]) =>
  Math.min(...partitions.map(({ replicas }) => replicas.length));

/** Enough copies for one broker to be lost, whatever the number of brokers. */
const AUTO_REPLICATION = 3;
const TIMEOUT_MS = 15_000;

async function createTopics(admin: Admin, topics: readonly Topic[]): Promise<TopicChanges> {
  const { brokers } = await admin.describeCluster();
  const { topics: found } = await admin.fetchTopicMetadata();
  const existing = new Map(found.map(({ name, partitions }) => [name, partitions]));
  const problems = topics.flatMap((topic) => problemsOf(topic, existing.get(topic.name), brokers.length));
  if (problems.length > 0) {
    throw new RushhourError(
      "CONFIG_INVALID",
      `topics cannot be as asked:\n${[...new Set(problems)].map((p) => `  ${p}`).join("\n")}`,
    );
  }
  const missing = topics.filter(({ name }) => !existing.has(name));
  if (missing.length > 0) {
    await admin.createTopics({
      waitForLeaders: true,
      timeout: TIMEOUT_MS,
      topics: missing.map((topic) => configOf(topic, brokers.length)),
    });
  }
  const growing = topics.filter(
    ({ name, grows, partitions }) => grows && partitions > (existing.get(name)?.length ?? partitions),
  );
  if (growing.length > 0) {
    await admin.createPartitions({
      timeout: TIMEOUT_MS,
      topicPartitions: growing.map(({ name, partitions }) => ({ topic: name, count: partitions })),
    });
  }
  return { created: missing.map(({ name }) => name), grown: growing.map(({ name }) => name) };
}

/** What keeps this topic from being as asked. */
function problemsOf(
  { name, partitions, grows, replication }: Topic,
  existing: ITopicMetadata["partitions"] | undefined,
  brokers: number,
): string[] {
  if (existing === undefined) {
    if (replication === "auto" || replication <= brokers) return [];
    return [
      `replication ${replication} needs as many brokers, and ${brokers === 1 ? "only 1 answers" : `only ${brokers} answer`}: start more, or set KAFKA_REPLICATION=auto`,
    ];
  }
  const problems: string[] = [];
  if (grows && partitions < existing.length) {
    problems.push(
      `${name} has ${existing.length} partitions, and Kafka never takes any away: ask for ${existing.length} or more, not ${partitions}`,
    );
  }
  if (replication !== "auto" && replication !== replicationOf(existing)) {
    problems.push(
      `${name} has replication ${replicationOf(existing)}, not ${replication}: Kafka's own kafka-reassign-partitions.sh copies an existing topic to other brokers`,
    );
  }
  return problems;
}

function configOf({ name, partitions, replication, retentionMs, retentionBytes }: Topic, brokers: number) {
  const replicationFactor = copiesOf(replication, brokers);
  return {
    ...{ topic: name, numPartitions: partitions, replicationFactor },
    configEntries: [
      { name: "retention.ms", value: String(retentionMs) },
      { name: "retention.bytes", value: String(retentionBytes) },
      // Acknowledged by two: the loss of one broker loses nothing, and with three copies it stops nothing either.
      { name: "min.insync.replicas", value: replicationFactor >= 3 ? "2" : "1" },
    ],
  };
}

const copiesOf = (replication: Replication, brokers: number) =>
  replication === "auto" ? Math.min(AUTO_REPLICATION, brokers) : replication;

/**
 * One question at a time, because kafkajs mixes up several about topics that are new to it. Who asks while the same
 * question still waits for its turn shares its answer: a member that is assigned many partitions asks once or twice a topic.
 */
function inTurn<T>(ask: (topic: string) => Promise<T>): (topic: string) => Promise<T> {
  const waiting = new Map<string, Promise<T>>();
  let last: Promise<unknown> = Promise.resolve();
  return (topic) => {
    const same = waiting.get(topic);
    if (same) return same;
    const answer = last.then(() => {
      waiting.delete(topic);
      return ask(topic);
    });
    waiting.set(topic, answer);
    last = answer.catch(() => undefined);
    return answer;
  };
}

async function logRanges(admin: Admin, topic: string): Promise<LogRange[]> {
  const offsets = await whileLeadersMove(() => admin.fetchTopicOffsets(topic));
  return offsets
    .map(({ partition, low, high }) => ({ partition, start: BigInt(low), end: BigInt(high) }))
    .sort((a, b) => a.partition - b.partition);
}

/** A new topic is led within milliseconds, a lost broker's partitions by others after 3 s (9 s as Kafka comes). */
const LEADERS_MOVE_MS = 10_000;

const MOVING: ReadonlySet<unknown> = new Set(["NOT_LEADER_FOR_PARTITION", "LEADER_NOT_AVAILABLE"]);

/** kafkajs gives up at once where a broker does not lead a partition yet, or no longer. */
async function whileLeadersMove<T>(work: () => Promise<T>): Promise<T> {
  const endMs = performance.now() + LEADERS_MOVE_MS;
  for (;;) {
    try {
      return await work();
    } catch (error) {
      const isMoving = MOVING.has((error as { type?: unknown }).type);
      if (!isMoving || performance.now() > endMs) throw error;
      await wait(100);
    }
  }
}
