import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { beforeAll, beforeEach, describe, expect, onTestFinished, test } from "vitest";
import { openPipeline } from "../cli/pipeline.ts";
import type { Ledger } from "../simulator/ledger/ledger.ts";
import {
  createTestDatabase,
  freshTopics,
  numberOf,
  openKafkaProxy,
  openTestDatabase,
  runCli,
  silent,
  startRole,
  testBrokers,
  until,
  type TestDatabase,
} from "./harness.ts";

interface Summary {
  readonly run_id: string;
  readonly exit_code: number;
  readonly ledger: Ledger;
}

function makeHome() {
  const home = mkdtempSync(join(tmpdir(), "rushhour-ledger-"));
  return { home, summaryFile: join(home, "summary.json"), remove: () => rmSync(home, { recursive: true }) };
}

const summaryOf = (file: string) => JSON.parse(readFileSync(file, "utf8")) as Summary;

describe("a run of the real API, consumer and simulator", () => {
  let database: TestDatabase;
  let env: Record<string, string>;
  let run: Summary;
  let simulated: Awaited<ReturnType<typeof runCli>>;

  beforeAll(async () => {
    const ends: (() => unknown)[] = [];
    await freshTopics();
    const { home, summaryFile, remove } = makeHome();
    database = await createTestDatabase();
    ends.push(remove, () => database.close());
    env = { RUSHHOUR_HOME: home, MYSQL_READER_URL: database.readerUrl };
    const api = await startRole(["api", "--port", "0"], {}, (end) => ends.push(end));
    const group = { MYSQL_WRITER_URL: database.writerUrl, CONSUMER_GROUP: database.name };
    await startRole(["consumer", "--port", "0"], group, (end) => ends.push(end));
    const load = ["-d", "3s", "--rate", "100/s", "--seed", "5", "--summary-export", summaryFile];
    simulated = await runCli(["simulate", "--target", api.url, ...load], env);
    run = summaryOf(summaryFile);
    await database.pool.query("CREATE TABLE kept AS SELECT * FROM api_logs");
    return async () => {
      for (const end of ends.reverse()) await end();
    };
  });

  /** What was stored, as the run left it. */
  beforeEach(async () => {
    for (const table of ["api_logs", "dead_letters"]) await database.pool.query(`DELETE FROM ${table}`);
    await database.pool.query("INSERT INTO api_logs SELECT * FROM kept");
  });

  async function verify(...args: string[]) {
    const { code, stdout, stderr } = await runCli(["verify", ...args], env);
    return { code, stdout, stderr };
  }

  const ledgerOf = (stdout: string) => JSON.parse(stdout) as Ledger & { run_id: string };

  /** An answered request of the run. */
  async function someRequest(): Promise<string> {
    const [rows] = await database.pool.query("SELECT request_id FROM kept WHERE run_id = ? LIMIT 1", [
      run.run_id,
    ]);
    return (rows as { request_id: string }[])[0]!.request_id;
  }

  test("ends with 0 and a balanced ledger: every answered request has its row", async () => {
    expect(simulated).toMatchObject({ code: 0 });
    expect(simulated.stdout).toContain("balanced: every answered request is accounted for");
    const { answered, stored, missing, duplicates, unanswered } = run.ledger;
    expect(answered).toBeGreaterThan(200);
    expect({ stored, missing, duplicates, unanswered }).toEqual({
      ...{ stored: answered, missing: 0, duplicates: 0, unanswered: 0 },
    });
    const counted = await numberOf(database.pool, "SELECT COUNT(*) FROM api_logs WHERE run_id = ?", [
      run.run_id,
    ]);
    expect(counted).toBe(answered);
  });

  test("verify proves it again, of the latest run or of a named one, for people and as JSON", async () => {
    const people = await verify();
    expect(people.code).toBe(0);
    expect(people.stdout).toContain(`run ${run.run_id}`);
    const { code, stdout } = await verify(run.run_id, "--json");
    expect(code).toBe(0);
    expect(ledgerOf(stdout)).toEqual({ ...run.ledger, run_id: run.run_id });
  });

  test("one deleted row is one missing request, and exit code 111", async () => {
    const lost = await someRequest();
    await database.pool.query("DELETE FROM api_logs WHERE request_id = ?", [lost]);
    const { code, stdout } = await verify();
    expect(code).toBe(111);
    expect(stdout).toContain("1 missing");
    expect(stdout).toContain("NOT balanced: 1 answered requests have no row");
  });

  test("a copy of a row under another timestamp is a duplicate, and exit code 111", async () => {
    const doubled = await someRequest();
    const [columns] = await database.pool.query(
      "SELECT GROUP_CONCAT(COLUMN_NAME) AS names FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = 'kept' AND COLUMN_NAME NOT IN ('id', 'timestamp')",
    );
    const { names } = (columns as { names: string }[])[0]!;
    await database.pool.query(
      `INSERT INTO api_logs (timestamp, ${names}) SELECT timestamp + INTERVAL 7000 MICROSECOND, ${names} FROM kept WHERE request_id = ?`,
      [doubled],
    );
    const { code, stdout } = await verify("--json");
    expect(code).toBe(111);
    expect(ledgerOf(stdout)).toMatchObject({ duplicates: 1, missing: 0, stored: run.ledger.stored });
  });

  test("a request whose record became a dead letter is accounted for", async () => {
    const broken = await someRequest();
    await database.pool.query("DELETE FROM api_logs WHERE request_id = ?", [broken]);
    await database.pool.query(
      "INSERT INTO dead_letters (cluster, topic, `partition`, `offset`, reason, detail, request_id, run_id, record_time) VALUES ('c', 'info-logs', 0, 0, 'invalid_field', 'x', ?, ?, NOW())",
      [broken, run.run_id],
    );
    const { code, stdout } = await verify("--json");
    expect(code).toBe(0);
    expect(ledgerOf(stdout)).toMatchObject({
      ...{ dead_lettered: 1, missing: 0, stored: run.ledger.stored - 1 },
    });
    await database.pool.query("UPDATE dead_letters SET replayed_at = UTC_TIMESTAMP(3)"); // its row has to come now
    expect(ledgerOf((await verify("--json")).stdout)).toMatchObject({ dead_lettered: 0, missing: 1 });
  });

  test("the pipeline's state says how many rows are stored, how many records lag, and how late the last rows were", async () => {
    const { pool, readerUrl } = database;
    const stored = await numberOf(pool, "SELECT COUNT(*) FROM kept");
    const aSecondAgo = "UTC_TIMESTAMP(3) - INTERVAL 1 SECOND";
    await pool.query("DELETE FROM api_logs");
    await pool.query(
      `INSERT INTO api_logs (request_id, timestamp, level, service, endpoint, method, status_code, response_time_ms, stored_at)
       SELECT 'x', at, 'INFO', 's', '/', 'GET', 200, 100, at + INTERVAL 900000 MICROSECOND FROM (SELECT ${aSecondAgo} AS at) t`,
    );
    const servers = {
      RUSHHOUR_HOME: env["RUSHHOUR_HOME"]!,
      KAFKA_BROKERS: testBrokers(),
      MYSQL_READER_URL: readerUrl,
    };
    const pipeline = await openPipeline(servers, silent);
    onTestFinished(() => pipeline.close());
    expect(await pipeline.state()).toEqual({ stored, lag: 0, delayMs: { p50: 800, p99: 800 } });
    expect(await pipeline.isCaughtUp()).toBe(true);
  });

  test("an unknown run is 104 and names the folder of the runs", async () => {
    for (const unknown of ["0192f0c1-7d3a-7cc0-8a51-2f6f0d5b7a10", "../../etc/passwd"]) {
      const { code, stdout, stderr } = await verify(unknown);
      expect([code, stdout]).toEqual([104, ""]);
      expect(stderr).toContain(`run "${unknown}" has no tally in ${join(env["RUSHHOUR_HOME"]!, "runs")}`);
      expect(stderr).not.toContain("    at ");
    }
  });
});

