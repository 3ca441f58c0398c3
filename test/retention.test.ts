import { describe, expect, onTestFinished, test } from "vitest";
import { connect, type Connection, type Pool } from "../init_db/database.ts";
import {
  applyChanges,
  ensurePartitions,
  PARTITIONED,
  planPartitions,
  type Change,
} from "../init_db/partitions.ts";
import { raiseBounds, readBounds, type Bounds } from "../init_db/retention.ts";
import { KEEP, numberOf, openTestDatabase, rowsOf, runCli, type TestDatabase } from "./harness.ts";

const DAY_MS = 86_400_000;
const DAY_S = 86_400;
const TODAY_MS = Math.floor(Date.now() / DAY_MS) * DAY_MS;

const dayMs = (daysAgo: number) => TODAY_MS - daysAgo * DAY_MS;
const dayName = (daysAgo: number) =>
  `p${new Date(dayMs(daysAgo)).toISOString().slice(0, 10).replaceAll("-", "")}`;
const keepRaw = (days: number) => ({ ...KEEP, api_logs: days * DAY_S });

let rows = 0;
async function insertLog(to: Pool | Connection, atMs: number): Promise<void> {
  await to.query(
    `INSERT INTO api_logs (request_id, timestamp, level, service, endpoint, method, status_code, response_time_ms)
     VALUES (?, ?, 'INFO', 's', '/', 'GET', 200, 1)`,
    [`id-${++rows}`, new Date(atMs)],
  );
}

async function connectAs(url: string): Promise<Connection> {
  const connection = await connect(url);
  onTestFinished(() => connection.end());
  return connection;
}

/** Rows of each partition that holds any. */
async function heldBy(pool: Pool, table = "api_logs"): Promise<Record<string, number>> {
  const held: Record<string, number> = {};
  for (const name of await partitionsOf(pool, table)) {
    const count = await numberOf(pool, `SELECT COUNT(*) FROM ${table} PARTITION (${name})`);
    if (count > 0) held[name] = count;
  }
  return held;
}

async function partitionsOf(pool: Pool, table = "api_logs"): Promise<string[]> {
  const found = await rowsOf(
    pool,
    "SELECT partition_name FROM v_partitions WHERE table_name = ? ORDER BY position",
    [table],
  );
  return found.map(({ partition_name }) => String(partition_name));
}

/** What the leader does each minute. */
async function keepUp(writer: Connection, keep = KEEP) {
  const bounds = await raiseBounds(writer, keep, Date.now());
  return applyChanges(writer, await planPartitions(writer, {}, bounds));
}

/** Partitions of request logs; those of the other raw tables come and go with them. */
const namesOf = (changes: readonly Change[]) =>
  changes
    .filter(({ table }) => table === "api_logs")
    .flatMap(({ table, partitions }) => partitions.map((name) => `${table}.${name}`));

/** With days 0 to `days` ago made, and a row in each. */
async function storeOfDays(days: number): Promise<TestDatabase & { writer: Connection }> {
  const database = await openTestDatabase();
  await ensurePartitions(await connectAs(database.ownerUrl), { fromMs: dayMs(days) });
  for (let day = 0; day <= days; day++) await insertLog(database.pool, dayMs(day));
  return { ...database, writer: await connectAs(database.writerUrl) };
}

