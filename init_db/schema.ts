import { sql } from "drizzle-orm";
import {
  bigint,
  boolean,
  char,
  customType,
  datetime,
  decimal,
  double,
  index,
  int,
  json,
  mediumtext,
  mysqlEnum,
  mysqlTable,
  primaryKey,
  smallint,
  text,
  tinyint,
  unique,
  varbinary,
  varchar,
} from "drizzle-orm/mysql-core";

/**
 * The typed mirror of the migrated database, for queries of the read side. The migrations are the truth; a test
 * compares both column by column. Partitions, which Drizzle does not know, are partitions.ts's.
 */

const LEVELS = ["DEBUG", "INFO", "ERROR", "CRITICAL"] as const;

const APP_LOG_LEVELS = ["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"] as const;

const count = (name: string) => bigint(name, { mode: "number", unsigned: true });
const offset = (name: string) => bigint(name, { mode: "bigint", unsigned: true });
const time = (name: string) => datetime(name, { mode: "date", fsp: 3 });
const now = sql`CURRENT_TIMESTAMP(3)`;

const unixSeconds = (name: string) => int(name, { unsigned: true });
const shard = () => smallint("shard", { unsigned: true });
const milliseconds = (name: string, precision: number) =>
  decimal(name, { precision, scale: 3, mode: "number" });

const mediumblob = customType<{ data: Buffer }>({ dataType: () => "mediumblob" });

/** 0001_api_logs.sql */
export const apiLogs = mysqlTable(
  "api_logs",
  {
    id: count("id").autoincrement().notNull(),
    requestId: char("request_id", { length: 36 }).notNull(),
    timestamp: time("timestamp").notNull(),
    level: mysqlEnum("level", LEVELS).notNull(),
    service: varchar("service", { length: 64 }).notNull(),
    instance: varchar("instance", { length: 128 }).default("").notNull(),
    endpoint: varchar("endpoint", { length: 255 }).notNull(),
    path: varchar("path", { length: 1024 }).default("").notNull(),
    method: varchar("method", { length: 16 }).notNull(),
    statusCode: smallint("status_code", { unsigned: true }).notNull(),
    responseTimeMs: double("response_time_ms").notNull(),
    userAgent: varchar("user_agent", { length: 512 }),
    clientIp: varchar("client_ip", { length: 45 }),
    bytesIn: count("bytes_in"),
    bytesOut: count("bytes_out"),
    userId: varchar("user_id", { length: 64 }),
    clientRequestId: varchar("client_request_id", { length: 128 }),
    errorType: varchar("error_type", { length: 128 }),
    errorMessage: varchar("error_message", { length: 1024 }),
    stack: text("stack"),
    runId: varchar("run_id", { length: 64 }),
    traceId: varchar("trace_id", { length: 32 }),
    source: varchar("source", { length: 36 }),
    seq: count("seq"),
    extra: json("extra"),
    storedAt: time("stored_at").default(now).notNull(),
  },
  (table) => [
    primaryKey({ columns: [table.timestamp, table.requestId] }),
    index("id").on(table.id),
    index("level_time").on(table.level, table.timestamp),
    index("run_id").on(table.runId), // 0076
  ],
);

/** 0002_ingest_offsets.sql, 0021 to 0023 */
export const ingestOffsets = mysqlTable(
  "ingest_offsets",
  {
    cluster: varchar("cluster", { length: 64 }).notNull(),
    topic: varchar("topic", { length: 249 }).notNull(),
    partition: int("partition", { unsigned: true }).notNull(),
    nextOffset: offset("next_offset").notNull(),
    logEnd: offset("log_end").notNull(),
    rowsIn: count("rows_in").default(0).notNull(),
    duplicates: count("duplicates").default(0).notNull(),
    deadLettered: count("dead_lettered").default(0).notNull(),
    expired: count("expired").default(0).notNull(),
    touchedFromS: int("touched_from_s", { unsigned: true }).notNull(),
    foldingFromS: int("folding_from_s", { unsigned: true }).notNull(), // 0077
    owner: varchar("owner", { length: 128 }).default("").notNull(),
    updatedAt: time("updated_at").default(now).notNull(),
  },
  (table) => [primaryKey({ columns: [table.cluster, table.topic, table.partition] })],
);

