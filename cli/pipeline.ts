import type { Logger } from "../contract/logger.ts";
import { PUBLISHER_STATUS_TOPIC, REQUEST_LOG_TOPICS } from "../contract/topics.ts";
import { openPool, type Pool, type Row } from "../init_db/database.ts";
import { connectAdmin, type KafkaAdmin } from "../kafka/admin.ts";
import { createKafka } from "../kafka/client.ts";
import type { Store } from "../simulator/ledger/ledger.ts";
import { databaseError } from "./reach.ts";
import { brokersOf, userUrlOf, type ServerSettings } from "./servers.ts";

/** How far the pipeline is, for a live status. */
export interface PipelineState {
  readonly stored: number; // rows of all request-log topics since the beginning
  readonly lag: number; // records in Kafka that are not stored yet
  readonly delayMs: { readonly p50: number; readonly p99: number } | null; // response to row, of the last 10 s
}

/** The pipeline seen from outside: SQL as the reader, the ends of the topics from Kafka. */
export interface Pipeline extends Store {
  state(): Promise<PipelineState>;
  close(): Promise<void>;
}

/** @throws RushhourError SERVER_UNREACHABLE or CONFIG_INVALID when the database does not let the reader in */
export async function openPipeline(settings: ServerSettings, logger: Logger): Promise<Pipeline> {
  const readerUrl = userUrlOf("reader", settings);
  const pool = openPool(readerUrl, 2);
  await pool.query("SELECT 1").catch(async (error: unknown) => {
    await pool.end();
    throw databaseError(error, readerUrl, "MYSQL_READER_URL or MYSQL_URL");
  });
  const kafka = createKafka({ brokers: brokersOf(settings), clientId: "rushhour-pipeline", logger });
  let connected: Promise<KafkaAdmin> | undefined;
  const admin = () =>
    (connected ??= connectAdmin(kafka).catch((error: unknown) => {
      connected = undefined; // the next call tries again
      throw error;
    }));
  return {
    async query(sql, params) {
      const [rows] = await pool.query<Row[]>(sql, [...params]);
      return rows;
    },
    isCaughtUp: async () =>
      !(await publishersHoldRecords(pool)) &&
      (await lagOf(pool, await admin(), [...REQUEST_LOG_TOPICS, PUBLISHER_STATUS_TOPIC])) === 0n,
    async state() {
      const [stored, lag, delayMs] = await Promise.all([
        storedRows(pool),
        admin().then((connection) => lagOf(pool, connection, REQUEST_LOG_TOPICS)),
        recentDelay(pool),
      ]);
      return { stored, lag: Number(lag), delayMs };
    },
    async close() {
      await connected?.then((connection) => connection.close()).catch(() => undefined);
      await pool.end();
    },
  };
}

/** A publisher that still speaks and says that Kafka has not taken all it numbered. */
async function publishersHoldRecords(pool: Pool): Promise<boolean> {
  const [[holding]] = await pool.query<Row[]>(
    `SELECT COUNT(*) AS publishers FROM publishers
      WHERE closed = 0 AND acknowledged < last_seq AND reported_at > UTC_TIMESTAMP(3) - INTERVAL 5 SECOND`,
  );
  return Number(holding?.["publishers"]) > 0;
}

async function lagOf(pool: Pool, admin: KafkaAdmin, topics: readonly string[]): Promise<bigint> {
  const cluster = await admin.clusterId();
  const [rows] = await pool.query<Row[]>(
    "SELECT topic, `partition`, CAST(next_offset AS CHAR) AS next_offset FROM ingest_offsets WHERE cluster = ?",
    [cluster],
  );
  const positions = new Map(
    rows.map((row) => [
      `${String(row["topic"])}/${Number(row["partition"])}`,
      BigInt(String(row["next_offset"])),
    ]),
  );
  const lags = topics.map(async (topic) => {
    const ranges = await admin.logRanges(topic);
    return ranges.reduce((lag, { partition, start, end }) => {
      const position = positions.get(`${topic}/${partition}`) ?? start;
      return position < end ? lag + end - position : lag;
    }, 0n);
  });
  return (await Promise.all(lags)).reduce((sum, lag) => sum + lag, 0n);
}

async function storedRows(pool: Pool): Promise<number> {
  const [[sum]] = await pool.query<Row[]>(
    "SELECT SUM(rows_in) AS rows_in FROM ingest_offsets WHERE topic IN (?)",
    [REQUEST_LOG_TOPICS],
  );
  return Number(sum?.["rows_in"] ?? 0);
}

async function recentDelay(pool: Pool): Promise<PipelineState["delayMs"]> {
  const [rows] = await pool.query<Row[]>(
    `SELECT TIMESTAMPDIFF(MICROSECOND, timestamp, stored_at) / 1000 - response_time_ms AS delay_ms FROM api_logs
      WHERE timestamp > UTC_TIMESTAMP(3) - INTERVAL 10 SECOND ORDER BY timestamp DESC LIMIT 1000`,
  );
  const delays = rows.map((row) => Math.max(0, Number(row["delay_ms"]))).sort((a, b) => a - b);
  if (delays.length === 0) return null;
  const at = (share: number) => delays[Math.min(delays.length - 1, Math.floor(delays.length * share))]!;
  return { p50: at(0.5), p99: at(0.99) };
}
