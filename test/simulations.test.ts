import { randomUUID } from "node:crypto";
import { mkdtempSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { v7 as uuidv7 } from "uuid";
import { beforeEach, describe, expect, onTestFinished, test } from "vitest";
import { loadRun, runRecordPath } from "../cli/run-records.ts";
import { openSimulations, type RunIncident } from "../cli/simulations.ts";
import { simulationRecord, type SimulationRecord } from "../contract/simulation.ts";
import { simulations } from "../consumer/simulations.ts";
import { connect } from "../init_db/database.ts";
import { createBatchProducer } from "../kafka/producer.ts";
import type { RunRecord } from "../simulator/report/record.ts";
import { aRunRecord } from "../simulator/report/testing.ts";
import {
  aRequestLog,
  closedPort,
  freshTopics,
  numberOf,
  openTestDatabase,
  rowsOf,
  runCli,
  silent,
  startTestConsumer,
  testBrokers,
  testKafka,
  until,
  type TestConsumer,
} from "./harness.ts";

const MINUTE_MS = 60_000;
const at = (ms: number) => new Date(ms).toISOString();

function aRun(changes: Partial<RunRecord> = {}): RunRecord {
  return aRunRecord({ points: 8, rate: 20 }, { run_id: uuidv7(), ...changes });
}

function anIncident(changes: Partial<RunIncident> = {}): RunIncident {
  return {
    ...{
      incident_id: randomUUID(),
      run_id: "run-1",
      name: "outage",
      kind: "error-burst",
      route: "POST /orders",
    },
    ...{ started_at: at(Date.now()), planned_end_at: at(Date.now() + MINUTE_MS), ended_at: null },
    ...{ intensity: { rate: 0.35, status: 503 }, requests_affected: null, origin: "scenario" },
    ...changes,
  };
}

const aLag = (changes: Partial<RunIncident> = {}) =>
  anIncident({ name: "lag", kind: "consumer-lag", route: null, intensity: { delay_ms: 10_000 }, ...changes });

function openTestSimulations(brokers: readonly string[] = testBrokers()) {
  const topic = openSimulations({ KAFKA_BROKERS: [...brokers], RUSHHOUR_HOME: "" }, silent);
  onTestFinished(() => topic.close());
  return topic;
}

async function send(topic: string, values: readonly object[]): Promise<void> {
  const producer = createBatchProducer(testKafka());
  for (const value of values) await producer.send(new Map([[topic, [JSON.stringify(value)]]])); // a partition each in turn
  await producer.close();
}

/** What runs say on the topic, without Kafka: the same row in SQL whatever their order. */
async function storeAll(
  database: { writerUrl: string },
  records: readonly object[],
  { together }: { together: boolean },
): Promise<void> {
  const writer = await connect(database.writerUrl, { multipleStatements: true });
  await writer.query("SET sql_mode = 'STRICT_ALL_TABLES'");
  const rows = records.map((record) => simulationRecord.parse(record));
  const batches: SimulationRecord[][] = together ? [rows] : rows.map((row) => [row]);
  for (const batch of batches) {
    const distinct = new Map(batch.map((row) => [simulations.table.identity(row), row]));
    await writer.query(simulations.table.insert([...distinct.values()]).join(";\n"));
  }
  await writer.end();
}

function* permutations<T>(items: readonly T[]): Generator<T[]> {
  if (items.length === 0) yield [];
  for (const [i, item] of items.entries())
    for (const rest of permutations(items.toSpliced(i, 1))) yield [item, ...rest];
}

describe("a run", () => {
  beforeEach(() => freshTopics());

  test("is a row of SQL from its start, and its whole record once it has ended", async () => {
    const { pool, writerUrl, readerUrl } = await openTestDatabase();
    const topic = openTestSimulations();
    startTestConsumer({ writerUrl });
    const run = aRun({
      scenario: "it's 100 % \\ “shop”\n",
      ledger: { missing: 3, duplicates: 1 },
      thresholds: [
        {
          metric: "http_req_failed",
          expression: "rate<0.01",
          value: 0.02,
          passed: false,
          aborted: false,
          reason: null,
        },
        { metric: "checks", expression: "rate>0.9", value: 1, passed: true, aborted: false, reason: null },
      ],
    });
    const { run_id, scenario, target, seed, digest, tags, command, started_at } = run;
    expect(
      await topic.publishRun({ run_id, scenario, target, seed, digest, tags, command, started_at }),
    ).toBe(true);
    await until("its start", async () => (await numberOf(pool, "SELECT COUNT(*) FROM runs")) === 1);
    const [started] = await rowsOf(pool, "SELECT * FROM runs");
    expect(started).toMatchObject({
      run_id,
      scenario,
      state: "running",
      verdict: null,
      requests: null,
      record: null,
    });

    expect(await topic.publishRun(run)).toBe(true);
    await until(
      "its end",
      async () => (await numberOf(pool, "SELECT COUNT(*) FROM runs WHERE state = 'finished'")) === 1,
    );
    const [row] = await rowsOf(pool, "SELECT * FROM runs");
    expect(row).toMatchObject({
      ...{ run_id, scenario, target, seed, digest, command, verdict: run.verdict, exit_code: run.exit_code },
      ...{ started_at: new Date(started_at), ended_at: new Date(run.ended_at), elapsed_ms: run.elapsed_ms },
      ...{ requests: run.counts.sent, failed: run.counts.failed, rate: run.rates.requests },
      ...{
        p50_ms: run.response_time_ms.p50,
        p95_ms: run.response_time_ms.p95,
        p99_ms: run.response_time_ms.p99,
      },
      ...{ missing: 3, duplicates: 1, thresholds_failed: 1 },
    });
    expect(await numberOf(pool, "SELECT COUNT(*) FROM dead_letters")).toBe(0);

    const elsewhere = { RUSHHOUR_HOME: "/nowhere", MYSQL_READER_URL: readerUrl };
    for (const wanted of [run_id, run_id.slice(0, 18), "latest"]) {
      expect(await loadRun(wanted, elsewhere)).toEqual(run);
    }
  });

  test("with a record of 900 KiB is stored too", async () => {
    const { pool, writerUrl, readerUrl } = await openTestDatabase();
    startTestConsumer({ writerUrl });
    const long = "'\\\"%ü".repeat(100);
    const events = Array.from({ length: 1_150 }, (_, at_ms) => ({ at_ms, text: long }));
    const run = aRun({ events });
    expect(Buffer.byteLength(JSON.stringify(run))).toBeGreaterThan(900 * 1024);
    expect(await openTestSimulations().publishRun(run)).toBe(true);
    await until("the row", async () => (await numberOf(pool, "SELECT COUNT(*) FROM runs")) === 1);
    expect(await loadRun(run.run_id, { RUSHHOUR_HOME: "/nowhere", MYSQL_READER_URL: readerUrl })).toEqual(
      run,
    );
  });

  test("is not harmed when Kafka is away or would refuse its record: false, said once", async () => {
    const lines: unknown[] = [];
    const logger = silent.child({}, { level: "silent" });
    logger.warn = (fields: unknown) => void lines.push(fields);
    const brokers = [`127.0.0.1:${await closedPort()}`];
    const topic = openSimulations({ KAFKA_BROKERS: brokers, RUSHHOUR_HOME: "" }, logger);
    const sent = [topic.publishRun(aRun({ scenario: "" })), topic.publishIncident(anIncident())];
    expect(await Promise.all(sent)).toEqual([false, false]);
    expect(lines).toHaveLength(1);
    await topic.close();
    await topic.close();
  });
});

describe("records in any order, together or one by one,", () => {
  test("leave the newest end of a run", async () => {
    const database = await openTestDatabase();
    const run = {
      ...{ v: 1, type: "run", scenario: "shop", target: "http://127.0.0.1", seed: 7, digest: null, tags: {} },
      ...{ command: "rushhour simulate", started_at: "2026-11-21T09:30:00.000Z" },
    };
    const end = {
      ...{
        state: "finished",
        verdict: "passed",
        exit_code: 0,
        ended_at: "2026-11-21T09:31:00.000Z",
        elapsed_ms: 1,
      },
      ...{
        requests: 10,
        failed: 0,
        rate: 1.5,
        p50_ms: 1,
        p95_ms: 2,
        p99_ms: 3,
        missing: null,
        duplicates: null,
      },
      ...{ thresholds_failed: 0, record: { v: 1 } },
    };
    const said = [
      { ...run, state: "running", reported_at: "2026-11-21T09:30:10.000Z" },
      { ...run, state: "running", reported_at: "2026-11-21T09:32:00.000Z" }, // a clock that was set back
      { ...run, ...end, reported_at: "2026-11-21T09:31:00.000Z" },
      { ...run, ...end, missing: 2, verdict: "ledger_unbalanced", reported_at: "2026-11-21T09:31:30.000Z" },
    ];
    let n = 0;
    for (const together of [true, false]) {
      for (const order of permutations(said)) {
        const run_id = `run-${n++}`;
        const repeated = [...order, order[0]!].map((record) => ({ ...record, run_id }));
        await storeAll(database, repeated, { together });
      }
    }
    expect(
      await rowsOf(
        database.pool,
        "SELECT state, verdict, missing, updated_at, COUNT(*) AS runs FROM runs GROUP BY 1, 2, 3, 4",
      ),
    ).toEqual([
      {
        ...{ state: "finished", verdict: "ledger_unbalanced", missing: 2, runs: n },
        updated_at: new Date("2026-11-21T09:31:30.000Z"),
      },
    ]);
  });

  test("leave all that is known of an incident", async () => {
    const database = await openTestDatabase();
    const start = { v: 1, type: "incident", ...anIncident(), reported_at: "2026-11-21T09:30:00.000Z" };
    const end = { ...start, ended_at: "2026-11-21T09:31:00.000Z", reported_at: "2026-11-21T09:31:00.000Z" };
    const counted = { ...end, requests_affected: 12, reported_at: "2026-11-21T09:32:00.000Z" };
    let n = 0;
    for (const together of [true, false]) {
      for (const order of permutations([start, end, counted])) {
        n++;
        const incident_id = randomUUID();
        const repeated = [...order, order[0]!].map((record) => ({ ...record, incident_id }));
        await storeAll(database, repeated, { together });
      }
    }
    await storeAll(database, [{ ...start, incident_id: randomUUID(), name: "goes on" }], { together: true });
    expect(
      await rowsOf(
        database.pool,
        "SELECT ended_at, requests_affected, COUNT(*) AS incidents FROM incidents GROUP BY 1, 2 ORDER BY 3",
      ),
    ).toEqual([
      { ended_at: null, requests_affected: null, incidents: 1 },
      { ended_at: new Date("2026-11-21T09:31:00.000Z"), requests_affected: 12, incidents: n },
    ]);
  });
});

test("what breaks a rule of the topic is a dead letter with its reason and stops nothing", async () => {
  await freshTopics();
  const { pool, writerUrl } = await openTestDatabase();
  startTestConsumer({ writerUrl });
  const record = (incident: object) => ({ v: 1, type: "incident", reported_at: at(Date.now()), ...incident });
  await send("simulations", [
    record(aLag({ intensity: { delay_ms: 60_000 } })),
    record(aLag({ planned_end_at: at(Date.now() + 16 * MINUTE_MS) })),
    { v: 1, type: "party" },
    record({ ...anIncident(), started_at: "0000-01-01T00:00:00.000Z" }),
    record(anIncident({ name: "good" })),
  ]);
  await until(
    "the good one",
    async () => (await numberOf(pool, "SELECT COUNT(*) FROM incidents WHERE name = 'good'")) === 1,
  );
  expect(await rowsOf(pool, "SELECT name FROM incidents WHERE started_at > '1000-01-01'")).toEqual([
    { name: "good" },
  ]);
  const letters = await rowsOf(pool, "SELECT reason, detail FROM dead_letters ORDER BY `offset`");
  expect(letters[0]).toMatchObject({ reason: "invalid_field" });
  expect(letters[0]!["detail"]).toContain("up to 10000 for consumer-lag");
  expect(letters[1]!["detail"]).toContain("at most 15 minutes after started_at");
  expect(letters[2]!["detail"]).toContain("type");
});

describe("an incident of kind consumer-lag", () => {
  beforeEach(() => freshTopics());

  const COUNT = "SELECT COUNT(*) FROM api_logs";
  const slowdownOf = async ({ metrics }: TestConsumer) =>
    (await metrics.registry.getSingleMetric("consumer_slowdown_ms")!.get()).values[0]?.value;
  const slowedDown = (consumer: TestConsumer) =>
    until("the slowdown", async () => (await slowdownOf(consumer)) === 10_000);

  test("holds up every consumer of the group until its end, which does not wait behind the lag", async () => {
    const { pool, writerUrl } = await openTestDatabase();
    const topic = openTestSimulations();
    const group = randomUUID();
    const consumers = [
      startTestConsumer({ writerUrl }, { group }),
      startTestConsumer({ writerUrl }, { group }),
    ];
    const incident = aLag();
    await topic.publishIncident(incident);
    await Promise.all(consumers.map(slowedDown));
    const logs = Array.from({ length: 6 }, () => aRequestLog());
    await send("info-logs", logs);
    const ended_at = at(Date.now());
    await topic.publishIncident({ ...incident, ended_at });
    await until("all rows", async () => (await numberOf(pool, COUNT)) === logs.length);
    expect(await numberOf(pool, `${COUNT} WHERE stored_at < ?`, [new Date(ended_at)])).toBe(0);
    for (const consumer of consumers) expect(await slowdownOf(consumer)).toBe(0);
  });

  test("leaves a consumer alone that was told so", async () => {
    const { pool, writerUrl } = await openTestDatabase();
    startTestConsumer({ writerUrl }, { incidents: false });
    await openTestSimulations().publishIncident(aLag({ planned_end_at: at(Date.now() + 10 * MINUTE_MS) }));
    await until("the incident", async () => (await numberOf(pool, "SELECT COUNT(*) FROM incidents")) === 1);
    await send("info-logs", [aRequestLog()]);
    await until("the row", async () => (await numberOf(pool, COUNT)) === 1, { deadlineMs: 9_000 }); // less than the delay
  });

  test("cannot be looked up: request logs are stored all the same", async () => {
    const { pool, writerUrl } = await openTestDatabase();
    const consumer = startTestConsumer({ writerUrl });
    await pool.query("RENAME TABLE incidents TO incidents_away");
    await send("info-logs", [aRequestLog()]);
    await until("the row", async () => (await numberOf(pool, COUNT)) === 1);
    expect(consumer.readiness()).toEqual({ kafka: { ready: true }, database: { ready: true } });
    await pool.query("RENAME TABLE incidents_away TO incidents");
    await openTestSimulations().publishIncident(aLag());
    await slowedDown(consumer);
  });
});

describe("rushhour runs", () => {
  async function someRuns() {
    await freshTopics();
    const database = await openTestDatabase();
    startTestConsumer(database);
    const topic = openTestSimulations();
    const home = mkdtempSync(join(tmpdir(), "rushhour-runs-"));
    onTestFinished(() => rmSync(home, { recursive: true }));
    mkdirSync(join(home, "runs"));
    const [first, second, local, running] = [1, 2, 3, 4].map((minute) =>
      aRun({
        scenario: minute === 2 ? "a scenario with a long name\u001b[31m" : "shop",
        started_at: `2026-11-21T09:0${minute}:00.000Z`,
        ...{ verdict: "generator_behind", exit_code: 112, reason: "too slow" },
        thresholds: [
          {
            metric: "response_time",
            expression: "p(95)<200",
            value: 250.5,
            passed: false,
            aborted: true,
            reason: null,
          },
          {
            ...{
              metric: "server errors",
              expression: "value<10",
              value: null,
              passed: false,
              aborted: false,
            },
            reason: "the query failed: Unknown column 'nonsense' in 'SELECT'\u001b[31m",
          },
        ],
        incidents: [anIncident({ started_at: `2026-11-21T09:0${minute}:10.000Z` })],
      }),
    ) as [RunRecord, RunRecord, RunRecord, RunRecord];
    for (const run of [second, first]) await topic.publishRun(run);
    const { run_id, scenario, target, seed, digest, tags, command, started_at } = running;
    await topic.publishRun({ run_id, scenario, target, seed, digest, tags, command, started_at });
    await topic.close(); // or it would say every 10 s that the run goes on
    await until("three rows", async () => (await numberOf(database.pool, "SELECT COUNT(*) FROM runs")) === 3);
    for (const run of [first, local]) writeFileSync(runRecordPath(home, run.run_id), JSON.stringify(run));
    writeFileSync(join(home, "runs", "broken.json"), "{");
    const env = { RUSHHOUR_HOME: home, MYSQL_READER_URL: database.readerUrl };
    const idsOf = async (...args: string[]) => {
      const { stdout } = await runCli(["runs", "--json", ...args], env);
      return (JSON.parse(stdout) as { run_id: string }[]).map((run) => run.run_id);
    };
    return { ...{ first, second, local, running, env, home, idsOf, pool: database.pool } };
  }

  test("lists those in SQL and those of this checkout, newest first, and shows one", async () => {
    const { first, second, local, running, env, home, idsOf, pool } = await someRuns();
    const { code, stdout } = await runCli(["runs"], env);
    expect(code).toBe(0);
    const lines = stdout.trimEnd().split("\n");
    expect(lines).toHaveLength(5);
    for (const line of lines) expect(line.length).toBeLessThanOrEqual(80);
    expect(lines[1]).toMatch(/ 11-21 09:04 +shop +running *$/);
    expect(lines[3]).toMatch(/ 11-21 09:02 +a scenario w… .* ms +\d[\d.]* % +behind *$/);

    const all = [running, local, second, first].map(({ run_id }) => run_id);
    expect(await idsOf()).toEqual(all);
    expect(await idsOf("--limit", "2")).toEqual(all.slice(0, 2));
    expect(await idsOf("--scenario", "shop")).toEqual([all[0], all[1], all[3]]);
    expect(await idsOf("--local")).toEqual([all[1], all[3]]);

    const one = await runCli(["runs", second.run_id], env);
    expect(one.code).toBe(0);
    expect(one.stdout).toMatch(
      /^run .* {2}behind\n {2}too slow\n {2}scenario \.+ a scenario with a long name \[31m\n/,
    );
    expect(one.stdout).toContain("✗ response_time  p(95)<200  is 250.5 ms  ended the run");
    expect(one.stdout).toMatch(/✗ server errors {2}value<10\n? +the query failed: Unknown column 'nonsense'/);
    expect(one.stdout).toMatch(/outage +error-burst +POST \/orders +10\.0 s +\? +\?/);
    expect(one.stdout).not.toContain("\u001b");

    await pool.query("UPDATE runs SET updated_at = updated_at - INTERVAL 1 MINUTE WHERE state = 'running'");
    expect((await runCli(["runs"], env)).stdout).toMatch(/ 11-21 09:04 +shop +no end *$/m);

    const unknown = await runCli(["runs", "0192ffff"], env);
    expect([unknown.code, unknown.stdout]).toEqual([104, ""]);
    expect(unknown.stderr).toMatch(
      /run "0192ffff" is neither in .* nor in the table runs; npx rushhour runs lists/,
    );
    const goesOn = await runCli(["runs", running.run_id], env);
    expect(goesOn.code).toBe(104);
    expect(goesOn.stderr).toContain("has no record yet");
    const conflict = await runCli(["runs", second.run_id, "--limit", "3"], env);
    expect(conflict.code).toBe(104);
    expect(conflict.stderr).toContain("--limit cannot be used with a run");

    const without = await runCli(["runs", "--json"], { RUSHHOUR_HOME: home });
    expect([without.code, (JSON.parse(without.stdout) as unknown[]).length]).toEqual([0, 2]);
    const gone = `mysql://reader:secret@127.0.0.1:${await closedPort()}/x`;
    const away = await runCli(["runs"], { ...env, MYSQL_READER_URL: gone });
    expect(away.code).toBe(1);
    expect(away.stderr).toMatch(/the database does not answer at .*\*\*\*/);
  });
});

test("the queries of docs/records.md on runs and incidents find what went wrong", async () => {
  const database = await openTestDatabase();
  const { pool, readerUrl } = database;
  const nowMs = Math.floor(Date.now() / 10_000) * 10_000 - 60_000; // the start of a bucket
  const incident = anIncident({ started_at: at(nowMs), planned_end_at: at(nowMs + 10_000) });
  await storeAll(database, [{ v: 1, type: "incident", reported_at: at(nowMs), ...incident }], {
    together: true,
  });
  await pool.query(
    `INSERT INTO runs (run_id, scenario, target, seed, state, started_at, tags, command, updated_at)
     VALUES ('run-1', 'shop', 'http://127.0.0.1', 1, 'running', ?, '{}', 'rushhour', ?)`,
    [new Date(nowMs - 60_000), new Date(nowMs)],
  );
  const logs = [
    ...[
      [1, 503, "POST /orders"],
      [2, 200, "POST /orders"],
      [3, 500, "GET /orders"],
    ], // while it was on
    ...[
      [-5, 200, "POST /orders"],
      [15, 200, "POST /orders"],
    ],
  ] as const;
  for (const [second, status, route] of logs) {
    const [method, endpoint] = route.split(" ");
    await pool.query(
      `INSERT INTO api_logs (request_id, timestamp, level, service, endpoint, method, status_code, response_time_ms, run_id)
       VALUES (?, ?, 'INFO', 'orders', ?, ?, ?, 10, 'run-1')`,
      [randomUUID(), new Date(nowMs + second * 1_000), endpoint, method, status],
    );
  }
  const queries = [...readFileSync("docs/records.md", "utf8").matchAll(/```sql\n([^]*?)```/g)].map(
    ([, sql]) => sql!,
  );
  expect(queries).toHaveLength(2);
  const reader = await connect(readerUrl);
  onTestFinished(() => reader.end());
  const [shown] = await reader.query(queries[0]!);
  const numbers = (row: object) =>
    Object.fromEntries(Object.entries(row).map(([key, value]) => [key, String(value)]));
  expect((shown as object[]).map(numbers)).toEqual([
    {
      ...{ name: "outage", kind: "error-burst", route: "POST /orders" },
      ...{ requests_during: "2", error_percent_during: "50.00", error_percent_else: "0.00" },
    },
  ]);
  const [buckets] = (await reader.query(queries[1]!)) as unknown as [
    { route: string; errors: string; incident: string | null }[],
  ];
  expect(buckets.map(({ route, errors, incident }) => [route, Number(errors), incident])).toEqual([
    ["POST /orders", 0, null],
    ["GET /orders", 1, null],
    ["POST /orders", 1, "error-burst"],
    ["POST /orders", 0, null],
  ]);
});
