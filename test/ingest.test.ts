import { gzipSync } from "node:zlib";
import { beforeEach, expect, test } from "vitest";
import {
  freshTopics,
  numberOf,
  openTestDatabase,
  rowsOf,
  startRole,
  startTestConsumer,
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
  const line = {
    kind: "app_log",
    log_id: "line-1",
    timestamp,
    level: "error",
    message: "boom",
    service: "posted",
  };
  const lines = [
    { ...line, exception: { type: "KeyError", message: "'id'", stack: "x".repeat(40_000) } },
    { ...line, log_id: "line-2", context: { big: "x".repeat(40_000) }, thread: "\0", line: -1 },
    { ...line, log_id: "line-3", level: "warn", context: nested(20), message: "漢".repeat(9_000) },
    {
      ...line,
      log_id: "line-4",
      context: "text",
      exception: "Traceback (most recent call last)\nKeyError: 'id'",
    },
  ];
  for (let time = 0; time < 2; time++)
    expect((await postJson(`${api.url}/ingest/logs`, lines)).status).toBe(202);

  const own = "FROM api_logs WHERE service = 'posted'";
  await until("all rows", async () => (await numberOf(pool, `SELECT COUNT(*) ${own}`)) === 2_003);
  await until(
    "a row of each post",
    async () => (await numberOf(pool, "SELECT COUNT(*) FROM api_logs")) === 2_008,
  );
  expect(await numberOf(pool, `SELECT COUNT(*) ${own} AND level = 'ERROR'`)).toBe(203);
  expect(await numberOf(pool, `SELECT COUNT(*) ${own} AND source = 'not-mine'`)).toBe(0);
  await until("the lines", async () => (await numberOf(pool, "SELECT COUNT(*) FROM app_logs")) === 4);
  expect(await rowsOf(pool, "SELECT reason, detail FROM dead_letters")).toEqual([]);
  expect(await rowsOf(pool, "SELECT DISTINCT level FROM api_logs WHERE endpoint = '/ingest/logs'")).toEqual([
    { level: "DEBUG" },
  ]);
  expect(
    await rowsOf(pool, "SELECT log_id, level, service, error_type FROM app_logs ORDER BY log_id"),
  ).toEqual([
    { log_id: "line-1", level: "ERROR", service: "posted", error_type: "KeyError" },
    { log_id: "line-2", level: "ERROR", service: "posted", error_type: null },
    { log_id: "line-3", level: "WARNING", service: "posted", error_type: null },
    { log_id: "line-4", level: "ERROR", service: "posted", error_type: "KeyError" },
  ]);
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
  const line = { timeUnixNano: `${startMs}000001`, severityNumber: 9, body: { stringValue: "the same" } };
  const lines = { resourceLogs: [{ scopeLogs: [{ logRecords: [line, line, line] }] }] };
  for (let time = 0; time < 2; time++) {
    for (const [path, exported] of [
      ["/v1/traces", message],
      ["/v1/logs", lines],
    ] as const) {
      const response = await postJson(api.url + path, exported);
      expect([response.status, await response.json()]).toEqual([200, {}]);
    }
  }
  const own = "FROM api_logs WHERE endpoint = '/otel/:id'";
  await until("the rows", async () => (await numberOf(pool, `SELECT COUNT(*) ${own}`)) === 50);
  await until("all posts", async () => (await numberOf(pool, "SELECT COUNT(*) FROM api_logs")) === 54);
  await until("the lines", async () => (await numberOf(pool, "SELECT COUNT(*) FROM app_logs")) === 3);
  expect(await rowsOf(pool, `SELECT DISTINCT response_time_ms, trace_id ${own}`)).toEqual([
    { response_time_ms: 7.5, trace_id: "0af7651916cd43dd8448eb211c80319c" },
  ]);
});
