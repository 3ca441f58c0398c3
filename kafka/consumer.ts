import { setTimeout as wait } from "node:timers/promises";
import type { Batch, Consumer, EachBatchPayload } from "kafkajs";
import { messageOf } from "../contract/errors.ts";
import type { Logger } from "../contract/logger.ts";
import { originIn, type ReceivedRecord } from "../contract/record.ts";
import { METADATA_MAX_AGE_MS, type Kafka } from "./client.ts";
import { createMembership } from "./membership.ts";
import { clearly } from "./refusal.ts";

export interface TopicPartition {
  readonly topic: string;
  readonly partition: number;
}

/** Records of one partition, next to each other in the log. */
export interface PartitionBatch {
  readonly topic: string;
  readonly partition: number;
  readonly start: bigint; // the position they follow
  readonly end: bigint; // the position once they are stored
  readonly records: readonly ReceivedRecord[]; // start <= offset < end, rising
  readonly highWatermark: bigint; // end of the log when they were fetched
}

/** What decides where to read and when to go on: the store, not Kafka. */
export interface PositionKeeper {
  /** Where this partition is to be read on. May wait for the store; called on assignment and whenever the log did not fit. */
  position(topic: string, partition: number): Promise<bigint>;
  /**
   * Stores a batch and resolves with the position after it: `batch.end`, or another one when somebody else went ahead. May
   * take as long as an outage lasts; gives up by throwing once `isAlive()` is false.
   */
  store(batch: PartitionBatch, isAlive: () => boolean): Promise<bigint>;
  /** Whether a topic is not to be read for now; asked before each batch, until {@link GroupMember.resume}. */
  isPaused(topic: string): boolean;
}

export interface GroupOptions {
  readonly kafka: Kafka;
  readonly cluster: string;
  readonly group: string;
  readonly topics: readonly string[];
  readonly keeper: PositionKeeper;
  readonly concurrency: number; // partitions stored at once
  readonly logger: Logger;
  /** Called after each rebalance with the partitions this member holds. */
  readonly onAssigned: (partitions: readonly TopicPartition[]) => void;
  /** The group cannot go on (kafkajs has stopped); the process should end. */
  readonly onCrash: (error: Error) => void;
}

export interface GroupMember {
  /** Reads a topic on that was paused. */
  resume(topic: string): void;
  /** Finishes what is being stored, leaves the group. */
  close(): Promise<void>;
}

/** Of one fetch. A full topic is read in pieces that make large transactions, which the rollups need: their cells grow slower than rows. */
const FETCH_BYTES = 48 * 2 ** 20;
const FETCH_BYTES_PER_PARTITION = 8 * 2 ** 20;

const CLOSE_MS = 5_000;
const REJOIN_MS = 500;

/** Bound the transaction: either is reached first. Some 5 MB of SQL; MariaDB takes 16 MiB by default. */
const MAX_RECORDS_PER_STORE = 8_000;
const MAX_BYTES_PER_STORE = 4 * 2 ** 20;

/**
 * Joins a consumer group whose positions the keeper holds. Kafka's committed offsets follow the keeper's, so that the lag
 * other tools show is true, and are never read: on assignment each partition is sought to the keeper's position, and a
 * batch that begins elsewhere is not stored.
 */
