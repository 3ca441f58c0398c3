import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setImmediate as turn } from "node:timers/promises";
import { Agent, request } from "undici";
import { beforeEach, describe, expect, onTestFinished, test } from "vitest";
import { createMetrics } from "../contract/metrics.ts";
import type { Level } from "../contract/request-log.ts";
import { createPublisher } from "../producer/publisher.ts";
import { segmentsOf } from "../producer/spool/spool.ts";
import { openSpool, type SpoolMode } from "../producer/spool/open.ts";
import {
  aRequestLog,
  freshTopics,
  numberOf,
  openKafkaProxy,
  openTestDatabase,
  rowsOf,
  runCli,
  silent,
  startRole,
  startTestConsumer,
  testBrokers,
  until,
  type TestDatabase,
} from "./harness.ts";

beforeEach(() => freshTopics());

function makeRoot(): string {
  const root = mkdtempSync(join(tmpdir(), "rushhour-spool-"));
  onTestFinished(() => rmSync(root, { recursive: true, force: true }));
  return root;
}

interface Options {
  readonly root: string;
  readonly brokers?: readonly string[];
  readonly mode?: SpoolMode;
  readonly capBytes?: number;
}

async function openPublisher({ root, brokers = testBrokers(), mode = "spill", capBytes = 2 ** 30 }: Options) {
  const metrics = createMetrics();
  const who = { service: "orders", instance: "test-1" };
  const spool = await openSpool({ ...who, root, mode, capBytes });
  const publisher = createPublisher({
    ...who,
    brokers,
    spool,
    metrics,
    logger: silent,
    bufferRecords: 20_000,
  });
  onTestFinished(() => publisher.close(0));
  const valuesOf = async (name: string) => (await metrics.registry.getSingleMetric(name)!.get()).values;
  return {
    ...publisher,
    spool,
    folder: join(root, publisher.source),
    buffered: async () => (await valuesOf("producer_buffered_records"))[0]!.value,
    /** Records dropped so far, such as `{ "DEBUG/spool_full": 20 }`. */
    dropped: async () =>
      Object.fromEntries(
        (await valuesOf("producer_events_dropped_total")).map(({ labels, value }) => [
          `${labels["level"]!}/${labels["reason"]!}`,
          value,
        ]),
      ),
  };
}

type TestPublisher = Awaited<ReturnType<typeof openPublisher>>;

/** Publishes as an API does: some in each turn. */
async function publishMany({ publish }: TestPublisher, count: number, level: Level = "INFO"): Promise<void> {
  for (let n = 0; n < count; n++) {
    publish(aRequestLog({ level }));
    if (n % 100 === 99) await turn();
  }
}

const STORED = "SELECT COUNT(*) FROM api_logs";
const publisherRow = async ({ pool }: TestDatabase, source: string) =>
  (await rowsOf(pool, "SELECT * FROM v_publishers WHERE source = ?", [source]))[0];

