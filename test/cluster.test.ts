import kafkajs from "kafkajs";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { REQUEST_LOG_TOPICS } from "../contract/request-log.ts";
import { allTopics } from "../contract/topics.ts";
import { connectAdmin, type KafkaAdmin } from "../kafka/admin.ts";
import { createKafka, type Kafka } from "../kafka/client.ts";
import { createPublisher, type Publisher } from "../producer/publisher.ts";
import { startCluster, type TestCluster } from "./cluster.ts";
import { aRequestLog, numberOf, openTestDatabase, rowsOf, silent, startRole, until } from "./harness.ts";

let cluster: TestCluster;
let kafka: Kafka;
let admin: KafkaAdmin;
const open: (() => Promise<void>)[] = []; // what is opened last is closed first

beforeAll(async () => {
  cluster = await startCluster(".rushhour/test-cluster", ".rushhour/engines");
  open.push(() => cluster.stop());
  kafka = createKafka({ brokers: cluster.brokers, clientId: "rushhour-test", logger: silent });
  admin = await connectAdmin(kafka);
  open.push(() => admin.close());
  await admin.createTopics(allTopics());
}, 180_000);

afterAll(async () => {
  for (const close of open.reverse()) await close();
});

/** Publishes 500 records a second until it is stopped. @returns the ids so far */
function startTraffic(publisher: Publisher) {
  const ids: string[] = [];
  const timer = setInterval(() => {
    for (let i = 0; i < 10; i++) {
      const log = aRequestLog();
      publisher.publish(log);
      ids.push(log.request_id);
    }
  }, 20);
  const stop = () => clearInterval(timer);
  onTestFinished(stop);
  return { ids: ids as readonly string[], stop };
}

/** The broker where the group's members meet: the leader of that partition of Kafka's own topic. */
async function coordinatorOf(group: string): Promise<number> {
  const client = kafka.admin();
  await client.connect();
  const { topics } = await client.fetchTopicMetadata({ topics: ["__consumer_offsets"] });
  await client.disconnect();
  const { partitions } = topics[0]!;
  // Java's String.hashCode, as Kafka has it.
  const hash = Array.from(group).reduce((sum, char) => (Math.imul(sum, 31) + char.charCodeAt(0)) | 0, 0);
  const partition = (hash & 0x7fffffff) % partitions.length;
  return partitions.find(({ partitionId }) => partitionId === partition)!.leader;
}

async function leadersOf(topic: string): Promise<number[]> {
  const client = kafka.admin();
  await client.connect();
  const { topics } = await client.fetchTopicMetadata({ topics: [topic] });
  await client.disconnect();
  return topics[0]!.partitions.map(({ leader }) => leader);
}

describe("three brokers", () => {
  test("each topic is copied to all of them and written by two at least", async () => {
    for (const { partitions, replication, inSync } of await admin.describeTopics()) {
      expect([replication, inSync]).toEqual([3, partitions]);
    }
    const client = kafka.admin();
    await client.connect();
    onTestFinished(() => client.disconnect());
    const { resources } = await client.describeConfigs({
      includeSynonyms: false,
      resources: REQUEST_LOG_TOPICS.map((name) => ({
        type: kafkajs.ConfigResourceTypes.TOPIC,
        name,
        configNames: ["min.insync.replicas"],
      })),
    });
    for (const { configEntries } of resources) expect(configEntries[0]!.configValue).toBe("2");
  });

  test("more copies than brokers are refused before anything is made", async () => {
    const [topic] = allTopics(3, 4);
    const wanted = admin.createTopics([{ ...topic!, name: "copied-too-often" }]);
    await expect(wanted).rejects.toMatchObject({
      code: "CONFIG_INVALID",
      message: expect.stringContaining(
        "replication 4 needs as many brokers, and only 3 answer: start more, or set KAFKA_REPLICATION=auto",
      ) as string,
    });
    const names = (await admin.describeTopics()).map(({ name }) => name);
    expect(names).not.toContain("copied-too-often");
  });

  test("the broker that leads partitions and coordinates the group is killed and comes back: each record is one row", async () => {
    const { pool, writerUrl, name } = await openTestDatabase();
    const stored = () =>
      numberOf(pool, "SELECT COALESCE(SUM(rows_in), 0) FROM ingest_offsets WHERE topic = 'info-logs'");
    const env = {
      ...{ KAFKA_BROKERS: cluster.brokers.join(","), MYSQL_WRITER_URL: writerUrl },
      ...{ CONSUMER_PORT: "0", CONSUMER_GROUP: name },
    };
    const consumers = await Promise.all([startRole(["consumer"], env), startRole(["consumer"], env)]);
    const publisher = createPublisher({ brokers: cluster.brokers, service: "orders", logger: silent });
    onTestFinished(() => publisher.close(0));
    const traffic = startTraffic(publisher);
    await until("both consumers to store", async () => {
      const owners =
        "SELECT COUNT(DISTINCT owner) FROM ingest_offsets WHERE topic = 'info-logs' AND rows_in > 0";
      return (await numberOf(pool, owners)) === 2;
    });

    const victim = await coordinatorOf(name);
    expect(await leadersOf("info-logs")).toContain(victim);
    await cluster.kill(victim);
    const publishedByThen = traffic.ids.length;
    await until(
      "what was published before the kill to be stored without it",
      async () => (await stored()) >= publishedByThen,
    );
    const publishedWithoutIt = traffic.ids.length;
    await until("what came later to be stored too", async () => (await stored()) >= publishedWithoutIt);

    await cluster.revive(victim);
    await until("every copy to be up to date again", async () =>
      (await admin.describeTopics()).every(({ partitions, inSync }) => partitions === inSync),
    );
    traffic.stop();
    await publisher.close();
    await until("all rows", async () => (await stored()) >= traffic.ids.length);

    const rows = await rowsOf(pool, "SELECT request_id FROM api_logs ORDER BY request_id");
    expect(rows.map(({ request_id }) => request_id as string)).toEqual([...traffic.ids].sort());
    expect(await stored()).toBe(traffic.ids.length);
    for (const nothing of ["ingest_gaps", "dead_letters", "v_rollup_drift"])
      expect(await numberOf(pool, `SELECT COUNT(*) FROM ${nothing}`)).toBe(0);
    for (const { process: consumer, log } of consumers) {
      expect(consumer.exitCode).toBeNull();
      expect(log.filter((line) => /"level":"(?:error|fatal)"/.test(line))).toEqual([]);
    }
  }, 120_000);
});
