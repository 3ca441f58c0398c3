import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { v7 as uuidv7 } from "uuid";
import type { RequestLog } from "../contract/request-log.ts";
import { REQUEST_LOG_TOPICS } from "../contract/request-log.ts";
import { allTopics } from "../contract/topics.ts";
import { connectAdmin } from "../kafka/admin.ts";
import { createKafka, type Kafka } from "../kafka/client.ts";
import { createPublisher, type Publisher } from "../producer/publisher.ts";
import { startCluster } from "../test/cluster.ts";
import {
  conditions,
  createDatabase,
  databaseServer,
  HOME,
  markdownTable,
  numberOf,
  REPEATS,
  ROOT,
  runBenchmark,
  SEED,
  silent,
  spread,
  startPinned,
  startRole,
  startServers,
  until,
  type Bench,
  type BenchDatabase,
  type DatabaseServer,
  type Servers,
} from "./harness.ts";

/** What more partitions and more processes bring on one machine, and what the loss of one of three brokers costs. */

/** `processes`: that many producers fill the topics, then as many consumers empty them. */
const SIZES = [
  { partitions: 1, processes: 1 },
  { partitions: 12, processes: 1 },
  { partitions: 12, processes: 2 },
  { partitions: 12, processes: 4 },
] as const;

interface Figures {
  readonly produced: number[]; // records/s
  readonly consumed: Map<string, number[]>; // rows/s by database
}

const TRAFFIC_PER_SECOND = 500; // while brokers are killed

const STORED =
  "SELECT COALESCE(SUM(rows_in), 0) FROM ingest_offsets WHERE topic IN ('info-logs', 'error-logs', 'debug-logs')";
const OWNERS = "SELECT COUNT(DISTINCT owner) FROM ingest_offsets WHERE rows_in > 0";

await runBenchmark({
  name: "scale",
  description:
    "Records/s into Kafka and rows/s into SQL with 1, 2 and 4 processes and 1 or 12 partitions, on the private MariaDB and on the server of MYSQL_URL when it is set; then how long three brokers need to go on without one of them",
  options: {
    rows: { help: "records of each measurement", fallback: 500_000, min: 20_000, max: 10_000_000 },
    repeats: REPEATS,
    seed: SEED,
  },
  async measure(bench, values) {
    const servers = await startServers(bench, { mariadb: true });
    const { MYSQL_URL } = process.env;
    const databases = [servers.mariadb!, ...(MYSQL_URL ? [await databaseServer(MYSQL_URL)] : [])];
    const figures = SIZES.map((): Figures => ({ produced: [], consumed: new Map() }));
    for (let repeat = 1; repeat <= values.repeats; repeat++) {
      for (const [i, { partitions, processes }] of SIZES.entries()) {
        const { produced, consumed } = figures[i]!;
        const label = `${repeat}/${values.repeats} ${partitions} partitions, ${processes} processes`;
        await recreateTopics(servers.kafka, partitions);
        produced.push(await produce(bench, servers, processes, values));
        bench.progress(`${label}: ${Math.round(produced.at(-1)!)} records/s produced`);
        for (const server of databases) {
          const rate = await consume(bench, servers, server, processes, values.rows);
          consumed.set(server.label, [...(consumed.get(server.label) ?? []), rate]);
          bench.progress(`${label}: ${Math.round(rate)} rows/s consumed, ${server.label}`);
        }
      }
    }
    const losses = await measureBrokerLoss(bench, databases[0]!);
    const labels = [...new Set([...servers.labels, ...databases.map(({ label }) => label)])];
    return [
      "## Partitions and processes\n",
      conditions(values, labels, ["kafkajs", "mysql2"]),
      "- producers: `rushhour producer` at full speed, generation included; from the first record in Kafka to the last",
      "- consumers: from when each process has stored a batch to when all rows are in; nothing is pinned\n",
      markdownTable(
        [
          "partitions",
          "processes",
          "records/s into Kafka",
          ...databases.map(({ label }) => `rows/s into ${label}`),
        ],
        SIZES.map(({ partitions, processes }, i) => [
          ...[String(partitions), String(processes), spread(figures[i]!.produced)],
          ...databases.map(({ label }) => spread(figures[i]!.consumed.get(label)!)),
        ]),
      ),
      "\n## One of three brokers killed\n",
      `- replication 3, ${TRAFFIC_PER_SECOND} records/s through one publisher, 2 consumers, ${databases[0]!.label}; each broker once, with SIGKILL`,
      "- every record was stored, none twice, or this report would not be here\n",
      markdownTable(
        ["what", "figure"],
        [
          [
            "longest time without a new row, s",
            spread(
              losses.map(({ pauseMs }) => pauseMs / 1_000),
              1,
            ),
          ],
          [
            "longest delay from request to row, s",
            spread(
              losses.map(({ delayMs }) => delayMs / 1_000),
              1,
            ),
          ],
          [
            "until the broker's copies are up to date again, s",
            spread(
              losses.map(({ healMs }) => healMs / 1_000),
              1,
            ),
          ],
        ],
      ),
    ].join("\n");
  },
});

