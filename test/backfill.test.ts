import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { beforeEach, describe, expect, onTestFinished, test } from "vitest";
import {
  closedPort,
  freshTopics,
  numberOf,
  openTestDatabase,
  rowsOf,
  runCli,
  startRole,
  testBrokers,
  until,
  type TestDatabase,
} from "./harness.ts";

function emptyHome(): string {
  const home = mkdtempSync(join(tmpdir(), "rushhour-backfill-"));
  onTestFinished(() => rmSync(home, { recursive: true }));
  return home;
}

const envOf = ({ ownerUrl, readerUrl }: TestDatabase) => ({
  RUSHHOUR_HOME: emptyHome(),
  ...{ MYSQL_URL: ownerUrl, MYSQL_READER_URL: readerUrl },
});

const utc = (ms: number) => new Date(ms).toISOString();
const DAY_MS = 86_400_000;
const DAYS = { from: utc(Date.now() - 4 * DAY_MS), to: utc(Date.now() - DAY_MS) };
const ROWS =
  "SELECT COALESCE(SUM(rows_in), 0) FROM ingest_offsets WHERE topic IN ('info-logs', 'error-logs', 'debug-logs')";

describe("rushhour backfill", () => {
  beforeEach(() => freshTopics());

  test("fills three days exactly, with their incidents, and the same once more adds no row", async () => {
    const database = await openTestDatabase();
    const { pool, writerUrl, name } = database;
    await startRole(["consumer", "--port", "0"], { MYSQL_WRITER_URL: writerUrl, CONSUMER_GROUP: name });
    const args = ["backfill", "--from", DAYS.from, "--to", DAYS.to, "--count", "20000"];
    const { code, stdout } = await runCli(args, envOf(database));
    expect(code).toBe(0);
    expect(stdout).toMatch(/^20,000 records written, from .*, seed 1\n/);
    await until("20,000 rows", async () => (await numberOf(pool, ROWS)) === 20_000, { deadlineMs: 60_000 });

    const [span] = await rowsOf(
      pool,
      "SELECT COUNT(*) AS n, MIN(timestamp) AS first, MAX(timestamp) AS last FROM api_logs",
    );
    expect(span!["n"]).toBe(20_000);
    expect((span!["first"] as Date).toISOString() >= DAYS.from).toBe(true);
    expect((span!["last"] as Date).toISOString() < DAYS.to).toBe(true);
    const inOwnPartitions = `SELECT SUM(TABLE_ROWS) FROM information_schema.PARTITIONS
      WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = 'api_logs' AND PARTITION_NAME IN ('p_past', 'p_future')`;
    expect(await numberOf(pool, inOwnPartitions)).toBe(0);

    const untold = `SELECT COUNT(*) FROM incidents WHERE ended_at IS NULL OR requests_affected <>
      (SELECT COUNT(*) FROM api_logs WHERE JSON_UNQUOTE(JSON_EXTRACT(extra, '$.incident')) = incident_id)`;
    await until("the incidents", async () => (await numberOf(pool, untold)) === 0);
    const struck = "SELECT COUNT(DISTINCT JSON_EXTRACT(extra, '$.incident')) FROM api_logs";
    const told = "SELECT COUNT(*) FROM incidents WHERE requests_affected > 0";
    expect(await numberOf(pool, told)).toBe(await numberOf(pool, struck));

    await runCli(args, envOf(database));
    const duplicates =
      "SELECT SUM(duplicates) FROM ingest_offsets WHERE topic IN ('info-logs', 'error-logs', 'debug-logs')";
    await until("20,000 duplicates", async () => (await numberOf(pool, duplicates)) === 20_000, {
      deadlineMs: 60_000,
    });
    expect(await numberOf(pool, "SELECT COUNT(*) FROM api_logs")).toBe(20_000);
  });

  test("goes on live where the past ends, until -d", async () => {
    const database = await openTestDatabase();
    const { pool, writerUrl, name } = database;
    await startRole(["consumer", "--port", "0"], { MYSQL_WRITER_URL: writerUrl, CONSUMER_GROUP: name });
    const startedMs = Date.now();
    const args = ["backfill", "--from", "now-2m", "--rate", "50/s", "--live", "-d", "5s"];
    const { code, stdout } = await runCli(args, envOf(database));
    expect(code).toBe(0);
    expect(Date.now() - startedMs).toBeGreaterThan(5_000);
    const written = Number(/^([\d,]+) records/.exec(stdout)![1]!.replace(",", ""));
    await until("all rows", async () => (await numberOf(pool, ROWS)) === written);
    const seconds = await rowsOf(
      pool,
      "SELECT UNIX_TIMESTAMP(timestamp) DIV 1 AS second, COUNT(*) AS n FROM api_logs GROUP BY 1 ORDER BY 1",
    );
    const counts = seconds.map((row) => Number(row["n"])).slice(1, -1);
    expect(counts.length).toBeGreaterThan(122);
    const usual = counts.toSorted((a, b) => a - b)[counts.length >> 1]!;
    for (const count of counts) expect(Math.abs(count - usual)).toBeLessThan(usual * 0.6);
  });

  test("a first Ctrl-C ends it in order while it waits for a consumer that is not there", async () => {
    const database = await openTestDatabase();
    const child = spawn(
      process.execPath,
      ["cli/rushhour.js", "backfill", "--from", "now-1h", "--rate", "20/s", "--live"],
      {
        env: {
          ...process.env,
          ...envOf(database),
          KAFKA_BROKERS: testBrokers().join(","),
        },
        stdio: ["ignore", "pipe", "pipe"],
      },
    );
    let [stdout, stderr] = ["", ""];
    child.stdout.on("data", (chunk: Buffer) => (stdout += chunk.toString()));
    child.stderr.on("data", (chunk: Buffer) => (stderr += chunk.toString()));
    const exited = new Promise<number | null>((resolve) => child.once("close", resolve));
    await until("it to be live", () => stderr.includes("live  "), { deadlineMs: 50_000 });
    child.kill("SIGINT");
    expect(await exited).toBe(105);
    expect(stdout).toMatch(/records written/);
    expect(stdout).toMatch(
      /are not stored yet: leave the consumer running, or start one with npx rushhour consumer/,
    );
  });
});

