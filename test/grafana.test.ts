import type { Connection, RowDataPacket } from "mysql2/promise";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { stream } from "../contract/random.ts";
import type { RequestLog } from "../contract/request-log.ts";
import { apiOverview } from "../grafana/src/api-overview.ts";
import { expandMacros, intervalSeconds } from "../grafana/src/macros.ts";
import { MAX_DATA_POINTS, MIN_INTERVAL_SECONDS } from "../grafana/src/panels.ts";
import { connectReader } from "../init_db/database.ts";
import { storeRequests } from "./fill.ts";
import { aRequestLog, createTestDatabase, type TestDatabase } from "./harness.ts";

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;

const NOW_MS = Math.floor(Date.now() / MINUTE_MS) * MINUTE_MS;
const FROM_MS = NOW_MS - 30 * MINUTE_MS;
const TO_MS = FROM_MS + 15 * MINUTE_MS;
const STEP_MS = 500;
const ENDPOINTS = ["/users/:id", "/products", "/orders", "(unmatched)"] as const;

/** One in 20 is not found; one in 40 ends in an uncaught exception. */
function request(n: number, timeMs: number): RequestLog {
  const crashed = n % 40 === 20;
  const failed = crashed || n % 20 === 7;
  const endpoint = ENDPOINTS[n % ENDPOINTS.length]!;
  return aRequestLog({
    request_id: `00000000-0000-7000-8000-${String(n).padStart(12, "0")}`,
    timestamp: new Date(timeMs).toISOString(),
    level: crashed ? "CRITICAL" : failed ? "ERROR" : n % 10 === 0 ? "DEBUG" : "INFO",
    service: n % 2 === 0 ? "orders" : "users",
    endpoint,
    path: endpoint.replace(":id", String(n)),
    status_code: crashed ? 500 : failed ? 404 : 200,
    response_time_ms: ((n * 7919) % 1800) / (n % 2 === 0 ? 10 : 20),
    ...(failed && {
      error_type: crashed ? "TypeError" : "not_found",
      error_message: crashed ? "x is not a function" : "There is no such user.",
    }),
  });
}

/** 15 minutes of requests, two a second. */
const logs = Array.from({ length: (TO_MS - FROM_MS) / STEP_MS }, (_, n) => request(n, FROM_MS + n * STEP_MS));
const errors = logs.filter(({ status_code }) => status_code >= 400);

/** What came before: the last 20 days, most of it of the last, some of each hour before the 15 minutes. */
const rng = stream(5, "history");
const history = Array.from({ length: 1_600 }, (_, n) => {
  const reachMs = [3 * HOUR_MS, DAY_MS, 9 * DAY_MS, 20 * DAY_MS][n % 4]!;
  return request(
    logs.length + rng.integer(1_000_000) * 4 + n,
    FROM_MS - 1 - Math.floor(rng.float() * reachMs),
  );
});

let store: TestDatabase;
let database: Connection;

beforeAll(async () => {
  store = await createTestDatabase();
  await storeRequests(store, [...logs, ...history]);
  // As the data source connects, which makes numbers of decimals, under the strictest rule for GROUP BY.
  database = await connectReader(store.readerUrl, { decimalNumbers: true });
  await database.query("SET sql_mode = 'ONLY_FULL_GROUP_BY,STRICT_TRANS_TABLES'");
});
afterAll(async () => {
  await database.end();
  await store.close();
});

const ALL = apiOverview.templating.list[0]!.allValue;

const intervalOf = (fromMs: number, toMs: number) =>
  intervalSeconds(toMs - fromMs, MAX_DATA_POINTS, MIN_INTERVAL_SECONDS);

async function run(sql: string, service: string | string[] = ALL, [fromMs, toMs] = [FROM_MS, TO_MS]) {
  const context = { fromMs, toMs, intervalSeconds: intervalOf(fromMs, toMs), variables: { service } };
  const [rows] = await database.query<RowDataPacket[]>(expandMacros(sql, context));
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
    const rows = await run(rawSql, ALL, [NOW_MS - 300 * DAY_MS, NOW_MS - 299 * DAY_MS]);
    if (panel.type === "stat") expect(Number(Object.values(rows[0]!)[0])).toBe(0);
    else expect(rows).toEqual([]);
  });
});

