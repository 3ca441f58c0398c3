import { randomUUID } from "node:crypto";
import { beforeEach, describe, expect, onTestFinished, test } from "vitest";
import { createMetrics } from "../contract/metrics.ts";
import type { PublisherStatus } from "../contract/publisher-status.ts";
import {
  REQUEST_LOGS_OF,
  type Level,
  type PublishedRequestLog,
  type RequestLog,
} from "../contract/request-log.ts";
import { createPublisher } from "../producer/publisher.ts";
import {
  aRequestLog,
  closedPort,
  freshTopics,
  numberOf,
  openKafkaProxy,
  openTestDatabase,
  rowsOf,
  silent,
  startTestConsumer,
  testBrokers,
  testKafka,
  until,
} from "./harness.ts";

beforeEach(() => freshTopics());

function openPublisher(brokers: readonly string[] = testBrokers(), bufferRecords = 100_000) {
  const metrics = createMetrics();
  const publisher = createPublisher({
    ...{ brokers, bufferRecords, metrics, service: "orders", instance: "test-1", logger: silent },
  });
  onTestFinished(() => publisher.close(0));

  /** Records dropped so far, such as `{ "DEBUG/buffer_full": 20 }`. */
  const dropped = async (): Promise<Record<string, number>> => {
    const metric = await metrics.registry.getSingleMetric("producer_events_dropped_total")!.get();
    return Object.fromEntries(
      metric.values.map(({ labels, value }) => [`${labels["level"]!}/${labels["reason"]!}`, value]),
    );
  };
  /** Records taken over and not yet acknowledged. */
  const buffered = async (): Promise<number> => {
    const metric = await metrics.registry.getSingleMetric("producer_buffered_records")!.get();
    return metric.values[0]!.value;
  };
  const close = (deadlineMs?: number) => publisher.close(deadlineMs);
  return { ...publisher, close, dropped, buffered };
}

/** Everything the topics hold, read from their start until `isEnough` says so. */
async function readTopics(topics: string[], isEnough: (values: Received[]) => boolean): Promise<Received[]> {
  const received: Received[] = [];
  const consumer = testKafka().consumer({ groupId: randomUUID() });
  await consumer.connect();
  try {
    await consumer.subscribe({ topics, fromBeginning: true });
    await consumer.run({
      eachMessage: ({ topic, message }) => {
        received.push({ topic, value: JSON.parse(message.value!.toString()) as unknown });
        return Promise.resolve();
      },
    });
    await until(`enough of ${topics.join(", ")}`, () => isEnough(received));
  } finally {
    await consumer.disconnect();
  }
  return received;
}
interface Received {
  readonly topic: string;
  readonly value: unknown;
}

const LOG_TOPICS = ["info-logs", "error-logs", "debug-logs"];
const seqsOf = (received: readonly Received[]) =>
  [...new Set(received.map(({ value }) => (value as PublishedRequestLog).seq))].sort((a, b) => a - b);
const upTo = (count: number) => Array.from({ length: count }, (_, i) => i + 1);
const many = (count: number, overrides: Partial<RequestLog> = {}) =>
  Array.from({ length: count }, () => aRequestLog(overrides));