describe("what a back-fill refuses, with exit code 104 and before anything is written", () => {
  test("all problems at once", async () => {
    const args = ["--from", "yesterday", "--to", "now-1h", "--count", "5", "--rate", "1/s", "-d", "5m"];
    const { code, stderr } = await runCli(["backfill", ...args]);
    expect(code).toBe(104);
    for (const problem of [
      "--from=yesterday must be a time",
      "--count=5 says how many",
      "--duration=5m is how long",
    ])
      expect(stderr).toContain(problem);
  });

  test.each([
    [["--from", "now-1h", "--to", "now-2h"], "--from=now-1h must be earlier than --to"],
    [["--to", utc(Date.now() + DAY_MS)], "must not lie in the future"],
    [["--to", "now-1h", "--live"], "--to=now-1h must be now for --live"],
  ])("%j", async (args, problem) => {
    const { code, stderr } = await runCli(["backfill", ...args]);
    expect(code).toBe(104);
    expect(stderr).toContain(problem);
  });

  test("days that are not kept any more", async () => {
    const database = await openTestDatabase();
    await freshTopics();
    const { code, stderr } = await runCli(["backfill", "--from", "now-90d"], envOf(database));
    expect(code).toBe(104);
    expect(stderr).toMatch(/--from .* lies before .*: raw rows are kept for 35 days, older ones are dropped/);
  });

  test("a database that does not answer, by name", async () => {
    const url = `mysql://root:top-secret@127.0.0.1:${await closedPort()}/monitoring`;
    const { code, stderr } = await runCli(["backfill"], { MYSQL_URL: url, MYSQL_READER_URL: url });
    expect(code).toBe(1);
    expect(stderr).toContain("the database does not answer at mysql://root:***@127.0.0.1");
  });
});
