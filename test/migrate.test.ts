import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { connect, type Pool, type Row, READER_STATEMENT_SECONDS } from "../init_db/database.ts";
import { migrate, migrations } from "../init_db/migrate.ts";
import { READER_CONNECTIONS, userName } from "../init_db/users.ts";
import { KEEP, numberOf, openTestDatabase, rowsOf, runCli, until } from "./harness.ts";

async function connectAs(url: string) {
  const connection = await connect(url);
  onTestFinished(() => connection.end());
  return connection;
}

/** Every table and view as the database would make it again. */
async function schemaOf(pool: Pool, name: string): Promise<Record<string, string>> {
  const tables = await rowsOf(
    pool,
    "SELECT TABLE_NAME AS name FROM information_schema.TABLES WHERE TABLE_SCHEMA = ? ORDER BY TABLE_NAME",
    [name],
  );
  const schema: Record<string, string> = {};
  for (const table of tables) {
    const [row] = await rowsOf(pool, `SHOW CREATE TABLE ${name}.${String(table["name"])}`);
    schema[String(table["name"])] = String(Object.values(row!)[1])
      .replace(/ AUTO_INCREMENT=\d+/, "")
      .replaceAll(`\`${name}\`.`, "");
  }
  return schema;
}

function emptyHome(): string {
  const home = mkdtempSync(join(tmpdir(), "rushhour-"));
  onTestFinished(() => rmSync(home, { recursive: true }));
  return home;
}

const insertAt =
  "INSERT INTO api_logs (request_id, timestamp, level, service, endpoint, method, status_code, response_time_ms) VALUES (?, ?, 'INFO', 's', '/', 'GET', 200, 1)";

