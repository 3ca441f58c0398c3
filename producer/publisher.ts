import { hostname } from "node:os";
import { setTimeout as wait } from "node:timers/promises";
import { Counter, Gauge } from "prom-client";
import { v4 as uuidv4 } from "uuid";
import { messageOf } from "../contract/errors.ts";
import { createLogger, type Logger } from "../contract/logger.ts";
import { createMetrics, type Metrics } from "../contract/metrics.ts";
import type { PublisherStatus } from "../contract/publisher-status.ts";
import type { Level, RequestLog } from "../contract/request-log.ts";
import { PUBLISHER_STATUS_TOPIC, TOPIC_OF_LEVEL } from "../contract/topics.ts";
import type { DependencyState } from "../contract/status.ts";
import { createKafka } from "../kafka/client.ts";
import { createBatchProducer } from "../kafka/producer.ts";
import { createBuffer, type Batch, type BufferedRecord } from "./buffer.ts";
import { createDrops } from "./drops.ts";
import type { Publish } from "./publish.ts";

export interface PublisherOptions {
  readonly brokers: readonly string[]; // host:port
  readonly service: string;
  readonly instance?: string | undefined; // default: the host's name
  /** Default: JSON lines on standard error, from LOG_LEVEL up. */
  readonly logger?: Logger;
  /** Default: a registry of its own, which nobody scrapes. */
  readonly metrics?: Metrics;
  /** Records held while Kafka is slow or away, at most; also at most 64 MiB. */
  readonly bufferRecords?: number;
}

export interface Publisher {
  readonly publish: Publish;
  /**
   * As `publish`, for a record of no run whose JSON text is ready.
   * @returns what goes to Kafka, with source and number; undefined when it was dropped
   */
  readonly publishJson: (level: Level, json: string) => string | undefined;
  /**
   * Sends a value to the topic of a level as it is: a record's twin, or what is no record. It has no number and is no part
   * of the counts.
   * @returns whether there was room
   */
  readonly publishAsIs: (level: Level, value: string) => boolean;
  /** Boot id: the `source` of every record it numbers. */
  readonly source: string;
  readonly readiness: () => DependencyState;
  /** Whether at least half of the buffer is free. For producers that can wait; the API never does. */
  readonly hasRoom: () => boolean;
  /**
   * Takes nothing more, delivers what is held, says so and disconnects. What Kafka has not taken by the deadline is dropped
   * and counted. May be called twice.
   */
  close(deadlineMs?: number): Promise<void>;
}

const LINGER_MS = 20; // collects a batch; part of the delay from request to row
const LONGEST_RETRY_MS = 1_000;
const STATUS_INTERVAL_MS = 1_000;
const MAX_BUFFERED_BYTES = 64 * 2 ** 20;

/**
 * Takes records from request handlers and delivers them to the topic of their level: a bounded buffer, batches, one
 * send at a time, retries for as long as Kafka is away. Opens nothing before it returns, so an API starts with
 * Kafka away. When the buffer runs full DEBUG is shed first and ERROR last (buffer.ts); what was dropped is
 * counted by run, level and reason, and said on `publisher-status`.
 *
 * (A spool on disk will stand between the buffer and Kafka.)
 */
