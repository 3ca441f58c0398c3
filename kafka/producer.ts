import type { ICustomPartitioner, Producer } from "kafkajs";
import { METADATA_MAX_AGE_MS, type Kafka } from "./client.ts";
import { connected } from "./connected.ts";
import { clearly } from "./refusal.ts";

/** Record values to append to each topic. */
export type TopicBatches = ReadonlyMap<string, readonly string[]>;

/** A record with more than a value. */
export interface KeyedRecord {
  readonly key: string | Buffer | null;
  readonly value: Buffer | null;
  readonly headers: Readonly<Record<string, string>>;
}

export interface BatchProducer {
  /**
   * Appends all batches with one request a broker; resolves when every in-sync replica has them. One call at a time.
   * After a failure some may have been appended: sending the same again can store a record twice in Kafka, which the
   * identity of the record undoes in SQL.
   * @throws whatever kept Kafka from taking them; the same batches can be sent again
   */
  send(batches: ReadonlyMap<string, readonly (string | KeyedRecord)[]>): Promise<void>;
  close(): Promise<void>;
}

/**
 * Sends records to one topic in as few batches as it takes: Kafka bounds a batch, not only a record.
 * @param alone what becomes of one that is too large by itself; by default the error is thrown
 */
export async function sendInPieces(
  producer: BatchProducer,
  topic: string,
  records: readonly KeyedRecord[],
  alone?: (record: KeyedRecord) => Promise<void>,
): Promise<void> {
  try {
    await producer.send(new Map([[topic, records]]));
  } catch (error) {
    const [first] = records;
    const isTooLarge = (error as { type?: unknown }).type === "MESSAGE_TOO_LARGE";
    if (!isTooLarge || !first) throw error;
    if (records.length === 1) {
      if (!alone) throw error;
      await alone(first);
      return;
    }
    const middle = Math.floor(records.length / 2);
    await sendInPieces(producer, topic, records.slice(0, middle), alone);
    await sendInPieces(producer, topic, records.slice(middle), alone);
  }
}

/**
 * An idempotent producer that is replaced after every failure: kafkajs cannot go on after a sequence error, and a
 * new producer id is cheap. Each batch goes to one partition, the next batch to the next: few large record batches
 * rather than many small ones.
 */
export function createBatchProducer(kafka: Kafka): BatchProducer {
  let current: Promise<Producer> | undefined;
  let turn = 0;

  const partitioner: ICustomPartitioner =
    () =>
    ({ partitionMetadata }) => {
      const led = partitionMetadata.filter((partition) => partition.leader >= 0);
      const candidates = led.length > 0 ? led : partitionMetadata;
      return candidates[turn % candidates.length]?.partitionId ?? 0;
    };

  const open = (): Promise<Producer> =>
    connected(
      kafka.producer({
        idempotent: true,
        maxInFlightRequests: 1,
        createPartitioner: partitioner,
        metadataMaxAge: METADATA_MAX_AGE_MS,
        allowAutoTopicCreation: false,
      }),
    );

  async function discard(): Promise<void> {
    const producer = current;
    current = undefined;
    await producer?.then((opened) => opened.disconnect()).catch(() => undefined); // it has failed already
  }

  return {
    async send(batches) {
      try {
        const producer = await (current ??= open());
        turn++;
        await producer.sendBatch({
          acks: -1,
          timeout: 10_000,
          topicMessages: Array.from(batches, ([topic, values]) => ({
            topic,
            messages: values.map((value) => (typeof value === "string" ? { value } : value)),
          })),
        });
      } catch (error) {
        await discard();
        throw clearly(error, kafka.servers);
      }
    },
    close: discard,
  };
}