export async function joinGroup(options: GroupOptions): Promise<GroupMember> {
  const { kafka, group, topics, keeper, logger } = options;
  const membership = createMembership(group, kafka.clientId);
  const consumer = kafka.consumer({
    groupId: group,
    partitionAssigners: [membership.assigner],
    sessionTimeout: 6_000,
    rebalanceTimeout: 10_000,
    heartbeatInterval: 1_000,
    maxWaitTimeInMs: 300, // heartbeats go out between fetches
    maxBytesPerPartition: FETCH_BYTES_PER_PARTITION,
    maxBytes: FETCH_BYTES,
    allowAutoTopicCreation: false,
    metadataMaxAge: METADATA_MAX_AGE_MS,
    retry: {
      initialRetryTime: 100,
      maxRetryTime: 1_000,
      retries: 5,
      restartOnFailure: () => membership.end().then(() => true),
    },
  });
  const positions = new Positions(keeper);

  consumer.on(consumer.events.GROUP_JOIN, ({ payload }) => {
    membership.began(payload.memberId);
    const assigned = Object.entries(payload.memberAssignment).flatMap(([topic, partitions]) =>
      partitions.map((partition) => ({ topic, partition })),
    );
    positions.forgetAll();
    for (const { topic, partition } of assigned) {
      void seekToPosition(consumer, positions, topic, partition).catch((error: unknown) => {
        logger.debug({ topic, partition, error }, "not sought; the first batch will be");
      });
    }
    options.onAssigned(assigned);
  });
  let isClosed = false;
  consumer.on(consumer.events.CRASH, ({ payload }) => {
    const mayRejoin = isCoordinatorAway(payload.error);
    if (!payload.restart && !mayRejoin) options.onCrash(payload.error);
    else logger.warn({ reason: payload.error.message }, "consumer restarts after an error");
    if (!payload.restart && mayRejoin) void rejoin();
  });

  async function begin(): Promise<void> {
    await consumer.connect();
    await membership.endThoseGone(consumer);
    await consumer.subscribe({ topics: [...topics], fromBeginning: true });
    await consumer.run({
      autoCommit: false,
      eachBatchAutoResolve: false,
      partitionsConsumedConcurrently: options.concurrency,
      eachBatch: (payload) => takeBatch(payload, consumer, positions, options),
    });
  }

  async function rejoin(): Promise<void> {
    for (;;) {
      await wait(REJOIN_MS);
      await membership.end();
      if (isClosed) return;
      try {
        await begin();
        return;
      } catch (error) {
        logger.debug({ reason: messageOf(error) }, "the group cannot be joined yet");
        await consumer.disconnect().catch(() => undefined);
      }
    }
  }

  try {
    await begin();
  } catch (error) {
    await consumer.disconnect().catch(() => undefined); // the caller tries again, with a consumer of its own
    throw clearly(error, kafka.servers);
  }

  return {
    resume: (topic) => consumer.resume([{ topic }]),
    async close() {
      isClosed = true;
      membership.close();
      // kafkajs tries on while Kafka is away; the group finds out by itself.
      await Promise.race([consumer.disconnect(), wait(CLOSE_MS, undefined, { ref: false })]);
    },
  };
}

/** kafkajs looks for the group's coordinator five times and then calls that the end; a network that is away for longer comes back too. */
function isCoordinatorAway(error: Error): boolean {
  const { cause } = error as { cause?: unknown };
  return (
    error.name === "KafkaJSGroupCoordinatorNotFound" || (cause instanceof Error && isCoordinatorAway(cause))
  );
}

async function seekToPosition(
  consumer: Consumer,
  positions: Positions,
  topic: string,
  partition: number,
): Promise<void> {
  const position = await positions.of(topic, partition);
  consumer.seek({ topic, partition, offset: String(position) });
  await commit(consumer, topic, partition, position);
}

async function takeBatch(
  payload: EachBatchPayload,
  consumer: Consumer,
  positions: Positions,
  { keeper, cluster, logger }: GroupOptions,
): Promise<void> {
  const { batch } = payload;
  const { topic, partition } = batch;
  const isAlive = () => payload.isRunning() && !payload.isStale();
  const readFrom = (position: bigint) => consumer.seek({ topic, partition, offset: String(position) });
  const beat = setInterval(() => void payload.heartbeat().catch(() => undefined), 1_000); // a rebalance shows in isAlive()
  try {
    const position = await fittingPosition(batch, positions);
    if (position === undefined) {
      readFrom(await positions.of(topic, partition));
      return;
    }
    for (const part of partsOf(batch, position, cluster)) {
      if (!isAlive()) return;
      if (keeper.isPaused(topic)) {
        consumer.pause([{ topic }]);
        readFrom(part.start); // once it goes on
        return;
      }
      const stored = await keeper.store(part, isAlive);
      positions.set(topic, partition, stored);
      if (stored !== part.end) {
        logger.warn(
          { topic, partition, expected: String(part.end), position: String(stored) },
          "overtaken; reads on there",
        );
        readFrom(stored);
        return;
      }
      payload.resolveOffset(String(stored - 1n)); // only now may Kafka's offset move
      await commit(consumer, topic, partition, stored);
    }
  } catch (error) {
    if (isAlive()) throw error; // otherwise the partition is somebody else's by now
  } finally {
    clearInterval(beat);
  }
}

