import { randomUUID } from "node:crypto";
import kafkajs, { type CompressionTypes as Compression } from "kafkajs";
import { compress as compressSnappy } from "snappyjs";
import { beforeEach, describe, expect, onTestFinished, test } from "vitest";
import { TOPIC_OF_LEVEL } from "../contract/request-log.ts";
import { createBatchProducer } from "../kafka/producer.ts";
import {
  aRequestLog,
  freshTopics,
  numberOf,
  openAdmin,
  openTestDatabase,
  rowsOf,
  startRole,
  startTestConsumer,
  testKafka,
  until,
} from "./harness.ts";

const { CompressionCodecs, CompressionTypes } = kafkajs;

interface Codec {
  compress(encoder: { buffer: Buffer }): Promise<Buffer>;
  decompress(buffer: Buffer): Promise<Buffer>;
}

const snappyBlock = (content: Buffer) => Buffer.from(compressSnappy(content));

/** As Java's clients write it: blocks, each behind its length. */
function snappyBlocks(content: Buffer): Buffer {
  const blocks = [content.subarray(0, 100), content.subarray(100)].map(snappyBlock);
  const header = Buffer.from("82534e41505059000000000100000001", "hex");
  return Buffer.concat([header, ...blocks.flatMap((block) => [uint32(block.length, "BE"), block])]);
}

/** A frame with one block that is stored as it is, as Kafka takes it (independent blocks of 64 KiB). */
function lz4Frame(content: Buffer): Buffer {
  const header = Buffer.from("04224d18604082", "hex");
  return Buffer.concat([header, uint32(0x80000000 + content.length, "LE"), content, uint32(0, "LE")]);
}

function uint32(value: number, order: "BE" | "LE"): Buffer {
  const bytes = Buffer.alloc(4);
  bytes[`writeUInt32${order}`](value);
  return bytes;
}

const COUNT = "SELECT COUNT(*) FROM api_logs";

beforeEach(() => freshTopics());

async function send(topic: string, values: readonly string[]): Promise<void> {
  const producer = createBatchProducer(testKafka());
  await producer.send(new Map([[topic, values]]));
  await producer.close();
}