/** 0003_ingest_gaps.sql */
export const ingestGaps = mysqlTable("ingest_gaps", {
  id: count("id").autoincrement().primaryKey(),
  cluster: varchar("cluster", { length: 64 }).notNull(),
  topic: varchar("topic", { length: 249 }).notNull(),
  partition: int("partition", { unsigned: true }).notNull(),
  fromOffset: offset("from_offset").notNull(),
  toOffset: offset("to_offset").notNull(),
  logEnd: offset("log_end").notNull(),
  foundAt: time("found_at").default(now).notNull(),
});

/** 0004_dead_letters.sql, 0101_dead_letters_source.sql, 0120_dead_letters_replay.sql */
export const deadLetters = mysqlTable(
  "dead_letters",
  {
    id: count("id").autoincrement().primaryKey(),
    cluster: varchar("cluster", { length: 64 }).notNull(),
    topic: varchar("topic", { length: 249 }).notNull(),
    partition: int("partition", { unsigned: true }).notNull(),
    offset: offset("offset").notNull(),
    reason: varchar("reason", { length: 64 }).notNull(),
    detail: varchar("detail", { length: 1024 }).notNull(),
    recordKey: varbinary("record_key", { length: 1024 }),
    value: mediumblob("value"),
    requestId: varchar("request_id", { length: 36 }),
    runId: varchar("run_id", { length: 64 }),
    source: varchar("source", { length: 36 }),
    seq: count("seq"),
    recordTime: time("record_time").notNull(),
    storedAt: time("stored_at").default(now).notNull(),
    copiedAt: time("copied_at"),
    replayedAt: time("replayed_at"),
    firstOrigin: varchar("first_origin", { length: 352 }),
  },
  (table) => [
    unique("origin").on(table.cluster, table.topic, table.partition, table.offset),
    index("run_id").on(table.runId),
    index("copied_at").on(table.copiedAt),
    index("replayed_at").on(table.replayedAt),
    index("numbers").on(table.replayedAt, table.source, table.seq), // 0127
  ],
);

/** 0121_topic_pauses.sql */
export const topicPauses = mysqlTable(
  "topic_pauses",
  {
    cluster: varchar("cluster", { length: 64 }).notNull(),
    topic: varchar("topic", { length: 249 }).notNull(),
    pausedAt: time("paused_at").notNull(),
    deadLetters: count("dead_letters").notNull(),
    records: count("records").notNull(),
    resumedAt: time("resumed_at"),
  },
  (table) => [primaryKey({ columns: [table.cluster, table.topic] })],
);

/** 0005_publishers.sql, 0099_publishers_spool.sql */
export const publishers = mysqlTable("publishers", {
  source: char("source", { length: 36 }).primaryKey(),
  service: varchar("service", { length: 64 }).notNull(),
  instance: varchar("instance", { length: 128 }).notNull(),
  startedAt: time("started_at").notNull(),
  reportedAt: time("reported_at").notNull(),
  lastSeq: count("last_seq").notNull(),
  acknowledged: count("acknowledged").notNull(),
  dropped: count("dropped").notNull(),
  closed: boolean("closed").notNull(),
  spool: varchar("spool", { length: 8 }).notNull().default("off"),
  spooledBytes: count("spooled_bytes").notNull().default(0),
  recovered: boolean("recovered").notNull().default(false),
});

/** 0100_ingest_sources.sql */
export const ingestSources = mysqlTable(
  "ingest_sources",
  {
    source: char("source", { length: 36 }).notNull(),
    shard: smallint("shard", { unsigned: true }).notNull(),
    rowsIn: count("rows_in").notNull(),
    highestSeq: count("highest_seq").notNull(),
  },
  (table) => [primaryKey({ columns: [table.source, table.shard] })],
);

/** 0166_ingest_repeats.sql */
export const ingestRepeats = mysqlTable(
  "ingest_repeats",
  { source: char("source", { length: 36 }).notNull(), seq: count("seq").notNull() },
  (table) => [primaryKey({ columns: [table.source, table.seq] })],
);