/** Grafana wants a column `time` in rising order and numbers, or one number beside the text `metric`. */
function expectTimeSeries(rows: readonly RowDataPacket[]) {
  const times = rows.map((row) => row["time"] as unknown);
  expect(
    times.every((time) => Number.isInteger(time) && Number(time) % intervalOf(FROM_MS, TO_MS) === 0),
  ).toBe(true);
  expect(times).toEqual(times.toSorted((a, b) => Number(a) - Number(b)));
  for (const [column, value] of rows.flatMap((row) => Object.entries(row))) {
    expect(value, column).toEqual(expect.any(column === "metric" ? String : Number));
  }
}

test("the stats of up to an hour hold the figures counted from the rows themselves", async () => {
  const times = logs.map((log) => log.response_time_ms).sort((a, b) => a - b);
  expect(await run(sqlOf("Total requests"))).toEqual([{ requests: logs.length }]);
  expect(await run(sqlOf("Response time, p95"))).toEqual([{ p95: times[rankOf(0.95, times.length)] }]);
  const [rate] = await run(sqlOf("Error rate"));
  expect(rate!["error_rate"]).toBeCloseTo((100 * errors.length) / logs.length, 9);
});

test("the bars of all endpoints add up to the requests", async () => {
  const rows = await run(sqlOf("Requests per endpoint"));
  expect(new Set(rows.map((row) => String(row["metric"])))).toEqual(new Set(ENDPOINTS));
  expect(sum(rows, "requests")).toBe(logs.length);
});

test("each point of the response time of up to an hour is what its own rows say", async () => {
  const rows = await run(sqlOf("Response time"));
  const seconds = intervalOf(FROM_MS, TO_MS);
  expect(rows).toHaveLength((TO_MS - FROM_MS) / 1_000 / seconds + ((FROM_MS / 1_000) % seconds));
  for (const row of rows) {
    const own = logs.filter((log) => startOf(log, seconds) === row["time"]);
    const times = own.map((log) => log.response_time_ms).sort((a, b) => a - b);
    const [p50, p95, p99] = [0.5, 0.95, 0.99].map((share) => times[rankOf(share, times.length)]);
    expect(row).toMatchObject({ p50, p95, p99 });
    expect(row["mean"]).toBeCloseTo(times.reduce((a, b) => a + b) / times.length, 6);
  }
});