describe("the consumer", () => {
  test("A-14 stores the three topics in api_logs with their level", async () => {
    const { pool, writerUrl } = await openTestDatabase();
    const logs = [
      aRequestLog({ level: "INFO" }),
      aRequestLog({ level: "DEBUG", endpoint: "/health" }),
      aRequestLog({
        level: "ERROR",
        status_code: 503,
        error_type: "Unavailable",
        error_message: "it's \\down\\ “now”\n",
      }),
      aRequestLog({ level: "CRITICAL", status_code: 500, stack: "TypeError: x\n  at y" }),
    ];
    for (const log of logs) await send(TOPIC_OF_LEVEL[log.level], [JSON.stringify(log)]);
    startTestConsumer({ writerUrl });
    await until("four rows", async () => (await numberOf(pool, COUNT)) === 4);

    const rows = await rowsOf(
      pool,
      "SELECT request_id, timestamp, level, status_code, response_time_ms, error_message FROM api_logs",
    );
    for (const log of logs) {
      const row = rows.find(({ request_id }) => request_id === log.request_id)!;
      expect(row).toMatchObject({ level: log.level, status_code: log.status_code, response_time_ms: 12.345 });
      expect((row["timestamp"] as Date).toISOString()).toBe(log.timestamp);
      expect(row["error_message"]).toBe(log.error_message ?? null);
    }
  });

  test("a redelivered record adds no row and is counted", async () => {
    const { pool, writerUrl } = await openTestDatabase();
    const log = JSON.stringify(aRequestLog());
    const other = JSON.stringify(aRequestLog());
    startTestConsumer({ writerUrl });
    await send("info-logs", [log, log, other]);
    await until("two rows", async () => (await numberOf(pool, COUNT)) === 2);
    await send("info-logs", [other, JSON.stringify(aRequestLog()), log]);
    await until("three rows", async () => (await numberOf(pool, COUNT)) === 3);

    const [sums] = await rowsOf(
      pool,
      "SELECT SUM(rows_in) AS rows_in, SUM(duplicates) AS duplicates FROM ingest_offsets",
    );
    expect([Number(sums!["rows_in"]), Number(sums!["duplicates"])]).toEqual([3, 3]);
  });

  test("garbage becomes dead letters and stops nothing", async () => {
    const { pool, writerUrl } = await openTestDatabase();
    const deep = `${'{"a":'.repeat(120)}1${"}".repeat(120)}`;
    const good = [aRequestLog(), aRequestLog()];
    await send("info-logs", [
      "not json at all",
      JSON.stringify(good[0]),
      "[1,2]",
      JSON.stringify(aRequestLog({ status_code: 999 })),
      JSON.stringify(aRequestLog({ timestamp: new Date(Date.now() + 2 * 3_600_000).toISOString() })),
      JSON.stringify({ ...aRequestLog(), deep: JSON.parse(deep) as unknown }),
      "",
      JSON.stringify(good[1]),
    ]);
    startTestConsumer({ writerUrl });
    await until("two rows", async () => (await numberOf(pool, COUNT)) === 2);

    const letters = await rowsOf(
      pool,
      "SELECT reason, detail, CAST(value AS CHAR) AS value, `offset` FROM dead_letters ORDER BY `offset`",
    );
    expect(letters.map(({ reason }) => reason as string)).toEqual([
      ...["not_json", "not_an_object", "invalid_field", "in_the_future", "refused_by_sql", "not_json"],
    ]);
    expect(letters[0]!["value"]).toBe("not json at all");
    expect(letters[2]!["detail"]).toBe("status_code=999 must be a whole number from 100 to 599");
    const ids = (await rowsOf(pool, "SELECT request_id FROM api_logs")).map(
      ({ request_id }) => request_id as string,
    );
    expect(ids.sort()).toEqual(good.map(({ request_id }) => request_id).sort());
  });

  test("plain records of other producers are stored, and redelivery of those without an id adds no row", async () => {
    const { pool, writerUrl } = await openTestDatabase();
    const yesterday = new Date(Math.floor(Date.now() / 1_000 - 86_400) * 1_000);
    const plain = {
      endpoint: "/users",
      method: "get",
      status_code: 200,
      response_time_ms: "3.5",
      timestamp: yesterday.toISOString().slice(0, 19).replace("T", " "),
    };
    await send("debug-logs", [
      JSON.stringify(plain),
      JSON.stringify({ ...plain, log_id: "abc", status_code: 500, level: "DEBUG", colour: "red" }),
    ]);
    startTestConsumer({ writerUrl });
    await until("two rows", async () => (await numberOf(pool, COUNT)) === 2);
    // A second database-side start from scratch: the position is forgotten, so everything comes again.
    await pool.query("DELETE FROM ingest_offsets");
    startTestConsumer({ writerUrl });
    await until(
      "both seen again",
      async () => (await numberOf(pool, "SELECT SUM(duplicates) FROM ingest_offsets")) === 2,
    );

    const rows = await rowsOf(
      pool,
      "SELECT request_id, level, method, service, timestamp, extra FROM api_logs ORDER BY level",
    );
    expect(rows).toHaveLength(2);
    expect(rows[0]).toMatchObject({
      level: "DEBUG",
      method: "GET",
      service: "unknown",
      timestamp: yesterday,
    });
    expect(rows[0]!["request_id"]).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-5/);
    expect(rows[1]).toMatchObject({ request_id: "abc", level: "ERROR" });
    expect(JSON.parse(JSON.stringify(rows[1]!["extra"]))).toSatisfy((extra: unknown) =>
      JSON.stringify(extra).includes("red"),
    );
  });

  test("record batches are read however their producer compressed them", async () => {
    const { pool, writerUrl } = await openTestDatabase();
    const codecs = CompressionCodecs as Record<number, () => Codec>;
    const writers: readonly (readonly [Compression, ((content: Buffer) => Buffer)?])[] = [
      [CompressionTypes.GZIP],
      [CompressionTypes.ZSTD],
      [CompressionTypes.LZ4, lz4Frame],
      [CompressionTypes.Snappy, snappyBlock],
      [CompressionTypes.Snappy, snappyBlocks],
    ];
    for (const [compression, write] of writers) {
      const codec = codecs[compression]!();
      const producer = testKafka().producer();
      if (write)
        codecs[compression] = () => ({ ...codec, compress: ({ buffer }) => Promise.resolve(write(buffer)) });
      await producer.connect();
      const messages = Array.from({ length: 20 }, () => ({ value: JSON.stringify(aRequestLog()) }));
      await producer.send({ topic: "info-logs", compression, messages });
      await producer.disconnect();
    }
    startTestConsumer({ writerUrl });
    await until("all rows", async () => (await numberOf(pool, COUNT)) === 20 * writers.length);
  });

  test("positions are committed to Kafka too, so that group lag is true", async () => {
    const { pool, writerUrl } = await openTestDatabase();
    const group = randomUUID();
    startTestConsumer({ writerUrl }, { group });
    await send(
      "info-logs",
      Array.from({ length: 50 }, () => JSON.stringify(aRequestLog())),
    );
    await until("fifty rows", async () => (await numberOf(pool, COUNT)) === 50);
    const admin = testKafka().admin();
    await admin.connect();
    onTestFinished(() => admin.disconnect());
    await until("a lag of 0", async () => {
      const [committed] = await admin.fetchOffsets({ groupId: group, topics: ["info-logs"] });
      const ends = await admin.fetchTopicOffsets("info-logs");
      return ends.every(({ partition, high, low }) => {
        const offset = committed!.partitions.find((part) => part.partition === partition)!.offset;
        return offset === high || (high === low && offset === "-1");
      });
    });
  });

  test("a position outside the log is said in ingest_gaps and reading restarts at the log's start", async () => {
    const { pool, writerUrl } = await openTestDatabase();
    const admin = await openAdmin();
    await send("error-logs", [JSON.stringify(aRequestLog({ status_code: 500 }))]);
    for (const partition of [0, 1, 2]) {
      await pool.query(
        "INSERT INTO ingest_offsets (cluster, topic, `partition`, next_offset) VALUES (?, 'error-logs', ?, 1000)",
        [await admin.clusterId(), partition],
      );
    }
    startTestConsumer({ writerUrl });
    await until("the row", async () => (await numberOf(pool, COUNT)) === 1);
    await until("three gaps", async () => (await numberOf(pool, "SELECT COUNT(*) FROM ingest_gaps")) === 3);
  });

  test("two consumers share the partitions; one killed with SIGKILL and restarted loses and doubles nothing", async () => {
    const { pool, writerUrl, name } = await openTestDatabase();
    const env = { MYSQL_WRITER_URL: writerUrl, CONSUMER_PORT: "0", CONSUMER_GROUP: name };
    const first = await startRole(["consumer"], env);
    await startRole(["consumer"], env);
    const producer = createBatchProducer(testKafka());
    onTestFinished(() => producer.close());
    let sent = 0;
    const sendSome = async (batches: number) => {
      for (let i = 0; i < batches; i++) {
        const values = Array.from({ length: 200 }, () => JSON.stringify(aRequestLog()));
        await producer.send(new Map([["info-logs", values]]));
        sent += values.length;
      }
    };
    await sendSome(10);
    await until("first rows", async () => (await numberOf(pool, COUNT)) > 0);
    await until(
      "both to hold partitions",
      async () => (await numberOf(pool, "SELECT COUNT(DISTINCT owner) FROM ingest_offsets")) >= 1,
    );
    first.process.kill("SIGKILL");
    await sendSome(20);
    await startRole(["consumer"], env);
    await sendSome(10);
    await until("all rows", async () => (await numberOf(pool, COUNT)) === sent, { deadlineMs: 45_000 });
    expect(await numberOf(pool, "SELECT COUNT(DISTINCT request_id) FROM api_logs")).toBe(sent);
    expect(await numberOf(pool, "SELECT SUM(rows_in) FROM ingest_offsets WHERE topic = 'info-logs'")).toBe(
      sent,
    );
  }, 90_000);
});
