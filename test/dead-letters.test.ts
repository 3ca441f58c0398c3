import { randomUUID } from "node:crypto";
import { beforeEach, describe, expect, onTestFinished, test } from "vitest";
import { DEAD_LETTERS_TOPIC } from "../contract/topics.ts";
import { createBatchProducer, type KeyedRecord } from "../kafka/producer.ts";
import {
  aRequestLog,
  freshTopics,
  numberOf,
  openTestDatabase,
  rowsOf,
  runCli,
  startTestConsumer,
  testKafka,
  until,
  type TestDatabase,
} from "./harness.ts";

beforeEach(() => freshTopics(1));

async function send(topic: string, values: readonly (string | KeyedRecord)[]): Promise<void> {
  const producer = createBatchProducer(testKafka());
  await producer.send(new Map([[topic, values]]));
  await producer.close();
}

const good = (count: number) => Array.from({ length: count }, () => JSON.stringify(aRequestLog()));
const garbage = (count: number) => Array.from({ length: count }, (_, i) => `garbage ${i}`);

/** What is on a topic, from its beginning. */
async function readTopic(topic: string) {
  const records: { key: string; value: Buffer | null; headers: Record<string, string> }[] = [];
  const reader = testKafka().consumer({ groupId: randomUUID() });
  await reader.connect();
  await reader.subscribe({ topics: [topic], fromBeginning: true });
  await reader.run({
    eachMessage({ message }) {
      const headers = Object.entries(message.headers ?? {}).map(([name, value]) => [name, String(value)]);
      records.push({
        ...{ key: String(message.key), value: message.value },
        headers: Object.fromEntries(headers) as Record<string, string>,
      });
      return Promise.resolve();
    },
  });
  onTestFinished(() => reader.disconnect());
  return records;
}

/** The command as the owner, who needs no other setting. */
async function deadLetters({ ownerUrl }: TestDatabase, ...args: string[]) {
  const ended = await runCli(["dead-letters", ...args], { MYSQL_URL: ownerUrl });
  return { ...ended, output: ended.stdout + ended.stderr };
}

/** What the audit says of them, oldest first. */
const changes = ({ pool }: TestDatabase) =>
  rowsOf(
    pool,
    `SELECT via, action, target, result, JSON_VALUE(detail, '$.records') AS records FROM audit_log
      WHERE action LIKE 'dead-letters.%' ORDER BY at`,
  );

const counter = (database: TestDatabase) => (table: string) =>
  numberOf(database.pool, `SELECT COUNT(*) FROM ${table}`);

describe("copies", () => {
  test("of all dead letters reach the topic: raw, with origin and reason, also those a killed consumer left", async () => {
    const database = await openTestDatabase();
    await database.pool.query(
      `INSERT INTO dead_letters (cluster, topic, \`partition\`, \`offset\`, reason, detail, value, record_time)
       VALUES ('c', 'error-logs', 3, 77, 'not_json', 'left', 'left behind', UTC_TIMESTAMP())`,
    );
    const bytes = Buffer.from([0, 255, 128, 10]);
    const large = "x".repeat(1_048_500); // fits the topic, but not with the copy's headers
    await send("info-logs", [{ key: null, value: bytes, headers: {} }, ...good(2), "[]"]);
    await send("info-logs", [large]);
    const copies = await readTopic(DEAD_LETTERS_TOPIC);
    startTestConsumer(database);
    await until("four copies", () => copies.length >= 4);
    await until(
      "all to be marked",
      async () =>
        (await numberOf(database.pool, "SELECT COUNT(*) FROM dead_letters WHERE copied_at IS NULL")) === 0,
    );
    const byKey = new Map(copies.map((copy) => [copy.key, copy]));
    expect(byKey.get("error-logs/3/77")).toMatchObject({
      ...{ value: Buffer.from("left behind"), headers: { reason: "not_json", detail: "left" } },
    });
    expect(byKey.get("info-logs/0/0")!.value!.equals(bytes)).toBe(true);
    expect(byKey.get("info-logs/0/3")).toMatchObject({
      headers: { reason: "not_an_object", detail: "the value must be one JSON object" },
    });
    expect(byKey.get("info-logs/0/4")!.value === null).toBe(true); // not a megabyte in the message
    expect(byKey.get("info-logs/0/4")!.headers["left-out"]).toMatch(/too large/);
    expect(await numberOf(database.pool, "SELECT LENGTH(value) FROM dead_letters WHERE `offset` = 4")).toBe(
      large.length,
    );
  });
});