/** 0124_ingest_blocks.sql */
export const ingestBlocks = mysqlTable(
  "ingest_blocks",
  {
    source: char("source", { length: 36 }).notNull(),
    shard: smallint("shard", { unsigned: true }).notNull(),
    block: count("block").notNull(),
    rowsIn: count("rows_in").notNull(),
    lowestSeq: count("lowest_seq").notNull(),
    highestSeq: count("highest_seq").notNull(),
    firstAt: time("first_at").notNull(),
    lastAt: time("last_at").notNull(),
  },
  (table) => [primaryKey({ columns: [table.source, table.shard, table.block] })],
);

/** 0006_publisher_drops.sql */
export const publisherDrops = mysqlTable(
  "publisher_drops",
  {
    source: char("source", { length: 36 }).notNull(),
    runId: varchar("run_id", { length: 64 }).default("").notNull(),
    topic: varchar("topic", { length: 249 }).default("").notNull(), // 0128
    level: mysqlEnum("level", LEVELS).notNull(),
    reason: varchar("reason", { length: 32 }).notNull(),
    dropped: count("dropped").notNull(),
  },
  (table) => [
    primaryKey({ columns: [table.source, table.runId, table.topic, table.level, table.reason] }),
    index("run_id").on(table.runId),
  ],
);

/** 0007_runs.sql */
export const runs = mysqlTable(
  "runs",
  {
    runId: varchar("run_id", { length: 64 }).primaryKey(),
    scenario: varchar("scenario", { length: 128 }).notNull(),
    target: varchar("target", { length: 2048 }).notNull(),
    seed: int("seed", { unsigned: true }).notNull(),
    digest: varchar("digest", { length: 128 }),
    state: mysqlEnum("state", ["running", "finished"]).notNull(),
    verdict: varchar("verdict", { length: 32 }),
    exitCode: smallint("exit_code", { unsigned: true }),
    startedAt: time("started_at").notNull(),
    endedAt: time("ended_at"),
    elapsedMs: double("elapsed_ms"),
    requests: count("requests"),
    failed: count("failed"),
    rate: double("rate"),
    p50Ms: double("p50_ms"),
    p95Ms: double("p95_ms"),
    p99Ms: double("p99_ms"),
    missing: count("missing"),
    duplicates: count("duplicates"),
    thresholdsFailed: int("thresholds_failed", { unsigned: true }),
    tags: json("tags").notNull(),
    command: text("command").notNull(),
    record: json("record"),
    updatedAt: time("updated_at").notNull(),
  },
  (table) => [
    index("started_at").on(table.startedAt),
    index("scenario_time").on(table.scenario, table.startedAt),
  ],
);

/** 0008_incidents.sql */
export const incidents = mysqlTable(
  "incidents",
  {
    incidentId: char("incident_id", { length: 36 }).primaryKey(),
    runId: varchar("run_id", { length: 64 }).notNull(),
    name: varchar("name", { length: 128 }).notNull(),
    kind: varchar("kind", { length: 32 }).notNull(),
    route: varchar("route", { length: 272 }),
    origin: mysqlEnum("origin", ["scenario", "control"]).notNull(),
    startedAt: time("started_at").notNull(),
    plannedEndAt: time("planned_end_at").notNull(),
    endedAt: time("ended_at"),
    intensity: json("intensity").notNull(),
    requestsAffected: count("requests_affected"),
    updatedAt: time("updated_at").notNull(),
  },
  (table) => [index("run_id").on(table.runId), index("started_at").on(table.startedAt)],
);

/** 0110_audit_log.sql */
export const auditLog = mysqlTable(
  "audit_log",
  {
    auditId: char("audit_id", { length: 36 }).primaryKey(),
    at: time("at").notNull(),
    actor: varchar("actor", { length: 128 }).notNull(),
    via: varchar("via", { length: 16 }).notNull(),
    action: varchar("action", { length: 64 }).notNull(),
    target: varchar("target", { length: 255 }).notNull(),
    result: varchar("result", { length: 16 }).notNull(),
    detail: json("detail").notNull(),
    storedAt: time("stored_at").default(now).notNull(),
  },
  (table) => [index("at_time").on(table.at)],
);

