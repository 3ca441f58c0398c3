import { readFileSync } from "node:fs";
import { afterAll, beforeAll, expect, test } from "vitest";
import { v7 as uuidv7 } from "uuid";
import { appLogs } from "../consumer/app-logs.ts";
import { foldShards } from "../consumer/fold.ts";
import { reconcile } from "../consumer/reconcile.ts";
import { APP_LOG, type AppLog } from "../contract/app-log.ts";
import { appErrors } from "../grafana/src/app-errors.ts";
import { expandMacros } from "../grafana/src/macros.ts";
import { connect, type Row } from "../init_db/database.ts";
import { storeRecords, storeRequests } from "./fill.ts";
import { anAppLog, aRequestLog, createTestDatabase, numberOf, rowsOf, type TestDatabase } from "./harness.ts";

const HOUR_MS = 3_600_000;

let database: TestDatabase;

/** Errors of some days, each hour the same three groups, and their requests. */
function errors(nowMs: number, count: number): AppLog[] {
  const [critical, ...levels] = ["CRITICAL", "ERROR", "INFO", "ERROR", "WARNING"] as const;
  return Array.from({ length: count }, (_, n) => {
    const timeMs = nowMs - ((n * 7_919) % (40 * HOUR_MS)) - (n % 50 === 0 ? 0 : 100);
    return anAppLog({
      ...{ log_id: uuidv7({ msecs: timeMs }), timestamp: new Date(timeMs).toISOString() },
      ...{ service: ["orders", "users", "Orders"][n % 3]!, level: n % 7 ? levels[n % 4]! : critical },
      ...{ message: `order ${n} failed`, context: { order_id: n }, request_id: `request-${n}` },
      exception: { type: `Type${n % 3}`, stack: `Type: x\n    at f (a.js:${n}:1)` },
    });
  });
}

const drift = () => rowsOf(database.pool, "SELECT * FROM v_app_errors_drift");

beforeAll(async () => {
  database = await createTestDatabase();
  const logs = errors(Date.now(), 3_000);
  await storeRecords(database, appLogs(), APP_LOG.topics[0]!, logs);
  await storeRequests(
    database,
    logs.map(({ request_id, timestamp }) => aRequestLog({ request_id: request_id!, timestamp })),
  );
});
afterAll(() => database.close());

const examples = [...readFileSync("docs/app-logs.md", "utf8").matchAll(/```sql\n(?<sql>[^`]+?)\n```/g)].map(
  ({ groups }) => groups!["sql"]!,
);

test.each(examples)("docs/app-logs.md: %s gives rows to the reader", async (sql) => {
  const reader = await connect(database.readerUrl);
  const [rows] = await reader.query<Row[]>(sql);
  await reader.end();
  expect(rows.length).toBeGreaterThan(0);
});

test.each(appErrors.panels)(
  "E-11: the panel $title has something to show, for all services and for one",
  async ({ targets }) => {
    const reader = await connect(database.readerUrl);
    await reader.query("SET sql_mode = 'ONLY_FULL_GROUP_BY,STRICT_TRANS_TABLES', time_zone = '+00:00'");
    for (const service of [appErrors.templating.list[0]!.allValue, ["orders", "users"]]) {
      const context = {
        fromMs: Date.now() - 20 * HOUR_MS,
        toMs: Date.now(),
        intervalSeconds: 600,
        variables: { service },
      };
      const [rows] = await reader.query<Row[]>(expandMacros(targets[0]!.rawSql, context));
      expect(rows.length).toBeGreaterThan(0);
      expect(Object.values(rows[0]!)[0]).toBeTruthy();
    }
    await reader.end();
  },
);

test("E-2: the hours say what the rows say, what was changed behind their back shows, and is put right", async () => {
  const { pool, writerUrl } = database;
  expect(examples).toHaveLength(5);
  expect(await drift()).toEqual([]);
  const counted = "SELECT SUM(count) FROM app_errors_1h";
  const total = await numberOf(pool, "SELECT COUNT(*) FROM app_logs WHERE level IN ('ERROR', 'CRITICAL')");
  expect(await numberOf(pool, counted)).toBe(total);
  expect(await rowsOf(pool, "SELECT COUNT(*) AS n, MAX(services) AS services FROM v_app_errors")).toEqual([
    { n: 3, services: 1 },
  ]);
  const connection = await connect(writerUrl);
  const nowS = Math.floor(Date.now() / 1_000);
  const all = { fromS: nowS - 50 * 3_600, toS: nowS + 60 };
  for (const sql of [
    "UPDATE app_errors_1h SET count = count + 1 LIMIT 2",
    "UPDATE app_errors_1h SET last_at = last_at + INTERVAL 1 SECOND ORDER BY bucket_s DESC LIMIT 1",
    "UPDATE app_errors_1h SET service = 'else' ORDER BY bucket_s LIMIT 1",
    "DELETE FROM app_errors_1h ORDER BY bucket_s DESC, count LIMIT 3",
    "DELETE FROM app_error_groups LIMIT 1",
  ]) {
    await pool.query(sql);
    expect(await drift(), sql).not.toEqual([]);
  }
  expect([...(await reconcile(connection, all)).keys()]).toEqual(["app_errors_1h"]);
  await foldShards(connection, { fromS: 0, nowS: nowS + 86_400, foldedTo: new Map() });
  await connection.end();
  expect(await drift()).toEqual([]);
  expect(await numberOf(pool, counted)).toBe(total);
  const split = "SELECT COUNT(*) - COUNT(DISTINCT bucket_s, fingerprint, service, level) FROM app_errors_1h";
  expect(await numberOf(pool, split)).toBe(0);
});
