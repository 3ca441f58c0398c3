import { spoolRoot } from "../contract/config.ts";
import type { Logger } from "../contract/logger.ts";
import { REQUEST_LOG_TOPICS } from "../contract/request-log.ts";
import { PUBLISHER_STATUS_TOPIC } from "../contract/topics.ts";
import { openPool, type Pool, type Row } from "../init_db/database.ts";
import { connectAdmin, type KafkaAdmin } from "../kafka/admin.ts";
import { createKafka } from "../kafka/client.ts";
import { isLeft, listFolders } from "../producer/spool/folders.ts";
import type { Store } from "../simulator/ledger/ledger.ts";
import { databaseError } from "./reach.ts";
import { kafkaOf, userUrlOf, type ServerSettings } from "./servers.ts";

/** How far the pipeline is, for a live status. */
export interface PipelineState {
  readonly stored: number; // rows of all request-log topics since the beginning
  readonly lag: number; // records in Kafka that are not stored yet
  readonly delayMs: { readonly p50: number; readonly p99: number } | null; // response to row, of the last 10 s
}

/** The pipeline seen from outside: SQL as the reader, the ends of the topics from Kafka. */
export interface Pipeline extends Store {
  /** Whether all is stored that publishers held or Kafka had when this was asked first: what others send since does not count. */
  isCaughtUp(): Promise<boolean>;
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
  const kafka = createKafka({ ...kafkaOf(settings), clientId: "rushhour-pipeline", logger });
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
    isCaughtUp: catchUp(pool, admin, spoolRoot(settings)),
    async state() {
      const [stored, lag, delayMs] = await Promise.all([
        storedRows(pool),
        admin().then(async (connection) =>
          lagBehind(await endsOf(connection, REQUEST_LOG_TOPICS), await positionsOf(pool, connection)),
        ),
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

/**
 * The records of a run that ended pass two points: their publishers hand them to Kafka, and of one that was killed another what it had on
 * disk, as far as its spool lies here; then the consumer reads up to the ends that the topics have by then. Each point is where it was when it came into view; it does not move on with live traffic. What
 * a publisher had numbered but not reported yet comes within a second, and who asks waits longer than that.
 */
function catchUp(pool: Pool, admin: () => Promise<KafkaAdmin>, spools: string): () => Promise<boolean> {
  let numbered: ReadonlyMap<string, number> | undefined; // by publisher, when first asked
  let ends: readonly PartitionRange[] | undefined; // once Kafka had those
  return async () => {
    if (ends === undefined) {
      if ((await listFolders(spools)).some(isLeft)) return false;
      const publishers = await livePublishers(pool);
      if (publishers.some(({ spooled_bytes }) => spooled_bytes > 0)) return false;
      numbered ??= new Map(publishers.map(({ source, last_seq }) => [source, last_seq]));
      if (publishers.some(({ source, acknowledged }) => acknowledged < (numbered!.get(source) ?? 0)))
        return false;
      ends = await endsOf(await admin(), [...REQUEST_LOG_TOPICS, PUBLISHER_STATUS_TOPIC]);
    }
    return lagBehind(ends, await positionsOf(pool, await admin())) === 0n;
  };
}

interface LivePublisher {
  readonly source: string;
  readonly last_seq: number;
  readonly acknowledged: number;
  readonly spooled_bytes: number;
}

/** Those that still speak; what others held is lost. */
async function livePublishers(pool: Pool): Promise<LivePublisher[]> {
  const [rows] = await pool.query<(Row & LivePublisher)[]>(
    `SELECT source, last_seq, acknowledged, spooled_bytes FROM publishers
      WHERE closed = 0 AND reported_at > UTC_TIMESTAMP(3) - INTERVAL 5 SECOND`,
  );
  return rows;
}

interface PartitionRange {
  readonly name: string; // topic/partition
  readonly start: bigint;
  readonly end: bigint;
}

async function endsOf(admin: KafkaAdmin, topics: readonly string[]): Promise<PartitionRange[]> {
  const ranges = topics.map(async (topic) =>
    (await admin.logRanges(topic)).map(({ partition, start, end }) => {
      return { name: `${topic}/${partition}`, start, end };
    }),
  );
  return (await Promise.all(ranges)).flat();
}

/** Where the consumer will read on, by `topic/partition`. */
async function positionsOf(pool: Pool, admin: KafkaAdmin): Promise<ReadonlyMap<string, bigint>> {
  const [rows] = await pool.query<Row[]>(
    "SELECT CONCAT(topic, '/', `partition`) AS name, CAST(next_offset AS CHAR) AS next_offset FROM ingest_offsets WHERE cluster = ?",
    [await admin.clusterId()],
  );
  return new Map(rows.map((row) => [String(row["name"]), BigInt(String(row["next_offset"]))]));
}

function lagBehind(ends: readonly PartitionRange[], positions: ReadonlyMap<string, bigint>): bigint {
  return ends.reduce((lag, { name, start, end }) => {
    const position = positions.get(name) ?? start;
    return position < end ? lag + end - position : lag;
  }, 0n);
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