/* ---- partitions and processes ---- */

/** Empty topics with that many partitions. */
async function recreateTopics(kafka: Kafka, partitions: number): Promise<void> {
  const topics = allTopics(partitions);
  const names = topics.map(({ name }) => name);
  const client = kafka.admin();
  await client.connect();
  await client.deleteTopics({ topics: names });
  await until("the old topics to be gone", async () => {
    const left = await client.listTopics();
    return !names.some((name) => left.includes(name));
  });
  await client.disconnect();
  const admin = await connectAdmin(kafka);
  await admin.createTopics(topics);
  await admin.close();
}

async function produce(
  bench: Bench,
  { brokers, kafka }: Servers,
  processes: number,
  { rows, seed }: { readonly rows: number; readonly seed: number },
): Promise<number> {
  const admin = await connectAdmin(kafka);
  const recordsIn = async () => {
    const ranges = await Promise.all(REQUEST_LOG_TOPICS.map((topic) => admin.logRanges(topic)));
    return ranges.flat().reduce((sum, { start, end }) => sum + Number(end - start), 0);
  };
  for (let i = 0; i < processes; i++) {
    const count = Math.floor(rows / processes) + (i < rows % processes ? 1 : 0);
    const flags = ["--rate", "1000000/s", "--count", String(count), "--seed", String(seed + i)];
    const command = [process.execPath, "cli/rushhour.js", "producer", ...flags];
    startPinned(bench, "any", ["env", `KAFKA_BROKERS=${brokers.join(",")}`, ...command], "ignore");
  }
  const deadlines = { deadlineMs: 60_000 + rows, everyMs: 50 };
  await until("the first record", async () => (await recordsIn()) > 0, deadlines);
  const earlier = await recordsIn();
  const startedMs = performance.now();
  await until(`${rows} records`, async () => (await recordsIn()) >= rows, deadlines);
  const rate = ((rows - earlier) / (performance.now() - startedMs)) * 1_000;
  await admin.close();
  return rate;
}

async function consume(
  bench: Bench,
  servers: Servers,
  server: DatabaseServer,
  processes: number,
  rows: number,
): Promise<number> {
  const database = await createDatabase(bench, server);
  const consumers = await startConsumers(bench, servers.brokers, database, processes);
  const deadlines = { deadlineMs: 60_000 + rows };
  await until(
    `${processes} consumers to store`,
    async () => (await numberOf(database.pool, OWNERS)) >= processes,
    deadlines,
  );
  const earlier = await numberOf(database.pool, STORED);
  const startedMs = performance.now();
  await until(`${rows} rows`, async () => (await numberOf(database.pool, STORED)) >= rows, deadlines);
  const rate = ((rows - earlier) / (performance.now() - startedMs)) * 1_000;
  await Promise.all(consumers.map((consumer) => consumer.stop()));
  await assertWhole(database, rows);
  await database.drop();
  return rate;
}

function startConsumers(
  bench: Bench,
  brokers: readonly string[],
  { name, writerUrl }: BenchDatabase,
  processes: number,
) {
  const env = { KAFKA_BROKERS: brokers.join(","), MYSQL_WRITER_URL: writerUrl };
  return Promise.all(
    Array.from({ length: processes }, () =>
      startRole(bench, ["consumer", "--port", "0", "--group", name], env),
    ),
  );
}

