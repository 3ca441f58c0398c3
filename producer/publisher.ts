import { hostname } from "node:os";
import { setTimeout as wait } from "node:timers/promises";
import { Counter, Gauge } from "prom-client";
import { v4 as uuidv4 } from "uuid";
import { messageOf } from "../contract/errors.ts";
import { createLogger, type Logger } from "../contract/logger.ts";
import { createMetrics, type Metrics } from "../contract/metrics.ts";
import type { PublisherStatus } from "../contract/publisher-status.ts";
import type { Destination, Publishable, RecordKind } from "../contract/record-kind.ts";
import { REQUEST_LOG } from "../contract/request-log.ts";
import { PUBLISHER_STATUS_TOPIC } from "../contract/topics.ts";
import type { DependencyState } from "../contract/status.ts";
import { createKafka, type KafkaServers } from "../kafka/client.ts";
import { createBatchProducer } from "../kafka/producer.ts";
import { createBuffer, hasRoom, type Batch } from "./buffer.ts";
import { createDrops } from "./drops.ts";
import { createLink } from "./link.ts";
import { startDrain } from "./spool/drain.ts";
import type { Frame } from "./spool/frames.ts";
import type { PublisherSpool } from "./spool/open.ts";
import type { Segment } from "./spool/spool.ts";
import type { Publish, Taken } from "./publish.ts";

export interface PublisherOptions extends KafkaServers {
  readonly service: string;
  readonly instance?: string | undefined; // default: the host's name
  /** Default: JSON lines on standard error, from LOG_LEVEL up. */
  readonly logger?: Logger;
  /** Default: a registry of its own, which nobody scrapes. */
  readonly metrics?: Metrics;
  /** Records held in memory, at most; also at most 64 MiB. */
  readonly bufferRecords?: number;
  /** Where records go that Kafka does not take, or all of them before they are answered for ({@link openSpool}). Default: none, memory only. */
  readonly spool?: PublisherSpool | undefined;
}

export interface Publisher {
  /** Hands a request log over: never throws or rejects, and never keeps a caller waiting. */
  readonly publish: Publish;
  /** As `publish`, for records of another kind. All kinds share the buffer, the spool and the numbers. */
  readonly publishOf: <R extends Publishable>(kind: RecordKind<R>) => (record: R) => Taken;
  /**
   * As `publish`, for a record of no run whose JSON text is ready.
   * @returns what goes to Kafka, with source and number; undefined when it was dropped
   */
  readonly publishJson: (to: Destination, json: string) => string | undefined;
  /**
   * Sends a value as it is: a record's twin, or what is no record. It has no number and is no part of the counts.
   * @returns whether there was room
   */
  readonly publishAsIs: (to: Destination, value: string) => boolean;
  /** Boot id: the `source` of every record it numbers. */
  readonly source: string;
  readonly readiness: () => DependencyState;
  /** Whether at least half of the buffer is free. For producers that can wait; the API never does. */
  readonly hasRoom: () => boolean;
  /**
   * Takes nothing more, delivers what is held, says so and disconnects. What Kafka has not taken by the deadline stays in the spool for
   * the next publisher; without a spool it is dropped and counted. May be called twice.
   */
  close(deadlineMs?: number): Promise<void>;
}

const LINGER_MS = 20; // collects a batch; part of the delay from request to row
const FIRST_RETRY_MS = 50;
const LONGEST_RETRY_MS = 1_000;
const STATUS_INTERVAL_MS = 1_000;
const LAST_WORD_MS = 500; // behind the deadline, at most
const MAX_BUFFERED_BYTES = 64 * 2 ** 20;
/** The buffer goes to disk from here, down to there, whatever Kafka does. */
const SPILL_FROM = 0.5;
const SPILL_TO = 0.25;

/**
 * Takes records from whoever makes them and delivers them to the topics of their kind: a bounded buffer, batches, one
 * send at a time, and a spool on disk for what Kafka does not take, which is sent beside new records once it is back. Opens
 * nothing before it returns, so an API starts with Kafka away. When buffer or spool run full DEBUG is shed first and ERROR last
 * (buffer.ts); what was dropped is counted by run, topic, level and reason, and said on `publisher-status`.
 */
