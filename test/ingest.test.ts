import { gzipSync } from "node:zlib";
import { beforeEach, expect, test } from "vitest";
import {
  freshTopics,
  numberOf,
  openTestDatabase,
  rowsOf,
  startRole,
  startTestConsumer,
  testKafka,
  until,
} from "./harness.ts";

beforeEach(() => freshTopics());

test("what is posted is stored once, however often it is sent, and no dead letter", async () => {
  const { pool, writerUrl } = await openTestDatabase();
  startTestConsumer({ writerUrl });
  const api = await startRole(["api", "--port", "0", "--spool", "always"], {});
  const timestamp = new Date(Date.now() - 60_000).toISOString();
  const requests = Array.from({ length: 2_000 }, (_, n) => ({
    ...{ request_id: `mine-${n}`, timestamp, service: "posted", endpoint: "/n/:id", method: "GET" },
    ...{ status_code: n % 10 === 0 ? 500 : 200, response_time_ms: n / 10, source: "not-mine", seq: n },
  }));
  const odd = [
    { ...requests[0], request_id: "\ud800", path: "x".repeat(5_000), extra: { emoji: "\u{1f600}\ud800" } },
    { ...requests[0], request_id: 7, user_agent: "漢".repeat(5_000), deep: nested(20), "": null },
    {
      ...requests[0],
      request_id: "odd-3",
      bytes_in: -1,
      bytes_out: 1e300,
      response_time_ms: "999999999.999",
      stack: "\0",
    },
  ];
  const bad = { ...requests[0], status_code: "OK" };
  const body = gzipSync([...requests, ...odd, bad].map((record) => JSON.stringify(record)).join("\n"));
  const headers = { "content-type": "application/x-ndjson", "content-encoding": "gzip" };
  for (let time = 0; time < 3; time++) {
    const response = await fetch(`${api.url}/ingest/logs`, { method: "POST", body, headers });
    expect([response.status, await response.json()]).toMatchObject([207, { accepted: 2_003, rejected: 1 }]);
  }
  const log = {
    kind: "app_log",
    log_id: "line-1",
    timestamp,
    level: "error",
    message: "boom",
    service: "posted",
  };
  expect((await postJson(`${api.url}/ingest/logs`, log)).status).toBe(202);

  const lastSeq = 3 * 2_003;
  const own = "FROM api_logs WHERE service = 'posted'";
  await until("all rows", async () => (await numberOf(pool, `SELECT COUNT(*) ${own}`)) === 2_003);
  await until(
    "a row of each post",
    async () => (await numberOf(pool, "SELECT COUNT(*) FROM api_logs")) === 2_007,
  );
  expect(await numberOf(pool, `SELECT COUNT(*) ${own} AND level = 'ERROR'`)).toBe(203);
  expect(await numberOf(pool, `SELECT COUNT(*) ${own} AND source = 'not-mine'`)).toBe(0);
  expect(await numberOf(pool, `SELECT MAX(seq) FROM api_logs`)).toBeLessThanOrEqual(lastSeq + 5);
  expect(await rowsOf(pool, "SELECT reason, detail FROM dead_letters")).toEqual([]);
  expect(await rowsOf(pool, "SELECT DISTINCT level FROM api_logs WHERE endpoint = '/ingest/logs'")).toEqual([
    { level: "DEBUG" },
  ]);
  expect(await firstOf("application-logs-errors")).toMatchObject({ v: 1, log_id: "line-1", level: "ERROR" });
});

function nested(levels: number): unknown {
  return levels === 0 ? 1 : [nested(levels - 1)];
}

const postJson = (url: string, value: unknown) =>
  fetch(url, {
    method: "POST",
    body: JSON.stringify(value),
    headers: { "content-type": "application/json" },
  });

/** The first value on a topic. */
async function firstOf(topic: string): Promise<unknown> {
  const consumer = testKafka().consumer({ groupId: `first-${topic}` });
  await consumer.connect();
  const { promise, resolve } = Promise.withResolvers<unknown>();
  try {
    await consumer.subscribe({ topics: [topic], fromBeginning: true });
    await consumer.run({
      eachMessage: ({ message }) => {
        resolve(JSON.parse(message.value!.toString()));
        return Promise.resolve();
      },
    });
    return await promise;
  } finally {
    await consumer.disconnect();
  }
}

test("what OpenTelemetry exports is stored, and an export that comes again adds no row", async () => {
  const { pool, writerUrl } = await openTestDatabase();
  startTestConsumer({ writerUrl });
  const api = await startRole(["api", "--port", "0"], {});
  const startMs = Date.now() - 60_000;
  const spans = Array.from({ length: 50 }, (_, n) => ({
    ...{
      traceId: "0af7651916cd43dd8448eb211c80319c",
      spanId: (n + 1).toString(16).padStart(16, "0"),
      kind: 2,
    },
    startTimeUnixNano: `${startMs + n}000000`,
    endTimeUnixNano: `${startMs + n + 7}500000`,
    attributes: [
      { key: "http.request.method", value: { stringValue: "GET" } },
      { key: "http.route", value: { stringValue: "/otel/:id" } },
      { key: "http.response.status_code", value: { intValue: "200" } },
    ],
  }));
  const message = { resourceSpans: [{ scopeSpans: [{ spans }] }] };
  for (let time = 0; time < 2; time++) {
    const response = await postJson(`${api.url}/v1/traces`, message);
    expect([response.status, await response.json()]).toEqual([200, {}]);
  }
  const own = "FROM api_logs WHERE endpoint = '/otel/:id'";
  await until("the rows", async () => (await numberOf(pool, `SELECT COUNT(*) ${own}`)) === 50);
  await until("both posts", async () => (await numberOf(pool, "SELECT COUNT(*) FROM api_logs")) === 52);
  expect(await rowsOf(pool, `SELECT DISTINCT response_time_ms, trace_id ${own}`)).toEqual([
    { response_time_ms: 7.5, trace_id: "0af7651916cd43dd8448eb211c80319c" },
  ]);
});