export function createPublisher(options: PublisherOptions): Publisher {
  const { service, instance = hostname() } = options;
  const { logger = createLogger(service), metrics = createMetrics() } = options;
  const source = uuidv4();
  const startedAt = new Date().toISOString();
  const kafka = createKafka({ brokers: options.brokers, clientId: `rushhour-${service}`, logger });
  const producer = createBatchProducer(kafka);
  const buffer = createBuffer({
    records: options.bufferRecords ?? 100_000,
    bytes: MAX_BUFFERED_BYTES,
  });
  const drops = createDrops();
  const own = ownMetrics(metrics, () => buffer.size() + (sending?.records.length ?? 0));

  let seq = 0;
  let acknowledged = 0;
  let said = ""; // the counts last acknowledged on publisher-status
  let saidAtMs = 0;
  let kafkaState: DependencyState = { ready: false, reason: "not connected yet" };
  let pumping: Promise<void> | undefined;
  let sending: Batch | undefined; // taken from the buffer, not yet acknowledged
  let closed: Promise<void> | undefined;
  let deadlineAt = Infinity; // Unix ms
  let endLinger: () => void = () => undefined;

  function publish(record: RequestLog): void {
    if (!admits(record)) return;
    const json = jsonOf(record);
    if (json === undefined) drop(record, "not_json");
    else hold(record, numbered(json), true);
  }

  function publishJson(level: Level, json: string): string | undefined {
    if (!admits({ level })) return undefined;
    const value = numbered(json);
    hold({ level }, value, true);
    return value;
  }

  function publishAsIs(level: Level, value: string): boolean {
    const isTaken = !closed && buffer.hasRoomFor(level);
    if (isTaken) hold({ level }, value, false);
    return isTaken;
  }

  function admits(record: Owner): boolean {
    if (closed) drop(record, "closed");
    else if (!buffer.hasRoomFor(record.level)) drop(record, "buffer_full");
    else return true;
    return false;
  }

  const numbered = (json: string) => `${json.slice(0, -1)},"source":"${source}","seq":${++seq}}`;

  function hold({ level, run_id }: Owner, value: string, isNumbered: boolean): void {
    const bytes = Buffer.byteLength(value);
    buffer.add({ topic: TOPIC_OF_LEVEL[level], value, bytes, level, run_id, isNumbered });
    if (!pumping) start();
  }

  function drop(record: Owner, reason: string): void {
    drops.add(record.run_id ?? "", record.level, reason);
    own.dropped.inc({ level: record.level, reason });
  }

  function start(): void {
    pumping = pump().finally(() => {
      pumping = undefined;
    });
  }

  /** Delivers until nothing is left; each second the counts go along. */
  async function pump(): Promise<void> {
    do {
      if (!buffer.hasFullBatch() && !closed) await linger();
      const status = statusIsDue() ? statusRecord(false) : undefined;
      sending ??= buffer.take();
      if (!(await deliver(sending, status))) return;
      sending = undefined;
    } while (buffer.size() > 0);
  }

  /** @returns false when the deadline came first */
  async function deliver(batch: Batch, status: PublisherStatus | undefined): Promise<boolean> {
    const topics = new Map(batch.topics);
    if (status) topics.set(PUBLISHER_STATUS_TOPIC, [JSON.stringify(status)]);
    if (topics.size === 0) return true;
    const done = metrics.messageDuration.startTimer({ service, topic: "(all)" });
    for (let delayMs = 50; ; delayMs = Math.min(delayMs * 2, LONGEST_RETRY_MS)) {
      try {
        await producer.send(topics);
        break;
      } catch (error) {
        if (kafkaState.ready || kafkaState.reason !== messageOf(error)) {
          logger.warn(
            { reason: messageOf(error), buffered: buffer.size() },
            "Kafka is away; records are held",
          );
        }
        kafkaState = { ready: false, reason: messageOf(error) };
        metrics.processingErrors.inc({ service, error_type: "kafka_send" });
        if (Date.now() + delayMs > deadlineAt) return false;
        await wait(delayMs * (0.5 + Math.random() / 2));
      }
    }
    done();
    if (!kafkaState.ready) logger.info("Kafka takes records");
    kafkaState = { ready: true };
    acknowledged += numberOfNumbered(batch.records);
    if (status) {
      said = countsOf(status);
      saidAtMs = Date.now();
    }
    for (const [topic, values] of batch.topics) {
      metrics.messagesProcessed.inc({ service, topic, status: "sent" }, values.length);
    }
    return true;
  }

  const linger = () =>
    new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, LINGER_MS);
      endLinger = () => {
        clearTimeout(timer);
        resolve();
      };
    });

  function statusRecord(isClosed: boolean): PublisherStatus {
    const reported_at = new Date().toISOString();
    const counts = { last_seq: seq, acknowledged, drops: drops.list(), closed: isClosed };
    return { v: 1, source, service, instance, started_at: startedAt, reported_at, ...counts };
  }

  const countsOf = ({ last_seq, acknowledged, drops }: PublisherStatus) =>
    JSON.stringify([last_seq, acknowledged, drops]);
  const statusIsDue = () =>
    Date.now() - saidAtMs >= STATUS_INTERVAL_MS && countsOf(statusRecord(false)) !== said;

  async function closeNow(deadlineMs: number): Promise<void> {
    deadlineAt = Date.now() + deadlineMs;
    clearInterval(statusTimer);
    endLinger();
    const delivered = (async () => {
      await pumping;
      await pump();
      await producer.send(new Map([[PUBLISHER_STATUS_TOPIC, [JSON.stringify(statusRecord(true))]]]));
      await producer.close();
    })().catch((error: unknown) =>
      logger.warn({ reason: messageOf(error) }, "closed without a last word to Kafka"),
    );
    const gaveUp = new AbortController();
    await Promise.race([
      delivered,
      wait(deadlineMs, undefined, { signal: gaveUp.signal }).catch(() => undefined),
    ]);
    gaveUp.abort();
    for (const record of [...(sending?.records ?? []), ...buffer.takeAll()])
      if (record.isNumbered) drop(record, "closed");
    sending = undefined;
    void producer.close(); // what is still being tried: nobody waits for it
    const lost = drops.list().reduce((sum, { dropped }) => sum + dropped, 0);
    logger[lost > 0 ? "error" : "info"]({ published: seq, acknowledged, dropped: lost }, "publisher closed");
  }

  // The tail of the counts, and the first word of a publisher that has nothing to send yet.
  const statusTimer = setInterval(() => {
    if (!pumping && statusIsDue()) start();
  }, STATUS_INTERVAL_MS);
  statusTimer.unref();
  start();

  return {
    publish,
    publishJson,
    publishAsIs,
    source,
    readiness: () => kafkaState,
    hasRoom: () => buffer.fill() < 0.5,
    close: (deadlineMs = 10_000) => (closed ??= closeNow(deadlineMs)),
  };
}

/** Under whose name a record is counted. */
type Owner = Pick<RequestLog, "level" | "run_id">;

/** Undefined for what JSON cannot hold, such as a bigint in a field of somebody's own. */
function jsonOf(record: RequestLog): string | undefined {
  try {
    return JSON.stringify(record);
  } catch {
    return undefined;
  }
}

function numberOfNumbered(records: readonly BufferedRecord[]): number {
  let count = 0;
  for (const { isNumbered } of records) if (isNumbered) count++;
  return count;
}

function ownMetrics({ registry }: Metrics, buffered: () => number) {
  const registers = [registry];
  new Gauge({
    name: "producer_buffered_records",
    help: "Records taken over and not yet acknowledged by Kafka",
    registers,
    collect() {
      this.set(buffered());
    },
  });
  return {
    dropped: new Counter({
      name: "producer_events_dropped_total",
      help: "Records that could not be kept, by level and reason",
      labelNames: ["level", "reason"],
      registers,
    }),
  };
}