describe("partitions", () => {
  test("stand ready for every table from today to 14 days ahead, between what was before and a catch-all", async () => {
    const { pool } = await openTestDatabase();
    for (const { name, spanMs } of PARTITIONED) {
      const names = await partitionsOf(pool, name);
      expect([names[0], names.at(-1)], name).toEqual(["p_past", "p_future"]);
      const days = names
        .slice(1, -1)
        .map((text) => Date.parse(`${text.slice(1, 5)}-${text.slice(5, 7)}-${text.slice(7)}`));
      expect(days, name).toEqual(days.map((_, n) => days[0]! + n * spanMs));
      expect(days[0], name).toBeLessThanOrEqual(Date.now());
      expect(days.at(-1)! + spanMs, name).toBeGreaterThan(Date.now() + 13 * DAY_MS);
    }
  });

  test("of a back-fill are made from its start, as far back as is kept", async () => {
    const { pool, ownerUrl } = await openTestDatabase();
    const owner = await connectAs(ownerUrl);
    const made = await ensurePartitions(owner, { fromMs: dayMs(10) });
    expect(made).toContain(`api_logs.${dayName(10)}`);
    expect(made).toContain(`api_rollup_10s.${dayName(2)}`); // kept for two days
    expect(made).not.toContain(`api_rollup_10s.${dayName(3)}`);
    expect(await ensurePartitions(owner, { fromMs: dayMs(10) })).toEqual([]);
    for (const days of [11, 10, 1, 0]) await insertLog(pool, dayMs(days));
    expect(await heldBy(pool)).toEqual({ p_past: 1, [dayName(10)]: 1, [dayName(1)]: 1, [dayName(0)]: 1 });
  });

  test("are given to late rows, and taken out of the catch-all, by the writer", async () => {
    const { pool, writerUrl } = await openTestDatabase();
    for (const days of [100, 3, -20]) await insertLog(pool, dayMs(days));
    await pool.query("INSERT INTO api_users_1d VALUES (0, 'u', 0, 1, 0, 0, 0, 0, 0, 1, NOW(), NOW())");
    const writer = await connectAs(writerUrl);
    await keepUp(writer);
    expect(await heldBy(pool)).toEqual({ p_past: 1, [dayName(3)]: 1, p_future: 1 });
    expect(await heldBy(pool, "api_users_1d")).toEqual({ p_past: 1 });
    await applyChanges(writer, await planPartitions(writer, { nowMs: dayMs(-10) }));
    expect(await heldBy(pool)).toEqual({ p_past: 1, [dayName(3)]: 1, [dayName(-20)]: 1 });
  });

  test("of a database from before are mended, and no row is lost", async () => {
    const { pool, ownerUrl } = await openTestDatabase();
    const owner = await connectAs(ownerUrl);
    await owner.query(
      `ALTER TABLE api_logs REORGANIZE PARTITION p_past, ${dayName(0)} INTO (PARTITION ${dayName(0)} VALUES LESS THAN ('${new Date(dayMs(-1)).toISOString().slice(0, 10)}'))`,
    );
    for (const days of [100, 0]) await insertLog(pool, dayMs(days));
    expect(await ensurePartitions(owner)).toEqual([`api_logs.${dayName(0)}`]);
    expect(await heldBy(pool)).toEqual({ p_past: 1, [dayName(0)]: 1 });
  });

  test("v_partitions tells the reader what each is for and what it holds", async () => {
    const { readerUrl } = await storeOfDays(2);
    const reader = await connectAs(readerUrl);
    const [[kept]] = (await reader.query(
      "SELECT * FROM v_partitions WHERE table_name = 'api_logs' AND partition_name = ?",
      [dayName(1)],
    )) as unknown as [[Record<string, unknown>]];
    expect(kept).toMatchObject({
      ...{ row_estimate: 1, state: "kept", from_time: new Date(dayMs(1)), to_time: new Date(dayMs(0)) },
      kept_from: new Date(dayMs(35)),
    });
    expect(Number(kept["bytes"])).toBeGreaterThan(0);
    const [states] = (await reader.query(
      "SELECT state, COUNT(*) AS n FROM v_partitions WHERE table_name = 'api_logs' GROUP BY state",
    )) as unknown as [{ state: string; n: number }[]];
    expect(Object.fromEntries(states.map(({ state, n }) => [state, n]))).toEqual({
      past: 1,
      kept: 3,
      ahead: 14,
      "catch-all": 1,
    });
    const [units] = (await reader.query(
      "SELECT table_name, MIN(kept_from) AS kept_from FROM v_partitions GROUP BY table_name",
    )) as unknown as [{ table_name: string; kept_from: Date }[]];
    expect(units.map(({ table_name }) => table_name).sort()).toEqual(
      PARTITIONED.map(({ name }) => name).sort(),
    );
    expect(units.every(({ kept_from }) => kept_from.getTime() > 0)).toBe(true);
  });
});