export function createPublisher(options: PublisherOptions): Publisher {
  const { service, instance = hostname(), spool } = options;
  const { logger = createLogger(service), metrics = createMetrics() } = options;
  const source = spool?.owner.source ?? uuidv4();
  const startedAt = spool?.owner.started_at ?? new Date().toISOString();
  const kafka = createKafka({ ...options, clientId: `rushhour-${service}`, logger });
  const link = createLink(service, logger, metrics);
  const producer = createBatchProducer(kafka);
  const drainProducer = createBatchProducer(kafka);
  const send = link.sender(producer, spool !== undefined);
  const buffer = createBuffer({
    records: options.bufferRecords ?? 100_000,
    bytes: MAX_BUFFERED_BYTES,
  });
  const drops = createDrops();
  const own = ownMetrics(metrics, {
    buffered: () => buffer.size() + (sending?.records.length ?? 0),
    spooled: () => spool?.backlogBytes() ?? 0,
  });

  let seq = 0;
  let acknowledged = 0;
  let saidAtMs = -Infinity; // performance.now(): the clock may be set back
  let reportedMs = 0; // Unix ms
  let pumping: Promise<void> | undefined;
  let spilling: Promise<void> | undefined;
  let sending: Batch | undefined; // taken from the buffer, not yet acknowledged
  let isDiskFailing = false;
  let closed: Promise<void> | undefined;
  let deadlineAt = Infinity; // performance.now()
  let endLinger: () => void = () => undefined;

  function publishOf<R extends Publishable>(kind: RecordKind<R>): (record: R) => Taken {
    function publish(record: R): boolean {
      const to = kind.destinationOf(record);
      const value = taken(to, record);
      if (value === undefined) return false;
      hold(to, record.run_id, value, true);
      return true;
    }

    async function publishAhead(record: R): Promise<boolean> {
      const to = kind.destinationOf(record);
      const value = taken(to, record);
      if (value === undefined) return false;
      const frame = { topic: to.topic, value, isNumbered: true };
      hold(to, record.run_id, value, true, await spool!.append([frame], true).catch(complainOfDisk));
      return true;
    }

    return spool?.owner.mode === "always" ? publishAhead : publish;
  }

  /** The text that goes to Kafka, of a record that is admitted and has its number now. */
  function taken(to: Destination, record: Publishable): string | undefined {
    if (!admits(to, record.run_id)) return undefined;
    const json = jsonOf(record);
    if (json !== undefined) return numbered(json);
    drop(to, record.run_id, "not_json");
    return undefined;
  }

  function publishJson(to: Destination, json: string): string | undefined {
    if (!admits(to, undefined)) return undefined;
    const value = numbered(json);
    hold(to, undefined, value, true);
    return value;
  }

  function publishAsIs(to: Destination, value: string): boolean {
    const isTaken = !closed && hasRoomFor(to);
    if (isTaken) hold(to, undefined, value, false);
    return isTaken;
  }

  function admits(to: Destination, runId: string | undefined): boolean {
    if (closed) drop(to, runId, "closed");
    else if (!buffer.hasRoomFor(to.level)) drop(to, runId, "buffer_full");
    else if (!hasRoomFor(to)) drop(to, runId, "spool_full");
    else return true;
    return false;
  }

  const hasRoomFor = ({ level }: Destination) =>
    buffer.hasRoomFor(level) && (spool === undefined || hasRoom(level, spool.fill()));

  const numbered = (json: string) => `${json.slice(0, -1)},"source":"${source}","seq":${++seq}}`;

  function hold(
    { topic, level }: Destination,
    run_id: string | undefined,
    value: string,
    isNumbered: boolean,
    segment?: Segment,
  ): void {
    const bytes = Buffer.byteLength(value);
    buffer.add({ topic, value, bytes, level, run_id, isNumbered, segment });
    if (!pumping) start();
    if (spool && !spilling && !isDiskFailing && buffer.fill() > SPILL_FROM) startSpilling();
  }

  function drop(to: Destination, runId: string | undefined, reason: string): void {
    drops.add(runId ?? "", to, reason);
    own.dropped.inc({ topic: to.topic, level: to.level, reason });
  }

  function start(): void {
    pumping = pump().finally(() => {
      pumping = undefined;
      if (!closed && buffer.size() > 0) start(); // what came behind its last look
    });
  }

  /** Empties the buffer: to Kafka, or to disk while Kafka is away. Each second the counts go along. */
  async function pump(): Promise<void> {
    let delayMs = FIRST_RETRY_MS;
    do {
      if (!buffer.hasFullBatch() && !closed) await linger();
      const status = performance.now() - saidAtMs >= STATUS_INTERVAL_MS ? statusRecord(false) : undefined;
      if (!sending?.records.length) sending = buffer.take();
      const isHandled = link.isAway()
        ? (await spill(sending, status)) || (await deliver(sending, status))
        : (await deliver(sending, status)) || (await spill(sending, status));
      if (isHandled) {
        sending = undefined;
        delayMs = FIRST_RETRY_MS;
        continue;
      }
      if (performance.now() + delayMs > deadlineAt) return;
      await wait(delayMs * (0.5 + Math.random() / 2));
      delayMs = Math.min(delayMs * 2, LONGEST_RETRY_MS);
    } while (sending !== undefined || buffer.size() > 0);
  }

  /** @returns whether Kafka has the batch */
  async function deliver({ records, topics }: Batch, status: PublisherStatus | undefined): Promise<boolean> {
    const all = new Map(topics);
    if (status) all.set(PUBLISHER_STATUS_TOPIC, [JSON.stringify(status)]);
    if (all.size === 0) return true;
    if (!(await send(all))) return false;
    for (const { isNumbered, segment } of records) {
      if (isNumbered) acknowledged++;
      if (segment) spool!.delivered(segment, 1);
    }
    if (status) saidAtMs = performance.now();
    for (const [topic, values] of topics) {
      metrics.messagesProcessed.inc({ service, topic, status: "sent" }, values.length);
    }
    return true;
  }

  /** @returns whether the batch lies on disk */
  async function spill({ records }: Batch, status?: PublisherStatus): Promise<boolean> {
    if (!spool || spool.fill() >= 1) return false;
    const frames: Frame[] = records.filter(({ segment }) => segment === undefined);
    if (status)
      frames.push({ topic: PUBLISHER_STATUS_TOPIC, value: JSON.stringify(status), isNumbered: false });
    if (frames.length > 0 && !(await spool.append(frames, false).catch(complainOfDisk))) return false;
    for (const { segment } of records) if (segment) spool.leave(segment, 1);
    if (status) saidAtMs = performance.now();
    isDiskFailing = false;
    drain!.wake();
    return true;
  }

  function startSpilling(): void {
    spilling = (async () => {
      while (buffer.fill() > SPILL_TO) {
        const batch = buffer.take();
        if (await spill(batch)) continue;
        buffer.putBack(batch);
        return;
      }
    })().finally(() => {
      spilling = undefined;
    });
  }

  function complainOfDisk(error: unknown): undefined {
    own.diskFailures.inc();
    if (!isDiskFailing)
      logger.error({ reason: messageOf(error) }, "the spool cannot be written; records are held in memory");
    isDiskFailing = true;
    return undefined;
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
    reportedMs = Math.max(reportedMs + 1, Date.now()); // the newest counts, also when the clock was set back
    const reported_at = new Date(reportedMs).toISOString();
    const counts = { last_seq: seq, acknowledged, drops: drops.list(), closed: isClosed };
    const spooled = {
      spool: spool?.owner.mode ?? ("off" as const),
      spooled_bytes: spool?.backlogBytes() ?? 0,
      recovered: false,
    };
    return { v: 1, source, service, instance, started_at: startedAt, reported_at, ...counts, ...spooled };
  }

  async function closeNow(deadlineMs: number): Promise<void> {
    deadlineAt = performance.now() + deadlineMs;
    clearInterval(statusTimer);
    endLinger();
    const flush = async () => {
      await pumping;
      await pump();
      await spilling;
    };
    await withinDeadline(flush(), deadlineMs);
    await keepOrDropTheRest();
    const restMs = Math.max(LAST_WORD_MS, deadlineAt - performance.now());
    await withinDeadline(say(statusRecord(true)), restMs);
    if (drain) await withinDeadline(drain.finish(), deadlineAt - performance.now());
    drain?.stop();
    void producer.close(); // what is still being tried: nobody waits for it
    void drainProducer.close();
    await spool?.close();
    const lost = drops.list().reduce((sum, { dropped }) => sum + dropped, 0);
    logger[lost > 0 ? "error" : "info"](
      { published: seq, acknowledged, spooledBytes: spool?.backlogBytes() ?? 0, dropped: lost },
      "publisher closed",
    );
  }

  /** The last word goes to disk where Kafka does not take it. */
  async function say(status: PublisherStatus): Promise<void> {
    const nothing: Batch = { records: [], topics: new Map() };
    if (!link.isAway() && (await deliver(nothing, status))) return;
    if (!(await spill(nothing, status))) logger.warn("closed without a last word to Kafka");
  }

  async function keepOrDropTheRest(): Promise<void> {
    const records = [...(sending?.records ?? []), ...buffer.takeAll()];
    sending = undefined;
    if (records.length === 0 || (await spill({ records, topics: new Map() }))) return;
    for (const record of records) if (record.isNumbered) drop(record, record.run_id, "closed");
  }

  const drain =
    spool &&
    startDrain({
      ...{ spool, logger, send: link.sender(drainProducer, false) },
      onDelivered(read) {
        if (spool.isOwn(read)) acknowledged += read.segment.numbered - read.segment.delivered;
        if (read.damage !== undefined) own.damaged.inc();
      },
    });
  // The counts of a publisher that has nothing to send, and its look whether Kafka is still there.
  const statusTimer = setInterval(() => {
    if (!pumping) start();
  }, STATUS_INTERVAL_MS);
  statusTimer.unref();
  start();

  return {
    publish: publishOf(REQUEST_LOG),
    publishOf,
    publishJson,
    publishAsIs,
    source,
    readiness: link.state,
    hasRoom: () => buffer.fill() < 0.5,
    close: (deadlineMs = 10_000) => (closed ??= closeNow(deadlineMs)),
  };
}

