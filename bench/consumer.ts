import { Readable } from "node:stream";
import { openIngestConnections } from "../consumer/connection.ts";
import { decodeAll } from "../consumer/decode.ts";
import { requestLogs } from "../consumer/request-logs.ts";
import type { ReceivedRecord } from "../contract/record.ts";
import type { RequestLogRow } from "../contract/request-log-row.ts";
import { connect, type Row } from "../init_db/database.ts";
import { createBatchProducer } from "../kafka/producer.ts";
import { createSyntheticLogs } from "../producer/synthetic.ts";
import {
  conditions,
  createDatabase,
  databaseServer,
  markdownTable,
  numberOf,
  REPEATS,
  runBenchmark,
  SEED,
  spread,
  startRole,
  startServers,
  stopwatchOfCpu,
  until,
  type Bench,
  type BenchDatabase,
  type DatabaseServer,
  type Servers,
} from "./harness.ts";
import { loadColumns, loadText, WITH_LOCAL_FILES } from "./load-text.ts";

/** How fast a full topic gets into SQL, beside two ways to write the same rows that promise less. */

const WAYS = {
  consumer: "**rushhour consumer** (Kafka, position and rows in one transaction)",
  insert: "the same INSERTs, no Kafka, no position (2 connections, autocommit)",
  load: "LOAD DATA LOCAL INFILE of ready text (1 connection, 1 statement)",
} as const;
type Way = keyof typeof WAYS;

interface Figures {
  readonly rowsPerSecond: number;
  readonly fromStart?: number; // rows/s, process start and joining the group included
  readonly clientCpuUs: number | undefined; // a row; undefined where it cannot be read
  readonly databaseCpuUs: number | undefined;
}

const kind = requestLogs();

const TOPIC = "info-logs";
/** As the publisher does it: large batches, one partition after the other. */
const RECORDS_PER_SEND = 1_000;
/** As the consumer does it (kafka/consumer.ts, consumer/consumer.ts). */
const ROWS_PER_INSERT = 4_000;
const CONNECTIONS = 2;

await runBenchmark({
  name: "consumer",
  description:
    "Rows/s from a full topic to SQL, beside plain inserts and LOAD DATA of the same rows: on the private MariaDB, and on the server of MYSQL_URL when it is set",
  options: {
    rows: { help: "records in the topic", fallback: 300_000, min: 1_000, max: 5_000_000 },
    repeats: REPEATS,
    seed: SEED,
  },
  async measure(bench, values) {
    const servers = await startServers(bench, { mariadb: true });
    const { MYSQL_URL } = process.env;
    const databases = [servers.mariadb!, ...(MYSQL_URL ? [await databaseServer(MYSQL_URL)] : [])];
    bench.progress(`filling ${TOPIC}`);
    const records = await fillTopic(servers, values.rows, values.seed);
    const text = readyText(records);

    const sections: string[] = [];
    for (const server of databases) {
      const figures: Record<Way, Figures[]> = { consumer: [], insert: [], load: [] };
      for (let repeat = 1; repeat <= values.repeats; repeat++) {
        const measured: Record<Way, Figures> = {
          consumer: await consume(bench, servers, server, records.length),
          insert: await insert(bench, server, records),
          load: await load(bench, server, text, records.length),
        };
        for (const way of Object.keys(WAYS) as Way[]) {
          figures[way].push(measured[way]);
          const rate = Math.round(measured[way].rowsPerSecond);
          bench.progress(`${repeat}/${values.repeats} ${server.label} ${way}: ${rate} rows/s`);
        }
      }
      sections.push(section(server, figures));
    }
    const labels = new Set([...servers.labels, ...databases.map(({ label }) => label)]);
    const bytes = records.reduce((sum, record) => sum + record.value!.length, 0) / records.length;
    return [
      "## From a full topic to SQL\n",
      conditions(values, [...labels], ["kafkajs", "mysql2"]),
      `- ${values.rows.toLocaleString("en")} records of ${Math.round(bytes)} bytes on average in 6 partitions; each measurement in a fresh database and group`,
      "- rows/s of the consumer: from the first row's `stored_at` to the last move of a position; 'from start' begins with the process",
      "- every measurement ended with as many rows and ids as records, no duplicate, no dead letter, or this report would not be here",
      "- CPU: user and system time a row; the consumer's without its start-up; nothing is pinned\n",
      ...sections,
    ].join("\n");
  },
});