describe("with Kafka away", () => {
  test("records go to disk, none is lost, and once Kafka is back they become rows beside new ones", async () => {
    const kafka = await openKafkaProxy();
    const publisher = await openPublisher({ root: makeRoot(), brokers: kafka.brokers });
    await until(
      "Kafka to be found away",
      () => publisher.readiness().reason?.includes("ECONNREFUSED") === true,
    );
    await publishMany(publisher, 20_000);
    await until("the buffer to be on disk", async () => (await publisher.buffered()) === 0);
    expect(publisher.spool.backlogBytes()).toBeGreaterThan(20_000 * 300);
    expect(await publisher.dropped()).toEqual({});

    const database = await openTestDatabase();
    startTestConsumer(database);
    await kafka.open();
    await publishMany(publisher, 500);
    await until("all rows", async () => (await numberOf(database.pool, STORED)) === 20_500);
    await until("an empty spool", () => publisher.spool.backlogBytes() === 0);
    expect(publisher.readiness()).toEqual({ ready: true });
    await publisher.close();
    expect(readdirSync(join(publisher.folder, ".."))).toEqual([]);
    await until(
      "the last word",
      async () => (await publisherRow(database, publisher.source))?.["is_closed"] === 1,
    );
    expect(await publisherRow(database, publisher.source)).toMatchObject({
      ...{
        last_seq: 20_500,
        acknowledged: 20_500,
        dropped: 0,
        spool: "spill",
        spooled_bytes: 0,
        tail: "closed",
      },
    });
    expect(await rowsOf(database.pool, "SELECT * FROM v_ingest_gaps")).toEqual([]);
  }, 60_000);

  test("a full spool sheds DEBUG first and ERROR last, and what was shed is counted in SQL", async () => {
    const kafka = await openKafkaProxy();
    const publisher = await openPublisher({
      root: makeRoot(),
      brokers: kafka.brokers,
      capBytes: 4 * 2 ** 20,
    });
    await until(
      "Kafka to be found away",
      () => publisher.readiness().reason?.includes("ECONNREFUSED") === true,
    );
    const kept: Partial<Record<Level, number>> = {};
    for (const level of ["DEBUG", "INFO", "ERROR"] as const) {
      let sent = 0;
      do {
        await publishMany(publisher, 100, level);
        sent += 100;
        await until("the buffer to be on disk", async () => (await publisher.buffered()) <= 100);
      } while ((await publisher.dropped())[`${level}/spool_full`] === undefined && sent < 30_000);
      kept[level] = sent - (await publisher.dropped())[`${level}/spool_full`]!;
    }
    expect(kept.DEBUG).toBeGreaterThan(kept.INFO! * 4);
    expect(kept.INFO).toBeGreaterThan(0);
    expect(kept.ERROR).toBeGreaterThan(0);

    const database = await openTestDatabase();
    startTestConsumer(database);
    await kafka.open();
    const total = kept.DEBUG! + kept.INFO! + kept.ERROR!;
    await until("all rows", async () => (await numberOf(database.pool, STORED)) === total);
    const dropped = await publisher.dropped();
    await until("the drops", async () => {
      const rows = await rowsOf(
        database.pool,
        "SELECT level, reason, dropped FROM publisher_drops ORDER BY level",
      );
      return (
        JSON.stringify(rows.map((row) => `${row["level"] as string} ${Number(row["dropped"])}`)) ===
        JSON.stringify(
          ["DEBUG", "INFO", "ERROR"].map((level) => `${level} ${dropped[`${level}/spool_full`]!}`),
        )
      );
    });
    expect(await rowsOf(database.pool, "SELECT * FROM v_ingest_gaps")).toEqual([]);
  }, 60_000);

  test("records of other scripts, three bytes a character, are taken from disk by full batches", async () => {
    const kafka = await openKafkaProxy();
    const publisher = await openPublisher({ root: makeRoot(), brokers: kafka.brokers });
    await until(
      "Kafka to be found away",
      () => publisher.readiness().reason?.includes("ECONNREFUSED") === true,
    );
    // 640 KiB of characters would be 1.9 MiB, and Kafka takes 1 MiB.
    for (let n = 0; n < 500; n++) publisher.publish(aRequestLog({ error_message: "漢".repeat(1_500) }));
    await until("the buffer to be on disk", async () => (await publisher.buffered()) === 0);
    expect(publisher.spool.backlogBytes()).toBeGreaterThan(500 * 4_500);
    await kafka.open();
    await until("an empty spool", () => publisher.spool.backlogBytes() === 0, { deadlineMs: 15_000 });
    expect(await publisher.dropped()).toEqual({});
  });

  test("closing leaves on disk what Kafka did not take, with the last word, and the next publisher delivers it", async () => {
    const kafka = await openKafkaProxy();
    const root = makeRoot();
    const first = await openPublisher({ root, brokers: kafka.brokers });
    await publishMany(first, 1_500);
    await first.close(2_000);
    expect(await first.dropped()).toEqual({});
    expect(segmentsOf(first.folder)).not.toEqual([]);

    const database = await openTestDatabase();
    startTestConsumer(database);
    await openPublisher({ root });
    await until("all rows", async () => (await numberOf(database.pool, STORED)) === 1_500);
    await until(
      "its last word",
      async () => (await publisherRow(database, first.source))?.["tail"] === "closed",
    );
    expect(await publisherRow(database, first.source)).toMatchObject({ last_seq: 1_500, missing_records: 0 });
    await until("its folder to be gone", () => readdirSync(root).length === 1);
  }, 60_000);
});

