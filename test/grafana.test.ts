import type { PoolConnection, RowDataPacket } from "mysql2/promise";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { apiOverview } from "../grafana/src/api-overview.ts";
import { expandMacros } from "../grafana/src/macros.ts";
import { createTestDatabase, type TestDatabase } from "./harness.ts";

const FROM_MS = Date.UTC(2026, 0, 5, 12);
const TO_MS = FROM_MS + 15 * 60_000;
const STEP_MS = 500;
const ENDPOINTS = ["/users/:id", "/products", "/orders", "(unmatched)"] as const;

/** 15 minutes of requests, two a second. One in 20 is not found; one in 40 ends in an uncaught exception. */
const logs = Array.from({ length: (TO_MS - FROM_MS) / STEP_MS }, (_, n) => {
  const crashed = n % 40 === 20;
  const failed = crashed || n % 20 === 7;
  const endpoint = ENDPOINTS[n % ENDPOINTS.length]!;
  return {
    request_id: `00000000-0000-7000-8000-${String(n).padStart(12, "0")}`,
    timestamp: new Date(FROM_MS + n * STEP_MS),
    level: crashed ? "CRITICAL" : failed ? "ERROR" : n % 10 === 0 ? "DEBUG" : "INFO",
    service: n % 2 === 0 ? "orders" : "users",
    endpoint,
    path: endpoint.replace(":id", String(n)),
    method: "GET",
    status_code: crashed ? 500 : failed ? 404 : 200,
    response_time_ms: ((n * 7919) % 1800) / (n % 2 === 0 ? 10 : 20),
    error_type: crashed ? "TypeError" : failed ? "not_found" : null,
    error_message: crashed ? "x is not a function" : failed ? "There is no such user." : null,
  };
});
const errors = logs.filter(({ status_code }) => status_code >= 400);

let store: TestDatabase;
let database: PoolConnection;

beforeAll(async () => {
  store = await createTestDatabase();
  const { pool } = store;
  const columns = Object.keys(logs[0]!);
  await pool.query(`INSERT INTO api_logs (${columns.join(", ")}) VALUES ?`, [
    logs.map((log) => Object.values(log)),
  ]);
  // As the data source connects, under the strictest rule for GROUP BY.
  database = await pool.getConnection();
  await database.query("SET time_zone = '+00:00', sql_mode = 'ONLY_FULL_GROUP_BY,STRICT_TRANS_TABLES'");
});
afterAll(async () => {
  database.release();
  await store.close();
});

const ALL = "service"; // the variable's own "All"

async function run(sql: string, service: string | string[] = ALL, [fromMs, toMs] = [FROM_MS, TO_MS]) {
  const expanded = expandMacros(sql, { fromMs, toMs, intervalSeconds: 5, variables: { service } });
  const [rows] = await database.query<RowDataPacket[]>(expanded);
  return rows;
}

const sqlOf = (title: string) =>
  apiOverview.panels.find((panel) => panel.title === title)!.targets[0]!.rawSql;

describe.each(apiOverview.panels.map((panel) => [panel.title, panel] as const))("%s", (_, panel) => {
  const { rawSql, format } = panel.targets[0]!;

  test("answers rows of the shape its format asks for", async () => {
    const rows = await run(rawSql);
    expect(rows.length).toBeGreaterThan(0);
    if (format === "time_series") expectTimeSeries(rows);
    if (panel.type === "stat") {
      expect(rows).toHaveLength(1);
      expect(Object.values(rows[0]!)).toEqual([expect.any(Number)]);
    }
  });

  test("looks at the chosen services only", async () => {
    const chosen = await run(rawSql, ["users", "no such service"]);
    expect(chosen.length).toBeGreaterThan(0);
    expect(chosen).not.toEqual(await run(rawSql));
    expect(await run(rawSql, ["users", "orders"])).toEqual(await run(rawSql));
  });

  test("runs over a range without requests", async () => {
    const rows = await run(rawSql, ALL, [FROM_MS - 60_000, FROM_MS - 1_000]);
    if (panel.type === "stat") expect(Number(Object.values(rows[0]!)[0])).toBe(0);
    else expect(rows).toEqual([]);
  });
});