/** Synthetic logs of level INFO, as a publisher numbers them. @returns them as a consumer gets them */
async function fillTopic(servers: Servers, count: number, seed: number): Promise<ReceivedRecord[]> {
  const timeMs = Date.now();
  const logs = createSyntheticLogs({ seed, startMs: timeMs, meanPerSecond: 1_000 });
  const source = crypto.randomUUID();
  const producer = createBatchProducer(servers.kafka);
  const records: ReceivedRecord[] = [];
  while (records.length < count) {
    const values: string[] = [];
    while (values.length < Math.min(RECORDS_PER_SEND, count - records.length)) {
      const { level, json } = logs.next(Date.now());
      if (level !== "INFO") continue;
      const seq = records.length + values.length + 1;
      values.push(`${json.slice(0, -1)},"source":"${source}","seq":${seq}}`);
    }
    await producer.send(new Map([[TOPIC, values]]));
    for (const value of values) {
      const offset = BigInt(records.length);
      const at = { cluster: "bench", topic: TOPIC, partition: 0, offset, timeMs };
      records.push({ ...at, key: null, value: Buffer.from(value) });
    }
  }
  await producer.close();
  return records;
}

/** The real process, from its start to the last commit. */
async function consume(
  bench: Bench,
  servers: Servers,
  server: DatabaseServer,
  count: number,
): Promise<Figures> {
  const database = await createDatabase(bench, server);
  const startedMs = performance.now();
  const role = await startRole(bench, ["consumer", "--port", "0", "--group", database.name], {
    KAFKA_BROKERS: servers.brokers.join(","),
    MYSQL_WRITER_URL: database.writerUrl,
  });
  const client = stopwatchOfCpu(role.pid, count);
  const ours = stopwatchOfCpu(server.pid, count);
  await until(
    `${count} rows on ${server.label}`,
    async () =>
      (await numberOf(database.pool, "SELECT COALESCE(SUM(rows_in), 0) FROM ingest_offsets")) >= count,
    { deadlineMs: 30_000 + count },
  );
  const elapsedMs = performance.now() - startedMs;
  const cpu = { clientCpuUs: client(), databaseCpuUs: ours() };
  await role.stop();
  const storingUs = await numberOf(
    database.pool,
    "SELECT TIMESTAMPDIFF(MICROSECOND, (SELECT MIN(stored_at) FROM api_logs), MAX(updated_at)) FROM ingest_offsets",
  );
  await assertWhole(database, count);
  await database.drop();
  return { ...cpu, rowsPerSecond: (count / storingUs) * 1e6, fromStart: (count / elapsedMs) * 1_000 };
}

/** The consumer's decoding, statements and session, without Kafka and without what makes it safe. */
async function insert(
  bench: Bench,
  server: DatabaseServer,
  records: readonly ReceivedRecord[],
): Promise<Figures> {
  const database = await createDatabase(bench, server);
  const connections = openIngestConnections(database.writerUrl, CONNECTIONS);
  const client = stopwatchOfCpu(process.pid, records.length);
  const ours = stopwatchOfCpu(server.pid, records.length);
  const startedMs = performance.now();
  let next = 0;
  const writeOn = () =>
    connections.use(async (connection) => {
      while (next < records.length) {
        const chunk = records.slice(next, next + ROWS_PER_INSERT);
        next += chunk.length;
        for (const statement of kind.table.insert(rowsOf(chunk))) await connection.run(statement);
      }
    });
  await Promise.all(Array.from({ length: CONNECTIONS }, writeOn));
  const elapsedMs = performance.now() - startedMs;
  const cpu = { clientCpuUs: client(), databaseCpuUs: ours() };
  await connections.close();
  await assertWhole(database, records.length);
  await database.drop();
  return { ...cpu, rowsPerSecond: (records.length / elapsedMs) * 1_000 };
}