describe("retention", () => {
  test("drops the days below the bound and nothing else", async () => {
    const { pool, writer } = await storeOfDays(5);
    await insertLog(pool, dayMs(50));
    expect((await keepUp(writer)).done).toEqual([]);
    const { done } = await keepUp(writer, keepRaw(3));
    expect(namesOf(done)).toEqual([`api_logs.${dayName(5)}`, `api_logs.${dayName(4)}`, "api_logs.p_past"]);
    expect(await heldBy(pool)).toEqual(Object.fromEntries([3, 2, 1, 0].map((days) => [dayName(days), 1])));
    expect((await keepUp(writer, keepRaw(3))).done).toEqual([]);
  });

  test("a bound rises and never falls, also when it is asked for another age", async () => {
    const { writer } = await storeOfDays(0);
    const from = ({ api_logs }: Bounds) => api_logs * 1_000;
    expect(from(await readBounds(writer))).toBe(dayMs(35));
    expect(from(await raiseBounds(writer, keepRaw(3), Date.now()))).toBe(dayMs(3));
    expect(from(await raiseBounds(writer, keepRaw(30), Date.now()))).toBe(dayMs(3));
    expect(from(await raiseBounds(writer, keepRaw(30), Date.now() + 29 * DAY_MS))).toBe(dayMs(1));
  });

  test("rollups go by their own ages", async () => {
    const { pool, writer } = await storeOfDays(2);
    for (const days of [2, 0]) {
      await pool.query("INSERT INTO api_latency_10s VALUES (?, 1, 1, 1, 1)", [dayMs(days) / 1_000]);
      await pool.query("INSERT INTO api_latency_1h VALUES (?, 1, 1, 1, 1)", [dayMs(days) / 1_000]);
    }
    await keepUp(writer, { ...KEEP, "10s": DAY_S });
    expect(await numberOf(pool, "SELECT COUNT(*) FROM api_latency_10s")).toBe(1);
    expect(await numberOf(pool, "SELECT COUNT(*) FROM api_latency_1h")).toBe(2);
    expect(await numberOf(pool, "SELECT COUNT(*) FROM api_logs")).toBe(3);
  });
});

describe("beside the ingestion", () => {
  test("behind a long reader it gives up, inserts go on, and the partition goes when the reader has ended", async () => {
    const { pool, writer, ownerUrl } = await storeOfDays(5);
    const reader = await connectAs(ownerUrl);
    await reader.query("BEGIN");
    await reader.query("SELECT COUNT(*) FROM api_logs");

    let inserts = 0;
    const load = new AbortController();
    const inserting = (async () => {
      while (!load.signal.aborted) {
        await insertLog(pool, Date.now());
        inserts++;
      }
    })();
    const { done, blocked } = await keepUp(writer, keepRaw(3));
    const insertsBefore = inserts;
    await insertLog(pool, Date.now()); // while the reader is still there
    load.abort();
    await inserting;
    expect(namesOf(done)).toEqual([]);
    expect(namesOf(blocked)).toEqual([`api_logs.${dayName(5)}`, `api_logs.${dayName(4)}`]);
    expect(insertsBefore).toBeGreaterThan(0);
    const [[seen]] = (await reader.query("SELECT COUNT(*) AS n FROM api_logs")) as unknown as [
      [{ n: number }],
    ];
    expect(seen.n).toBe(6); // its snapshot

    await reader.query("COMMIT");
    expect(namesOf((await keepUp(writer, keepRaw(3))).done)).toEqual([
      `api_logs.${dayName(5)}`,
      `api_logs.${dayName(4)}`,
    ]);
    expect(await numberOf(pool, "SELECT COUNT(*) FROM api_logs")).toBe(4 + inserts + 1);
  });

  test("days are dropped one by one under load, and no insert fails", async () => {
    const { pool, writer, writerUrl } = await storeOfDays(12);
    const load = new AbortController();
    let inserted = 0;
    const loads = Array.from({ length: 3 }, async () => {
      const connection = await connectAs(writerUrl);
      while (!load.signal.aborted) {
        await insertLog(connection, Date.now() - DAY_MS * Math.random());
        inserted++;
      }
    });
    const dropped: string[] = [];
    for (let days = 11; days >= 2; days--) {
      const { done, blocked } = await keepUp(writer, keepRaw(days));
      expect(blocked).toEqual([]);
      dropped.push(...namesOf(done));
    }
    load.abort();
    await Promise.all(loads);
    expect(dropped).toEqual(Array.from({ length: 10 }, (_, n) => `api_logs.${dayName(12 - n)}`));
    expect(inserted).toBeGreaterThan(0);
    expect(await numberOf(pool, "SELECT COUNT(*) FROM api_logs")).toBe(3 + inserted);
  });
});

