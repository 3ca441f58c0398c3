import { randomBytes } from "node:crypto";
import { describe, expect, onTestFinished, test } from "vitest";
import { connect, type Row } from "../init_db/database.ts";
import { migrate, migrations } from "../init_db/migrate.ts";
import { DAYS_AHEAD, ensureDayPartitions } from "../init_db/partitions.ts";
import { userName } from "../init_db/users.ts";
import { numberOf, openTestDatabase, rowsOf, runCli } from "./harness.ts";

const DAY_MS = 86_400_000;

async function connectAs(url: string) {
  const connection = await connect(url);
  onTestFinished(() => connection.end());
  return connection;
}

async function partitionsOf(pool: Parameters<typeof rowsOf>[0]): Promise<Record<string, number>> {
  const rows = await rowsOf(
    pool,
    "SELECT PARTITION_NAME AS name, PARTITION_DESCRIPTION AS bound FROM information_schema.PARTITIONS WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = 'api_logs' ORDER BY PARTITION_ORDINAL_POSITION",
  );
  const names = rows.map(({ name }) => String(name));
  const counts = names.map((name) => numberOf(pool, `SELECT COUNT(*) FROM api_logs PARTITION (${name})`));
  const held = await Promise.all(counts);
  return Object.fromEntries(names.map((name, i) => [name, held[i]!]));
}

const dayName = (ms: number) => `p${new Date(ms).toISOString().slice(0, 10).replaceAll("-", "")}`;
const insertAt =
  "INSERT INTO api_logs (request_id, timestamp, level, service, endpoint, method, status_code, response_time_ms) VALUES (?, ?, 'INFO', 's', '/', 'GET', 200, 1)";

describe("migrate", () => {
  test("run again changes nothing", async () => {
    const { ownerUrl, accounts, pool, name } = await openTestDatabase();
    const before = await rowsOf(pool, "SELECT * FROM schema_migrations ORDER BY version");
    expect(before.map((row) => String(row["name"]))).toEqual(migrations().map((migration) => migration.name));
    expect(await migrate(ownerUrl, accounts)).toEqual({ database: name, applied: [], partitions: [] });
    expect(await rowsOf(pool, "SELECT * FROM schema_migrations ORDER BY version")).toEqual(before);
  });

  test("two at once make one database, each migration run once", async () => {
    const { ownerUrl, accounts, pool, name } = await openTestDatabase();
    await pool.query(`DROP DATABASE ${name}`);
    const both = await Promise.all([migrate(ownerUrl, accounts), migrate(ownerUrl, accounts)]);
    const names = migrations().map((migration) => migration.name);
    expect(both.flatMap(({ applied }) => applied)).toEqual(names);
    expect(both.flatMap(({ partitions }) => partitions)).toHaveLength(DAYS_AHEAD + 1);
    await pool.query(`USE ${name}`);
    expect(await numberOf(pool, `SELECT COUNT(*) FROM ${name}.schema_migrations`)).toBe(names.length);
  });

  test("a migration edited after it ran is refused by its name", async () => {
    const { ownerUrl, accounts, pool } = await openTestDatabase();
    const [, second] = migrations();
    await pool.query("UPDATE schema_migrations SET checksum = REPEAT('0', 64) WHERE version = ?", [
      second!.version,
    ]);
    await expect(migrate(ownerUrl, accounts)).rejects.toThrow(
      `migration ${second!.name} was changed after it ran here; a merged migration is never edited`,
    );
  });

  test("a user whom the database refuses is named with the variable to correct, without the password", async () => {
    const { ownerUrl } = await openTestDatabase();
    const wrong = new URL(ownerUrl);
    wrong.username = "nobody";
    wrong.password = "very-secret";
    const { code, stdout, stderr } = await runCli(["migrate"], { MYSQL_URL: wrong.href });
    expect([code, stdout]).toEqual([104, ""]);
    expect(stderr).toMatch(
      /^rushhour: the database refuses the user of mysql:\/\/nobody:\*\*\*@.*Access denied.*: correct MYSQL_URL\n$/,
    );
    expect(stderr).not.toContain("very-secret");
  });

  test("a user who may not change the schema is told so", async () => {
    const { writerUrl } = await openTestDatabase();
    const { code, stderr } = await runCli(["migrate"], { MYSQL_URL: writerUrl });
    expect(code).not.toBe(0);
    expect(stderr).toMatch(/denied/);
    expect(stderr).not.toMatch(/^ +at /m);
  });
});

