import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import packageJson from "../package.json" with { type: "json" };
import {
  closedPort,
  freshTopics,
  numberOf,
  openKafkaProxy,
  openTestDatabase,
  rowsOf,
  runCli,
  startRole,
  testKafka,
  until,
} from "./harness.ts";

const COMMANDS = [
  ...[
    "up",
    "simulate",
    "quick",
    "replay",
    "inspect",
    "new",
    "find-max",
    "verify",
    "runs",
    "report",
    "compare",
  ],
  ...[
    "sql",
    "api",
    "consumer",
    "producer",
    "backfill",
    "retention",
    "test-errors",
    "migrate",
    "topics",
    "engines",
    "doctor",
  ],
];

/** An empty RUSHHOUR_HOME: no engines run there, nothing was migrated. */
function emptyHome(): string {
  const home = mkdtempSync(join(tmpdir(), "rushhour-cli-"));
  onTestFinished(() => rmSync(home, { recursive: true }));
  return home;
}

describe("help", () => {
  test("names every command, with examples", async () => {
    const { code, stdout } = await runCli(["--help"]);
    expect(code).toBe(0);
    expect(stdout).toContain("Examples:");
    for (const command of COMMANDS) expect(stdout).toMatch(new RegExp(`^  ${command}\\b`, "m"));
  });

  test.each(["--version", "-V"])("%s prints the package's version", async (flag) => {
    const { code, stdout } = await runCli([flag]);
    expect([code, stdout]).toEqual([0, `${packageJson.version}\n`]);
  });

  test.each(COMMANDS)("of %s shows examples and ends with 0", async (command) => {
    const { code, stdout, stderr } = await runCli([command, "--help"]);
    expect([code, stderr]).toEqual([0, ""]);
    expect(stdout).toContain(`Usage: rushhour ${command}`);
    expect(stdout).toMatch(/^Examples:\n {2}\S/m);
  });
});

describe("wrong usage is 104, with the reason and without a stack", () => {
  test.each<[string, string[], RegExp]>([
    ["an unknown command", ["launch"], /unknown command 'launch'/],
    ["an unknown option", ["topics", "--colour"], /unknown option '--colour'/],
    ["a missing argument", ["quick"], /missing required argument 'url\|file'/],
    ["an argument too many", ["topics", "all"], /too many arguments/],
  ])("%s", async (_what, args, reason) => {
    const { code, stdout, stderr } = await runCli(args);
    expect([code, stdout]).toEqual([104, ""]);
    expect(stderr).toMatch(reason);
    expect(stderr).not.toMatch(/^ +at /m);
  });

  test.each<[string, string[], Record<string, string>, string[]]>([
    [
      "producer",
      ["--rate", "fast", "--count", "0", "-d", "30", "--seed", "-1"],
      { KAFKA_BROKERS: "kafka" },
      [
        "KAFKA_BROKERS=kafka must be host:port",
        "--rate=fast must be a rate",
        "--count=0 must be",
        "--duration=30 must be",
        "--seed=-1 must be",
      ],
    ],
    [
      "simulate",
      ["--rate", "0/s", "--arrival", "random", "--target", "ftp://x"],
      {},
      ["--rate=0/s must be", "--arrival=random must be", "--target=ftp://x must be"],
    ],
    [
      "api",
      ["--port", "99999", "--model", "fast"],
      {},
      ["--port=99999 must be a port", "--model=fast must be"],
    ],
    [
      "consumer",
      ["--port", "x"],
      { MYSQL_URL: "db" },
      ["--port=x must be a port", "MYSQL_URL=db must look like"],
    ],
    [
      "sql",
      ["SELECT 1", "--format", "xml"],
      { MYSQL_URL: "db" },
      ["--format=xml must be table, csv, json, ndjson", "MYSQL_URL=db must look like"],
    ],
    [
      "topics",
      ["--partitions", "many"],
      { KAFKA_BROKERS: ":1" },
      ["--partitions=many must be", "KAFKA_BROKERS=:1 must be"],
    ],
    ["verify", ["--wait", "long"], {}, ["--wait=long must be a duration"]],
    ["up", ["--rate", "fast", "--port", "x"], {}, ["--rate=fast must be a rate", "--port=x must be a port"]],
    ["quick", ["http://", "--method", "TRACE"], {}, ["URL=http:// must be", "--method=TRACE must be"]],
  ])("every bad value of %s together", async (command, args, env, problems) => {
    const { code, stdout, stderr } = await runCli([command, ...args], env);
    expect([code, stdout]).toEqual([104, ""]);
    expect(stderr.split("\n")[0]).toBe("rushhour: invalid configuration:");
    for (const problem of problems) expect(stderr).toContain(problem);
    expect(stderr.trimEnd().split("\n")).toHaveLength(1 + problems.length);
  });

  test("migrate without any server names the ways out", async () => {
    const { code, stdout, stderr } = await runCli(["migrate"], { RUSHHOUR_HOME: emptyHome() });
    expect([code, stdout]).toEqual([104, ""]);
    expect(stderr).toMatch(
      /^rushhour: MYSQL_URL is not set and no private database runs: set it, or start the private engines first: .*npm start.*engines start/,
    );
  });

  test("sql before migrate says what to run", async () => {
    const { ownerUrl } = await openTestDatabase();
    const { code, stderr } = await runCli(["sql", "SELECT 1"], {
      RUSHHOUR_HOME: emptyHome(),
      MYSQL_URL: ownerUrl,
    });
    expect(code).toBe(104);
    expect(stderr).toContain("holds no password of the reader: run npx rushhour migrate first");
  });
});

