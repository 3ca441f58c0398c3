import { spawn } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { APP_LOG } from "../contract/app-log.ts";
import { createBatchProducer } from "../kafka/producer.ts";
import type { PinoTransportOptions } from "../pino.ts";
import { createPublisher } from "../producer/publisher.ts";
import {
  anAppLog,
  closedPort,
  createTestDatabase,
  freshTopics,
  numberOf,
  rowsOf,
  runCli,
  silent,
  startRole,
  startTestConsumer,
  testBrokers,
  testKafka,
  until,
  type TestConsumer,
  type TestDatabase,
} from "./harness.ts";

let database: TestDatabase;
let consumer: TestConsumer;

// One store for all, because its making takes longer than a test; each looks at what it adds.
beforeAll(async () => {
  await freshTopics();
  database = await createTestDatabase();
  consumer = startTestConsumer(database, { group: database.name }, () => undefined);
});
afterAll(async () => {
  await consumer.close();
  await database.close();
});

const [TOPIC, ERRORS] = APP_LOG.topics as readonly [string, string];

async function send(topic: string, records: readonly unknown[]): Promise<void> {
  const producer = createBatchProducer(testKafka());
  const values = records.map((record) => (typeof record === "string" ? record : JSON.stringify(record)));
  await producer.send(new Map([[topic, values]]));
  await producer.close();
}

const rows = () => numberOf(database.pool, "SELECT COUNT(*) FROM app_logs");

async function expectNothingWrong(): Promise<void> {
  for (const nothing of ["v_app_errors_drift", "v_ingest_gaps", "ingest_gaps"])
    expect(await rowsOf(database.pool, `SELECT * FROM ${nothing}`), nothing).toEqual([]);
}

/** As a class with Python's logging writes it. */
const PLAIN = {
  log_id: "class-1",
  timestamp: "2026-11-21 10:00:00,123",
  level: "error",
  logger: "payments",
  message: "Payment of order 4711 failed",
  module: "payments.py",
  function: "charge",
  line: "42",
  service: "payments",
  exception:
    'Traceback (most recent call last):\n  File "/app/payments.py", line 42, in charge\n    bank.pay(order)\nBankError: declined 0815',
  context: { order_id: 4711, tags: ["late", "vip"] },
  shard: 3,
};

test("E-1: an ERROR that a foreign producer wrote to application-logs counts as one, with stack and context", async () => {
  const { pool } = database;
  const recent = new Date(Date.now() - 3_600_000).toISOString().slice(0, 19).replace("T", " ");
  const [first, again] = [PLAIN, { ...PLAIN, log_id: "class-2", message: "Payment of order 12 failed" }];
  await send(TOPIC, [
    { ...first, timestamp: recent },
    { ...again, timestamp: recent, service: "orders", level: "FATAL" },
    { message: "started" },
    { level: "warn", message: "slow" },
  ]);
  await send(ERRORS, [{ message: "no level, on the topic of errors" }]);
  await until("five rows", async () => (await rows()) === 5);

  const [row] = await rowsOf(pool, "SELECT * FROM app_logs WHERE log_id = 'class-1'");
  expect(row).toMatchObject({
    ...{
      level: "ERROR",
      service: "payments",
      logger: "payments",
      module: "payments.py",
      function: "charge",
      line: 42,
    },
    ...{
      message: first.message,
      error_type: "BankError",
      error_message: "declined 0815",
      stack: PLAIN.exception,
    },
  });
  expect(JSON.parse(JSON.stringify(row!["context"])) as unknown).toEqual(PLAIN.context);
  const groups = await rowsOf(
    pool,
    "SELECT error_type, message, frames, errors, critical, services, affected_services FROM v_app_errors ORDER BY errors DESC",
  );
  expect(groups).toEqual([
    {
      ...{
        error_type: "BankError",
        message: "Payment of order # failed",
        errors: 2,
        critical: 1,
        services: 2,
      },
      ...{ affected_services: "orders, payments", frames: 'File "/app/payments.py", line #, in charge' },
    },
    {
      ...{
        error_type: null,
        message: "no level, on the topic of errors",
        errors: 1,
        critical: 0,
        services: 1,
      },
      ...{ affected_services: "unknown", frames: null },
    },
  ]);
  expect(
    await rowsOf(
      pool,
      "SELECT service, level, SUM(errors) AS n FROM v_app_errors_1h GROUP BY 1, 2 ORDER BY 1",
    ),
  ).toMatchObject([
    { service: "orders", level: "CRITICAL", n: "1" },
    { service: "payments", level: "ERROR", n: "1" },
    { service: "unknown", level: "ERROR", n: "1" },
  ]);
  await expectNothingWrong();
});