/** The keeper's position when the batch goes on from there; undefined when the log has to be read from elsewhere. */
async function fittingPosition(batch: Batch, positions: Positions): Promise<bigint | undefined> {
  const { topic, partition } = batch;
  const first = BigInt(batch.firstOffset() ?? batch.lastOffset());
  let position = await positions.of(topic, partition);
  if (first > position && !positions.wasSought(topic, partition, position)) {
    position = await positions.reload(topic, partition); // the log may have lost what stood before
    if (first > position) {
      positions.sought(topic, partition, position);
      return undefined;
    }
  }
  return position <= BigInt(batch.lastOffset()) ? position : undefined;
}

/** Kafka's copy of the position, for lag tools only: a failure is the next batch's to mend. */
async function commit(consumer: Consumer, topic: string, partition: number, position: bigint): Promise<void> {
  await consumer.commitOffsets([{ topic, partition, offset: String(position) }]).catch(() => undefined);
}

/** The batch from `position` on, in pieces of a transaction's size. */
function* partsOf(batch: Batch, position: bigint, cluster: string): Generator<PartitionBatch> {
  const { topic, partition } = batch;
  const records = batch.messages
    .map(({ offset, timestamp, key, value, headers }) => ({
      ...{ cluster, topic, partition, key, value },
      offset: BigInt(offset),
      timeMs: Number(timestamp),
      ...originIn(headers),
    }))
    .filter(({ offset }) => offset >= position);
  let start = position;
  for (let i = 0; i < records.length;) {
    let bytes = 0;
    let next = i;
    while (next < records.length && next - i < MAX_RECORDS_PER_STORE && bytes < MAX_BYTES_PER_STORE)
      bytes += records[next++]!.value?.length ?? 0;
    const part = records.slice(i, next);
    // Behind the last record there may be control records, which nobody is given.
    const end = 1n + (next >= records.length ? BigInt(batch.lastOffset()) : part.at(-1)!.offset);
    yield { topic, partition, start, end, records: part, highWatermark: BigInt(batch.highWatermark) };
    start = end;
    i = next;
  }
}

/** Positions of the partitions held in this generation of the group. */
class Positions {
  readonly #known = new Map<string, Promise<bigint>>();
  readonly #sought = new Map<string, bigint>();
  readonly #keeper: PositionKeeper;

  constructor(keeper: PositionKeeper) {
    this.#keeper = keeper;
  }

  of(topic: string, partition: number): Promise<bigint> {
    return this.#known.get(`${topic}/${partition}`) ?? this.reload(topic, partition);
  }

  reload(topic: string, partition: number): Promise<bigint> {
    const position = this.#keeper.position(topic, partition);
    this.#known.set(`${topic}/${partition}`, position);
    return position;
  }

  set(topic: string, partition: number, position: bigint): void {
    this.#known.set(`${topic}/${partition}`, Promise.resolve(position));
  }

  /** Remembers a seek: if the log still begins later, the offsets between hold no records (compaction, transactions). */
  sought(topic: string, partition: number, position: bigint): void {
    this.#sought.set(`${topic}/${partition}`, position);
  }

  wasSought(topic: string, partition: number, position: bigint): boolean {
    return this.#sought.get(`${topic}/${partition}`) === position;
  }

  forgetAll(): void {
    this.#known.clear();
    this.#sought.clear();
  }
}
