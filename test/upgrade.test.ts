import { randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { expect, inject, onTestFinished, test } from "vitest";
import { openIngestConnections } from "../consumer/connection.ts";
import { reconcile } from "../consumer/reconcile.ts";
import { connect, openPool, urlOfUser } from "../init_db/database.ts";
import { applyMigrations, migrate, migrations } from "../init_db/migrate.ts";
import { createBatchProducer } from "../kafka/producer.ts";
import {
  aRequestLog,
  freshTopics,
  KEEP,
  numberOf,
  openAdmin,
  rowsOf,
  startTestConsumer,
  testKafka,
  until,
} from "./harness.ts";

/** The schema of the first release: its migrations, none of which may have changed since. */
const FIRST_RELEASE: Readonly<Record<string, string>> = {
  "0001_api_logs": "1cd786dccf21a8c3bb38cd6164e53414105c751c6c166993dc20220251a310ea",
  "0002_ingest_offsets": "a754ee92034981ef11998e6cdfe158ee6a33cc652fd1fcd65ba0a765b2c12fda",
  "0003_ingest_gaps": "59ce854c3727f03ea4f323e1b081931436c25196f8f545e410476dc1fc3a0b83",
  "0004_dead_letters": "3782069edf6840f432fc8c6094d31c84e203d13dedbe6a0889d5a9942ca8cf4e",
  "0005_publishers": "fc3361665152fc1b0838a79623d0c102dfb235d229ebbd543ad1e219125753ae",
  "0006_publisher_drops": "7b0f1348660cd02d95961441a145c7609f231ddf0951c79f1a540db529d387e4",
};

/** What they left of the topics, which had a partition each: 36 rows, one of them sent twice, and a dead letter. */
const STORED = { "info-logs": 27, "error-logs": 8, "debug-logs": 3, "publisher-status": 1 } as const;
const ROWS = 36;
const SOURCE = "5f0e3c1a-6c3b-4a56-9f5e-5c5bb1f0a001"; // who published them

const DAY_MS = 86_400_000;
const FIXTURE_DAY_MS = Date.parse("2026-11-21");

/** What the first release's consumer sent to the database, as if its last day had been yesterday. */
function statementsOfThen(cluster: string): string[] {
  const shiftMs = Math.floor(Date.now() / DAY_MS - 1) * DAY_MS - FIXTURE_DAY_MS;
  const statements = JSON.parse(
    readFileSync(new URL("first-release.json", import.meta.url), "utf8"),
  ) as string[];
  return statements.map((sql) =>
    sql
      .replaceAll("CLUSTER-OF-THE-FIXTURE", cluster)
      .replaceAll(/(?<=')\d{4}-\d\d-\d\d(?= \d\d:)/g, (day) => dateOf(Date.parse(day) + shiftMs)),
  );
}

const dateOf = (ms: number) => new Date(ms).toISOString().slice(0, 10);

/** As the first release made them: the first day held whatever was older. */
function partitionsOfThen(): string {
  const firstMs = Math.floor(Date.now() / DAY_MS - 3) * DAY_MS;
  const days = Array.from({ length: 15 }, (_, n) => firstMs + n * DAY_MS).map(
    (ms) => `PARTITION p${dateOf(ms).replaceAll("-", "")} VALUES LESS THAN ('${dateOf(ms + DAY_MS)}')`,
  );
  return `ALTER TABLE api_logs REORGANIZE PARTITION p_future INTO (${days.join(", ")}, PARTITION p_future VALUES LESS THAN (MAXVALUE))`;
}

test("a store of the first release is brought up to date with its rows, and the consumer goes on from its positions", async () => {
  await freshTopics(1);
  const cluster = await (await openAdmin()).clusterId();
  const name = `rh_${randomBytes(5).toString("hex")}`;
  const url = new URL(inject("mysqlUrl"));
  url.pathname = `/${name}`;
  const owner = await connect(url.href, { database: "" });
  const account = (role: string) => ({ user: `${name}_${role}`, password: randomBytes(12).toString("hex") });
  const accounts = { writer: account("w"), reader: account("r") };
  onTestFinished(async () => {
    await owner.query(`DROP DATABASE IF EXISTS ${name}`);
    for (const { user } of Object.values(accounts)) await owner.query("DROP USER IF EXISTS ?@'%'", [user]);
    await owner.end();
  });

  // As it was then.
  await owner.query(`CREATE DATABASE ${name} CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci`);
  await owner.query(`USE ${name}`);
  const released = migrations().filter(({ name }) => name in FIRST_RELEASE);
  expect(Object.fromEntries(released.map(({ name, checksum }) => [name, checksum]))).toEqual(FIRST_RELEASE);
  await applyMigrations(owner, (name) => name in FIRST_RELEASE);
  await owner.query(partitionsOfThen());
  const { user, password } = accounts.writer;
  await owner.query("CREATE USER ?@'%' IDENTIFIED BY ?", [user, password]);
  await owner.query(`GRANT SELECT, INSERT, UPDATE ON \`${name.replace("_", "\\_")}\`.* TO ?@'%'`, [user]);
  const writerUrl = urlOfUser(url.href, user, password);
  const connections = openIngestConnections(writerUrl, 1);
  for (const sql of statementsOfThen(cluster)) await connections.use((connection) => connection.run(sql));
  await connections.close();
  const pool = openPool(url.href);
  onTestFinished(() => pool.end());
  const columns = (await rowsOf(pool, "SHOW COLUMNS FROM api_logs")).map(
    (row) => `\`${String(row["Field"])}\``,
  );
  const stored = () =>
    rowsOf(pool, `SELECT ${columns.join(", ")} FROM api_logs WHERE seq <= ${ROWS} ORDER BY id`);
  const before = await stored();
  expect(before).toHaveLength(ROWS);

  await migrate(url.href, accounts, KEEP);
  expect(await stored()).toEqual(before);
  const views = await rowsOf(
    pool,
    "SELECT TABLE_NAME AS name FROM information_schema.VIEWS WHERE TABLE_SCHEMA = DATABASE()",
  );
  expect(views.length).toBeGreaterThan(30);
  const reader = openPool(urlOfUser(url.href, accounts.reader.user, accounts.reader.password));
  onTestFinished(() => reader.end());
  for (const view of views) await reader.query(`SELECT * FROM ${String(view["name"])}`);

  // Rows of that time have no rollups; reconcile makes them, as the changelog says.
  expect(await rowsOf(pool, "SELECT * FROM v_rollup_drift")).not.toEqual([]);
  const nowS = Math.ceil(Date.now() / 1_000);
  await reconcile(owner, { fromS: nowS - 5 * 86_400, toS: nowS });
  const counts = async () => ({
    drift: await rowsOf(pool, "SELECT * FROM v_rollup_drift"),
    rows: await numberOf(pool, "SELECT COUNT(*) FROM api_logs"),
    rowsIn: await numberOf(
      pool,
      "SELECT SUM(rows_in) FROM ingest_offsets WHERE topic IN ('info-logs', 'error-logs', 'debug-logs')",
    ),
    inRollup: await numberOf(pool, "SELECT SUM(count) FROM api_rollup_1m"),
    letters: await numberOf(pool, "SELECT COUNT(*) FROM dead_letters"),
    ofSource: await numberOf(pool, "SELECT SUM(rows_in) FROM ingest_sources WHERE source = ?", [SOURCE]),
  });
  const balanced = (rows: number) => ({
    drift: [],
    rows,
    rowsIn: rows,
    inRollup: rows,
    letters: 1,
    ofSource: rows,
  });
  expect(await counts()).toEqual(balanced(ROWS));

  // Kafka has what was stored, and what came while the program was exchanged.
  const producer = createBatchProducer(testKafka());
  onTestFinished(() => producer.close());
  for (const [topic, records] of Object.entries(STORED)) {
    await producer.send(new Map([[topic, Array.from({ length: records }, () => "stored then")]]));
  }
  const later = Array.from({ length: 10 }, (_, n) => ({
    ...aRequestLog(),
    source: SOURCE,
    seq: ROWS + n + 1,
  }));
  await producer.send(new Map([["info-logs", later.map((log) => JSON.stringify(log))]]));
  startTestConsumer({ writerUrl });
  await until("the later rows", async () => (await counts()).rows === ROWS + later.length);
  expect(await counts()).toEqual(balanced(ROWS + later.length));
  expect(await rowsOf(pool, "SELECT * FROM ingest_gaps")).toEqual([]);
  expect(
    await rowsOf(pool, "SELECT * FROM v_ingest_gaps WHERE source = ? AND missing_records > 0", [SOURCE]),
  ).toEqual([]);
  expect(await stored()).toEqual(before);
});
