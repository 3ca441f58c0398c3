import { readFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { closeStale } from "../consumer/close.ts";
import { errorGroup, fingerprint } from "../contract/error-group.ts";
import type { RequestLog } from "../contract/request-log.ts";
import type { Row } from "../init_db/database.ts";
import { connect } from "../init_db/database.ts";
import { SOURCE, storeRequests, storeSurroundings, traffic } from "./fill.ts";
import { createTestDatabase, numberOf, openTestDatabase, rowsOf, type TestDatabase } from "./harness.ts";

const WITHIN = 0.05; // of the exact value: what a latency bucket promises
const DAY_S = 86_400;

let database: TestDatabase;
let logs: readonly RequestLog[];

beforeAll(async () => {
  database = await createTestDatabase();
  const nowMs = Date.now();
  logs = traffic(nowMs);
  await storeRequests(database, logs);
  await closeBuckets(nowMs);
  await storeSurroundings(database, nowMs);
});

afterAll(() => database.close());

/** As upkeep does: the newest buckets stay open. */
async function closeBuckets(nowMs: number): Promise<void> {
  const connection = await connect(database.writerUrl);
  await closeStale(connection, { fromS: 0, nowS: Math.floor(nowMs / 1_000) });
  await connection.end();
}

const view = (sql: string, params: readonly unknown[] = []) => rowsOf(database.pool, sql, params);

const secondsOf = ({ timestamp }: RequestLog) => Math.floor(Date.parse(timestamp) / 1_000);
const secondsOfTime = (time: unknown) => (time as Date).getTime() / 1_000;
const since = (fromS: number) => logs.filter((log) => secondsOf(log) >= fromS);
const fingerprintOf = (log: RequestLog) => fingerprint(errorGroup(log));
const failed = ({ status_code }: RequestLog) => status_code >= 400;
const routeOf = ({ service, method, endpoint }: RequestLog | Row) =>
  `${service as string} ${method as string} ${endpoint as string}`;
const percent = (part: number, whole: number) => expect.closeTo((100 * part) / whole, 2) as unknown;
const usersOf = (some: readonly RequestLog[]) => new Set(some.map(({ user_id }) => user_id)).size;
const dayOf = (log: RequestLog) => secondsOf(log) - (secondsOf(log) % DAY_S);

function groupBy<T>(items: readonly T[], key: (item: T) => string): Map<string, T[]> {
  const groups = new Map<string, T[]>();
  for (const item of items) groups.set(key(item), [...(groups.get(key(item)) ?? []), item]);
  return groups;
}

/** The exact percentile by nearest rank. */
function nearestRank(some: readonly RequestLog[], q: number): number {
  const sorted = some.map(({ response_time_ms }) => response_time_ms).toSorted((a, b) => a - b);
  return sorted[Math.ceil(q * sorted.length) - 1]!;
}

function expectPercentiles(row: Row, some: readonly RequestLog[]): void {
  for (const q of [50, 90, 95, 99]) {
    const exact = nearestRank(some, q / 100);
    expect(Math.abs(Number(row[`p${q}_ms`]) - exact) / exact, `p${q} ${exact}`).toBeLessThan(WITHIN);
  }
}

/** Apdex lies between those of thresholds that are 5 % lower and higher. */
function expectApdex(row: Row, some: readonly RequestLog[]): void {
  const apdex = (thresholdMs: number) => {
    const satisfied = some.filter((log) => log.response_time_ms <= thresholdMs).length;
    const tolerating = some.filter((log) => log.response_time_ms <= 4 * thresholdMs).length - satisfied;
    return (satisfied + tolerating / 2) / some.length;
  };
  expect(Number(row["apdex"])).toBeGreaterThanOrEqual(apdex(300 * (1 - WITHIN)) - 0.001);
  expect(Number(row["apdex"])).toBeLessThanOrEqual(apdex(300 * (1 + WITHIN)) + 0.001);
}

function expectCounts(row: Row, some: readonly RequestLog[]): void {
  const serverErrors = some.filter(({ status_code }) => status_code >= 500).length;
  expect(
    numbers(row, "requests", "client_errors", "server_errors", "error_percent", "bytes_in", "bytes_out"),
  ).toEqual({
    requests: some.length,
    client_errors: some.filter(failed).length - serverErrors,
    server_errors: serverErrors,
    error_percent: percent(some.filter(failed).length, some.length),
    bytes_in: sum(some.map(({ bytes_in }) => bytes_in ?? 0)),
    bytes_out: sum(some.map(({ bytes_out }) => bytes_out ?? 0)),
  });
  const times = some.map(({ response_time_ms }) => response_time_ms);
  expect(Number(row["mean_ms"])).toBeCloseTo(sum(times) / times.length, 2);
  expect(Number(row["max_ms"])).toBeCloseTo(Math.max(...times), 3);
}

const sum = (values: readonly number[]) => values.reduce((total, value) => total + value, 0);
const numbers = (row: Row, ...names: readonly string[]) =>
  Object.fromEntries(names.map((name) => [name, Number(row[name])]));

describe("windows", () => {
  const SPANS = [
    ...(["5m", "30m", "1h", "6h", "24h", "3d", "7d", "30d"] as const).map((span, i) => ({
      span,
      seconds: [300, 1_800, 3_600, 21_600, DAY_S, 3 * DAY_S, 7 * DAY_S, 30 * DAY_S][i]!,
      bucket: [10, 10, 60, 60, 3_600, 3_600, 3_600, DAY_S][i]!,
    })),
  ];

  test.each(SPANS)("v_overview of $span equals the raw rows", async ({ span, seconds, bucket }) => {
    const [row] = await view("SELECT * FROM v_overview WHERE span = ?", [span]);
    const fromS = secondsOfTime(row!["from_time"]);
    const lengthS = Number(row!["window_s"]);
    expect(fromS % bucket).toBe(0);
    expect(lengthS).toBeGreaterThanOrEqual(seconds);
    expect(lengthS).toBeLessThan(seconds + bucket);
    const some = since(fromS);
    expectCounts(row!, some);
    expectPercentiles(row!, some);
    expectApdex(row!, some);
    expect(Number(row!["requests_per_second"])).toBeCloseTo(some.length / lengthS, 2);
  });

  test.each(["1h", "24h", "30d"])("v_endpoints of %s equals the raw rows of each route", async (span) => {
    const rows = await view("SELECT * FROM v_endpoints WHERE span = ?", [span]);
    const byRoute = groupBy(since(secondsOfTime(rows[0]!["from_time"])), routeOf);
    expect(rows.map(routeOf).sort()).toEqual([...byRoute.keys()].sort());
    for (const row of rows) {
      const some = byRoute.get(routeOf(row))!;
      expectCounts(row, some);
      expectPercentiles(row, some);
      expectApdex(row, some);
    }
  });

  test("v_errors counts failures by route and status, and their share of the route", async () => {
    const rows = await view(
      "SELECT e.*, s.from_s FROM v_errors e JOIN v_spans s ON s.span = e.span WHERE e.span = '24h'",
    );
    const some = since(Number(rows[0]!["from_s"]));
    const key = (row: Row | RequestLog) => `${routeOf(row)} ${Number(row.status_code)}`;
    const expected = [...groupBy(some.filter(failed), key)].map(([name, group]) => ({
      ...{ name, requests: group.length },
      route_percent: percent(group.length, some.filter((log) => routeOf(log) === routeOf(group[0]!)).length),
    }));
    const found = rows.map((row) => ({ name: key(row), ...numbers(row, "requests", "route_percent") }));
    const byName = (a: { name: string }, b: { name: string }) => (a.name < b.name ? -1 : 1);
    expect(found.sort(byName)).toEqual(expected.sort(byName));
  });

  test("a window reads its own rollup only", async () => {
    const mariaDb = String((await view("SELECT VERSION() AS version"))[0]!["version"]).includes("MariaDB");
    const explain = mariaDb ? "EXPLAIN FORMAT=JSON" : "EXPLAIN FORMAT=TREE";
    for (const name of ["v_overview", "v_endpoints", "v_errors", "v_slo_burn"]) {
      const [row] = await view(`${explain} SELECT * FROM ${name} WHERE span = '30d'`);
      const tables = JSON.stringify(row).match(/api_(rollup|latency)_\w+/g) ?? [];
      expect(
        [...new Set(tables)].filter((table) => !table.endsWith("_1d")),
        name,
      ).toEqual([]);
    }
    for (const [span, own, other] of [
      ["24h", "api_logs", "api_errors_1h"],
      ["30d", "api_errors_1h", "api_logs"],
    ] as const) {
      const [row] = await view(`${explain} SELECT * FROM v_error_groups WHERE span = '${span}'`);
      expect(JSON.stringify(row)).toContain(own);
      expect(JSON.stringify(row)).not.toContain(other);
    }
  });
});

describe("over time", () => {
  test.each([
    { resolution: "10s", seconds: 10, backS: DAY_S },
    { resolution: "1m", seconds: 60, backS: DAY_S },
    { resolution: "1h", seconds: 3_600, backS: 7 * DAY_S },
    { resolution: "1d", seconds: DAY_S, backS: 40 * DAY_S },
  ])("traffic and latency by $resolution equal the raw rows", async ({ resolution, seconds, backS }) => {
    const fromS = Math.floor(Date.now() / 1_000 / seconds) * seconds - backS;
    const buckets = groupBy(since(fromS), (log) => String(secondsOf(log) - (secondsOf(log) % seconds)));
    const where = `WHERE bucket_s >= ${fromS} ORDER BY bucket_s`;
    const traffic = await view(`SELECT * FROM v_traffic_${resolution} ${where}`);
    const latency = await view(`SELECT * FROM v_latency_${resolution} ${where}`);
    expect(traffic).toHaveLength(buckets.size);
    expect(latency).toHaveLength(buckets.size);
    for (const [i, row] of traffic.entries()) {
      const some = buckets.get(String(row["bucket_s"]))!;
      expectCounts(row, some);
      expect(secondsOfTime(row["bucket_time"])).toBe(row["bucket_s"]);
      expect(Number(row["requests_per_second"])).toBeCloseTo(some.length / seconds, 2);
      expect(latency[i]!["bucket_s"]).toBe(row["bucket_s"]);
      expect(Number(latency[i]!["requests"])).toBe(some.length);
      expectPercentiles(latency[i]!, some);
      expectApdex(latency[i]!, some);
    }
  });

  test("v_rollup and v_histogram name the routes and add up to the raw rows", async () => {
    for (const resolution of ["1m", "1h", "1d"]) {
      const rows = await view(
        `SELECT service, method, endpoint, status_code, SUM(requests) AS requests FROM v_rollup_${resolution} GROUP BY 1, 2, 3, 4`,
      );
      const expected = groupBy(logs, (log) => `${routeOf(log)} ${log.status_code}`);
      expect(
        Object.fromEntries(
          rows.map((row) => [`${routeOf(row)} ${Number(row["status_code"])}`, Number(row["requests"])]),
        ),
      ).toEqual(Object.fromEntries([...expected].map(([name, group]) => [name, group.length])));
      expect(await numberOf(database.pool, `SELECT SUM(requests) FROM v_histogram_${resolution}`)).toBe(
        logs.length,
      );
    }
  });

  test("times are UTC whatever the time zone of the session", async () => {
    const connection = await connect(database.readerUrl, { dateStrings: true });
    const read = async (zone: string) => {
      await connection.query("SET time_zone = ?", [zone]);
      const [rows] = await connection.query<Row[]>(
        "SELECT bucket_s, bucket_time FROM v_traffic_1h ORDER BY bucket_s",
      );
      const [groups] = await connection.query<Row[]>(
        "SELECT fingerprint, first_seen FROM v_error_groups WHERE span = '24h' ORDER BY 1",
      );
      return { rows, groups };
    };
    try {
      expect(await read("-11:00")).toEqual(await read("+00:00"));
    } finally {
      await connection.end();
    }
  });

  test("a condition on bucket_s reaches the rollup, below GROUP BY and window functions", async () => {
    const mariaDb = String((await view("SELECT VERSION() AS version"))[0]!["version"]).includes("MariaDB");
    for (const name of ["v_traffic_1m", "v_latency_1m"]) {
      const sql = `SELECT * FROM ${name} WHERE bucket_s >= UNIX_TIMESTAMP() - 3600`;
      const [row] = await view(mariaDb ? `EXPLAIN FORMAT=JSON ${sql}` : `EXPLAIN FORMAT=TREE ${sql}`);
      expect(JSON.stringify(row), name).toMatch(
        mariaDb ? /"api_\w+_1m\.bucket_s >= |api_\w+_1m\.bucket_s >= / : /Filter: \(api_\w+_1m\.bucket_s >= /,
      );
    }
  });
});

describe("errors and slow requests", () => {
  test("v_error_groups takes numbers and ids in a message as one", async () => {
    const rows = await view("SELECT * FROM v_error_groups WHERE span = '24h'");
    const some = logs.filter((log) => failed(log) && Date.parse(log.timestamp) >= Date.now() - DAY_S * 1_000);
    const messageOf = ({ error_type }: RequestLog) =>
      ({
        NotFound: "order # is not there",
        QueryTimeout: "no answer within # ms",
        Unavailable: "node # left",
      })[error_type!]!;
    const expected = groupBy(some, (log) => `${routeOf(log)} ${log.status_code} ${messageOf(log)}`);
    const keyOf = (row: Row) => `${routeOf(row)} ${Number(row["status_code"])} ${row["message"] as string}`;
    expect(rows.map(keyOf).sort()).toEqual([...expected.keys()].sort());
    for (const row of rows) {
      const group = expected.get(keyOf(row))!;
      const times = group.map(({ timestamp }) => Date.parse(timestamp));
      expect(numbers(row, "requests", "users")).toEqual({ requests: group.length, users: usersOf(group) });
      expect((row["first_seen"] as Date).getTime()).toBe(Math.min(...times));
      expect((row["last_seen"] as Date).getTime()).toBe(Math.max(...times));
      expect(group.map(({ request_id }) => request_id)).toContain(row["example_request_id"]);
    }
    expect(new Set(rows.map((row) => String(row["fingerprint"]))).size).toBe(rows.length);
    const hour = await view("SELECT fingerprint FROM v_error_groups WHERE span = '1h'");
    expect(rows.map((row) => String(row["fingerprint"]))).toEqual(
      expect.arrayContaining(hour.map((row) => String(row["fingerprint"]))),
    );
  });

  test.each([
    { span: "7d", hours: 168 },
    { span: "30d", hours: 720 },
  ])("v_error_groups of $span adds up the hours of each group", async ({ span, hours }) => {
    const rows = await view(
      "SELECT v.*, (UNIX_TIMESTAMP() DIV 3600 - ?) * 3600 AS from_s FROM v_error_groups v WHERE span = ?",
      [hours, span],
    );
    const groups = groupBy(since(Number(rows[0]!["from_s"])).filter(failed), fingerprintOf);
    expect(rows.map((row) => String(row["fingerprint"])).sort()).toEqual([...groups.keys()].sort());
    for (const row of rows) {
      const group = groups.get(String(row["fingerprint"]))!;
      const times = group.map(({ timestamp }) => Date.parse(timestamp));
      expect(row).toMatchObject({
        ...errorGroup(group[0]!),
        ...{ requests: group.length, users: null },
        ...{ first_seen: new Date(Math.min(...times)), last_seen: new Date(Math.max(...times)) },
        example_request_id: group
          .map(({ request_id }) => request_id)
          .sort()
          .at(-1),
      });
    }
  });

  test("v_errors_1h counts each group hour by hour", async () => {
    const rows = await view(
      "SELECT bucket_s, bucket_time, fingerprint, SUM(requests) AS requests FROM v_errors_1h GROUP BY 1, 2, 3",
    );
    const hourOf = (log: RequestLog) => secondsOf(log) - (secondsOf(log) % 3_600);
    const expected = groupBy(logs.filter(failed), (log) => `${hourOf(log)} ${fingerprintOf(log)}`);
    expect(
      Object.fromEntries(
        rows.map((row) => [
          `${secondsOfTime(row["bucket_time"])} ${row["fingerprint"] as string}`,
          Number(row["requests"]),
        ]),
      ),
    ).toEqual(Object.fromEntries([...expected].map(([name, group]) => [name, group.length])));
  });

  test.each([
    { span: "1h", seconds: 3_600 },
    { span: "24h", seconds: DAY_S },
    { span: "30d", seconds: 30 * DAY_S },
  ])("v_slow_requests of $span are its 100 slowest", async ({ span, seconds }) => {
    const firstMinute = () => Math.ceil((Date.now() / 1_000 - seconds) / 60) * 60;
    let fromS: number;
    let rows: Awaited<ReturnType<typeof view>>;
    do {
      fromS = firstMinute();
      rows = await view(
        "SELECT request_id FROM v_slow_requests WHERE span = ? ORDER BY response_time_ms DESC",
        [span],
      );
    } while (fromS !== firstMinute()); // a minute began meanwhile
    const slowest = since(fromS).toSorted((a, b) => b.response_time_ms - a.response_time_ms);
    expect(rows.map((row) => String(row["request_id"]))).toEqual(
      slowest.slice(0, 100).map(({ request_id }) => request_id),
    );
  });
});

describe("users", () => {
  test("v_users adds up the days of each user", async () => {
    const rows = await view("SELECT * FROM v_users WHERE span = '7d'");
    const today = Math.floor(Date.now() / 1_000 / DAY_S) * DAY_S;
    const byUser = groupBy(since(today - 7 * DAY_S), ({ user_id }) => user_id!);
    expect(rows).toHaveLength(byUser.size);
    for (const row of rows) {
      const some = byUser.get(String(row["user_id"]))!;
      expect(numbers(row, "requests", "errors", "orders", "error_percent")).toEqual({
        requests: some.length,
        errors: some.filter(failed).length,
        orders: some.filter((log) => log.endpoint === "/orders" && !failed(log)).length,
        error_percent: percent(some.filter(failed).length, some.length),
      });
      expect((row["last_at"] as Date).getTime()).toBe(
        Math.max(...some.map((log) => Date.parse(log.timestamp))),
      );
    }
  });

  test("v_users_1d tells new users from those who come back", async () => {
    const rows = await view("SELECT * FROM v_users_1d ORDER BY bucket_s");
    const seen = new Set<string>();
    const days = [...groupBy(logs, (log) => String(dayOf(log)))].sort(([a], [b]) => Number(a) - Number(b));
    const expected = days.map(([bucket_s, some]) => {
      const before = seen.size;
      for (const { user_id } of some) seen.add(user_id!);
      const new_users = seen.size - before;
      const users = usersOf(some);
      return { bucket_s: Number(bucket_s), users, new_users, returning_users: users - new_users };
    });
    expect(rows.map((row) => numbers(row, "bucket_s", "users", "new_users", "returning_users"))).toEqual(
      expected,
    );
  });

  test("v_funnel counts users who took each step and all before it that day", async () => {
    const steps = ["POST /login", "GET /products/:id", "POST /orders", "POST /orders/:id/payment"];
    const expected = [...groupBy(logs, (log) => String(dayOf(log)))].map(([day, some]) => {
      const reached = [...groupBy(some, ({ user_id }) => user_id!).values()].map((own) => {
        const taken = new Set(
          own.filter((log) => !failed(log)).map(({ method, endpoint }) => `${method} ${endpoint}`),
        );
        const missing = steps.findIndex((step) => !taken.has(step));
        return missing === -1 ? steps.length : missing;
      });
      const [login, seen, ordered, paid] = steps.map((_, i) => reached.filter((step) => step > i).length);
      return [Number(day), login, seen, ordered, paid, login ? percent(paid!, login) : 0];
    });
    const rows = await view("SELECT * FROM v_funnel");
    const columns = [
      "bucket_s",
      "login_users",
      "view_users",
      "order_users",
      "payment_users",
      "conversion_percent",
    ];
    const byDay = (a: readonly unknown[], b: readonly unknown[]) => Number(a[0]) - Number(b[0]);
    expect(rows.map((row) => columns.map((name) => Number(row[name]))).sort(byDay)).toEqual(
      expected.sort(byDay),
    );
  });
});

describe("objectives", () => {
  test("burn rates are the share of bad requests over that allowed, and the budget is what is left", async () => {
    const rows = await view("SELECT b.*, s.from_s FROM v_slo_burn b JOIN v_spans s ON s.span = b.span");
    expect(rows).toHaveLength(2 * 8);
    const isLate = (log: RequestLog, factor: number) => log.response_time_ms > 300 * factor;
    for (const row of rows) {
      const some = since(Number(row["from_s"]));
      expect(Number(row["requests"])).toBe(some.length);
      const bad = Number(row["bad_requests"]);
      if (row["objective"] === "availability") {
        expect(bad).toBe(some.filter(({ status_code }) => status_code >= 500).length);
      } else {
        expect(bad).toBeGreaterThanOrEqual(some.filter((log) => isLate(log, 1 + WITHIN)).length);
        expect(bad).toBeLessThanOrEqual(some.filter((log) => isLate(log, 1 - WITHIN)).length);
      }
      expect(Number(row["burn_rate"])).toBeCloseTo((100 * bad) / some.length / (100 - 99), 2);
    }
    const month = rows.find(({ span, objective }) => span === "30d" && objective === "availability")!;
    const [slo] = await view("SELECT * FROM v_slo WHERE objective = 'availability'");
    expect(Number(slo!["good_percent"])).toBeCloseTo(100 - Number(month["bad_percent"]), 3);
    expect(Number(slo!["budget_left_percent"])).toBeCloseTo(100 * (1 - Number(month["burn_rate"])), 0);
  });

  test("an alert fires when both its windows burn faster than its limit", async () => {
    const burn = new Map(
      (await view("SELECT * FROM v_slo_burn")).map((row) => [
        `${row["objective"] as string} ${row["span"] as string}`,
        Number(row["burn_rate"]),
      ]),
    );
    const rows = await view("SELECT * FROM v_slo_alerts");
    expect(rows).toHaveLength(2 * 3);
    for (const row of rows) {
      const rates = ["long_span", "short_span"].map((name) =>
        burn.get(`${row["objective"] as string} ${row[name] as string}`)!,
      );
      expect(Number(row["is_firing"])).toBe(rates.every((rate) => rate > Number(row["burn_limit"])) ? 1 : 0);
    }
    expect(new Set(rows.map((row) => Number(row["is_firing"])))).toEqual(new Set([0, 1]));
  });
});

describe("pipeline", () => {
  test("v_lag, v_losses, v_publishers and v_ingest_gaps say what is on its way and what is gone", async () => {
    const lag = await view("SELECT * FROM v_lag ORDER BY `partition`");
    expect(lag.map((row) => numbers(row, "partition", "lag_records", "rows_in"))).toEqual(
      [0, 1, 2].map((partition) => ({ partition, lag_records: 5, rows_in: logs.length / 3 })),
    );
    const losses = await view("SELECT place, topic, run_id, reason, records FROM v_losses ORDER BY place");
    expect(losses.map((row) => ({ ...row, records: Number(row["records"]) }))).toEqual([
      { place: "consumer", topic: "error-logs", run_id: null, reason: "expired", records: 3 },
      { place: "dead_letters", topic: "info-logs", run_id: null, reason: "not_json", records: 2 },
      { place: "kafka", topic: "debug-logs", run_id: null, reason: "gone_before_stored", records: 7 },
      { place: "publisher", topic: "info-logs", run_id: "run-2", reason: "buffer_full", records: 4 },
    ]);
    const [publisher] = await view("SELECT * FROM v_publishers");
    expect(publisher).toMatchObject({
      source: SOURCE,
      is_closed: 0,
      last_seq: 3010,
      dropped: 4,
      tail: "unknown",
    });
    expect(numbers(publisher!, "unacknowledged", "stored_rows", "missing_records")).toEqual({
      ...{ unacknowledged: 5, stored_rows: logs.length, missing_records: 3010 - logs.length },
    });
    const gaps = await view(
      "SELECT source, tail, first_seq, last_seq, missing_records FROM v_ingest_gaps ORDER BY first_seq",
    );
    const gap = { source: SOURCE, tail: "unknown" };
    expect(gaps).toEqual([
      { ...gap, first_seq: logs.length + 1, last_seq: 3010, missing_records: 3010 - logs.length },
      { ...gap, first_seq: 3011, last_seq: null, missing_records: null }, // whatever it numbered behind its last word
    ]);
  });

  test("v_pipeline has it in one row, with the delay from the response to the row", async () => {
    const rows = await view("SELECT * FROM v_pipeline");
    expect(rows).toHaveLength(1);
    expect(
      numbers(
        rows[0]!,
        "stored_rows",
        "lag_records",
        "gone_records",
        "publishers_dropped",
        "publishers_open",
        "catch_all_rows",
      ),
    ).toEqual({
      ...{
        stored_rows: logs.length,
        lag_records: 15,
        gone_records: 7,
        publishers_dropped: 4,
        publishers_open: 1,
      },
      catch_all_rows: 0,
    });
    const recent = await view(
      `SELECT TIMESTAMPDIFF(MICROSECOND, timestamp, stored_at) / 1000 - response_time_ms AS delay_ms FROM api_logs
        WHERE timestamp >= UTC_TIMESTAMP() - INTERVAL 5 MINUTE ORDER BY delay_ms`,
    );
    const exact = Math.max(1, Number(recent[Math.ceil(0.5 * recent.length) - 1]!["delay_ms"]));
    expect(Math.abs(Number(rows[0]!["delay_p50_ms"]) / exact - 1)).toBeLessThan(WITHIN + 0.05); // the window moves on meanwhile
  });
});

describe("as a whole", () => {
  test("the reader may read every view, full and empty, in any collation, without an error", async () => {
    const empty = await openTestDatabase();
    for (const { readerUrl } of [database, empty]) {
      const reader = await connect(readerUrl);
      const [views] = await reader.query<Row[]>(
        "SELECT TABLE_NAME AS name FROM information_schema.VIEWS WHERE TABLE_SCHEMA = DATABASE()",
      );
      expect(views.length).toBeGreaterThan(30);
      for (const { name } of views) await reader.query(`SELECT * FROM ${name as string}`);
      await reader.query("SET NAMES utf8mb4 COLLATE utf8mb4_general_ci");
      for (const name of [
        "v_spans",
        "v_overview",
        "v_endpoints",
        "v_errors",
        "v_error_groups",
        "v_slo_burn",
        "v_users",
      ]) {
        await reader.query(`SELECT * FROM ${name} WHERE span = '24h'`);
      }
      await reader.query("SELECT * FROM v_slo WHERE objective = 'latency'");
      await reader.query("SELECT * FROM v_slo_alerts WHERE severity = 'page'");
      await reader.query(
        "SELECT * FROM v_losses WHERE place = 'kafka' AND topic = 'info-logs' AND reason = 'expired'",
      );
      await reader.end();
    }
  });

  test("docs/sql.md names every view and its columns, in their order", async () => {
    const columns = await view(
      `SELECT TABLE_NAME AS view, COLUMN_NAME AS name FROM information_schema.COLUMNS
        WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME IN (SELECT TABLE_NAME FROM information_schema.VIEWS WHERE TABLE_SCHEMA = DATABASE())
        ORDER BY TABLE_NAME, ORDINAL_POSITION`,
    );
    const migrated = [...groupBy(columns, (row) => String(row["view"]))].map(([name, rows]) => [
      name,
      rows.map((row) => String(row["name"])),
    ]);
    expect(documentedViews()).toEqual(Object.fromEntries(migrated));
  });
});

/** Headings such as `### v_rollup_1m, v_rollup_1h`, each with a table whose first column names the columns. */
function documentedViews(): Record<string, string[]> {
  const [, ...sections] = readFileSync("docs/sql.md", "utf8").split(/^### (?=`v_)/m);
  return Object.fromEntries(
    sections.flatMap((section) => {
      const [heading = "", ...lines] = section.split(/^#/m)[0]!.split("\n");
      const names = [...heading.matchAll(/`(\w+)`/g)].map(([, name]) => name!);
      const columns = lines
        .filter((line) => line.startsWith("| `"))
        .flatMap((line) => [...line.split("|")[1]!.matchAll(/`(\w+)`/g)].map(([, name]) => name!));
      return names.map((name) => [name, columns] as const);
    }),
  );
}
