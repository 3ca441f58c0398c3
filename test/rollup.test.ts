import { describe, expect, onTestFinished, test } from "vitest";
import { closeStale } from "../consumer/close.ts";
import { foldShards } from "../consumer/fold.ts";
import { ROLLUP_TABLES } from "../consumer/rollup-tables.ts";
import { reconcile } from "../consumer/reconcile.ts";
import { openIngestConnections } from "../consumer/connection.ts";
import { decodeAll } from "../consumer/decode.ts";
import { loadPosition } from "../consumer/position.ts";
import { requestLogs } from "../consumer/request-logs.ts";
import { rollupUpkeep } from "../consumer/rollup-upkeep.ts";
import { startUpkeep } from "../consumer/upkeep.ts";
import { createMetrics } from "../contract/metrics.ts";
import { createStore, storeEntries, type Stored } from "../consumer/store.ts";
import { errorGroup, fingerprint, isError } from "../contract/error-group.ts";
import { stream } from "../contract/random.ts";
import { latencyMiddleMs, RESOLUTIONS } from "../contract/rollup.ts";
import type { RequestLog } from "../contract/request-log.ts";
import { connect, type Row } from "../init_db/database.ts";
import { aRequestLog, numberOf, openTestDatabase, rowsOf, silent, until } from "./harness.ts";

const CLUSTER = "cluster-1";
const DAY_MS = 86_400_000;

/** A migrated database with partitions of info-logs to store in, as several consumers would. */
async function openStore(partitions = 3) {
  const database = await openTestDatabase();
  const connections = openIngestConnections(database.writerUrl, partitions + 1);
  onTestFinished(() => connections.close());
  const rows = createStore(connections);
  const kind = requestLogs();
  const next = new Map<number, bigint>();
  for (let partition = 0; partition < partitions; partition++) {
    const at = { cluster: CLUSTER, topic: "info-logs", partition };
    await loadPosition(connections, at, undefined, { partition, start: 0n, end: 0n }, "test");
    next.set(partition, 0n);
  }

  async function store(partition: number, logs: readonly object[]): Promise<Stored> {
    const start = next.get(partition)!;
    const at = { cluster: CLUSTER, topic: "info-logs", partition };
    const records = logs.map((log, i) => ({
      ...{ ...at, offset: start + BigInt(i), timeMs: Date.now(), key: null },
      value: Buffer.from(JSON.stringify(log)),
    }));
    const end = start + BigInt(records.length);
    const span = { ...at, start, end, logEnd: end, owner: `test-${partition}` };
    const stored = await storeEntries(rows, kind, span, decodeAll(records, kind));
    next.set(partition, stored.position);
    return stored;
  }
  const drift = () => rowsOf(database.pool, "SELECT * FROM v_rollup_drift");
  return { ...database, store, drift };
}

const ROUTES = [
  { service: "auth", method: "POST", endpoint: "/login" },
  { service: "products", method: "GET", endpoint: "/products/:id" },
  { service: "orders", method: "POST", endpoint: "/orders" },
  { service: "orders", method: "GET", endpoint: "/Orders/:id" },
  { service: "orders", method: "GET", endpoint: "/orders/:id" }, // differs in case alone
  { service: "ärger", method: "GET", endpoint: "/straße|1 " },
];

/** Requests of the last `days` days, most of them of today. */
function requests(count: number, days: number, seed: number): RequestLog[] {
  const rng = stream(seed, "rollup-test");
  const nowMs = Date.now();
  return Array.from({ length: count }, () => {
    const timeMs = Math.floor(nowMs - rng.float() ** 4 * days * DAY_MS);
    const status_code = rng.pick([200, 200, 200, 201, 404, 500]);
    return aRequestLog({
      ...rng.pick(ROUTES),
      timestamp: new Date(timeMs).toISOString(),
      status_code,
      level: status_code === 500 ? "CRITICAL" : status_code >= 400 ? "ERROR" : "INFO",
      response_time_ms: rng.pick([0, 0.0004, 1, rng.lognormal(20, 1.5), rng.lognormal(20, 1.5)]),
      bytes_in: rng.integer(500),
      bytes_out: rng.integer(50_000),
      ...(rng.float() < 0.7 && { user_id: `u${rng.integer(40)}` }),
      ...(status_code >= 400 && {
        ...{ error_type: rng.pick(["NotFound", "QueryTimeout"]) },
        error_message: rng.pick(["no order 7 😀", "no order 12 😀", "No order 12 😀", "out of \\stock\n"]),
      }),
    });
  });
}