/** 0009_api_routes.sql */
export const apiRoutes = mysqlTable("api_routes", {
  routeId: count("route_id").primaryKey(),
  service: varchar("service", { length: 64 }).notNull(),
  method: varchar("method", { length: 16 }).notNull(),
  endpoint: varchar("endpoint", { length: 255 }).notNull(),
  firstStoredAt: time("first_stored_at").default(now).notNull(),
});

const rollup = (resolution: string) =>
  mysqlTable(
    `api_rollup_${resolution}`,
    {
      bucketS: unixSeconds("bucket_s").notNull(),
      routeId: count("route_id").notNull(),
      statusCode: smallint("status_code", { unsigned: true }).notNull(),
      level: mysqlEnum("level", LEVELS).notNull(),
      shard: shard().notNull(),
      count: int("count").notNull(),
      sumMs: milliseconds("sum_ms", 18).notNull(),
      maxMs: milliseconds("max_ms", 12).notNull(),
      bytesIn: bigint("bytes_in", { mode: "number" }).notNull(),
      bytesOut: bigint("bytes_out", { mode: "number" }).notNull(),
    },
    (table) => [
      primaryKey({ columns: [table.bucketS, table.routeId, table.statusCode, table.level, table.shard] }),
    ],
  );

const latency = (resolution: string) =>
  mysqlTable(
    `api_latency_${resolution}`,
    {
      bucketS: unixSeconds("bucket_s").notNull(),
      routeId: count("route_id").notNull(),
      bucket: tinyint("bucket", { unsigned: true }).notNull(),
      shard: shard().notNull(),
      count: int("count").notNull(),
    },
    (table) => [primaryKey({ columns: [table.bucketS, table.bucket, table.routeId, table.shard] })],
  );

/** 0010_api_rollup_10s.sql to 0017_api_latency_1d.sql */
export const apiRollup10s = rollup("10s");
export const apiLatency10s = latency("10s");
export const apiRollup1m = rollup("1m");
export const apiLatency1m = latency("1m");
export const apiRollup1h = rollup("1h");
export const apiLatency1h = latency("1h");
export const apiRollup1d = rollup("1d");
export const apiLatency1d = latency("1d");

const traffic = (resolution: string) =>
  mysqlTable(`api_traffic_${resolution}`, {
    bucketS: unixSeconds("bucket_s").primaryKey(),
    requests: count("requests").notNull(),
    clientErrors: count("client_errors").notNull(),
    serverErrors: count("server_errors").notNull(),
    sumMs: milliseconds("sum_ms", 18).notNull(),
    maxMs: milliseconds("max_ms", 12).notNull(),
    bytesIn: bigint("bytes_in", { mode: "number" }).notNull(),
    bytesOut: bigint("bytes_out", { mode: "number" }).notNull(),
    p50Bucket: tinyint("p50_bucket", { unsigned: true }).notNull(),
    p90Bucket: tinyint("p90_bucket", { unsigned: true }).notNull(),
    p95Bucket: tinyint("p95_bucket", { unsigned: true }).notNull(),
    p99Bucket: tinyint("p99_bucket", { unsigned: true }).notNull(),
    satisfied: count("satisfied").notNull(),
    tolerated: count("tolerated").notNull(),
  });

/** 0078_api_traffic_10s.sql to 0081_api_traffic_1d.sql */
export const apiTraffic10s = traffic("10s");
export const apiTraffic1m = traffic("1m");
export const apiTraffic1h = traffic("1h");
export const apiTraffic1d = traffic("1d");

/** 0018_api_users_1d.sql */
export const apiUsers1d = mysqlTable(
  "api_users_1d",
  {
    bucketS: unixSeconds("bucket_s").notNull(),
    userId: varchar("user_id", { length: 64 }).notNull(),
    shard: shard().notNull(),
    count: int("count").notNull(),
    errors: int("errors").notNull(),
    logins: int("logins").notNull(),
    productViews: int("product_views").notNull(),
    orders: int("orders").notNull(),
    payments: int("payments").notNull(),
    sumMs: milliseconds("sum_ms", 18).notNull(),
    firstAt: time("first_at").notNull(),
    lastAt: time("last_at").notNull(),
  },
  (table) => [primaryKey({ columns: [table.bucketS, table.userId, table.shard] })],
);

