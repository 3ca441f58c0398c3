import { hostname } from "node:os";
import { Counter, Gauge } from "prom-client";
import type { Logger } from "../contract/logger.ts";
import type { Metrics } from "../contract/metrics.ts";
import type { DependencyState } from "../contract/status.ts";
import type { Keep } from "../init_db/retention.ts";
import { connectAdmin, type KafkaAdmin } from "../kafka/admin.ts";
import { createKafka, type KafkaServers } from "../kafka/client.ts";
import { joinGroup, type GroupMember, type PartitionBatch, type TopicPartition } from "../kafka/consumer.ts";
import { clientIdOf } from "../kafka/membership.ts";
import { probeKafka } from "../kafka/probe.ts";
import { createBatchProducer } from "../kafka/producer.ts";
import { createBreaker } from "./breaker.ts";
import { openIngestConnections } from "./connection.ts";
import { probeDatabase } from "./database-probe.ts";
import { deadLetterCopies } from "./dead-letter-copies.ts";
import { decodeAll, type Entry } from "./decode.ts";
import { explain } from "./faults.ts";
import type { Kind } from "./kind.ts";
import { createKinds } from "./kinds.ts";
import { outlast } from "./outage.ts";
import { partitionUpkeep } from "./partition-upkeep.ts";
import { watchPausedLag } from "./paused-lag.ts";
import { knownPosition, loadPosition } from "./position.ts";
import { rollupUpkeep } from "./rollup-upkeep.ts";
import { NO_SLOWDOWN, watchSlowdown } from "./slowdown.ts";
import { createStageLog } from "./stage-log.ts";
import { createStore, storeEntries, type Stored } from "./store.ts";
import { exposeEventTotals } from "./ui-event-totals.ts";
import { startUpkeep } from "./upkeep.ts";

export interface ConsumerOptions extends KafkaServers {
  readonly group: string;
  readonly writerUrl: string;
  readonly instance?: string | undefined;
  /** Whether incidents of kind consumer-lag slow it down; default true. */
  readonly incidents?: boolean;
  /** Dead letters of a topic within a minute, more than half of its records, that pause it; 0: never. Default 1000. */
  readonly breakerRecords?: number;
  /** How long rows are kept; one consumer of a database sees to it. */
  readonly keep: Keep;
  readonly logger: Logger;
  readonly metrics: Metrics;
  /** The consumer cannot go on; the process should end. */
  readonly onCrash: (error: Error) => void;
}

export interface RunningConsumer {
  readonly readiness: () => Record<"kafka" | "database", DependencyState>;
  /** Finishes the batches at hand, commits, leaves the group. */
  close(): Promise<void>;
}

/**
 * Kafka -> SQL. Starts at once and waits for whatever is away, for ever: an outage of Kafka or the database is said in
 * readiness, metrics and log, and ends by itself.
 */