describe("with Kafka there", () => {
  test("A-11: each record arrives on the topic of its level, with its source and a number without gaps", async () => {
    const { publish, source, close } = openPublisher();
    const levels: Level[] = ["DEBUG", "INFO", "ERROR", "CRITICAL"];
    const logs = upTo(400).map((i) => aRequestLog({ level: levels[i % 4]! }));
    for (const log of logs) publish(log);
    await close();
    const received = await readTopics(LOG_TOPICS, ({ length }) => length >= 400);
    expect(received).toHaveLength(400);
    const topicOf = { DEBUG: "debug-logs", INFO: "info-logs", ERROR: "error-logs", CRITICAL: "error-logs" };
    const bySeq = new Map(received.map((record) => [(record.value as PublishedRequestLog).seq, record]));
    logs.forEach((log, i) => {
      expect(bySeq.get(i + 1)).toEqual({ topic: topicOf[log.level], value: { ...log, source, seq: i + 1 } });
    });
  });

  test("says on publisher-status how far it is, in absolute counts, and at close that nothing follows", async () => {
    const { publish, source, close } = openPublisher();
    for (const log of many(30)) publish(log);
    await close();
    publish(aRequestLog()); // too late
    const received = await readTopics(["publisher-status"], (all) =>
      all.some(({ value }) => (value as PublisherStatus).closed),
    );
    const last = received.map(({ value }) => value as PublisherStatus).at(-1)!;
    expect(last).toMatchObject({
      ...{
        v: 1,
        source,
        service: "orders",
        instance: "test-1",
        last_seq: 30,
        acknowledged: 30,
        drops: [],
        closed: true,
      },
    });
  });

  test("is ready once Kafka has taken something, even without a record", async () => {
    const { readiness } = openPublisher();
    expect(readiness()).toEqual({ ready: false, reason: "not connected yet" });
    await until("readiness", () => readiness().ready);
  });

  test("takes nothing more once closed, counts it, and may be closed twice", async () => {
    const { publish, close, dropped } = openPublisher();
    await Promise.all([close(), close()]);
    await close();
    publish(aRequestLog({ level: "ERROR" }));
    expect(await dropped()).toEqual({ "ERROR/closed": 1 });
  });

  test("never throws: a record that is no JSON is dropped and counted", async () => {
    const { publish, dropped } = openPublisher();
    publish({ ...aRequestLog(), user_id: 7n as unknown as string });
    expect(await dropped()).toEqual({ "INFO/not_json": 1 });
  });

  test("delivers records of other scripts too, which take three bytes a character", async () => {
    const { publish, close } = openPublisher();
    const wide = "漢";
    for (const log of many(150, {
      level: "ERROR",
      error_message: wide.repeat(1_024),
      stack: wide.repeat(8_192),
    })) {
      publish(log);
    }
    await close();
    const received = await readTopics(["error-logs"], ({ length }) => length >= 150);
    expect(seqsOf(received)).toEqual(upTo(150));
  });
});