/** 0019_retention.sql */
export const retention = mysqlTable("retention", {
  name: varchar("name", { length: 64 }).primaryKey(),
  keepS: unixSeconds("keep_s").notNull(),
  keptFromS: unixSeconds("kept_from_s").notNull(),
  updatedAt: time("updated_at").default(now).notNull(),
});

/** 0020_ingest_drops.sql */
export const ingestDrops = mysqlTable(
  "ingest_drops",
  {
    runId: varchar("run_id", { length: 64 }).default("").notNull(),
    topic: varchar("topic", { length: 249 }).default("").notNull(), // 0129
    level: mysqlEnum("level", LEVELS).notNull(),
    reason: varchar("reason", { length: 32 }).notNull(),
    dropped: count("dropped").notNull(),
    updatedAt: time("updated_at").default(now).notNull(),
  },
  (table) => [primaryKey({ columns: [table.runId, table.topic, table.level, table.reason] })],
);

/** 0090_api_error_groups.sql */
export const apiErrorGroups = mysqlTable("api_error_groups", {
  fingerprint: char("fingerprint", { length: 16 }).primaryKey(),
  service: varchar("service", { length: 64 }).notNull(),
  method: varchar("method", { length: 16 }).notNull(),
  endpoint: varchar("endpoint", { length: 255 }).notNull(),
  statusCode: smallint("status_code", { unsigned: true }).notNull(),
  errorType: varchar("error_type", { length: 128 }),
  message: varchar("message", { length: 1024 }),
  firstStoredAt: time("first_stored_at").default(now).notNull(),
});

/** 0091_api_errors_1h.sql */
export const apiErrors1h = mysqlTable(
  "api_errors_1h",
  {
    bucketS: unixSeconds("bucket_s").notNull(),
    fingerprint: char("fingerprint", { length: 16 }).notNull(),
    shard: shard().notNull(),
    count: int("count").notNull(),
    firstAt: time("first_at").notNull(),
    lastAt: time("last_at").notNull(),
    lastRequestId: char("last_request_id", { length: 36 }).notNull(),
  },
  (table) => [primaryKey({ columns: [table.bucketS, table.fingerprint, table.shard] })],
);

/** 0140_app_logs.sql */
export const appLogs = mysqlTable(
  "app_logs",
  {
    id: count("id").autoincrement().notNull(),
    logId: char("log_id", { length: 36 }).notNull(),
    timestamp: time("timestamp").notNull(),
    level: mysqlEnum("level", APP_LOG_LEVELS).notNull(),
    service: varchar("service", { length: 64 }).notNull(),
    logger: varchar("logger", { length: 128 }).notNull(),
    message: varchar("message", { length: 4096 }).notNull(),
    host: varchar("host", { length: 128 }),
    module: varchar("module", { length: 255 }),
    function: varchar("function", { length: 255 }),
    line: int("line", { unsigned: true }),
    thread: varchar("thread", { length: 64 }),
    process: varchar("process", { length: 64 }),
    errorType: varchar("error_type", { length: 128 }),
    errorMessage: varchar("error_message", { length: 1024 }),
    stack: mediumtext("stack"),
    fingerprint: char("fingerprint", { length: 16 }),
    context: json("context"),
    requestId: char("request_id", { length: 36 }),
    traceId: varchar("trace_id", { length: 32 }),
    userId: varchar("user_id", { length: 64 }),
    runId: varchar("run_id", { length: 64 }),
    source: varchar("source", { length: 36 }),
    seq: count("seq"),
    extra: json("extra"),
    storedAt: time("stored_at").default(now).notNull(),
  },
  (table) => [
    primaryKey({ columns: [table.timestamp, table.logId] }),
    index("id").on(table.id),
    index("level_time").on(table.level, table.timestamp),
    index("service_time").on(table.service, table.timestamp),
    index("fingerprint_time").on(table.fingerprint, table.timestamp),
  ],
);

/** 0141_app_error_groups.sql */
export const appErrorGroups = mysqlTable("app_error_groups", {
  fingerprint: char("fingerprint", { length: 16 }).primaryKey(),
  errorType: varchar("error_type", { length: 128 }),
  message: varchar("message", { length: 4096 }).notNull(),
  frames: varchar("frames", { length: 2048 }),
  module: varchar("module", { length: 255 }),
  function: varchar("function", { length: 255 }),
  firstStoredAt: time("first_stored_at").default(now).notNull(),
});