describe("a server that does not answer is one message and exit code 1", () => {
  test.each([["topics"], ["producer", "--count", "5"]])("%s without Kafka", async (...args) => {
    const KAFKA_BROKERS = `127.0.0.1:${await closedPort()}`;
    const { code, stdout, stderr } = await runCli(args, { KAFKA_BROKERS });
    expect([code, stdout]).toEqual([1, ""]);
    expect(stderr).toMatch(
      /^rushhour: Kafka does not answer at 127\.0\.0\.1:\d+ \(.*\): start it, or correct KAFKA_BROKERS\n$/,
    );
  });

  test.each([
    [["migrate"], "MYSQL_URL"],
    [["sql", "SELECT 1"], "MYSQL_READER_URL"],
  ])("%s without the database", async (args, variable) => {
    const url = `mysql://root:top-secret@127.0.0.1:${await closedPort()}/monitoring`;
    const { code, stdout, stderr } = await runCli(args, { RUSHHOUR_HOME: emptyHome(), [variable]: url });
    expect([code, stdout]).toEqual([1, ""]);
    expect(stderr).toMatch(
      /^rushhour: the database does not answer at mysql:\/\/root:\*\*\*@127\.0\.0\.1:\d+\/monitoring \(ECONNREFUSED\): start it, or correct MYSQL/,
    );
    expect(stderr.trimEnd().split("\n")).toHaveLength(1);
  });
});

describe("topics", () => {
  test("A-12: creates what is missing with its partitions, adds some where asked, and lists all", async () => {
    await freshTopics(2);
    const admin = testKafka().admin();
    await admin.connect();
    onTestFinished(() => admin.disconnect());
    await admin.deleteTopics({ topics: ["debug-logs"] });
    await until("the topic to be gone", async () => !(await admin.listTopics()).includes("debug-logs"));
    const line = (topic: string, partitions: number, change: string) =>
      new RegExp(`${topic} +│ ${partitions} +│ ${partitions} +│ 1 +│ 0 +│ ${change} *│`);

    const first = await runCli(["topics"]);
    expect(first.stdout).toMatch(line("debug-logs", 6, "created"));
    expect(first.stdout).toMatch(line("info-logs", 2, ""));

    const second = await runCli(["topics", "--partitions", "6"]);
    expect(second.code).toBe(0);
    for (const topic of ["info-logs", "error-logs"])
      expect(second.stdout).toMatch(line(topic, 6, "partitions added"));
    for (const topic of ["publisher-status", "simulations"])
      expect(second.stdout).toMatch(line(topic, 1, ""));
    expect((await runCli(["topics"])).stdout).not.toMatch(/created|added/);
  });

  test("what Kafka cannot do is named whole, and nothing is changed", async () => {
    await freshTopics(3);
    const { code, stderr } = await runCli(["topics", "--partitions", "2", "--replication", "2"]);
    expect(code).toBe(104);
    expect(stderr).toContain(
      "info-logs has 3 partitions, and Kafka never takes any away: ask for 3 or more, not 2",
    );
    expect(stderr).toContain("simulations has replication 1, not 2");

    const admin = testKafka().admin();
    await admin.connect();
    onTestFinished(() => admin.disconnect());
    await admin.deleteTopics({ topics: ["debug-logs"] });
    await until("the topic to be gone", async () => !(await admin.listTopics()).includes("debug-logs"));
    const missing = await runCli(["topics", "--replication", "2"]);
    expect(missing.stderr).toContain("replication 2 needs as many brokers, and only 1 answers");
    expect(await admin.listTopics()).not.toContain("debug-logs");
  });
});

