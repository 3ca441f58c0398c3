import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gunzipSync, gzipSync } from "node:zlib";
import { expect, onTestFinished, test } from "vitest";
import { connect } from "../init_db/database.ts";
import { tryLock } from "../init_db/locks.ts";
import { restore } from "../init_db/restore.ts";
import { createBatchProducer } from "../kafka/producer.ts";
import {
  aRequestLog,
  freshTopics,
  KEEP,
  numberOf,
  openTestDatabase,
  rowsOf,
  runCli,
  startTestConsumer,
  testKafka,
  until,
  type TestDatabase,
} from "./harness.ts";

const urlsOf = ({ ownerUrl, writerUrl, readerUrl }: TestDatabase) => ({
  MYSQL_URL: ownerUrl,
  MYSQL_WRITER_URL: writerUrl,
  MYSQL_READER_URL: readerUrl,
});

const count = ({ pool }: TestDatabase, table: string) => numberOf(pool, `SELECT COUNT(*) FROM ${table}`);
const countAll = async (database: TestDatabase) =>
  (await count(database, "api_logs")) + (await count(database, "dead_letters"));
const drift = ({ pool }: TestDatabase) => rowsOf(pool, "SELECT * FROM v_rollup_drift");
const rowsIn = ({ pool }: TestDatabase) => numberOf(pool, "SELECT SUM(rows_in) FROM ingest_offsets");

/** What a record became, without what each database numbers and dates for itself. */
async function contents({ pool }: TestDatabase): Promise<string[]> {
  const logs = await rowsOf(pool, "SELECT * FROM api_logs ORDER BY timestamp, request_id");
  const letters = await rowsOf(pool, "SELECT * FROM dead_letters ORDER BY topic, `partition`, `offset`");
  return [...logs, ...letters].map((row) => JSON.stringify({ ...row, id: 0, stored_at: 0, copied_at: 0 }));
}

test("a backup taken while a consumer stores, restored elsewhere, goes on from its positions and balances", async () => {
  await freshTopics(2);
  const [database, copy] = [await openTestDatabase(), await openTestDatabase()];
  const folder = mkdtempSync(join(tmpdir(), "rushhour-backup-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const file = join(folder, "store.gz");
  const producer = createBatchProducer(testKafka());
  onTestFinished(() => producer.close());
  let sent = 0;
  const send = async () => {
    const odd = { user_agent: "a\\b\t'\"\n\u0000é😀", weather: { rain: "\\'\"" }, error_message: "" };
    const logs = Array.from({ length: 50 }, (_, n) => aRequestLog(n === 0 ? odd : {}));
    const values = [...logs.map((log) => JSON.stringify(log)), "no JSON \u0000'\\"];
    await producer.send(new Map([["info-logs", values]]));
    sent += values.length;
  };
  const consumer = startTestConsumer(database);
  await send();
  await until("the first rows", async () => (await countAll(database)) === sent);

  const done = new AbortController();
  const backup = runCli(["backup", file], urlsOf(database)).finally(() => done.abort());
  while (!done.signal.aborted) await send();
  expect(await backup).toMatchObject({ code: 0, stdout: "" });
  expect(statSync(file).mode & 0o777).toBe(0o600);
  expect(readdirSync(folder)).toEqual(["store.gz"]);
  const text = gunzipSync(readFileSync(file)).toString();
  for (const { password } of Object.values(database.accounts)) expect(text).not.toContain(password);
  await send();
  await until("all rows", async () => (await countAll(database)) === sent);
  await consumer.close();

  const restored = await runCli(["restore", file], urlsOf(copy));
  expect(restored).toMatchObject({ code: 0 });
  const atBackup = await countAll(copy);
  expect(atBackup).toBeLessThan(sent);
  expect(await rowsIn(copy)).toBe(await count(copy, "api_logs"));
  expect(await drift(copy)).toEqual([]);
  expect(
    await numberOf(
      copy.pool,
      "SELECT SUM(catch_all) FROM (SELECT COUNT(*) AS catch_all FROM api_logs PARTITION (p_future)) AS late",
    ),
  ).toBe(0);

  const other = startTestConsumer(copy);
  await until("all rows again", async () => (await countAll(copy)) === sent);
  expect(await contents(copy)).toEqual(await contents(database));
  expect(await rowsIn(copy)).toBe(await count(copy, "api_logs"));
  expect(await drift(copy)).toEqual([]);
  expect(await numberOf(copy.pool, "SELECT SUM(duplicates) FROM ingest_offsets")).toBe(0);
  expect(await count(copy, "ingest_gaps")).toBe(0);

  expect(await runCli(["backup", file], urlsOf(copy))).toMatchObject({
    ...{ code: 104, stderr: expect.stringContaining("add --overwrite") as string },
  });
  const again = (path: string, replace: boolean) =>
    restore(path, copy.ownerUrl, { ...copy, keep: KEEP, replace, onProgress: () => undefined });
  await until("a consumer to lead", () => isHeld(copy));
  await expect(again(file, true)).rejects.toThrow("stop all consumers");
  await other.close();
  await expect(again(file, false)).rejects.toThrow(/not empty.*add --replace/);
  for (const [name, bytes, says] of damages(readFileSync(file))) {
    const path = join(folder, name);
    writeFileSync(path, bytes);
    await expect(again(path, true), name).rejects.toThrow(says);
  }
  expect(await countAll(copy)).toBe(sent); // nothing of all this changed anything
  expect(await runCli(["restore", file, "--replace"], urlsOf(copy))).toMatchObject({ code: 0 });
  expect(await countAll(copy)).toBe(atBackup);
}, 120_000); // each store is some hundred statements of DDL, on a busy disk

async function isHeld({ ownerUrl }: TestDatabase): Promise<boolean> {
  const connection = await connect(ownerUrl);
  const isFree = await tryLock(connection, "upkeep", 0);
  connection.destroy();
  return !isFree;
}

/** What happens to files, and what is said of each. */
function damages(whole: Buffer): [string, Buffer, RegExp][] {
  const text = gunzipSync(whole).toString();
  const flipped = Buffer.from(whole);
  flipped[Math.floor(whole.length / 2)]! ^= 1;
  const head = JSON.parse(text.slice(0, text.indexOf("\n"))) as { migrations: string[] };
  const newer = JSON.stringify({ ...head, migrations: [...head.migrations, "9999_tomorrow"] });
  return [
    ["cut", whole.subarray(0, whole.length - 100), /damaged \(it was cut off\)/],
    ["flipped", flipped, /damaged/],
    ["changed", gzipSync(text.replace("/orders/:id", "/orders/:ix")), /its checksum is another one/],
    ["short", gzipSync(text.slice(0, text.lastIndexOf('{"tables"'))), /it was cut off/],
    ["longer", gzipSync(`${text}[]\n`), /something stands behind its end/],
    ["newer", gzipSync(text.replace(/^.*/, newer)), /does not know 9999_tomorrow/],
    ["format", gzipSync(text.replace('"rushhour_backup":1', '"rushhour_backup":2')), /reads format 1/],
    ["other", Buffer.from("SELECT 1;\n"), /no backup of rushhour/],
    ["empty", Buffer.alloc(0), /no backup of rushhour|cut off/],
  ];
}
