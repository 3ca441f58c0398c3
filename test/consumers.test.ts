import { randomUUID } from "node:crypto";
import { pino } from "pino";
import { beforeEach, describe, expect, onTestFinished, test } from "vitest";
import { createMetrics } from "../contract/metrics.ts";
import { allTopics } from "../contract/topics.ts";
import { startConsumer, type RunningConsumer } from "../consumer/consumer.ts";
import { createPublisher } from "../producer/publisher.ts";
import {
  aRequestLog,
  freshTopics,
  numberOf,
  openAdmin,
  openTestDatabase,
  rowsOf,
  silent,
  startRole,
  testBrokers,
  testKafka,
  until,
  type TestDatabase,
  KEEP,
} from "./harness.ts";

beforeEach(() => freshTopics(12));

/** A thousand records a second through a real publisher, until it is stopped. */
function startTraffic() {
  const publisher = createPublisher({ brokers: testBrokers(), service: "orders", logger: silent });
  const ids: string[] = [];
  const timer = setInterval(() => {
    for (let i = 0; i < 10; i++) {
      const log = aRequestLog();
      publisher.publish(log);
      ids.push(log.request_id);
    }
  }, 10);
  const stop = async () => {
    clearInterval(timer);
    await publisher.close();
  };
  onTestFinished(stop);
  return { ids: ids as readonly string[], stop };
}

/** Members of one group that run in this process, and what they log as errors. */
function startMembers({ writerUrl, name }: TestDatabase) {
  const errors: string[] = [];
  const logger = pino({ level: "error" }, { write: (line: string) => void errors.push(line) });
  const running = new Map<string, RunningConsumer>();
  const leave = async (instance: string) => {
    await running.get(instance)?.close();
    running.delete(instance);
  };
  onTestFinished(async () => {
    await Promise.all([...running.keys()].map(leave));
  });
  return {
    errors: errors as readonly string[],
    join(...instances: readonly string[]): void {
      for (const instance of instances) {
        const metrics = createMetrics();
        const onCrash = (error: Error) => void errors.push(error.message);
        const options = {
          brokers: testBrokers(),
          group: name,
          writerUrl,
          instance,
          logger,
          metrics,
          onCrash,
          keep: KEEP,
        };
        running.set(instance, startConsumer(options));
      }
    },
    leave: (...instances: readonly string[]) => Promise.all(instances.map(leave)),
  };
}

const range = (from: number, to: number) =>
  Array.from({ length: to - from + 1 }, (_, i) => `member-${from + i}`);

/** Who stored the last batch of each partition of info-logs. */
async function ownersIn({ pool }: TestDatabase): Promise<string[]> {
  const rows = await rowsOf(
    pool,
    "SELECT DISTINCT SUBSTRING_INDEX(owner, '/', 1) AS owner FROM ingest_offsets WHERE topic = 'info-logs' AND rows_in > 0",
  );
  return rows.map(({ owner }) => owner as string).sort();
}

async function expectEachStoredOnce({ pool }: TestDatabase, ids: readonly string[]): Promise<void> {
  await until("all rows", async () => (await numberOf(pool, "SELECT COUNT(*) FROM api_logs")) >= ids.length);
  const rows = await rowsOf(pool, "SELECT request_id FROM api_logs ORDER BY request_id");
  expect(rows.map(({ request_id }) => request_id as string)).toEqual([...ids].sort());

  const admin = await openAdmin();
  const ranges = await admin.logRanges("info-logs");
  const positions = await rowsOf(
    pool,
    "SELECT `partition`, next_offset, rows_in, duplicates FROM ingest_offsets WHERE topic = 'info-logs' ORDER BY `partition`",
  );
  expect(
    positions.map((row) =>
      Object.fromEntries(Object.entries(row).map(([key, value]) => [key, Number(value)])),
    ),
  ).toEqual(
    ranges.map(({ partition, end }) => ({
      ...{ partition, next_offset: Number(end), rows_in: Number(end), duplicates: 0 },
    })),
  );
  for (const nothing of ["ingest_gaps", "dead_letters", "v_rollup_drift"])
    expect(await numberOf(pool, `SELECT COUNT(*) FROM ${nothing}`)).toBe(0);
}

describe("consumers of one group", () => {
  test("a dozen join and leave while records flow: each record is one row, positions are the ends of the log", async () => {
    const database = await openTestDatabase();
    const traffic = startTraffic();
    const members = startMembers(database);
    const env = {
      ...{ MYSQL_WRITER_URL: database.writerUrl, CONSUMER_PORT: "0", CONSUMER_GROUP: database.name },
    };
    const process = (instance: string) => startRole(["consumer"], { ...env, RUSHHOUR_INSTANCE: instance });
    const untilOwners = (owners: readonly string[]) =>
      until(
        `partitions to be held by ${owners.join(", ")}`,
        async () => (await ownersIn(database)).join() === [...owners].sort().join(),
      );

    members.join(...range(1, 4));
    const [polite, killed] = await Promise.all([process("polite"), process("killed")]);
    await untilOwners([...range(1, 4), "polite", "killed"]);

    for (const instance of range(5, 10)) members.join(instance);
    await untilOwners([...range(1, 10), "polite", "killed"]);

    killed.process.kill("SIGKILL");
    polite.process.kill("SIGTERM");
    await members.leave(...range(1, 6));
    expect(await polite.exited).toBe(0);
    await untilOwners(range(7, 10));

    members.join(...range(11, 13));
    await untilOwners(range(7, 13));
    await traffic.stop();

    await expectEachStoredOnce(database, traffic.ids);
    expect(members.errors).toEqual([]);
    for (const { log } of [polite, killed]) {
      expect(log.filter((line) => /"level":"(?:error|fatal)"/.test(line))).toEqual([]);
    }
  }, 120_000);

  test("partitions that are added while everything runs are written and stored without a restart", async () => {
    const database = await openTestDatabase();
    const traffic = startTraffic();
    const members = startMembers(database);
    members.join(...range(1, 2));
    await until("every partition to be stored", async () => (await storedPartitions(database)) === 12);

    const admin = await openAdmin();
    const { created, grown } = await admin.createTopics(allTopics(18));
    expect([created, grown]).toEqual([[], ["info-logs", "error-logs", "debug-logs"]]);
    await until("the new ones as well", async () => (await storedPartitions(database)) === 18);
    await traffic.stop();

    await expectEachStoredOnce(database, traffic.ids);
    expect(members.errors).toEqual([]);
  });

  test("a member goes on saying that it lives when its clock is set back", async () => {
    const consumer = testKafka().consumer({
      groupId: randomUUID(),
      heartbeatInterval: 200,
      maxWaitTimeInMs: 100,
    });
    let beats = 0;
    consumer.on(consumer.events.HEARTBEAT, () => {
      beats++;
    });
    await consumer.connect();
    onTestFinished(() => consumer.disconnect());
    await consumer.subscribe({ topics: ["info-logs"] });
    await consumer.run({ eachBatch: () => Promise.resolve() });
    await until("a heartbeat", () => beats > 0);

    const { now } = Date;
    Date.now = () => now() - 3_600_000;
    onTestFinished(() => void (Date.now = now));
    const before = beats;
    await until("the next one", () => beats > before);
  });
});

const storedPartitions = ({ pool }: TestDatabase) =>
  numberOf(pool, "SELECT COUNT(*) FROM ingest_offsets WHERE topic = 'info-logs' AND rows_in > 0");
