import { v7 as uuidv7 } from "uuid";
import { openIngestConnections } from "../consumer/connection.ts";
import { decodeAll } from "../consumer/decode.ts";
import type { Kind } from "../consumer/kind.ts";
import { loadPosition } from "../consumer/position.ts";
import { requestLogs } from "../consumer/request-logs.ts";
import { createStore, storeEntries } from "../consumer/store.ts";
import { stream } from "../contract/random.ts";
import type { RequestLog } from "../contract/request-log.ts";
import { aRequestLog, type TestDatabase } from "./harness.ts";

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;

const INCIDENT_ID = "5f0e3c1a-6c3b-5a56-8f5e-5c5bb1f0a001";
export const SOURCE = "5f0e3c1a-6c3b-4a56-9f5e-5c5bb1f0a002";

const ROUTES = [
  { service: "auth", method: "POST", endpoint: "/login", medianMs: 45 },
  { service: "products", method: "GET", endpoint: "/products/:id", medianMs: 6 },
  { service: "orders", method: "GET", endpoint: "/orders/:id", medianMs: 280 },
  { service: "orders", method: "POST", endpoint: "/orders", medianMs: 32 },
  { service: "orders", method: "POST", endpoint: "/orders/:id/payment", medianMs: 85 },
] as const;

const FAILURES = [
  { status_code: 404, error_type: "NotFound", message: (n: number) => `order ${n} is not there` },
  { status_code: 500, error_type: "QueryTimeout", message: (n: number) => `no answer within ${n} ms` },
  {
    ...{ status_code: 503, error_type: "Unavailable" },
    message: () => `node ${crypto.randomUUID()} left`,
  },
] as const;

/** Requests of the last 30 days, a third of them in the last day, more in the last hour and minutes. */
export function traffic(nowMs: number, count = 3_000): RequestLog[] {
  const rng = stream(7, "views");
  const reaches = [30 * DAY_MS, 8 * DAY_MS, DAY_MS, HOUR_MS, 4 * MINUTE_MS];
  const logs = Array.from({ length: count }, (_, n): RequestLog => {
    const atMs = nowMs - Math.floor(rng.float() * reaches[n % reaches.length]!);
    const { medianMs, ...route } = rng.pick(ROUTES);
    const failure = rng.float() < 0.06 ? rng.pick(FAILURES) : undefined;
    return aRequestLog({
      ...route,
      ...(failure
        ? {
            level: failure.status_code === 500 ? "CRITICAL" : "ERROR",
            status_code: failure.status_code,
            error_type: failure.error_type,
            error_message: failure.message(n),
          }
        : { status_code: route.method === "POST" ? 201 : 200 }),
      request_id: uuidv7({ msecs: atMs }),
      timestamp: new Date(atMs).toISOString(),
      response_time_ms: Math.round(rng.lognormal(medianMs, 0.6) * 1_000) / 1_000,
      bytes_in: rng.integer(100),
      bytes_out: 100 + rng.integer(1_000),
      user_id: `u${rng.integer(40)}`,
      run_id: "run-2",
      trace_id: (n % 500).toString(16).padStart(32, "0"),
    });
  });
  return logs.map((log, n) => ({
    ...log,
    ...{ source: SOURCE, seq: n + 1 },
    ...(n >= count - 20 && { incident: `other,${INCIDENT_ID}` }),
  }));
}

/** Stores requests as the consumers do, from three partitions: rows and rollups in one transaction. */
export const storeRequests = (database: TestDatabase, logs: readonly RequestLog[]): Promise<void> =>
  storeRecords(database, requestLogs(), "info-logs", logs);

/** The same for records of any kind. */
export async function storeRecords<Row>(
  database: TestDatabase,
  kind: Kind<Row>,
  topic: string,
  logs: readonly object[],
): Promise<void> {
  const connections = openIngestConnections(database.writerUrl, 2);
  try {
    const store = createStore(connections);
    for (let partition = 0; partition < 3; partition++) {
      const place = { cluster: "cluster-1", topic, partition };
      const records = logs
        .filter((_, n) => n % 3 === partition)
        .map((log, i) => ({
          ...{ ...place, offset: BigInt(i), timeMs: Date.now(), key: null },
          value: Buffer.from(JSON.stringify(log)),
        }));
      const end = BigInt(records.length);
      await loadPosition(connections, place, undefined, { partition, start: 0n, end: 0n }, "test");
      const span = { ...place, start: 0n, end, logEnd: end + 5n, owner: `test-${partition}` };
      await storeEntries(store, kind, span, decodeAll(records, kind));
    }
  } finally {
    await connections.close();
  }
}

/** What else a store holds: two runs, an incident, a publisher that is behind, and losses of each kind. */
export async function storeSurroundings({ pool }: TestDatabase, nowMs: number): Promise<void> {
  const [now, earlier, old] = [0, HOUR_MS, 35 * HOUR_MS].map((ms) => new Date(nowMs - ms));
  const run =
    "INSERT INTO runs (run_id, scenario, target, seed, state, started_at, ended_at, requests, rate, p95_ms, tags, command, updated_at)";
  await pool.query(
    `${run} VALUES ('run-1', 'shop', 'http://127.0.0.1', 7, 'finished', ?, ?, 900, 10, 80, '{}', '', ?),
                   ('run-2', 'shop', 'http://127.0.0.1', 7, 'finished', ?, ?, 3000, 10, 120, '{}', '', ?)`,
    [old, old, old, earlier, now, now],
  );
  await pool.query(
    `INSERT INTO incidents (incident_id, run_id, name, kind, origin, started_at, planned_end_at, intensity, updated_at)
     VALUES (?, 'run-2', 'outage', 'slow', 'scenario', ?, ?, '{}', ?)`,
    [INCIDENT_ID, new Date(nowMs - 30 * DAY_MS), now, now],
  );
  await pool.query(
    `INSERT INTO publishers (source, service, instance, started_at, reported_at, last_seq, acknowledged, dropped, closed)
     VALUES (?, 'shop', 'web-1', ?, ?, 3010, 3005, 4, FALSE)`,
    [SOURCE, new Date(nowMs - 30 * DAY_MS), new Date(nowMs - 60_000)],
  );
  await pool.query(
    "INSERT INTO publisher_drops (source, run_id, level, reason, dropped) VALUES (?, 'run-2', 'INFO', 'buffer_full', 4)",
    [SOURCE],
  );
  await pool.query(
    "INSERT INTO ingest_drops (run_id, level, reason, dropped) VALUES ('', 'ERROR', 'expired', 3)",
  );
  await pool.query(
    `INSERT INTO dead_letters (cluster, topic, \`partition\`, \`offset\`, reason, detail, record_time)
     VALUES ('cluster-1', 'info-logs', 0, 70001, 'not_json', '', ?), ('cluster-1', 'info-logs', 0, 70002, 'not_json', '', ?)`,
    [now, now],
  );
  await pool.query(
    `INSERT INTO ingest_gaps (cluster, topic, \`partition\`, from_offset, to_offset, log_end)
     VALUES ('cluster-1', 'debug-logs', 0, 10, 17, 20), ('cluster-1', 'debug-logs', 1, 9, 0, 0)`,
  );
}