describe("migrate", () => {
  test("run again changes nothing", async () => {
    const { ownerUrl, accounts, pool, name } = await openTestDatabase();
    const before = await rowsOf(pool, "SELECT * FROM schema_migrations ORDER BY version");
    expect(before.map((row) => String(row["name"]))).toEqual(migrations().map((migration) => migration.name));
    expect(await migrate(ownerUrl, accounts, KEEP)).toEqual({ database: name, applied: [], partitions: [] });
    expect(await rowsOf(pool, "SELECT * FROM schema_migrations ORDER BY version")).toEqual(before);
  });

  test("two at once make one database, each migration run once", async () => {
    const { ownerUrl, accounts, pool, name } = await openTestDatabase();
    await pool.query(`DROP DATABASE ${name}`);
    const both = await Promise.all([migrate(ownerUrl, accounts, KEEP), migrate(ownerUrl, accounts, KEEP)]);
    const names = migrations().map((migration) => migration.name);
    expect(both.flatMap(({ applied }) => applied)).toEqual(names);
    const made = both.flatMap(({ partitions }) => partitions);
    expect(new Set(made).size).toBe(made.length);
    expect(made.filter((partition) => partition.startsWith("api_logs."))).toHaveLength(15);
    await pool.query(`USE ${name}`);
    expect(await numberOf(pool, `SELECT COUNT(*) FROM ${name}.schema_migrations`)).toBe(names.length);
  });

  test("a migration edited after it ran is refused by its name", async () => {
    const { ownerUrl, accounts, pool } = await openTestDatabase();
    const [, second] = migrations();
    await pool.query("UPDATE schema_migrations SET checksum = REPEAT('0', 64) WHERE version = ?", [
      second!.version,
    ]);
    await expect(migrate(ownerUrl, accounts, KEEP)).rejects.toThrow(
      `migration ${second!.name} was changed after it ran here; a merged migration is never edited`,
    );
  });

  test("killed at any moment it goes on where it was, and ends with the same schema", async () => {
    const { ownerUrl, accounts, pool, name } = await openTestDatabase();
    await pool.query(`DROP DATABASE ${name}`);
    await migrate(ownerUrl, accounts, KEEP); // MySQL words a copied table otherwise than one that was made
    const whole = await schemaOf(pool, name);
    await pool.query(`DROP DATABASE ${name}`);
    const ran = () => numberOf(pool, `SELECT COUNT(*) FROM ${name}.schema_migrations`).catch(() => 0); // not there yet
    const env = { ...process.env, MYSQL_URL: ownerUrl, RUSHHOUR_HOME: emptyHome() };
    for (const reached of [1, 7, 15, 22, migrations().length]) {
      const migrator = spawn(process.execPath, ["cli/rushhour.js", "migrate"], { env, stdio: "ignore" });
      const ended = once(migrator, "exit");
      await until(`${reached} migrations`, async () => (await ran()) >= reached, { everyMs: 1 });
      migrator.kill("SIGKILL");
      await ended;
    }
    const { code, stderr } = await runCli(["migrate"], env);
    expect([code, stderr]).toEqual([0, ""]);
    expect(await schemaOf(pool, name)).toEqual(whole);
  });

  test("what ran and was not written down is recognised, and its rows stay", async () => {
    const { ownerUrl, accounts, pool, name } = await openTestDatabase();
    const whole = await schemaOf(pool, name);
    await pool.query(
      "INSERT INTO ingest_offsets (cluster, topic, `partition`, next_offset, expired) VALUES ('c', 't', 0, 7, 3)",
    );
    await pool.query("DELETE FROM schema_migrations");
    const { applied } = await migrate(ownerUrl, accounts, KEEP);
    expect(applied).toEqual(migrations().map((migration) => migration.name));
    expect(await schemaOf(pool, name)).toEqual(whole);
    expect(await numberOf(pool, "SELECT expired FROM ingest_offsets")).toBe(3);
  });

  test("one that fails is named with its statement, and once the cause is gone it goes on", async () => {
    const { ownerUrl, pool, accounts, name } = await openTestDatabase();
    const whole = await schemaOf(pool, name);
    await pool.query("DELETE FROM schema_migrations WHERE name = '0131_v_partitions'");
    await pool.query("DROP VIEW v_partitions");
    await pool.query("CREATE TABLE v_partitions (in_the_way INT)");
    const { code, stdout, stderr } = await runCli(["migrate"], {
      MYSQL_URL: ownerUrl,
      RUSHHOUR_HOME: emptyHome(),
    });
    expect([code, stdout]).toEqual([1, ""]);
    expect(stderr).toMatch(
      /^rushhour: migration 0131_v_partitions failed at\n\n-- [^]*CREATE OR REPLACE .*VIEW v_partitions AS\n/,
    );
    expect(stderr).toMatch(
      /Those before it stay; remove the cause and repeat, it goes on from here. The database says: .*v_partitions.*\n$/,
    );
    await pool.query("DROP TABLE v_partitions");
    expect((await migrate(ownerUrl, accounts, KEEP)).applied).toEqual(["0131_v_partitions"]);
    expect(await schemaOf(pool, name)).toEqual(whole);
  });

  test("a database that a newer program migrated is refused", async () => {
    const { ownerUrl, accounts, pool } = await openTestDatabase();
    await pool.query(
      "INSERT INTO schema_migrations (version, name, checksum) VALUES (9999, '9999_tomorrow', '')",
    );
    await expect(migrate(ownerUrl, accounts, KEEP)).rejects.toThrow(
      "the database is newer than this program, which does not know 9999_tomorrow; use the version of rushhour that made it, or a later one",
    );
  });

  test("every migration may be repeated", () => {
    for (const { name, sql } of migrations()) {
      const statement = sql.replaceAll(/^--.*\n/gm, "");
      const isRepeatable =
        /^CREATE (?:TABLE IF NOT EXISTS|OR REPLACE)\b/.test(statement) ||
        /^INSERT INTO .* ON DUPLICATE KEY UPDATE (?:(\w+) = VALUES\(\1\)(?:, )?)+\s*$/s.test(statement);
      const isGuarded = /^-- unless (?:column|index) \w+\.\w+\n/.test(sql);
      expect(isRepeatable || isGuarded, name).toBe(true);
    }
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

describe("the two users", () => {
  const DENIED = /denied/i;
  const isMariaDb = async (pool: Pool) => (await numberOf(pool, "SELECT VERSION() LIKE '%MariaDB%'")) === 1;

  test("the writer inserts and updates, keeps partitions and rollups, and does nothing else", async () => {
    const { writerUrl } = await openTestDatabase();
    const writer = await connectAs(writerUrl);
    await writer.query(insertAt, ["id-1", new Date()]);
    await writer.query("UPDATE api_logs SET service = 't'");
    await writer.query("DELETE FROM api_rollup_10s");
    await writer.query("ALTER TABLE api_logs TRUNCATE PARTITION p_future");
    for (const sql of [
      "DELETE FROM api_logs",
      "DELETE FROM dead_letters",
      "DROP TABLE ingest_offsets",
      "TRUNCATE retention",
      "ALTER TABLE ingest_offsets ADD COLUMN x INT",
      "CREATE TABLE x (id INT)",
      "CREATE INDEX x ON api_logs (service)",
      "CREATE VIEW x AS SELECT 1",
      "SELECT user FROM mysql.user",
      "CREATE USER x",
      "GRANT SELECT ON *.* TO CURRENT_USER()",
      "SELECT 1 INTO OUTFILE '/tmp/rushhour-outfile'",
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
        "LOAD DATA INFILE '/etc/passwd' INTO TABLE api_logs",
        "EXPLAIN UPDATE api_logs SET service = 'x'",
        "PREPARE s FROM 'DELETE FROM api_logs'",
      ],
      ...[
        "DROP TABLE api_logs",
        "CREATE TABLE x (id INT)",
        "CREATE TEMPORARY TABLE x (id INT)",
        "CREATE VIEW x AS SELECT 1",
      ],
      ...["LOCK TABLES api_logs READ", "FLUSH TABLES", "ANALYZE TABLE api_logs", "CALL x()"],
      ...["SELECT user FROM mysql.user", "SET GLOBAL max_connections = 1", "SHUTDOWN", "CREATE USER x"],
      ...[
        "SELECT * FROM api_logs INTO OUTFILE '/tmp/rushhour-outfile'",
        "SELECT 1 INTO DUMPFILE '/tmp/rushhour-outfile'",
      ],
      ...[
        "SELECT LOAD_FILE('/etc/passwd') FROM mysql.user",
        "ALTER USER CURRENT_USER() WITH MAX_USER_CONNECTIONS 0",
      ],
    ]) {
      await expect(reader.query(sql), sql).rejects.toThrow(DENIED);
    }
    const [[file]] = await reader.query<Row[]>("SELECT LOAD_FILE('/etc/passwd') AS content");
    expect(file).toEqual({ content: null });
  });

  test("the reader ends no statement of others", async () => {
    const { ownerUrl, readerUrl, writerUrl } = await openTestDatabase();
    const reader = await connectAs(readerUrl);
    for (const other of [await connectAs(ownerUrl), await connectAs(writerUrl)]) {
      await expect(reader.query(`KILL ${other.threadId}`)).rejects.toThrow(/not owner/i);
      await other.query("SELECT 1");
    }
  });

  test("the reader's connections, and on MariaDB the time of its statements, are limited by its account", async () => {
    const { pool, accounts } = await openTestDatabase();
    const row = async (column: string) =>
      numberOf(pool, `SELECT ${column} FROM mysql.user WHERE user = ?`, [accounts.reader.user]);
    expect(await row("max_user_connections")).toBe(READER_CONNECTIONS);
    if (await isMariaDb(pool)) expect(await row("max_statement_time")).toBe(READER_STATEMENT_SECONDS);
  });

  test("on MySQL the reader changes its password only if it knows it", async () => {
    const { pool, readerUrl } = await openTestDatabase();
    if (await isMariaDb(pool)) return; // has no such rule
    const reader = await connectAs(readerUrl);
    await expect(reader.query("SET PASSWORD = 'another'")).rejects.toThrow(/Current password/);
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
    await migrate(ownerUrl, { ...accounts, reader: { ...accounts.reader, password } }, KEEP);
    await expect(connect(readerUrl)).rejects.toThrow(DENIED);
    const changed = new URL(readerUrl);
    changed.password = password;
    await connectAs(changed.href);
  });
});