describe("the command", () => {
  const gone = `2 partitions of api_logs: ${dayName(5)} … ${dayName(4)} (about 2 rows, `;

  test("says what it would drop, drops that, and shows what is kept from when", async () => {
    const { pool, ownerUrl } = await storeOfDays(5);
    const run = (...args: string[]) => runCli(["retention", ...args], { MYSQL_URL: ownerUrl });
    expect((await run("--dry-run")).stdout).toMatch(/\nThere is nothing to do\.\n$/);

    const dry = await run("--dry-run", "--raw", "3d");
    expect([dry.code, dry.stderr]).toEqual([0, ""]);
    expect(dry.stdout).toContain(`\nwould drop ${gone}`);
    expect(dry.stdout).toMatch(/\nNothing was changed: this was a dry run\.\n$/);
    expect(await numberOf(pool, "SELECT COUNT(*) FROM api_logs")).toBe(6);

    const done = await run("--raw", "3d");
    expect([done.code, done.stderr]).toEqual([0, ""]);
    expect(done.stdout).toContain(`\ndropped ${gone}`);
    const from = new Date(dayMs(3)).toISOString().slice(0, 10);
    expect(done.stdout).toMatch(
      new RegExp(`^│ api_logs +│ ${from} +│ +20 │ +\\d+ │ +[\\d.]+ [kM]B │ █* +│$`, "m"),
    );
    for (const line of done.stdout.split("\n").slice(0, 13)) expect(line.length).toBeLessThanOrEqual(80);
    expect(await numberOf(pool, "SELECT COUNT(*) FROM api_logs")).toBe(4);
  });

  test("names the table that somebody holds, and ends with 1", async () => {
    const { ownerUrl } = await storeOfDays(5);
    const reader = await connectAs(ownerUrl);
    await reader.query("BEGIN");
    await reader.query("SELECT COUNT(*) FROM api_logs");
    const { code, stderr } = await runCli(["retention", "--raw", "3d"], { MYSQL_URL: ownerUrl });
    expect(code).toBe(1);
    expect(stderr).toMatch(
      /^rushhour: partitions of api_logs stay as they are: a query or an open transaction holds/,
    );
  });

  test("refuses ages that do not fit together, all at once", async () => {
    const { code, stderr } = await runCli(["retention", "--raw", "100d", "--1h", "50d", "--10s", "1h"], {
      MYSQL_URL: "mysql://nobody@127.0.0.1:1/none",
    });
    expect(code).toBe(104);
    expect(stderr.split("\n").slice(1, -1)).toEqual([
      "  --10s=1h must be an age from 1d to 10000d, largest unit first, such as 35d, 48h, 1d12h",
      "  --raw=100d must be at most RETENTION_1M (90d), which is checked against it",
      "  --1h=50d must be at least RETENTION_1M (90d), against which it is checked",
    ]);
  });

  test("on a database without tables says to migrate first", async () => {
    const { pool, ownerUrl, name } = await openTestDatabase();
    await pool.query(`DROP DATABASE ${name}`);
    const { code, stderr } = await runCli(["retention"], { MYSQL_URL: ownerUrl });
    expect([code, stderr]).toEqual([
      104,
      "rushhour: the database has no tables of ours yet: run npx rushhour migrate first\n",
    ]);
    await pool.query(`CREATE DATABASE ${name}`);
  });
});
