import type { Level } from "../contract/request-log.ts";
import type { Segment } from "./spool/spool.ts";

export interface BufferedRecord {
  readonly topic: string;
  readonly value: string; // JSON
  readonly bytes: number; // of the value in UTF-8
  readonly level: Level;
  readonly run_id: string | undefined;
  readonly isNumbered: boolean; // false: sent as it is, and no part of the publisher's account
  readonly segment?: Segment | undefined; // where it lies on disk too
}

export interface Batch {
  readonly records: readonly BufferedRecord[];
  readonly topics: ReadonlyMap<string, readonly string[]>; // values by topic
}

export interface RecordBuffer {
  /** Admission is where records are shed: DEBUG from 80 % of the cap, INFO from 90 %, ERROR and CRITICAL at the cap. */
  hasRoomFor(level: Level): boolean;
  add(record: BufferedRecord): void;
  size(): number; // records
  fill(): number; // 0 to 1, of the nearer cap
  hasFullBatch(): boolean;
  /** The oldest records, as many as one send should carry. */
  take(): Batch;
  /** Puts back what was taken last. */
  putBack(batch: Batch): void;
  takeAll(): BufferedRecord[];
}

/** Whether a store that is full to `fill` (0 to 1) still takes records of a level. */
export const hasRoom = (level: Level, fill: number): boolean => fill < SHED_AT[level];

const SHED_AT: Readonly<Record<Level, number>> = { DEBUG: 0.8, INFO: 0.9, ERROR: 1, CRITICAL: 1 };

/** A send may carry so much: below Kafka's 1 MiB a batch, even if all is one topic's. */
const BATCH_RECORDS = 2_000;
const BATCH_BYTES = 640 * 1024;

/**
 * As many records from `from` on as one send should carry, by topic; `to` is where the next batch begins.
 * @param bytesOf a record's value in UTF-8, as Kafka counts: a batch beyond its limit it refuses each time
 */
export function nextBatch<T extends { readonly topic: string; readonly value: string }>(
  records: readonly T[],
  from: number,
  bytesOf: (record: T) => number,
) {
  const topics = new Map<string, string[]>();
  let [to, bytes] = [from, 0];
  while (to < records.length && to - from < BATCH_RECORDS && bytes < BATCH_BYTES) {
    const record = records[to++]!;
    bytes += bytesOf(record);
    const values = topics.get(record.topic);
    if (values) values.push(record.value);
    else topics.set(record.topic, [record.value]);
  }
  return { topics, to, bytes };
}

/** First in, first out, bounded by records and bytes. */
export function createBuffer(cap: { readonly records: number; readonly bytes: number }): RecordBuffer {
  let queue: BufferedRecord[] = [];
  let head = 0;
  let bytes = 0;

  const size = () => queue.length - head;
  const fill = () => Math.max(size() / cap.records, bytes / cap.bytes);

  function take(): Batch {
    const batch = nextBatch(queue, head, (record) => record.bytes);
    const records = queue.slice(head, batch.to);
    head = batch.to;
    bytes -= batch.bytes;
    if (head * 2 >= queue.length) {
      queue = queue.slice(head);
      head = 0;
    }
    return { records, topics: batch.topics };
  }

  return {
    hasRoomFor: (level) => hasRoom(level, fill()),
    add(record) {
      queue.push(record);
      bytes += record.bytes;
    },
    size,
    fill,
    hasFullBatch: () => size() >= BATCH_RECORDS || bytes >= BATCH_BYTES,
    take,
    putBack({ records }) {
      queue = [...records, ...queue.slice(head)];
      head = 0;
      bytes += records.reduce((sum, record) => sum + record.bytes, 0);
    },
    takeAll() {
      const rest = queue.slice(head);
      queue = [];
      head = bytes = 0;
      return rest;
    },
  };
}