/** Grafana wants a column `time` in rising order and numbers, or one number beside the text `metric`. */
function expectTimeSeries(rows: readonly RowDataPacket[]) {
  const times = rows.map((row) => row["time"] as unknown);
  expect(times.every((time) => Number.isInteger(time) && Number(time) % 5 === 0)).toBe(true);
  expect(times).toEqual(times.toSorted((a, b) => Number(a) - Number(b)));
  for (const [column, value] of rows.flatMap((row) => Object.entries(row))) {
    expect(value, column).toEqual(expect.any(column === "metric" ? String : Number));
  }
}

test("the stats hold the figures counted from the rows themselves", async () => {
  const times = logs.map((log) => log.response_time_ms).sort((a, b) => a - b);
  expect(await run(sqlOf("Total requests"))).toMatchObject([{ requests: logs.length }]);
  expect(await run(sqlOf("Response time, p95"))).toMatchObject([
    { p95: times[Math.ceil(0.95 * times.length) - 1]! },
  ]);
  expect(await run(sqlOf("Error rate"))).toMatchObject([{ error_rate: (100 * errors.length) / logs.length }]);
});

test("the bars of all endpoints add up to the requests", async () => {
  const rows = await run(sqlOf("Requests per endpoint"));
  expect(new Set(rows.map((row) => String(row["metric"])))).toEqual(new Set(ENDPOINTS));
  expect(sum(rows, "requests")).toBe(logs.length);
});

test("each point of the response time is what its own rows say", async () => {
  const rows = await run(sqlOf("Response time"));
  expect(rows).toHaveLength((TO_MS - FROM_MS) / 5_000);
  for (const row of rows) {
    const times = logs
      .filter((log) => Math.floor(log.timestamp.getTime() / 5_000) * 5 === row["time"])
      .map((log) => log.response_time_ms)
      .sort((a, b) => a - b);
    const place = (p: number) => times[Math.ceil(p * times.length) - 1];
    expect(row).toMatchObject({ p50: place(0.5), p95: place(0.95), p99: place(0.99) });
    expect(row["mean"]).toBeCloseTo(times.reduce((a, b) => a + b) / times.length, 6);
  }
});

test("server errors are never more than all errors", async () => {
  const rows = await run(sqlOf("Error rate over time"));
  expect(sum(rows, "server_errors")).toBeGreaterThan(0);
  expect(rows.every((row) => Number(row["server_errors"]) <= Number(row["errors"]))).toBe(true);
});

test("the commonest error stands first, and no error is left out", async () => {
  const rows = await run(sqlOf("Most frequent errors"));
  const counts = rows.map((row) => Number(row["errors"]));
  expect(counts).toEqual(counts.toSorted((a, b) => b - a));
  expect(sum(rows, "errors")).toBe(errors.length);
  expect(new Set(rows.map((row) => String(row["error_type"])))).toEqual(new Set(["not_found", "TypeError"]));
});

test("the live log shows the 100 newest, newest first, in UTC", async () => {
  const rows = await run(sqlOf("Live log"));
  const newest = logs.slice(-100).reverse();
  expect(rows.map((row) => row["request_id"] as string)).toEqual(newest.map((log) => log.request_id));
  expect(rows[0]!["timestamp"]).toEqual(newest[0]!.timestamp);
});

test("the services to pick from are those with requests in the range", async () => {
  const [service] = apiOverview.templating.list;
  expect(await run(service!.query)).toEqual([{ service: "orders" }, { service: "users" }]);
});

const sum = (rows: readonly RowDataPacket[], column: string) =>
  rows.reduce((total, row) => total + Number(row[column]), 0);