test("E-6: test-errors sends three errors and two critical ones of four services, and says how to see them", async () => {
  const { code, stdout, stderr } = await runCli(["test-errors"]);
  expect(code, stderr).toBe(0);
  const [, ids = ""] = /log_id IN \(([^)]*)\)/.exec(stdout) ?? [];
  const sql = `SELECT level, service FROM app_logs WHERE log_id IN (${ids}) AND stack IS NOT NULL AND context IS NOT NULL`;
  await until("five rows", async () => (await rowsOf(database.pool, sql)).length === 5);
  const sent = await rowsOf(database.pool, sql);
  expect(new Set(sent.map(({ service }) => service as string)).size).toBe(4);
  expect(
    sent
      .map(({ level }) => level as string)
      .sort()
      .join(),
  ).toBe("CRITICAL,CRITICAL,ERROR,ERROR,ERROR");
  await expectNothingWrong();
});

const COUNTED = "SELECT COALESCE(SUM(count), 0) FROM app_errors_1h";

const HOSTILE = [
  ...[
    "'; DROP TABLE app_logs; --",
    "<script>alert(1)</script>",
    "\\N",
    "a\tb\nc\\",
    "\u0000",
    "😀".repeat(5_000),
  ],
  ...[
    "half \ud83d of a pair",
    "%s %d ${env.HOME} {{x}}",
    "x".repeat(20_000),
    "\u2028\ufeff",
    " padded ",
    "ÄÖ ß ſ",
  ],
];

test("E-1: whatever stands in its fields, a record is a row, and coming again it adds neither row nor count", async () => {
  const { pool } = database;
  const [rowsBefore, countedBefore] = [await rows(), await numberOf(pool, COUNTED)];
  const now = new Date().toISOString();
  const records = HOSTILE.map((text, n) => ({
    ...{ log_id: n % 2 ? text : `hostile-${n}`, timestamp: now, level: n % 3 ? "ERROR" : text },
    ...{ service: text, logger: text, message: text, host: text, module: text, function: text, line: text },
    ...{ thread: text, process: text, request_id: text, trace_id: text, user_id: text, run_id: text },
    exception:
      n % 4 ? { type: text, message: text, stack: `${text}\n    at f (x.js:1:1)\n`.repeat(3) } : text,
    context: { [text.slice(0, 1_000)]: text, __proto__: { x: 1 }, list: [text] },
    [`unknown ${text.slice(0, 100)}`]: text,
  }));
  await send(TOPIC, [...records, { ...records[0], log_id: "proto", message: "{}", __proto__: null }]);
  await send(ERRORS, [...records].reverse());
  await until("thirteen rows", async () => (await rows()) === rowsBefore + HOSTILE.length + 1);
  const counted = await numberOf(pool, COUNTED);
  expect(counted).toBeGreaterThan(countedBefore);
  await send(TOPIC, records);
  const duplicates = () => numberOf(database.pool, "SELECT SUM(duplicates) FROM ingest_offsets");
  await until("all to have come three times", async () => (await duplicates()) === 2 * HOSTILE.length);
  expect(await rows()).toBe(rowsBefore + HOSTILE.length + 1);
  expect(await numberOf(pool, COUNTED)).toBe(counted);
  expect(await numberOf(database.pool, "SELECT SUM(errors) FROM v_app_errors")).toBe(counted);
  expect(
    await numberOf(database.pool, "SELECT COUNT(*) FROM app_logs WHERE level IN ('ERROR', 'CRITICAL')"),
  ).toBe(counted);
  expect(await rowsOf(database.pool, "SELECT * FROM dead_letters")).toEqual([]);
  await expectNothingWrong();
});