test("what the API had to drop while Kafka was away is counted by its publisher, and the ledger balances", async () => {
  await freshTopics();
  const { home, summaryFile, remove } = makeHome();
  onTestFinished(remove);
  const { readerUrl, writerUrl, name } = await openTestDatabase();
  const kafka = await openKafkaProxy();
  const api = await startRole(["api", "--port", "0"], {
    ...{
      KAFKA_BROKERS: kafka.brokers.join(","),
      API_BUFFER_RECORDS: "100",
      API_MODEL: "off",
      RUSHHOUR_SPOOL: "off",
    },
  });
  await startRole(["consumer", "--port", "0"], { MYSQL_WRITER_URL: writerUrl, CONSUMER_GROUP: name });
  const load = ["-d", "3s", "--rate", "150/s", "--seed", "5", "--summary-export", summaryFile];
  const simulation = runCli(["simulate", "--target", api.url, ...load], {
    ...{ RUSHHOUR_HOME: home, MYSQL_READER_URL: readerUrl },
  });
  await until("the first drops", async () => {
    const metrics = await (await fetch(`${api.url}/metrics`)).text();
    return /^producer_events_dropped_total\{.*reason="buffer_full"\} [1-9]/m.test(metrics);
  });
  await kafka.open();

  const { code, stdout } = await simulation;
  expect(code, stdout).toBe(0);
  const { ledger } = summaryOf(summaryFile);
  expect(ledger.dropped).toBeGreaterThan(0);
  expect(ledger.dropped_by_reason).toEqual({ buffer_full: ledger.dropped });
  expect(ledger.stored + ledger.dropped).toBe(ledger.answered);
  expect(ledger).toMatchObject({ missing: 0, pending: 0, duplicates: 0 });
}, 120_000);