describe("rushhour dead-letters", () => {
  test("replay gives each record one row, however often and from whichever of its dead letters", async () => {
    const database = await openTestDatabase();
    const count = counter(database);
    const { pool } = database;
    await pool.query("ALTER TABLE api_logs ADD CONSTRAINT no_tea CHECK (status_code <> 418)");
    const bare = JSON.stringify({ endpoint: "/tea", method: "GET", status_code: 418, response_time_ms: 1 });
    const own = JSON.stringify(aRequestLog({ status_code: 418, run_id: "run-1" }));
    await send("info-logs", [bare, own, bare, ...good(3)]); // neither id nor time, twice: two records
    startTestConsumer(database);
    await until("three rows", async () => (await count("api_logs")) === 3);
    expect(await count("dead_letters")).toBe(3);

    expect((await deadLetters(database, "replay", "--reason", "refused_by_sql")).stdout).toContain(
      "replayed 3 of info-logs",
    );
    await until("three more dead letters", async () => (await count("dead_letters")) === 6);
    const origins = await rowsOf(pool, "SELECT first_origin FROM dead_letters ORDER BY id");
    expect(origins.map(({ first_origin }) => String(first_origin).replace(/^[^/]+/, "c"))).toEqual([
      ...["c", "c", "c", "c/info-logs/0/0", "c/info-logs/0/1", "c/info-logs/0/2"],
    ]);
    await pool.query("ALTER TABLE api_logs DROP CONSTRAINT no_tea");

    await deadLetters(database, "replay");
    await until("the three", async () => (await count("api_logs")) === 6);
    expect((await deadLetters(database, "replay")).stdout).toContain("no such dead letters");
    const ids = (await rowsOf(pool, "SELECT id FROM dead_letters")).map(({ id }) => String(id));
    await deadLetters(database, "replay", ...ids);
    await deadLetters(database, "replay", "--again");
    const seen = () => numberOf(pool, "SELECT SUM(duplicates) FROM ingest_offsets");
    await until("all to have come again", async () => (await seen()) === 12);
    expect(await count("api_logs")).toBe(6);
    expect(await count("dead_letters")).toBe(6);
    expect(await count("v_losses")).toBe(0);
    const said = { via: "cli", action: "dead-letters.replay", result: "done" };
    expect(await changes(database)).toEqual([
      { ...said, target: "--reason refused_by_sql", records: "3" },
      { ...said, target: "all", records: "3" },
      { ...said, target: ids.join(" "), records: "6" },
      { ...said, target: "all --again", records: "6" },
    ]);
    expect(await numberOf(pool, "SELECT dead_letters FROM v_pipeline")).toBe(0);
  });

  test("list, show and purge", async () => {
    const database = await openTestDatabase();
    const count = counter(database);
    await send("info-logs", ["\u001b[31mred\u0007", "[1]", ...garbage(30)]);
    await send("error-logs", [JSON.stringify({ ...aRequestLog({ run_id: "run-7" }), status_code: "many" })]);
    startTestConsumer(database);
    await until("all dead letters", async () => (await count("dead_letters")) === 33);

    const list = await deadLetters(database, "list");
    expect(list.stdout).toContain("20 of 33");
    const some = await deadLetters(database, "list", "--topic", "info-logs", "--reason", "not_an_object");
    expect(some.stdout).toMatch(/info-logs\/0\/1 +not_an_object +the value must be one JSON object/);
    expect(some.stdout).toContain("1 of 1");
    const ofRun = JSON.parse(
      (await deadLetters(database, "list", "--run", "run-7", "--json")).stdout,
    ) as object[];
    expect(ofRun).toMatchObject([
      { topic: "error-logs", offset: "0", reason: "invalid_field", run_id: "run-7" },
    ]);
    expect((await deadLetters(database, "list", "--until", "now-1h")).stdout).toContain("no dead letters");
    const wrong = await deadLetters(database, "list", "--reason", "bad", "--limit", "0", "--since", "soon");
    expect(wrong.code).toBe(104);
    for (const flag of ["--reason=bad", "--limit=0", "--since=soon"]) expect(wrong.stderr).toContain(flag);

    const red = await numberOf(
      database.pool,
      "SELECT id FROM dead_letters WHERE `offset` = 0 AND topic = 'info-logs'",
    );
    const shown = await deadLetters(database, "show", String(red));
    expect(shown.stdout).toContain("\\u001b[31mred\\u0007");
    expect(shown.stdout).not.toContain("\u001b");
    expect(await deadLetters(database, "show", "999999")).toMatchObject({ code: 104 });

    const unasked = await deadLetters(database, "purge", "--topic", "info-logs");
    expect(unasked).toMatchObject({ code: 104 });
    expect(unasked.stderr).toMatch(/32 of info-logs .*--yes/);
    expect(await count("dead_letters")).toBe(33);
    const purged = await deadLetters(database, "purge", "--topic", "info-logs", "--limit", "30", "--yes");
    expect(purged.stdout).toContain("deleted 30 of info-logs");
    expect(await count("dead_letters")).toBe(3);
    await database.pool.query(
      "CREATE TRIGGER locked BEFORE DELETE ON dead_letters FOR EACH ROW SIGNAL SQLSTATE '45000'",
    );
    expect(await deadLetters(database, "purge", "--yes")).toMatchObject({ code: 1 });
    const said = { via: "cli", action: "dead-letters.purge" };
    expect(await changes(database)).toEqual([
      { ...said, target: "--topic info-logs --limit 30", result: "done", records: "30" },
      { ...said, target: "all", result: "failed", records: "0" },
    ]);
    expect(await numberOf(database.pool, "SELECT actor LIKE '%_@_%' FROM v_audit LIMIT 1")).toBe(1);
  });
});