describe("with Kafka away", () => {
  test("sheds DEBUG at 80 % of the buffer, INFO at 90 % and ERROR at 100 %, and counts each by level and reason", async () => {
    const { publish, dropped, buffered } = openPublisher([`127.0.0.1:${await closedPort()}`], 1_000);
    for (const level of ["DEBUG", "INFO", "ERROR", "CRITICAL"] as const) {
      for (const log of many(1_000, { level, run_id: "run-1" })) publish(log); // in one turn: nothing is sent meanwhile
    }
    expect(await dropped()).toEqual({
      ...{
        "DEBUG/buffer_full": 200,
        "INFO/buffer_full": 900,
        "ERROR/buffer_full": 900,
        "CRITICAL/buffer_full": 1_000,
      },
    });
    expect(await buffered()).toBe(1_000);
  });

  test("says why it is not ready, keeps trying, and holds no more than the buffer and one batch", async () => {
    const port = await closedPort();
    const { publish, readiness, dropped, buffered } = openPublisher([`127.0.0.1:${port}`], 100);
    publish(aRequestLog());
    await until("the reason", () => readiness().reason?.includes("ECONNREFUSED") === true);
    expect(readiness()).toMatchObject({
      ready: false,
      reason: expect.stringContaining(String(port)) as string,
    });
    for (const log of many(5_000, { level: "ERROR" })) publish(log);
    expect(await buffered()).toBe(101);
    expect(await dropped()).toEqual({ "ERROR/buffer_full": 4_900 });
  });

  test("delivers all it held when Kafka comes back, with what it had to drop, by run", async () => {
    const kafka = await openKafkaProxy();
    const { publish, readiness, hasRoom, close } = openPublisher(kafka.brokers, 500);
    await until("the first failure", () => readiness().reason?.includes("ECONNREFUSED") === true);
    for (const log of many(500, { level: "ERROR" })) publish(log);
    for (const log of many(7, { level: "INFO", run_id: "run-1" })) publish(log);
    await kafka.open();
    await until("half of the buffer to be free", hasRoom);
    for (const log of many(10)) publish(log);
    await close();

    const isStatus = ({ topic }: Received) => topic === "publisher-status";
    const isClosed = ({ value }: Received) => (value as PublisherStatus).closed;
    const received = await readTopics(
      [...LOG_TOPICS, "publisher-status"],
      (all) => all.some(isClosed) && all.filter((record) => !isStatus(record)).length >= 510,
    );
    expect(seqsOf(received.filter((record) => !isStatus(record)))).toEqual(upTo(510));
    expect(received.filter(isStatus).at(-1)!.value).toMatchObject({
      ...{ last_seq: 510, acknowledged: 510, closed: true },
      drops: [{ run_id: "run-1", level: "INFO", reason: "buffer_full", dropped: 7 }],
    });
  });

  test("close delivers what is held once Kafka is back in time", async () => {
    const kafka = await openKafkaProxy();
    const { publish, readiness, close, dropped } = openPublisher(kafka.brokers);
    await until("the first failure", () => readiness().reason?.includes("ECONNREFUSED") === true);
    for (const log of many(50)) publish(log);
    const closed = close(30_000);
    await kafka.open();
    await closed;
    expect(await dropped()).toEqual({});
    expect(seqsOf(await readTopics(["info-logs"], ({ length }) => length >= 50))).toEqual(upTo(50));
  });

  test("close ends by its deadline and counts all it still held as dropped", async () => {
    const { publish, readiness, close, dropped, buffered } = openPublisher([
      `127.0.0.1:${await closedPort()}`,
    ]);
    for (const log of many(2_500)) publish(log);
    await until("the first failure", () => readiness().reason?.includes("ECONNREFUSED") === true);
    for (const log of many(10, { level: "ERROR" })) publish(log);
    expect(await buffered()).toBe(2_510);
    await close(300);
    expect(await dropped()).toEqual({ "INFO/closed": 2_500, "ERROR/closed": 10 });
    expect(await buffered()).toBe(0);
  });

  test("has room while half of the buffer is free, and otherwise once Kafka takes records", async () => {
    const kafka = await openKafkaProxy();
    const { publish, hasRoom } = openPublisher(kafka.brokers, 100);
    expect(hasRoom()).toBe(true);
    for (const log of many(100, { level: "ERROR" })) publish(log);
    expect(hasRoom()).toBe(false);
    await kafka.open();
    await until("room", hasRoom);
  });

  test("a value sent as it is has no number, is not counted, and does not hold up what is", async () => {
    const { publishJson, publishAsIs, close, source } = openPublisher();
    const sent = publishJson(REQUEST_LOGS_OF.INFO, JSON.stringify(aRequestLog()));
    expect(JSON.parse(sent!)).toMatchObject({ source, seq: 1 });
    expect(publishAsIs(REQUEST_LOGS_OF.INFO, sent!)).toBe(true);
    expect(publishAsIs(REQUEST_LOGS_OF.ERROR, '{"no":"record"}')).toBe(true);
    await close();
    expect(publishAsIs(REQUEST_LOGS_OF.INFO, "too late")).toBe(false);
    expect(publishJson(REQUEST_LOGS_OF.INFO, "{}")).toBeUndefined();
    const received = await readTopics(["info-logs", "error-logs"], (values) => values.length === 3);
    expect(
      received.filter(({ topic }) => topic === "info-logs").map(({ value }) => JSON.stringify(value)),
    ).toEqual([...[sent, sent]]);
    const statuses = await readTopics(["publisher-status"], (values) =>
      values.some(({ value }) => (value as PublisherStatus).closed),
    );
    expect(statuses.at(-1)!.value).toMatchObject({ last_seq: 1, acknowledged: 1 });
  });
});

test("connections cut in place of Kafka's answers lose no record, and double none in SQL", async () => {
  const { pool, writerUrl } = await openTestDatabase();
  const kafka = await openKafkaProxy();
  await kafka.open();
  const { publish, readiness, close, dropped } = openPublisher(kafka.brokers);
  await until("Kafka to be found", () => readiness().ready);
  let published = 0;
  for (let cut = 0; cut < 8; cut++) {
    const broken = kafka.cutAtNextAnswer();
    for (const log of many(500)) publish(log);
    published += 500;
    await broken;
  }
  await close(30_000);
  expect(await dropped()).toEqual({});
  expect(seqsOf(await readTopics(["info-logs"], (all) => seqsOf(all).length >= published))).toEqual(
    upTo(published),
  );

  startTestConsumer({ writerUrl });
  await until(
    "all rows",
    async () => (await numberOf(pool, "SELECT COUNT(DISTINCT seq) FROM api_logs")) === published,
  );
  await until(
    "the last word",
    async () => (await numberOf(pool, "SELECT COUNT(*) FROM publishers WHERE closed")) === 1,
  );
  expect(await numberOf(pool, "SELECT COUNT(*) FROM api_logs")).toBe(published);
  expect(await rowsOf(pool, "SELECT last_seq, acknowledged, dropped FROM publishers")).toEqual([
    { last_seq: published, acknowledged: published, dropped: 0 },
  ]);
}, 90_000);