/** 0142_app_errors_1h.sql */
export const appErrors1h = mysqlTable(
  "app_errors_1h",
  {
    bucketS: unixSeconds("bucket_s").notNull(),
    fingerprint: char("fingerprint", { length: 16 }).notNull(),
    service: varchar("service", { length: 64 }).notNull(),
    level: mysqlEnum("level", ["ERROR", "CRITICAL"]).notNull(),
    shard: shard().notNull(),
    count: int("count").notNull(),
    firstAt: time("first_at").notNull(),
    lastAt: time("last_at").notNull(),
    lastLogId: char("last_log_id", { length: 36 }).notNull(),
  },
  (table) => [
    primaryKey({ columns: [table.bucketS, table.fingerprint, table.service, table.level, table.shard] }),
  ],
);

/** 0160_ui_events.sql */
export const uiEvents = mysqlTable(
  "ui_events",
  {
    id: count("id").autoincrement().notNull(),
    eventId: char("event_id", { length: 36 }).notNull(),
    timestamp: time("timestamp").notNull(),
    name: varchar("name", { length: 64 }).notNull(),
    page: varchar("page", { length: 255 }),
    sessionId: varchar("session_id", { length: 64 }),
    userId: varchar("user_id", { length: 64 }),
    requestId: char("request_id", { length: 36 }),
    properties: json("properties"),
    runId: varchar("run_id", { length: 64 }),
    source: varchar("source", { length: 36 }),
    seq: count("seq"),
    extra: json("extra"),
    storedAt: time("stored_at").default(now).notNull(),
  },
  (table) => [
    primaryKey({ columns: [table.timestamp, table.eventId] }),
    index("id").on(table.id),
    index("name_time").on(table.name, table.timestamp),
  ],
);

/** 0161_ui_event_counts.sql */
export const uiEventCounts = mysqlTable(
  "ui_event_counts",
  {
    name: varchar("name", { length: 64 }).notNull(),
    shard: shard().notNull(),
    count: count("count").notNull(),
  },
  (table) => [primaryKey({ columns: [table.name, table.shard] })],
);

/** 0162_shop_events.sql */
export const shopEvents = mysqlTable(
  "shop_events",
  {
    id: count("id").autoincrement().notNull(),
    eventId: char("event_id", { length: 36 }).notNull(),
    timestamp: time("timestamp").notNull(),
    type: mysqlEnum("type", ["order_placed", "order_paid", "payment_declined"]).notNull(),
    orderId: varchar("order_id", { length: 36 }).notNull(),
    userId: varchar("user_id", { length: 64 }),
    totalCents: count("total_cents").notNull(),
    items: json("items"),
    requestId: char("request_id", { length: 36 }),
    traceId: varchar("trace_id", { length: 32 }),
    runId: varchar("run_id", { length: 64 }),
    source: varchar("source", { length: 36 }),
    seq: count("seq"),
    extra: json("extra"),
    storedAt: time("stored_at").default(now).notNull(),
  },
  (table) => [
    primaryKey({ columns: [table.timestamp, table.eventId] }),
    index("id").on(table.id),
    index("order_time").on(table.orderId, table.timestamp),
  ],
);

/** 0163_notifications.sql */
export const notifications = mysqlTable(
  "notifications",
  {
    notificationId: char("notification_id", { length: 36 }).notNull(),
    createdAt: time("created_at").notNull(),
    eventId: char("event_id", { length: 36 }).notNull(),
    orderId: varchar("order_id", { length: 36 }).notNull(),
    userId: varchar("user_id", { length: 64 }),
    channel: mysqlEnum("channel", ["email", "push"]).notNull(),
    template: varchar("template", { length: 64 }).notNull(),
    recipient: varchar("recipient", { length: 255 }),
    status: mysqlEnum("status", ["sent", "no_recipient"]).notNull(),
    storedAt: time("stored_at").default(now).notNull(),
  },
  (table) => [
    primaryKey({ columns: [table.createdAt, table.notificationId] }),
    index("user_time").on(table.userId, table.createdAt),
  ],
);