/** @throws Error when a row is missing or too many: then the figures say nothing */
async function assertWhole({ pool }: BenchDatabase, rows: number): Promise<void> {
  const found = await numberOf(pool, "SELECT COUNT(DISTINCT request_id) FROM api_logs");
  const stored = await numberOf(pool, "SELECT COUNT(*) FROM api_logs");
  if (found !== rows || stored !== rows)
    throw new Error(`of ${rows} records the database holds ${found}, in ${stored} rows`);
}

/* ---- the loss of a broker ---- */

interface Loss {
  readonly pauseMs: number;
  readonly delayMs: number;
  readonly healMs: number;
}

async function measureBrokerLoss(bench: Bench, server: DatabaseServer): Promise<Loss[]> {
  bench.progress("starting three brokers");
  const cluster = await startCluster(join(HOME, "cluster"), join(ROOT, ".rushhour", "engines"));
  bench.onClose(() => cluster.stop());
  const { brokers } = cluster;
  const kafka = createKafka({ brokers, clientId: "rushhour-bench", logger: silent });
  const admin = await connectAdmin(kafka);
  bench.onClose(() => admin.close());
  await admin.createTopics(allTopics());
  const database = await createDatabase(bench, server);
  await startConsumers(bench, brokers, database, 2);
  const publisher = createPublisher({ brokers, service: "bench", logger: silent });
  bench.onClose(() => publisher.close(0));
  const traffic = startTraffic(publisher);
  bench.onClose(traffic.stop);
  await until("both consumers to store", async () => (await numberOf(database.pool, OWNERS)) === 2);

  const losses: Loss[] = [];
  for (const nodeId of [1, 2, 3]) {
    const killedAt = new Date();
    await cluster.kill(nodeId);
    const publishedByThen = traffic.published();
    await until("the rows of before", async () => (await numberOf(database.pool, STORED)) >= publishedByThen);
    await wait(5_000); // what is late still comes
    const revivedMs = performance.now();
    await cluster.revive(nodeId);
    await until("the copies to be up to date", async () =>
      (await admin.describeTopics()).every(({ partitions, inSync }) => partitions === inSync),
    );
    const healMs = performance.now() - revivedMs;
    losses.push({ ...(await lossSince(database, killedAt)), healMs });
    bench.progress(`broker ${nodeId}: ${JSON.stringify(losses.at(-1))}`);
  }
  traffic.stop();
  await publisher.close();
  await until("all rows", async () => (await numberOf(database.pool, STORED)) >= traffic.published());
  await assertWhole(database, traffic.published());
  return losses;
}

function startTraffic(publisher: Publisher) {
  const EVERY_MS = 20;
  let published = 0;
  const timer = setInterval(() => {
    for (let i = 0; i < (TRAFFIC_PER_SECOND * EVERY_MS) / 1_000; i++) {
      publisher.publish(aLog());
      published++;
    }
  }, EVERY_MS);
  return { published: () => published, stop: () => clearInterval(timer) };
}

function aLog(): RequestLog {
  const nowMs = Date.now();
  return {
    ...{
      v: 1,
      request_id: uuidv7({ msecs: nowMs }),
      timestamp: new Date(nowMs).toISOString(),
      level: "INFO",
    },
    ...{ service: "bench", instance: "bench", endpoint: "/orders/:id", path: "/orders/7" },
    ...{ method: "GET", status_code: 200, response_time_ms: 1 },
  };
}

/** The longest pause between rows, and the longest delay of one, since then. */
async function lossSince({ pool }: BenchDatabase, since: Date): Promise<Omit<Loss, "healMs">> {
  const pauseMs = await numberOf(
    pool,
    `SELECT MAX(TIMESTAMPDIFF(MICROSECOND, earlier, stored_at)) / 1000 FROM
       (SELECT stored_at, LAG(stored_at) OVER (ORDER BY stored_at) AS earlier FROM api_logs WHERE stored_at >= ?) AS rows_since`,
    [since],
  );
  const delayMs = await numberOf(
    pool,
    "SELECT MAX(TIMESTAMPDIFF(MICROSECOND, timestamp, stored_at)) / 1000 FROM api_logs WHERE stored_at >= ?",
    [since],
  );
  return { pauseMs, delayMs };
}