test("E-2: a consumer that is killed again and again stores and counts each record once", async () => {
  await consumer.close();
  const rowsBefore = await rows();
  const publisher = createPublisher({ brokers: testBrokers(), service: "test", logger: silent });
  onTestFinished(() => publisher.close(0));
  const publish = publisher.publishOf(APP_LOG);
  const env = { MYSQL_WRITER_URL: database.writerUrl, CONSUMER_PORT: "0", CONSUMER_GROUP: database.name };
  const stack = `Killed: x\n${"    at call (orders.ts:7:1)\n".repeat(10)}`;
  let published = 0;
  const write = (count: number) => {
    for (let n = 0; n < count; n++, published++)
      void publish(
        anAppLog({
          ...{ level: published % 2 ? "ERROR" : "INFO", message: `order ${published} failed` },
          ...{ service: published % 3 ? "orders" : "users", exception: { type: "Killed", stack } },
        }),
      );
  };
  for (let kills = 1; kills <= 2; kills++) {
    const killed = await startRole(["consumer"], env);
    write(10_000);
    await until("some rows", async () => (await rows()) > rowsBefore + (kills - 1) * 10_000);
    killed.process.kill("SIGKILL");
    await killed.exited;
  }
  write(100);
  await publisher.close();
  consumer = startTestConsumer(database, { group: database.name }, () => undefined);
  await until("every record", async () => (await rows()) >= rowsBefore + published);
  expect(await rows()).toBe(rowsBefore + published);
  expect(
    await rowsOf(
      database.pool,
      "SELECT errors, message, affected_services FROM v_app_errors WHERE error_type = 'Killed'",
    ),
  ).toEqual([{ errors: published / 2, message: "order # failed", affected_services: "orders, users" }]);
  await until(
    "the last word",
    async () => (await rowsOf(database.pool, "SELECT * FROM v_ingest_gaps")).length === 0,
  );
  await expectNothingWrong();
});

test("what can never become a row is a dead letter, and is one row when it is sent again", async () => {
  const { pool, ownerUrl } = database;
  const before = await rows();
  await pool.query("ALTER TABLE app_logs ADD CONSTRAINT no_tea CHECK (message <> 'tea')");
  const future = new Date(Date.now() + 2 * 3_600_000).toISOString();
  await send(TOPIC, [
    "garbage",
    { level: "ERROR" },
    { message: "later", timestamp: future },
    { message: "tea" },
    anAppLog(),
  ]);
  await until("a row", async () => (await rows()) === before + 1);
  expect(await rowsOf(pool, "SELECT reason FROM dead_letters ORDER BY reason")).toEqual(
    ["in_the_future", "invalid_field", "not_json", "refused_by_sql"].map((reason) => ({ reason })),
  );
  await pool.query("ALTER TABLE app_logs DROP CONSTRAINT no_tea");
  const replayed = await runCli(["dead-letters", "replay", "--reason", "refused_by_sql"], {
    MYSQL_URL: ownerUrl,
  });
  expect(replayed.stdout).toContain(`replayed 1 of ${TOPIC}`);
  await until("its row", async () => (await rows()) === before + 2);
  await expectNothingWrong();
});