/** Sums come as DECIMAL of some length or as integers. */
const asNumbers = (row: Row) =>
  Object.fromEntries(Object.entries(row).map(([name, value]) => [name, Number(value)]));

describe("rollups", () => {
  test("of late, doubled and shuffled records from several partitions at once say what the rows say", async () => {
    const { pool, store, drift } = await openStore(3);
    const logs = requests(3_000, 30, 1);
    const rng = stream(2, "order");
    const sent = [...logs, ...logs.slice(0, 900)].toSorted(() => rng.float() - 0.5);
    const parts = [0, 1, 2].map((partition) => sent.filter((_, i) => i % 3 === partition));
    const stored = await Promise.all(
      parts.map(async (part, partition) => {
        let inserted = 0;
        for (let i = 0; i < part.length; i += 250)
          inserted += (await store(partition, part.slice(i, i + 250))).inserted;
        return inserted;
      }),
    );
    expect(stored.reduce((sum, inserted) => sum + inserted, 0)).toBe(logs.length);
    expect(await numberOf(pool, "SELECT COUNT(*) FROM api_logs")).toBe(logs.length);
    expect(await drift()).toEqual([]);

    for (const { name, seconds } of RESOLUTIONS) {
      const expected = new Map<string, { count: number; ms: number; max: number }>();
      const keptFromS = await numberOf(
        pool,
        "SELECT COALESCE(MAX(kept_from_s), 0) FROM retention WHERE name = ?",
        [name],
      );
      for (const log of logs) {
        const timeS = Math.floor(Date.parse(log.timestamp) / 1_000);
        const bucketS = timeS - (timeS % seconds);
        if (bucketS < keptFromS) continue;
        const key = [bucketS, log.service, log.method, log.endpoint, log.status_code, log.level].join(" ");
        const us = Math.round(log.response_time_ms * 1_000);
        const sum = expected.get(key) ?? { count: 0, ms: 0, max: 0 };
        expected.set(key, { count: sum.count + 1, ms: sum.ms + us, max: Math.max(sum.max, us) });
      }
      const found = await rowsOf(
        pool,
        `SELECT CONCAT_WS(' ', bucket_s, service, method, endpoint, status_code, level) AS name,
                CAST(SUM(count) AS SIGNED) AS count, SUM(sum_ms) * 1000 AS ms, MAX(max_ms) * 1000 AS max
           FROM api_rollup_${name} JOIN api_routes USING (route_id)
          GROUP BY bucket_s, route_id, service, method, endpoint, status_code, level`,
      );
      expect(found).toHaveLength(expected.size);
      for (const { name: key, count, ms, max } of found)
        expect({ count: Number(count), ms: Number(ms), max: Number(max) }, String(key)).toEqual(
          expected.get(String(key)),
        );
    }
  });

  test("of errors hold each group of an hour, with its first and its last", async () => {
    const { pool, store } = await openStore(2);
    const logs = requests(2_000, 3, 10);
    await store(0, logs.slice(0, 1_200));
    await store(1, logs.slice(1_200));
    const expected = new Map<string, { count: number; firstMs: number; lastMs: number; lastId: string }>();
    for (const log of logs.filter(({ level }) => isError(level))) {
      const timeMs = Date.parse(log.timestamp);
      const key = `${Math.floor(timeMs / 3_600_000) * 3_600} ${fingerprint(errorGroup(log))}`;
      const sum = expected.get(key) ?? { count: 0, firstMs: Infinity, lastMs: 0, lastId: "" };
      expected.set(key, {
        count: sum.count + 1,
        firstMs: Math.min(sum.firstMs, timeMs),
        lastMs: Math.max(sum.lastMs, timeMs),
        lastId: log.request_id > sum.lastId ? log.request_id : sum.lastId,
      });
    }
    const found = await rowsOf(
      pool,
      `SELECT CONCAT_WS(' ', bucket_s, fingerprint) AS name, SUM(count) AS count, MIN(first_at) AS first_at,
              MAX(last_at) AS last_at, MAX(last_request_id) AS last_request_id
         FROM api_errors_1h JOIN api_error_groups USING (fingerprint) GROUP BY bucket_s, fingerprint`,
    );
    expect(
      new Map(
        found.map(({ name, count, first_at, last_at, last_request_id }) => [
          String(name),
          {
            count: Number(count),
            firstMs: Number(first_at),
            lastMs: Number(last_at),
            lastId: String(last_request_id),
          },
        ]),
      ),
    ).toEqual(expected);
  });

  test("hold percentiles within 5 % of the exact ones, whatever the resolution", async () => {
    const { pool, store } = await openStore(2);
    const logs = requests(4_000, 1, 3);
    await store(0, logs.slice(0, 2_500));
    await store(1, logs.slice(2_500));
    const times = logs.map((log) => Math.round(log.response_time_ms * 1_000) / 1_000).sort((a, b) => a - b);
    for (const { name } of RESOLUTIONS) {
      for (const share of [0.3, 0.5, 0.9, 0.95, 0.99, 0.999, 1]) {
        const bucket = await numberOf(
          pool,
          `SELECT MIN(bucket) FROM (
             SELECT bucket, SUM(SUM(count)) OVER (ORDER BY bucket) AS reached, SUM(SUM(count)) OVER () AS total
               FROM api_latency_${name} GROUP BY bucket) AS histogram
            WHERE reached >= CEIL(? * total)`,
          [share],
        );
        const exact = times[Math.ceil(share * times.length) - 1]!;
        if (exact >= 0.01)
          expect(latencyMiddleMs(bucket) / exact, `${name} ${share}`).toSatisfy(
            (ratio) => ratio > 0.952 && ratio < 1.05,
          );
      }
    }
  });

  test("what was changed behind their back shows, bucket by bucket", async () => {
    const { pool, store, drift } = await openStore(1);
    await store(0, requests(200, 1, 4));
    expect(await drift()).toEqual([]);
    for (const [sql, resolutions] of [
      ["UPDATE api_rollup_1m SET count = count + 1 LIMIT 1", ["1h", "1m"]],
      ["UPDATE api_rollup_1d SET status_code = 299 LIMIT 1", ["1d"]],
      ["UPDATE api_latency_10s SET bucket = bucket + 1 LIMIT 1", ["10s"]],
      ["UPDATE api_rollup_1d SET sum_ms = sum_ms + 0.001 LIMIT 1", ["1d"]],
      ["UPDATE api_rollup_1d SET max_ms = max_ms + 1e6 LIMIT 1", ["1d"]],
      ["UPDATE api_users_1d SET errors = errors + 1 LIMIT 1", ["users"]],
      ["UPDATE api_errors_1h SET count = count + 1 LIMIT 1", ["errors"]],
      ["DELETE FROM api_error_groups LIMIT 1", ["errors"]],
      ["UPDATE api_logs SET endpoint = '/else' WHERE level = 'INFO' LIMIT 1", ["10s", "1m"]],
      ["UPDATE api_logs SET error_message = 'else' WHERE level = 'CRITICAL' LIMIT 1", ["errors"]],
      ["DELETE FROM api_latency_1h LIMIT 1", ["1d", "1h"]],
    ] as const) {
      const connection = await pool.getConnection();
      await connection.query("BEGIN");
      await connection.query(sql);
      const [rows] = await connection.query("SELECT DISTINCT resolution FROM v_rollup_drift ORDER BY 1");
      expect(
        (rows as { resolution: string }[]).map(({ resolution }) => resolution),
        sql,
      ).toEqual(resolutions);
      await connection.query("ROLLBACK");
      connection.release();
    }
  });

  test("are put right again by reconciling, while records go on coming in", async () => {
    const { pool, store, drift, writerUrl } = await openStore(2);
    const logs = requests(2_000, 3, 5);
    await store(0, logs.slice(0, 1_000));
    for (const sql of [
      "UPDATE api_rollup_1m SET count = count + 7, max_ms = max_ms * 3 ORDER BY bucket_s LIMIT 5",
      "UPDATE api_rollup_10s SET sum_ms = sum_ms - 1, status_code = status_code + 7 ORDER BY bucket_s DESC LIMIT 3",
      "DELETE FROM api_latency_1m ORDER BY bucket_s DESC LIMIT 20",
      "DELETE FROM api_rollup_1d LIMIT 3",
      "UPDATE api_latency_1h SET bucket = 250 LIMIT 1",
      "DELETE FROM api_users_1d LIMIT 6",
      "UPDATE api_errors_1h SET count = count + 3, last_at = last_at + INTERVAL 1 DAY LIMIT 2",
      "DELETE FROM api_errors_1h ORDER BY bucket_s DESC LIMIT 4",
      "DELETE FROM api_routes LIMIT 2",
    ])
      await pool.query(sql);
    expect(await drift()).not.toEqual([]);

    const connection = await connect(writerUrl);
    onTestFinished(() => connection.end());
    const nowS = Math.floor(Date.now() / 1_000);
    const all = { fromS: nowS - 5 * 86_400, toS: nowS + 60 };
    const planned = await reconcile(connection, { ...all, dryRun: true });
    expect([...planned.keys()]).toContain("api_rollup_1m");
    expect(await drift()).not.toEqual([]);
    const [corrections] = await Promise.all([
      reconcile(connection, all),
      (async () => {
        for (let i = 1_000; i < logs.length; i += 50) await store(1, logs.slice(i, i + 50));
      })(),
    ]);
    expect(corrections.get("api_rollup_1m")).toBeGreaterThanOrEqual(5);
    expect(await drift()).toEqual([]);
    expect(await numberOf(pool, "SELECT SUM(count) FROM api_rollup_1d")).toBe(logs.length);
    expect([...(await reconcile(connection, all))]).toEqual([]);
  });

  test("build themselves from rows that were there before them", async () => {
    const { pool, store, drift, writerUrl } = await openStore(1);
    await store(0, requests(500, 2, 6));
    for (const { name } of RESOLUTIONS)
      for (const table of [`api_rollup_${name}`, `api_latency_${name}`])
        await pool.query(`DELETE FROM ${table}`);
    for (const table of ["api_users_1d", "api_errors_1h", "api_routes", "api_error_groups"])
      await pool.query(`DELETE FROM ${table}`);
    const connection = await connect(writerUrl);
    onTestFinished(() => connection.end());
    const nowS = Math.floor(Date.now() / 1_000);
    await reconcile(connection, { fromS: nowS - 4 * 86_400, toS: nowS + 60 });
    expect(await drift()).toEqual([]);
    expect(await numberOf(pool, "SELECT SUM(count) FROM api_rollup_1d")).toBe(500);
  });

  test("are folded into one row per cell once their bucket is closed, late records included", async () => {
    const { pool, store, drift, writerUrl } = await openStore(3);
    const logs = requests(3_000, 3, 7);
    for (const partition of [0, 1])
      await store(partition, logs.slice(partition * 1_000, partition * 1_000 + 1_000));
    const connection = await connect(writerUrl);
    onTestFinished(() => connection.end());
    const laterS = Math.floor(Date.now() / 1_000) + 2 * 86_400; // by then all buckets are closed
    const foldedTo = new Map<string, number>();
    const fromS = await numberOf(pool, "SELECT MIN(touched_from_s) FROM ingest_offsets");
    expect(fromS).toBe(
      Math.floor(Math.min(...logs.slice(0, 2_000).map(({ timestamp }) => Date.parse(timestamp))) / 1_000),
    );

    const [folded] = await Promise.all([
      foldShards(connection, { fromS, nowS: laterS, foldedTo }),
      (async () => {
        for (let i = 2_000; i < 2_900; i += 50) await store(2, logs.slice(i, i + 50));
      })(),
    ]);
    expect(folded).toBeGreaterThan(0);
    expect(await drift()).toEqual([]);

    await store(2, logs.slice(2_900));
    expect(await foldShards(connection, { fromS: 0, nowS: laterS, foldedTo })).toBeGreaterThan(0); // what came late
    for (const { name, key } of ROLLUP_TABLES) {
      const split = `SELECT COUNT(*) FROM (SELECT 1 FROM ${name} GROUP BY ${key.join(", ")} HAVING COUNT(*) > 1) AS cells`;
      expect(await numberOf(pool, split), name).toBe(0);
    }
    expect(await drift()).toEqual([]);
    expect(await numberOf(pool, "SELECT SUM(count) FROM api_latency_1d")).toBe(3_000);
    expect(await foldShards(connection, { fromS: laterS, nowS: laterS, foldedTo })).toBe(0);
  });

  test("are closed into one row a bucket, which late records and corrections change", async () => {
    const { pool, store, writerUrl } = await openStore(3);
    const logs = requests(3_000, 3, 10);
    const laterS = Math.floor(Date.now() / 1_000) + 2 * 86_400; // by then all buckets are closed
    const connection = await connect(writerUrl);
    onTestFinished(() => connection.end());
    const close = () => closeStale(connection, { fromS: 0, nowS: laterS });
    const series = () =>
      Promise.all(
        RESOLUTIONS.flatMap(({ name }) => [`v_traffic_${name}`, `v_latency_${name}`]).map(async (name) => ({
          ...{ name, rows: (await rowsOf(pool, `SELECT * FROM ${name} ORDER BY bucket_s`)).map(asNumbers) },
        })),
      );
    for (const partition of [0, 1, 2])
      await store(partition, logs.slice(partition * 900, partition * 900 + 900));
    const added = await series();
    await close();
    expect(await numberOf(pool, "SELECT COUNT(*) FROM api_traffic_1m")).toBeGreaterThan(100);
    expect(await series()).toEqual(added);

    await store(2, logs.slice(2_700));
    const outdated = await series();
    await close();
    const closed = await series();
    expect(closed).not.toEqual(outdated);
    for (const { name } of RESOLUTIONS) await pool.query(`TRUNCATE api_traffic_${name}`);
    expect(closed).toEqual(await series()); // added up once more
    await close();

    for (const { name } of RESOLUTIONS)
      await pool.query(`UPDATE api_traffic_${name} SET p99_bucket = 250, bytes_in = bytes_in + 1`);
    await pool.query("DELETE FROM api_traffic_1m LIMIT 2");
    await reconcile(connection, { fromS: laterS - 7 * 86_400, toS: laterS });
    expect(await series()).toEqual(closed);
  });

  test("of open buckets keep their shards", async () => {
    const { pool, store, writerUrl } = await openStore(2);
    const now = requests(10, 0, 8);
    await store(0, now);
    await store(1, requests(10, 0, 9));
    const connection = await connect(writerUrl);
    onTestFinished(() => connection.end());
    await foldShards(connection, { fromS: 0, nowS: Math.floor(Date.now() / 1_000), foldedTo: new Map() });
    expect(await numberOf(pool, "SELECT COUNT(DISTINCT shard) FROM api_rollup_10s")).toBe(2);
  });

  test("leave out what is older than their resolution keeps; rows older than all that is kept are counted, not stored", async () => {
    const { pool, store, drift } = await openStore(1);
    const ago = (days: number) => new Date(Date.now() - days * DAY_MS).toISOString();
    const logs = [
      aRequestLog({ timestamp: ago(0) }),
      aRequestLog({ timestamp: ago(5) }),
      aRequestLog({ timestamp: ago(60), run_id: "run-1" }),
      aRequestLog({ timestamp: ago(600), level: "ERROR", status_code: 500 }),
    ];
    expect(await store(0, logs)).toMatchObject({ inserted: 2, expired: 2, duplicates: 0, deadLettered: 0 });
    expect(await store(0, [logs[2]!])).toMatchObject({ inserted: 0, expired: 1 });
    expect(await numberOf(pool, "SELECT COUNT(*) FROM api_logs")).toBe(2);
    expect(await numberOf(pool, "SELECT SUM(count) FROM api_rollup_10s")).toBe(1);
    expect(await numberOf(pool, "SELECT SUM(count) FROM api_rollup_1m")).toBe(2);
    expect(
      await rowsOf(pool, "SELECT run_id, level, reason, dropped FROM ingest_drops ORDER BY run_id"),
    ).toEqual([
      { run_id: "", level: "ERROR", reason: "expired", dropped: 1 },
      { run_id: "run-1", level: "INFO", reason: "expired", dropped: 2 },
    ]);
    expect(await numberOf(pool, "SELECT expired FROM ingest_offsets")).toBe(3);
    expect(await drift()).toEqual([]);
  });

  test("take in nothing below a bound that rose while their consumer went on", async () => {
    const { pool, store, drift } = await openStore(1);
    const at = (days: number) =>
      aRequestLog({ timestamp: new Date(Date.now() - days * DAY_MS).toISOString() });
    await store(0, [at(3), at(1)]);
    const boundS = Math.floor(Date.now() / DAY_MS - 2) * 86_400;
    await pool.query("UPDATE retention SET kept_from_s = ? WHERE name = 'api_logs'", [boundS]);
    expect(await store(0, [at(3), at(1)])).toMatchObject({ inserted: 1, expired: 1 });
    expect(await numberOf(pool, "SELECT COUNT(*) FROM api_logs")).toBe(3);
    expect(await drift()).toEqual([]); // as far back as rows are kept
  });

  test("are folded and put right by the consumers' upkeep, which counts what it corrects", async () => {
    const { pool, store, drift, writerUrl } = await openStore(2);
    const timestamp = new Date(Date.now() - 300_000).toISOString();
    for (const shard of [0, 1]) await store(shard, [aRequestLog({ timestamp }), aRequestLog({ timestamp })]);
    await pool.query("UPDATE api_rollup_1m SET count = count + 1 LIMIT 1");
    const metrics = createMetrics();
    const upkeep = startUpkeep({
      ...{ writerUrl, logger: silent, metrics },
      tasks: rollupUpkeep({ logger: silent, metrics }),
    });
    onTestFinished(() => upkeep.close());
    const corrected = () => metrics.registry.getSingleMetric("rollup_corrected_cells_total")!.get();
    await until("the correction", async () => (await corrected()).values.length > 0);
    expect(await drift()).toEqual([]);
    expect(await rowsOf(pool, "SELECT shard, count FROM api_latency_10s")).toEqual([
      { shard: 65_535, count: 4 },
    ]);
    await until("the marks taken", async () => {
      const marks = "SELECT MIN(LEAST(touched_from_s, folding_from_s)) FROM ingest_offsets";
      return (await numberOf(pool, marks)) === 2 ** 32 - 1;
    });
    expect(await rowsOf(pool, "SELECT requests, p99_bucket > 0 AS measured FROM api_traffic_10s")).toEqual([
      { requests: 4, measured: 1 },
    ]);
  });
});