interface LoadText {
  readonly columns: readonly string[];
  readonly chunks: readonly Buffer[];
}

/** The ceiling: the database's own bulk load. @throws mysql2's error when the server forbids it (local_infile) */
async function load(
  bench: Bench,
  server: DatabaseServer,
  { columns, chunks }: LoadText,
  count: number,
): Promise<Figures> {
  const database = await createDatabase(bench, server);
  const connection = await connect(database.ownerUrl, WITH_LOCAL_FILES);
  bench.onClose(() => connection.end());
  const client = stopwatchOfCpu(process.pid, count);
  const ours = stopwatchOfCpu(server.pid, count);
  const startedMs = performance.now();
  await connection.query({
    sql: `LOAD DATA LOCAL INFILE 'rows' INTO TABLE api_logs CHARACTER SET utf8mb4 (${columns.join(",")})`,
    infileStreamFactory: () => Readable.from(chunks),
  });
  const elapsedMs = performance.now() - startedMs;
  const cpu = { clientCpuUs: client(), databaseCpuUs: ours() };
  await connection.end();
  await assertWhole(database, count);
  await database.drop();
  return { ...cpu, rowsPerSecond: (count / elapsedMs) * 1_000 };
}

function rowsOf(records: readonly ReceivedRecord[]): RequestLogRow[] {
  return decodeAll(records, kind).map(({ row }) => row!);
}

/** All columns that the consumer writes. */
function readyText(records: readonly ReceivedRecord[]): LoadText {
  const chunks: Buffer[] = [];
  for (let i = 0; i < records.length; i += RECORDS_PER_SEND)
    chunks.push(loadText(rowsOf(records.slice(i, i + RECORDS_PER_SEND))));
  return { columns: loadColumns(rowsOf(records.slice(0, 1))[0]!), chunks };
}

/** @throws Error when a row is missing or too many: then the figures say nothing */
async function assertWhole({ pool }: BenchDatabase, count: number): Promise<void> {
  const [[found]] = await pool.query<Row[]>(
    `SELECT COUNT(*) AS row_count, COUNT(DISTINCT request_id) AS ids,
            (SELECT COALESCE(SUM(duplicates), 0) FROM ingest_offsets) AS duplicates,
            (SELECT COUNT(*) FROM dead_letters) AS dead_letters FROM api_logs`,
  );
  const { row_count, ids, duplicates, dead_letters } = found!;
  const isWhole = Number(row_count) === count && Number(ids) === count;
  if (isWhole && Number(duplicates) === 0 && Number(dead_letters) === 0) return;
  throw new Error(`of ${count} records the database holds ${JSON.stringify(found)}`);
}

function section({ label }: DatabaseServer, figures: Readonly<Record<Way, readonly Figures[]>>): string {
  const present = (values: readonly (number | undefined)[]) => values.filter((value) => value !== undefined);
  const rows = (Object.keys(WAYS) as Way[]).map((way) => {
    const own = figures[way];
    const toLoad = own.map(
      ({ rowsPerSecond }, repeat) => rowsPerSecond / figures.load[repeat]!.rowsPerSecond,
    );
    return [
      WAYS[way],
      spread(own.map(({ rowsPerSecond }) => rowsPerSecond)),
      spread(toLoad, 2),
      spread(present(own.map(({ fromStart }) => fromStart))),
      spread(present(own.map(({ clientCpuUs }) => clientCpuUs)), 1),
      spread(present(own.map(({ databaseCpuUs }) => databaseCpuUs)), 1),
    ];
  });
  const head = [
    "way",
    "rows/s",
    "to LOAD DATA",
    "rows/s from start",
    "client CPU µs/row",
    "database CPU µs/row",
  ];
  return `### ${label}\n\n${markdownTable(head, rows)}\n`;
}