test("a disk that refuses is said and counted, and its records are held in memory", async () => {
  const kafka = await openKafkaProxy();
  const root = makeRoot();
  const publisher = await openPublisher({ root, brokers: kafka.brokers });
  await until(
    "Kafka to be found away",
    () => publisher.readiness().reason?.includes("ECONNREFUSED") === true,
  );
  rmSync(publisher.folder, { recursive: true });
  await publishMany(publisher, 700);
  await until("all of them in memory", async () => (await publisher.buffered()) === 700);
  await kafka.open();
  await publisher.close();
  expect(await publisher.dropped()).toEqual({});
});

describe("a killed API", () => {
  /** Requests one after the other on so many connections, until the API is gone. @returns ids of all that were answered */
  async function load(url: string, connections: number): Promise<Set<string>> {
    const agent = new Agent({ connections, pipelining: 1 });
    const answered = new Set<string>();
    let isGone = false;
    const one = async () => {
      while (!isGone) {
        try {
          const { headers, body } = await request(`${url}/products`, { dispatcher: agent });
          await body.dump();
          answered.add(String(headers["x-request-id"]));
        } catch {
          isGone = true;
        }
      }
    };
    await Promise.all(Array.from({ length: connections }, one));
    await agent.destroy();
    return answered;
  }

  async function killUnderLoad(root: string, mode: SpoolMode) {
    const env = { RUSHHOUR_SPOOL_DIR: root, RUSHHOUR_SPOOL: mode, API_MODEL: "off" };
    const api = await startRole(["api", "--port", "0"], env);
    const loaded = load(api.url, 10);
    await until("traffic", async () => {
      const metrics = await (await fetch(`${api.url}/metrics`)).text();
      return (
        Number(/^messages_processed_total\{.*topic="info-logs".*\} (\d+)/m.exec(metrics)?.[1] ?? 0) > 300
      );
    });
    api.process.kill("SIGKILL");
    const answered = await loaded;
    expect(answered.size).toBeGreaterThan(300);
    return answered;
  }

  test("in mode always has a row for every response it gave, which the next API delivers", async () => {
    const root = makeRoot();
    const database = await openTestDatabase();
    startTestConsumer(database);
    for (let round = 0; round < 3; round++) {
      const answered = await killUnderLoad(root, "always");
      const next = await startRole(["api", "--port", "0"], { RUSHHOUR_SPOOL_DIR: root, API_MODEL: "off" });
      await until("a row for each answer", async () => {
        const rows = await rowsOf(database.pool, "SELECT request_id FROM api_logs WHERE request_id IN (?)", [
          [...answered],
        ]);
        return rows.length === answered.size;
      });
      await until("all to be delivered", async () => {
        const [left] = await rowsOf(
          database.pool,
          "SELECT COUNT(*) AS sources FROM v_publishers WHERE tail = 'recovered'",
        );
        return Number(left!["sources"]) === round + 1;
      });
      next.process.kill("SIGTERM");
      expect(await next.exited).toBe(0);
    }
    expect(
      await rowsOf(database.pool, "SELECT request_id FROM api_logs GROUP BY request_id HAVING COUNT(*) > 1"),
    ).toEqual([]);
    await until(
      "no gap",
      async () => (await rowsOf(database.pool, "SELECT * FROM v_ingest_gaps")).length === 0,
    );
  }, 90_000);

  test("in mode spill lost what it held in memory, and that its tail is unknown is said", async () => {
    const root = makeRoot();
    const database = await openTestDatabase();
    startTestConsumer(database);
    const answered = await killUnderLoad(root, "spill");
    const [publisher] = await (async () => {
      await until("the silence to be noticed", async () => {
        const rows = await rowsOf(database.pool, "SELECT * FROM v_publishers WHERE tail = 'unknown'");
        return rows.length === 1;
      });
      return rowsOf(database.pool, "SELECT * FROM v_publishers");
    })();
    const stored = await numberOf(database.pool, "SELECT COUNT(*) FROM api_logs WHERE request_id IN (?)", [
      [...answered],
    ]);
    expect(answered.size - stored).toBeLessThan(200); // some 20 ms of records
    const gaps = await rowsOf(database.pool, "SELECT * FROM v_ingest_gaps");
    expect(gaps.at(-1)).toMatchObject({
      source: publisher!["source"] as string,
      tail: "unknown",
      last_seq: null,
    });
  }, 60_000);
});