describe("day partitions", () => {
  test("stand ready for today and 14 days, with a catch-all behind them", async () => {
    const { pool } = await openTestDatabase();
    const names = Object.keys(await partitionsOf(pool));
    expect(names).toHaveLength(DAYS_AHEAD + 2);
    expect(names.at(-1)).toBe("p_future");
    // Made a moment ago: today may have become yesterday since.
    expect([dayName(Date.now()), dayName(Date.now() - DAY_MS)]).toContain(names[0]);
    const first = Date.parse(`${names[0]!.slice(1, 5)}-${names[0]!.slice(5, 7)}-${names[0]!.slice(7)}`);
    expect(names.slice(0, -1)).toEqual(
      Array.from({ length: DAYS_AHEAD + 1 }, (_, n) => dayName(first + n * DAY_MS)),
    );
  });

  test("made again or for an earlier day they stay as they are", async () => {
    const { ownerUrl, pool } = await openTestDatabase();
    const owner = await connectAs(ownerUrl);
    const before = await partitionsOf(pool);
    expect(await ensureDayPartitions(owner, new Date(Date.now() - 3 * DAY_MS))).toEqual([]);
    expect(await partitionsOf(pool)).toEqual(before);
  });

  test("made late they take their rows out of the catch-all", async () => {
    const { ownerUrl, pool } = await openTestDatabase();
    const owner = await connectAs(ownerUrl);
    const [soon, late, old] = [20, 40, -100].map((days) => new Date(Date.now() + days * DAY_MS));
    for (const [i, at] of [soon!, late!, old!].entries()) await pool.query(insertAt, [`id-${i}`, at]);
    expect((await partitionsOf(pool))["p_future"]).toBe(2);

    const made = await ensureDayPartitions(owner, new Date(Date.now() + 10 * DAY_MS));
    expect(made).toContain(dayName(soon!.getTime()));
    const held = await partitionsOf(pool);
    expect(held).toMatchObject({ [dayName(soon!.getTime())]: 1, p_future: 1 });
    expect(Object.values(held)[0]).toBe(1); // the first day also holds what is older
    expect(await numberOf(pool, "SELECT COUNT(*) FROM api_logs")).toBe(3);
  });
});

describe("the two users", () => {
  const DENIED = /denied/i;

  test("the writer inserts and updates, and does nothing else", async () => {
    const { writerUrl } = await openTestDatabase();
    const writer = await connectAs(writerUrl);
    await writer.query(insertAt, ["id-1", new Date()]);
    await writer.query("UPDATE api_logs SET service = 't'");
    for (const sql of [
      ...[
        "DELETE FROM api_logs",
        "DROP TABLE api_logs",
        "TRUNCATE api_logs",
        "ALTER TABLE api_logs ADD COLUMN x INT",
      ],
      ...["CREATE TABLE x (id INT)", "CREATE INDEX x ON api_logs (service)", "SELECT user FROM mysql.user"],
      ...[
        "CREATE USER x",
        "GRANT SELECT ON *.* TO CURRENT_USER()",
        "SELECT 1 INTO OUTFILE '/tmp/rushhour-outfile'",
      ],
    ]) {
      await expect(writer.query(sql), sql).rejects.toThrow(DENIED);
    }
    const [[row]] = await writer.query<Row[]>("SELECT service FROM api_logs");
    expect(row).toEqual({ service: "t" });
  });

  test("the reader selects, and does nothing else", async () => {
    const { readerUrl, writerUrl } = await openTestDatabase();
    await (await connectAs(writerUrl)).query(insertAt, ["id-1", new Date()]);
    const reader = await connectAs(readerUrl);
    const [rows] = await reader.query<Row[]>("SELECT request_id FROM api_logs");
    expect(rows).toEqual([{ request_id: "id-1" }]);
    for (const sql of [
      ...[
        "INSERT INTO api_logs (request_id) VALUES ('x')",
        "UPDATE api_logs SET service = 'x'",
        "DELETE FROM api_logs",
      ],
      ...["DROP TABLE api_logs", "CREATE TABLE x (id INT)", "SELECT user FROM mysql.user"],
      ...[
        "SELECT * FROM api_logs INTO OUTFILE '/tmp/rushhour-outfile'",
        "SELECT LOAD_FILE('/etc/passwd') FROM mysql.user",
      ],
    ]) {
      await expect(reader.query(sql), sql).rejects.toThrow(DENIED);
    }
    const [[file]] = await reader.query<Row[]>("SELECT LOAD_FILE('/etc/passwd') AS content");
    expect(file).toEqual({ content: null });
  });

  test("a database's name with _ opens no other database to its users", async () => {
    const { name, ownerUrl, readerUrl, writerUrl } = await openTestDatabase();
    const owner = await connectAs(ownerUrl);
    const other = name.replace("_", "x"); // "_" of a grant would stand for any character
    await owner.query(`CREATE DATABASE ${other}`);
    onTestFinished(async () => {
      await owner.query(`DROP DATABASE ${other}`);
    });
    await owner.query(`CREATE TABLE ${other}.secrets (id INT)`);
    for (const url of [readerUrl, writerUrl]) {
      await expect((await connectAs(url)).query(`SELECT * FROM ${other}.secrets`)).rejects.toThrow(DENIED);
    }
  });

  test("their names tell the database and fit MySQL's 32 characters, whatever its length", () => {
    expect(userName("writer", "monitoring")).toBe("rushhour_writer_monitoring");
    const long = [`${"x".repeat(60)}1`, `${"x".repeat(60)}2`].map((name) => userName("reader", name));
    expect(new Set(long).size).toBe(2);
    for (const name of long) expect(name.length).toBeLessThanOrEqual(32);
  });

  test("migrating again with new passwords lets the old ones in no more", async () => {
    const { ownerUrl, accounts, readerUrl } = await openTestDatabase();
    const password = randomBytes(12).toString("hex");
    await migrate(ownerUrl, { ...accounts, reader: { ...accounts.reader, password } });
    await expect(connect(readerUrl)).rejects.toThrow(DENIED);
    const changed = new URL(readerUrl);
    changed.password = password;
    await connectAs(changed.href);
  });
});