/** A program of somebody's own, whose pino logs through the transport. */
function startProgram(options: PinoTransportOptions, work: string) {
  const program = `
    import { pino } from "pino";
    const target = ${JSON.stringify(join(import.meta.dirname, "..", "pino.ts"))};
    const transport = pino.transport({ target, options: ${JSON.stringify(options)} });
    const logger = pino({ name: "own.part" }, transport);
    ${work}`;
  const child = spawn(process.execPath, ["--input-type=module", "-e", program], {
    stdio: ["ignore", "ignore", "pipe"],
  });
  onTestFinished(() => void child.kill("SIGKILL"));
  let stderr = "";
  child.stderr.on("data", (chunk: Buffer) => (stderr += chunk.toString()));
  const exited = new Promise<{ code: number | string; stderr: string }>((resolve) =>
    child.once("close", (code, signal) => resolve({ code: signal ?? code ?? -1, stderr })),
  );
  return { child, exited };
}

describe("the pino transport", () => {
  test("delivers what a program logged before it dies of an uncaught exception", async () => {
    const { exited } = startProgram(
      { brokers: testBrokers(), service: "own" },
      `for (let n = 0; n < 1_000; n++) logger.warn({ n, reqId: "req-" + n }, "line %d", n);
       process.on("uncaughtException", (error) => { logger.fatal(error); process.exit(3); });
       throw new TypeError("the end");`,
    );
    expect(await exited).toMatchObject({ code: 3 });
    const ours = "SELECT COUNT(*) FROM app_logs WHERE service = 'own'";
    await until("all lines", async () => (await numberOf(database.pool, ours)) === 1_001);
    const [last] = await rowsOf(
      database.pool,
      "SELECT level, logger, message, error_type, stack FROM app_logs WHERE service = 'own' AND level = 'CRITICAL'",
    );
    expect(last).toMatchObject({ logger: "own.part", message: "the end", error_type: "TypeError" });
    expect(last!["stack"]).toContain("TypeError: the end\n    at ");
  });

  test("leaves a program alone while Kafka is away, and gives up in time when it ends", async () => {
    const brokers = [`127.0.0.1:${await closedPort()}`];
    const { exited } = startProgram(
      { brokers, service: "own", deadlineMs: 200, bufferRecords: 100 },
      `for (let n = 0; n < 10_000; n++) logger.info({ n }, "x".repeat(1_000));`,
    );
    const { code, stderr } = await exited;
    expect(code).toBe(0);
    expect(stderr).toContain('"dropped":'); // said, not silent
  });

  test("with a spool in mode always, what reached the disk is a row though the program was killed with Kafka away", async () => {
    const folder = mkdtempSync(join(tmpdir(), "rushhour-pino-"));
    onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
    const spool = { folder, mode: "always" } as const;
    const away = [`127.0.0.1:${await closedPort()}`];
    const { child, exited } = startProgram(
      { brokers: away, service: "spooled", spool },
      `for (let n = 0; n < 500; n++) logger.error({ n }, "line %d", n); setInterval(() => {}, 1_000);`,
    );
    const spooled = () =>
      readdirSync(folder, { recursive: true, encoding: "utf8" })
        .map((path) => join(folder, path))
        .filter((path) => statSync(path).isFile())
        .map((path) => readFileSync(path, "latin1"))
        .join("");
    await until("the last line on disk", () => spooled().includes('"line 499"'));
    child.kill("SIGKILL");
    await exited;
    const next = startProgram({ brokers: testBrokers(), service: "next", spool }, 'logger.info("back");');
    expect(await next.exited).toMatchObject({ code: 0 });
    const found = "SELECT COUNT(*), COUNT(DISTINCT message) FROM app_logs WHERE service = 'spooled'";
    await until("all lines", async () => (await numberOf(database.pool, found)) === 500);
  });

  test("names all that is wrong with its options", async () => {
    const options = { brokers: ["nowhere"], service: "", spool: { folder: "x", mode: "off" }, colour: 1 };
    const { exited } = startProgram(options as unknown as PinoTransportOptions, 'logger.info("x");');
    const { code, stderr } = await exited;
    expect(code).not.toBe(0);
    for (const problem of [
      'brokers.0="nowhere" must be host:port',
      'service="" must be a text of 1 to 64 characters',
      'spool.mode="off" must be spill',
      "colour is none of the options",
    ])
      expect(stderr).toContain(problem);
  });
});