describe("rushhour spool", () => {
  async function leave(root: string, count: number): Promise<string> {
    const kafka = await openKafkaProxy();
    const publisher = await openPublisher({ root, brokers: kafka.brokers });
    await publishMany(publisher, count);
    await publisher.close(2_000);
    return publisher.folder;
  }

  test("lists what publishers that are gone have left, and drains it; a damaged segment is set aside", async () => {
    const root = makeRoot();
    const folder = await leave(root, 2_000);
    const [segment] = segmentsOf(folder);
    const bytes = readFileSync(segment!);
    bytes[100]! ^= 1;
    writeFileSync(segment!, bytes);

    const listed = await runCli(["spool", "list", "--dir", root]);
    expect(listed).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(/orders.*test-1.*spill.*gone.*\n.*\nnext: /s) as string,
    });
    const drained = await runCli(["spool", "drain", "--dir", root]);
    expect(drained.code, drained.stderr).toBe(0);
    expect(drained.stdout).toMatch(/^sent \d+\.\d MiB of 1 publisher that is gone\n$/);
    expect(drained.stderr).toContain("bytes are not what was written");
    expect(readdirSync(root)).toEqual(["damaged"]);
    expect(readFileSync(join(root, "damaged", readdirSync(join(root, "damaged"))[0]!))).toEqual(bytes);

    const database = await openTestDatabase();
    startTestConsumer(database);
    await until("all rows but one", async () => (await numberOf(database.pool, STORED)) === 1_999);
    await until(
      "its last word",
      async () => (await rowsOf(database.pool, "SELECT * FROM v_publishers WHERE is_closed")).length === 2,
    );
    expect(
      await rowsOf(database.pool, "SELECT first_seq, last_seq, missing_records, tail FROM v_ingest_gaps"),
    ).toEqual([{ first_seq: 1, last_seq: 1, missing_records: 1, tail: "closed" }]);
    expect((await runCli(["spool", "list", "--dir", root])).stdout).toContain("holds no spool");
    expect((await runCli(["spool", "drain", "--dir", root])).stdout).toContain(
      "holds nothing of publishers that are gone",
    );
  }, 60_000);

  test("without Kafka it says so and leaves everything where it is", async () => {
    const root = makeRoot();
    const folder = await leave(root, 10);
    const { code, stderr } = await runCli(["spool", "drain", "--dir", root], {
      KAFKA_BROKERS: "127.0.0.1:1",
    });
    expect(code).toBe(1);
    expect(stderr).toContain("Kafka does not answer at 127.0.0.1:1");
    expect(segmentsOf(folder)).not.toEqual([]);
  });
});