export function startConsumer(options: ConsumerOptions): RunningConsumer {
  const { logger, metrics } = options;
  const host = options.instance ?? hostname();
  const owner = `${host}/${process.pid}`;
  const clientId = clientIdOf("rushhour-consumer", host);
  const kafka = createKafka({ ...options, clientId });
  const stageLog = createStageLog(createBatchProducer(kafka), host, logger);
  const { groups, requests } = createKinds(stageLog.log);
  const own = ownMetrics(metrics);
  const origins = countOrigins(metrics);
  // Those that store, one that looks up positions, one incidents, one the pauses of topics and their lag, one the totals of events.
  const connections = openIngestConnections(
    options.writerUrl,
    groups.reduce((sum, { concurrency }) => sum + concurrency, 4),
  );
  exposeEventTotals(connections, metrics);
  const rows = createStore(connections);
  const kinds = new Map(
    groups.flatMap((group) =>
      group.kinds.flatMap((kind) => kind.topics.map((topic) => [topic, kind] as const)),
    ),
  );
  const partitionTask = partitionUpkeep({ keep: options.keep, logger, metrics });
  const copies = createBatchProducer(kafka);
  const upkeep = startUpkeep({
    ...{ writerUrl: options.writerUrl, logger, metrics },
    tasks: [partitionTask, deadLetterCopies(copies, logger), ...rollupUpkeep({ logger, metrics })],
  });
  const breaker = createBreaker({
    ...{ connections, limit: options.breakerRecords ?? 1_000, topics: [...kinds.keys()], logger, metrics },
    onResumed: (topic) => {
      for (const member of members) member.resume(topic);
    },
  });
  const expired = sayExpired(logger);
  const slowdown = (options.incidents ?? true) ? watchSlowdown(connections, logger, metrics) : NO_SLOWDOWN;

  // While there is nothing to store, only these notice an outage.
  const probes = { kafka: probeKafka(kafka, logger), database: probeDatabase(options.writerUrl, logger) };
  const reached = { kafka: false, database: false }; // by work, not only by a probe
  let closing = false;
  let cluster = "";
  let admin: KafkaAdmin | undefined;
  const members: GroupMember[] = [];
  const failing = { kafka: new Map<symbol, string>(), database: new Map<symbol, string>() }; // why, by piece of work
  const assigned = new Map<string, readonly TopicPartition[]>(); // partitions held, by group
  const held = () => [...assigned.values()].flat();
  let pausedLag: ReturnType<typeof watchPausedLag> | undefined;

  /** Waits out an outage of one dependency and keeps its state true. */
  async function outlastOutageOf<T>(
    dependency: "kafka" | "database",
    work: () => Promise<T>,
    isAlive: () => boolean = () => !closing,
  ): Promise<T> {
    const own = Symbol(dependency);
    const others = failing[dependency];
    const result = await outlast(work, {
      isAlive,
      onFailure(error, delayMs) {
        const reason = explain(error);
        if (![...others.values()].includes(reason)) {
          logger.warn({ reason, retryMs: Math.round(delayMs) }, `${dependency} is away; waiting for it`);
        }
        others.set(own, reason);
        metrics.processingErrors.inc({ service: "consumer", error_type: `${dependency}_outage` });
      },
    }).finally(() => {
      if (others.delete(own) && others.size === 0) logger.info(`${dependency} is there`);
    });
    if (dependency === "database") reached.database = true; // Kafka is, once it has given partitions
    return result;
  }

  /** What work cannot do comes first: one topic may be stored, and the server answer, while another one's table is missing. */
  function stateOf(dependency: "kafka" | "database"): DependencyState {
    const [reason] = failing[dependency].values();
    if (reason !== undefined) return { ready: false, reason };
    const asked = probes[dependency].state();
    return asked.ready && !reached[dependency] ? { ready: false, reason: "not connected yet" } : asked;
  }

  async function position(topic: string, partition: number): Promise<bigint> {
    const at = { cluster, topic, partition };
    const known = await outlastOutageOf("database", () => knownPosition(connections, at));
    const ranges = await outlastOutageOf("kafka", () => admin!.logRanges(topic));
    const log = ranges.find((range) => range.partition === partition);
    if (!log) throw new Error(`Kafka does not know ${topic}/${partition}`);
    const loaded = await outlastOutageOf("database", () => loadPosition(connections, at, known, log, owner));
    if (loaded.gap) {
      own.gaps.inc({ topic }, Number(loaded.gap.to > loaded.gap.from ? loaded.gap.to - loaded.gap.from : 0n));
      logger.error(
        { ...at, from: String(loaded.gap.from), to: String(loaded.gap.to) },
        "records were gone before they were stored",
      );
    }
    return loaded.position;
  }

  async function store(batch: PartitionBatch, isAlive: () => boolean): Promise<bigint> {
    const { topic, partition, start, end } = batch;
    const kind = kinds.get(topic)!;
    if (kind === requests) await slowdown.beforeBatch(() => !closing && isAlive());
    const done = metrics.messageDuration.startTimer({ service: "consumer", topic });
    const entries = decodeAll(batch.records, kind);
    const span = { cluster, topic, partition, start, end, logEnd: batch.highWatermark, owner };
    const stored = await outlastOutageOf(
      "database",
      () => storeEntries(rows, kind, span, entries),
      () => !closing && isAlive(),
    );
    done();
    count(topic, stored);
    expired.add(stored.expired);
    origins.count(entries, kind);
    own.lag.set({ topic, partition }, Number(batch.highWatermark - stored.position));
    if (stored.deadLettered > 0) await breaker.check();
    return stored.position;
  }

  function count(topic: string, { inserted, duplicates, deadLettered, expired }: Stored): void {
    const outcomes = { stored: inserted, duplicate: duplicates, dead_lettered: deadLettered, expired };
    for (const [status, records] of Object.entries(outcomes)) {
      metrics.messagesProcessed.inc({ service: "consumer", topic, status }, records);
    }
    metrics.activeConnections.set({ service: "consumer", connection_type: "mysql" }, connections.count());
  }

  async function start(): Promise<void> {
    await outlastOutageOf("database", () => connections.use((connection) => connection.run("SELECT 1")));
    await outlastOutageOf("kafka", async () => {
      admin ??= await connectAdmin(kafka);
      cluster = await admin.clusterId();
    });
    await outlastOutageOf("database", () => breaker.open(cluster));
    pausedLag = watchPausedLag({
      ...{ connections, admin: admin!, cluster, logger },
      paused: () => held().filter(({ topic }) => breaker.isPaused(topic)),
      onLag: ({ topic, partition }, records) => own.lag.set({ topic, partition }, records),
    });
    const joining = groups.map(async ({ suffix, kinds, concurrency }) => {
      const group = `${options.group}${suffix}`;
      const topics = kinds.flatMap((kind) => kind.topics);
      const member = outlastOutageOf("kafka", async () => {
        await refuseMissing(topics);
        return join(group, topics, concurrency);
      });
      members.push(await member);
    });
    await Promise.all(joining);
  }

  /** Kafka would not say which. */
  async function refuseMissing(topics: readonly string[]): Promise<void> {
    const known = new Set(await admin!.topicNames());
    const missing = topics.filter((topic) => !known.has(topic));
    if (missing.length > 0)
      throw new Error(`Kafka has no topic ${missing.join(", ")}: npx rushhour topics makes it`);
  }

  function join(group: string, topics: readonly string[], concurrency: number): Promise<GroupMember> {
    return joinGroup({
      ...{ kafka, cluster, group, topics, concurrency, logger },
      keeper: { position, store, isPaused: breaker.isPaused },
      onAssigned(partitions) {
        reached.kafka = true;
        assigned.set(group, partitions);
        own.assigned.set(held().length);
        own.lag.reset();
        metrics.activeConnections.set({ service: "consumer", connection_type: "kafka" }, 1);
        logger.info({ group, partitions: partitions.length }, "partitions assigned");
      },
      onCrash: options.onCrash,
    });
  }

  const started = start().catch((error: unknown) => {
    if (!closing) options.onCrash(error instanceof Error ? error : new Error(String(error)));
  });

  return {
    readiness() {
      const [rows, topics] = [partitionTask.warning(), breaker.warning()];
      const [kafka, database] = [stateOf("kafka"), stateOf("database")];
      return {
        kafka: topics === undefined ? kafka : { ...kafka, warning: topics },
        database: rows === undefined ? database : { ...database, warning: rows },
      };
    },
    async close() {
      closing = true;
      await started;
      for (const probe of Object.values(probes)) probe.close();
      slowdown.close();
      breaker.close();
      pausedLag?.close();
      expired.close();
      await upkeep.close();
      await copies.close();
      await Promise.all(members.map((member) => member.close()));
      await stageLog.close();
      await admin?.close();
      await connections.close();
    },
  };
}

