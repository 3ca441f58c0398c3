import { expect, onTestFinished, test } from "vitest";
import { pino } from "pino";
import { createMetrics } from "../contract/metrics.ts";
import { partitionUpkeep } from "../consumer/partition-upkeep.ts";
import { startUpkeep, type UpkeepTask } from "../consumer/upkeep.ts";
import { lockName, type Pool } from "../init_db/database.ts";
import {
  KEEP,
  numberOf,
  openTestDatabase,
  rowsOf,
  silent,
  startTestConsumer,
  until,
  type TestDatabase,
} from "./harness.ts";

const DAY_MS = 86_400_000;

/** One consumer's upkeep, with what it logs and measures. */
function start({ writerUrl }: TestDatabase, tasks: readonly UpkeepTask[]) {
  const log: Record<string, unknown>[] = [];
  const logger = pino({}, { write: (line) => void log.push(JSON.parse(line) as Record<string, unknown>) });
  const metrics = createMetrics();
  const partitions = partitionUpkeep({ keep: KEEP, logger, metrics });
  const upkeep = startUpkeep({ writerUrl, logger, metrics, tasks: tasks.length > 0 ? tasks : [partitions] });
  onTestFinished(() => upkeep.close());
  const metric = async (name: string, labels: Readonly<Record<string, string>> = {}) => {
    const found = await metrics.registry.getSingleMetric(name)!.get();
    const wanted = Object.entries(labels);
    return found.values.find((value) => wanted.every(([key, text]) => value.labels[key] === text))?.value;
  };
  return { upkeep, log, metric };
}

const counting = (name: string, everyMs = 1) => {
  const task = {
    ...{ name, everyMs, runs: 0 },
    run() {
      task.runs++;
      return Promise.resolve();
    },
  };
  return task;
};

async function insertLog(pool: Pool, daysAgo: number): Promise<void> {
  await pool.query(
    `INSERT INTO api_logs (request_id, timestamp, level, service, endpoint, method, status_code, response_time_ms)
     VALUES (?, ?, 'INFO', 's', '/', 'GET', 200, 1)`,
    [`id${daysAgo}`, new Date(Date.now() - daysAgo * DAY_MS)],
  );
}

async function leaderConnection({ pool, name }: TestDatabase): Promise<number> {
  return numberOf(pool, "SELECT IS_USED_LOCK(?)", [lockName(name, "upkeep")]);
}

test("one of several leads, and when it closes another does", async () => {
  const database = await openTestDatabase();
  const [one, two] = [counting("work"), counting("work")];
  const first = start(database, [one]);
  await until("the first to lead", () => first.upkeep.isLeader());
  const second = start(database, [two]);
  const before = one.runs;
  await until("more work by the first", () => one.runs > before + 1);
  expect([second.upkeep.isLeader(), two.runs]).toEqual([false, 0]);
  expect([await first.metric("upkeep_leader"), await second.metric("upkeep_leader")]).toEqual([1, 0]);

  await first.upkeep.close();
  await until("the second to lead", () => two.runs > 0);
  expect([first.upkeep.isLeader(), second.upkeep.isLeader()]).toEqual([false, true]);
});

test("who loses the connection loses the lead, and comes back", async () => {
  const database = await openTestDatabase();
  const [one, two] = [counting("work"), counting("work")];
  const consumers = [start(database, [one]), start(database, [two])];
  const leaders = () => consumers.filter(({ upkeep }) => upkeep.isLeader());
  await until("a leader", () => leaders().length === 1);
  for (let n = 0; n < 2; n++) {
    const [leader] = leaders();
    const killed = await leaderConnection(database);
    await database.pool.query(`KILL ${killed}`);
    await until("another connection to lead", async () => {
      const now = await leaderConnection(database);
      return now > 0 && now !== killed;
    });
    await until("the log to say so", () =>
      leader!.log.some(({ msg }) => msg === "cannot keep the database in order; tries again"),
    );
    await until("one leader", () => leaders().length === 1);
  }
});

test("a task that fails is tried again later and holds up no other", async () => {
  const database = await openTestDatabase();
  let tries = 0;
  const failing: UpkeepTask = {
    name: "failing",
    everyMs: 1,
    run: () => Promise.reject(new Error(`no ${++tries}`)),
  };
  const work = counting("work");
  const { log, metric } = start(database, [failing, work]);
  await until("both to have run twice", () => tries >= 2 && work.runs >= 2);
  expect(log.filter(({ msg }) => msg === "upkeep is tried again later").slice(0, 2)).toMatchObject([
    { level: 40, task: "failing", reason: "no 1", retryMs: 1 },
    { level: 40, task: "failing", reason: "no 2", retryMs: 2 },
  ]);
  expect(await metric("upkeep_runs_total", { task: "failing", status: "failed" })).toBe(tries);
});