async function withinDeadline(work: Promise<void>, deadlineMs: number): Promise<void> {
  const gaveUp = new AbortController();
  await Promise.race([work, wait(deadlineMs, undefined, { signal: gaveUp.signal }).catch(() => undefined)]);
  gaveUp.abort();
}

/** Undefined for what JSON cannot hold, such as a bigint in a field of somebody's own. */
function jsonOf(record: Publishable): string | undefined {
  try {
    return JSON.stringify(record);
  } catch {
    return undefined;
  }
}

function ownMetrics(
  { registry }: Metrics,
  { buffered, spooled }: { buffered: () => number; spooled: () => number },
) {
  const registers = [registry];
  new Gauge({
    name: "producer_buffered_records",
    help: "Records taken over and not yet acknowledged by Kafka, in memory",
    registers,
    collect() {
      this.set(buffered());
    },
  });
  new Gauge({
    name: "producer_spool_bytes",
    help: "Bytes on disk of records that Kafka has not taken, those of publishers that are gone included",
    registers,
    collect() {
      this.set(spooled());
    },
  });
  return {
    dropped: new Counter({
      name: "producer_events_dropped_total",
      help: "Records that could not be kept, by topic, level and reason",
      labelNames: ["topic", "level", "reason"],
      registers,
    }),
    diskFailures: new Counter({
      name: "producer_spool_write_failures_total",
      help: "Writes to the spool that the disk refused; their records are held in memory",
      registers,
    }),
    damaged: new Counter({
      name: "producer_spool_damaged_segments_total",
      help: "Segments of the spool that were not as they were written; what could be read of them was delivered",
      registers,
    }),
  };
}