const SAY_EXPIRED_EVERY_MS = 60_000;

/** Records older than what is kept may come by the million: one line a minute says how many (`ingest_drops` of what). */
function sayExpired(logger: Logger) {
  let records = 0;
  const say = () => {
    if (records > 0) logger.warn({ records }, "records older than what is kept were not stored");
    records = 0;
  };
  const timer = setInterval(say, SAY_EXPIRED_EVERY_MS);
  return {
    add(count: number): void {
      records += count;
    },
    close(): void {
      clearInterval(timer);
      say();
    },
  };
}

/** Sources named apart at most: the names come from whoever writes to the topics. */
const MAX_SOURCES = 200;

function countOrigins({ logEntriesBySource }: Metrics) {
  const known = new Set<string>();
  return {
    count<Row>(entries: readonly Entry<Row>[], kind: Kind<Row>): void {
      const records = new Map<string, { source: string; status: string; count: number }>(); // one look-up of labels each
      for (const { row } of entries) {
        if (row === undefined) continue;
        const { source, status } = kind.origin(row);
        const same = records.get(`${status}/${source}`);
        if (same) same.count++;
        else records.set(`${status}/${source}`, { source, status, count: 1 });
      }
      for (const { source, status, count } of records.values()) {
        if (known.size < MAX_SOURCES) known.add(source);
        const named = known.has(source) ? source : "(other)";
        logEntriesBySource.inc({ service: "consumer", source: named, status }, count);
      }
    },
  };
}

function ownMetrics({ registry }: Metrics) {
  const registers = [registry];
  return {
    lag: new Gauge({
      name: "consumer_lag_records",
      help: "Records of a partition that are in Kafka and not yet stored",
      labelNames: ["topic", "partition"],
      registers,
    }),
    assigned: new Gauge({
      name: "consumer_assigned_partitions",
      help: "Partitions this consumer holds",
      registers,
    }),
    gaps: new Counter({
      name: "consumer_gap_records_total",
      help: "Records that left Kafka before they were stored (ingest_gaps)",
      labelNames: ["topic"],
      registers,
    }),
  };
}