/** Ranges of each source: buckets of counts and of latencies in seconds. */
describe.each([
  ["two hours and a half", NOW_MS - 2.5 * HOUR_MS, NOW_MS, { counts: 10, latencies: 10 }],
  [
    "two hours of which no 10 s are kept",
    NOW_MS - 6 * DAY_MS,
    NOW_MS - 6 * DAY_MS + 2 * HOUR_MS,
    { counts: 60, latencies: 60 },
  ],
  ["a day", NOW_MS - DAY_MS, NOW_MS, { counts: 60, latencies: 60 }],
  ["nine days", NOW_MS - 9 * DAY_MS, NOW_MS, { counts: 3_600, latencies: 3_600 }],
  ["thirty days", NOW_MS - 30 * DAY_MS, NOW_MS, { counts: 3_600, latencies: 86_400 }],
  ["a year", NOW_MS - 365 * DAY_MS, NOW_MS, { counts: 86_400, latencies: 86_400 }],
] as const)("over %s", (_, fromMs, toMs, bucketSeconds) => {
  const seconds = intervalOf(fromMs, toMs);
  const all = [...logs, ...history];
  const inside = (bucket: number) =>
    all.filter((log) => startOf(log, bucket) >= fromMs / 1_000 && startOf(log, bucket) <= toMs / 1_000);
  const counted = inside(bucketSeconds.counts);
  const measured = inside(bucketSeconds.latencies);
  const ask = (title: string) => run(sqlOf(title), ALL, [fromMs, toMs]);

  test("the stats hold what the requests of its buckets say", async () => {
    expect(counted.length).toBeGreaterThan(0);
    expect(await ask("Total requests")).toEqual([{ requests: counted.length }]);
    const [rate] = await ask("Error rate");
    expect(rate!["error_rate"]).toBeCloseTo((100 * counted.filter(isError).length) / counted.length, 9);
    const times = measured.map((log) => log.response_time_ms).sort((a, b) => a - b);
    const [p95] = await ask("Response time, p95");
    expectWithin5Percent(p95!["p95"], times[rankOf(0.95, times.length)]);
  });

  test("each bar and each point does", async () => {
    const bars = await ask("Requests per endpoint");
    const step = Math.max(seconds, bucketSeconds.counts);
    const expected = Map.groupBy(counted, (log) => `${startOf(log, step)} ${log.endpoint}`);
    expect(
      new Map(bars.map((row) => [`${row["time"]} ${row["metric"]}`, row["requests"] as number])),
    ).toEqual(new Map([...expected].map(([key, group]) => [key, group.length])));

    const rates = await ask("Error rate over time");
    const byTime = Map.groupBy(counted, (log) => startOf(log, step));
    expect(rates).toHaveLength(byTime.size);
    for (const { time, errors: share } of rates) {
      const group = byTime.get(time as number)!;
      expect(share).toBeCloseTo((100 * group.filter(isError).length) / group.length, 3);
    }
  });

  test("percentiles over time are within 5 % of the exact ones", async () => {
    const points = await ask("Response time");
    const step = Math.max(seconds, bucketSeconds.latencies);
    const byTime = Map.groupBy(measured, (log) => startOf(log, step));
    expect(points.map((row) => row["time"] as number)).toEqual([...byTime.keys()].sort((a, b) => a - b));
    for (const row of points) {
      const times = byTime
        .get(row["time"] as number)!
        .map((log) => log.response_time_ms)
        .sort((a, b) => a - b);
      for (const [name, share] of [
        ["p50", 0.5],
        ["p95", 0.95],
        ["p99", 0.99],
      ] as const)
        expectWithin5Percent(row[name], times[rankOf(share, times.length)]);
      expectWithin5Percent(row["mean"], times.reduce((a, b) => a + b) / times.length);
    }
  });

  test("the errors are counted whole", async () => {
    const rows = await ask("Most frequent errors");
    expect(sum(rows, "errors")).toBe(counted.filter(isError).length);
  });
});

test.each([
  ["Total requests", "api_rollup_1d"],
  ["Response time, p95", "api_latency_1d"],
])("%s of a year reads %s and no other source", async (title, table) => {
  const before = await rowsRead();
  await run(sqlOf(title), ALL, [NOW_MS - 365 * DAY_MS, NOW_MS]);
  const read = (await rowsRead()) - before;
  const [[row]] = await database.query<RowDataPacket[]>(`SELECT COUNT(*) AS cells FROM ${table}`);
  expect(read).toBeLessThan(3 * Number(row!["cells"]) + 500); // a cell, its route and its group; all sources have four times as many
});

/** Rows the connection has read from indexes and tables, those in memory included. */
async function rowsRead(): Promise<number> {
  const [rows] = await database.query<RowDataPacket[]>("SHOW SESSION STATUS LIKE 'Handler_read%'");
  return sum(rows, "Value");
}

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
  expect(rows[0]!["timestamp"]).toEqual(new Date(newest[0]!.timestamp));
});

test("the services to pick from are those that were ever stored", async () => {
  const [service] = apiOverview.templating.list;
  expect(await run(service!.query)).toEqual([{ service: "orders" }, { service: "users" }]);
});

const sum = (rows: readonly RowDataPacket[], column: string) =>
  rows.reduce((total, row) => total + Number(row[column]), 0);

/** Start of the bucket or interval a request is in, Unix seconds. */
const startOf = (log: RequestLog, seconds: number) =>
  Math.floor(Date.parse(log.timestamp) / 1_000 / seconds) * seconds;

const isError = (log: RequestLog) => log.status_code >= 400;

/** Index of the nearest rank. */
const rankOf = (share: number, count: number) => Math.ceil(share * count) - 1;

/** Below some microseconds a latency bucket holds one value, and its middle is not near it. */
function expectWithin5Percent(value: unknown, exact: number | undefined) {
  if (exact! < 0.01) return;
  expect(Math.abs(Number(value) / exact! - 1)).toBeLessThan(0.0501);
}