describe("migrate and sql", () => {
  test("migrate makes the database and its users, keeps the passwords to itself, and sql reads as the reader", async () => {
    const { ownerUrl, name, pool } = await openTestDatabase();
    await pool.query(`DROP DATABASE ${name}`);
    const env = { RUSHHOUR_HOME: emptyHome(), MYSQL_URL: ownerUrl };
    const first = await runCli(["migrate"], env);
    expect(first.code, first.stderr).toBe(0);
    expect(first.stdout).toMatch(new RegExp(`^database ${name}: 0001_api_logs, .*; \\d+ partitions made\n$`));
    expect((await runCli(["migrate"], env)).stdout).toBe(`database ${name}: up to date\n`);
    const { code, stdout } = await runCli(["sql", "--format", "csv", "SELECT CURRENT_USER() AS me"], env);
    expect([code, stdout]).toEqual([0, `me\r\nrushhour_reader_${name}@%\r\n`]);
  });
});

describe("producer", () => {
  test("A-13: writes consistent records to all three topics, which a consumer stores", async () => {
    await freshTopics();
    const { pool, writerUrl, name } = await openTestDatabase();
    await startRole(["consumer", "--port", "0"], { MYSQL_WRITER_URL: writerUrl, CONSUMER_GROUP: name });
    const { code, stdout } = await runCli(["producer", "--count", "500", "--rate", "5000/s", "--seed", "7"]);
    expect([code, stdout]).toEqual([0, "500 records written, seed 7\n"]);
    await until("500 rows", async () => (await numberOf(pool, "SELECT COUNT(*) FROM api_logs")) === 500);
    await until(
      "its last word",
      async () =>
        (await numberOf(
          pool,
          "SELECT COUNT(*) FROM publishers WHERE closed = 1 AND dropped = 0 AND acknowledged >= 500",
        )) === 1,
    );

    const counts = await rowsOf(
      pool,
      "SELECT topic, SUM(rows_in) AS rows_in FROM ingest_offsets WHERE topic IN ('info-logs', 'error-logs', 'debug-logs') GROUP BY topic",
    );
    expect(counts).toHaveLength(3);
    for (const { topic, rows_in } of counts) expect(Number(rows_in), String(topic)).toBeGreaterThan(0);
    expect(
      await numberOf(
        pool,
        "SELECT COUNT(*) FROM api_logs WHERE (level IN ('DEBUG', 'INFO')) <> (status_code < 400)",
      ),
    ).toBe(0);
    expect(await numberOf(pool, "SELECT COUNT(DISTINCT endpoint) FROM api_logs")).toBeGreaterThan(5);
  });

  test("stops at the first signal, even while Kafka is away and the buffer is full", async () => {
    await freshTopics();
    const kafka = await openKafkaProxy();
    await kafka.open();
    const {
      url,
      process: producer,
      exited,
      log,
    } = await startRole(["producer", "--rate", "100000/s", "--port", "0"], {
      KAFKA_BROKERS: kafka.brokers.join(","),
    });
    await until("Kafka to take records", () => log.some((line) => line.includes("Kafka takes records")));
    await kafka.shut();
    await until("the buffer to be half full", async () => {
      const metrics = await (await fetch(`${url}/metrics`)).text();
      return Number(/^producer_buffered_records (\d+)/m.exec(metrics)?.[1]) >= 50_000;
    });
    producer.kill("SIGINT");
    expect(await exited).toBe(105);
    expect(log.some((line) => /"dropped":[1-9]\d*,"msg":"publisher closed"/.test(line))).toBe(true);
  });
});