describe("the breaker", () => {
  test("pauses a topic that has turned to garbage, for all consumers and through restarts, until resume", async () => {
    const database = await openTestDatabase();
    const count = counter(database);
    const positionOf = (topic: string) =>
      numberOf(database.pool, "SELECT COALESCE(SUM(next_offset), 0) FROM ingest_offsets WHERE topic = ?", [
        topic,
      ]);
    const options = { group: randomUUID(), breakerRecords: 100 };
    const first = startTestConsumer(database, options);
    await send("info-logs", [...good(90), ...garbage(90)]); // half, and no more than allowed
    await until("half of it", async () => (await count("api_logs")) === 90);
    expect(first.readiness().kafka.warning).toBeUndefined();

    await send("info-logs", garbage(300));
    await until("the pause", () =>
      /info-logs is paused: \d+ of \d+/.test(first.readiness().kafka.warning ?? ""),
    );
    expect(first.readiness()).toMatchObject({ kafka: { ready: true }, database: { ready: true } });
    await send("info-logs", [...garbage(50), ...good(20)]);
    await send("error-logs", good(30));
    await until("the other topic", async () => (await count("api_logs")) === 120);
    expect(await positionOf("info-logs")).toBe(480);
    expect(await first.metrics.registry.metrics()).toContain('consumer_topic_paused{topic="info-logs"} 1');

    const storedAt = () => numberOf(database.pool, "SELECT updated_at FROM v_lag WHERE topic = 'info-logs'");
    const before = await storedAt();
    const lag = async () => ({
      metric: /consumer_lag_records\{topic="info-logs",partition="0"\} (\d+)/.exec(
        await first.metrics.registry.metrics(),
      )?.[1],
      view: await numberOf(database.pool, "SELECT lag_records FROM v_lag WHERE topic = 'info-logs'"),
      pipeline: await numberOf(database.pool, "SELECT lag_records FROM v_pipeline"),
    });
    await until("the lag, though nothing is read", async () => (await lag()).metric === "70");
    expect(await lag()).toEqual({ metric: "70", view: 70, pipeline: 70 });
    expect(await storedAt()).toBe(before);

    await first.close();
    const second = startTestConsumer(database, options);
    await send("error-logs", good(30));
    await until("the other topic", async () => (await count("api_logs")) === 150);
    expect(second.readiness().kafka.warning).toContain("rushhour dead-letters resume info-logs");
    expect(await positionOf("info-logs")).toBe(480);
    expect((await deadLetters(database, "list")).stdout).toContain("info-logs is paused since");

    expect((await deadLetters(database, "resume", "error-logs")).stderr).toContain(
      "error-logs is not paused",
    );
    expect((await deadLetters(database, "resume", "info-logs")).stdout).toContain("info-logs is read on");
    await until("the rest", async () => (await count("api_logs")) === 170);
    expect(await changes(database)).toMatchObject([
      { via: "cli", action: "dead-letters.resume", target: "info-logs", result: "done", records: "480" },
    ]);
    expect(second.readiness().kafka.warning).toBeUndefined();

    await send("info-logs", garbage(300));
    await until("another pause", () => second.readiness().kafka.warning !== undefined);
    expect(await positionOf("info-logs")).toBe(850);
  });
});