test("a task for which a table is missing works again seconds after it is there, however rarely it runs", async () => {
  const database = await openTestDatabase();
  const { pool } = database;
  await pool.query("RENAME TABLE retention TO retention_away");
  const partitions = partitionUpkeep({ keep: KEEP, logger: silent, metrics: createMetrics() });
  const { log, metric } = start(database, [{ ...partitions, everyMs: 3_600_000 }]);
  await until("the failure", async () => (await metric("upkeep_runs_total", { status: "failed" })) === 1);
  expect(log).toContainEqual(
    expect.objectContaining({
      level: 40,
      reason: expect.stringMatching(/retention/) as string,
      retryMs: 5_000,
    }),
  );
  await pool.query("RENAME TABLE retention_away TO retention");
  await until("it to work", async () => (await metric("upkeep_runs_total", { status: "done" })) === 1);
  expect(log).toContainEqual(expect.objectContaining({ task: "partitions", msg: "upkeep works again" }));
});

test("closing waits for nobody: a task that hangs is left alone", async () => {
  const database = await openTestDatabase();
  let isHanging = false;
  const hanging: UpkeepTask = {
    name: "hanging",
    everyMs: 1,
    run: async (connection) => {
      isHanging = true;
      await connection.query("SELECT SLEEP(300)");
    },
  };
  const { upkeep } = start(database, [hanging]);
  await until("it to hang", () => isHanging);
  await upkeep.close();
  await database.pool.query(`KILL ${await leaderConnection(database)}`);
});

test("a database that is away is waited for", async () => {
  const database = await openTestDatabase();
  const { pool, accounts } = database;
  await pool.query("ALTER USER ?@'%' IDENTIFIED BY 'another'", [accounts.writer.user]);
  const work = counting("work");
  const { log } = start(database, [work]);
  await until("it to say so", () => log.some(({ level }) => level === 40));
  await pool.query("ALTER USER ?@'%' IDENTIFIED BY ?", [accounts.writer.user, accounts.writer.password]);
  await until("it to work", () => work.runs > 0);
});

test("the partitions are kept, and rows in the catch-all raise an alarm", async () => {
  const database = await openTestDatabase();
  const { pool } = database;
  for (const daysAgo of [-20, 3, 50]) await insertLog(pool, daysAgo);
  await pool.query("DELETE FROM retention");
  const { log, metric } = start(database, []);
  await until(
    "the partitions to be kept",
    async () => (await metric("upkeep_runs_total", { status: "done" })) === 1,
  );

  const about = { table: "api_logs" };
  expect(await metric("store_catch_all_rows", about)).toBe(1);
  expect(await metric("store_past_rows", about)).toBe(2);
  expect(await metric("store_partitions_ahead_days", about)).toBe(14);
  const boundMs = Math.floor(Date.now() / DAY_MS) * DAY_MS - 35 * DAY_MS;
  expect(await metric("store_kept_from_seconds", { name: "api_logs" })).toBe(boundMs / 1_000);
  expect(await metric("store_partition_changes_total", { kind: "make", status: "done" })).toBe(1);
  expect(log).toContainEqual(expect.objectContaining({ level: 50, ...about, rows: 1 }));
  expect(log).toContainEqual(expect.objectContaining({ ...about, msg: "made partitions" }));
  expect(await rowsOf(pool, "SELECT name, keep_s FROM retention ORDER BY keep_s")).toEqual([
    { name: "10s", keep_s: 172_800 },
    { name: "api_logs", keep_s: 35 * 86_400 },
    { name: "1m", keep_s: 90 * 86_400 },
    { name: "1h", keep_s: 730 * 86_400 },
    { name: "1d", keep_s: 3_650 * 86_400 },
  ]);
});

test("rows in the catch-all are a warning in the leader's health, which stays good", async () => {
  const { pool, writerUrl, name } = await openTestDatabase();
  await insertLog(pool, -50);
  const consumer = startTestConsumer({ writerUrl }, { brokers: ["127.0.0.1:1"], group: name });
  const health = () => consumer.readiness().database;
  await until("the warning", () => health().warning !== undefined && health().ready);
  expect(health()).toEqual({
    ready: true,
    warning: "api_logs: rows in p_future: nobody made partitions for days",
  });
});

test("behind a long reader it says which table, counts it, and comes back later", async () => {
  const database = await openTestDatabase();
  const { pool } = database;
  const reader = await pool.getConnection();
  onTestFinished(() => reader.release());
  await reader.query("BEGIN");
  await reader.query("SELECT COUNT(*) FROM api_logs");
  await insertLog(pool, 3);
  const { log, metric } = start(database, []);
  await until("it to give up", async () => (await metric("upkeep_runs_total", { status: "failed" })) === 1);
  expect(await metric("store_partition_changes_total", { kind: "make", status: "blocked" })).toBe(1);
  expect(log).toContainEqual(
    expect.objectContaining({
      level: 40,
      task: "partitions",
      retryMs: 5_000,
      reason: expect.stringMatching(/^partitions of api_logs stay as they are/) as string,
    }),
  );
  await reader.query("COMMIT");
});
