import fc from "fast-check";
import { Hono } from "hono";
import { describe, expect, test } from "vitest";
import { requestLog } from "../api/middleware/request-log.ts";
import type { Fields, ReceivedRecord } from "./record.ts";
import { LEVELS, MAX_LENGTH, type RequestLog } from "./request-log.ts";
import { requestLogRow, type RequestLogRow } from "./request-log-row.ts";

const NOW_MS = Date.UTC(2026, 0, 5, 12);
const KAFKA_MS = NOW_MS - 1_234;

const received = (overrides: Partial<ReceivedRecord> = {}): ReceivedRecord => ({
  ...{
    cluster: "c-1",
    topic: "info-logs",
    partition: 2,
    offset: 7n,
    timeMs: KAFKA_MS,
    key: null,
    value: null,
  },
  ...overrides,
});

/** The plain shape that classrooms write. */
const PLAIN = {
  ...{ request_id: "abc", endpoint: "/users", method: "GET", status_code: 200, response_time_ms: 3.5 },
  timestamp: "2026-01-02 03:04:05",
};

const decode = (fields: Fields, record: Partial<ReceivedRecord> = {}, nowMs = NOW_MS) =>
  requestLogRow(fields, received(record), nowMs);

function rowOf(fields: Fields, record: Partial<ReceivedRecord> = {}, nowMs = NOW_MS): RequestLogRow {
  const decoded = decode(fields, record, nowMs);
  if (!("row" in decoded)) throw new Error(`rejected: ${decoded.rejection.detail}`);
  return decoded.row;
}

function rejectionOf(fields: Fields) {
  const decoded = decode(fields);
  if (!("rejection" in decoded)) throw new Error("it became a row");
  return decoded.rejection;
}

const without = (name: keyof typeof PLAIN): Fields => ({ ...PLAIN, [name]: undefined });

describe("a record of our own", () => {
  test("keeps every field from the middleware to the row", async () => {
    const records: RequestLog[] = [];
    const app = new Hono();
    app.use(requestLog((record) => records.push(record), { service: "orders", userId: () => "42" }));
    app.get("/orders/:id", () => {
      throw new TypeError("“it's” \\broken\n");
    });
    app.onError((_error, c) => c.text("sorry", 500));
    const headers = {
      ...{ "user-agent": "agent/1", "x-request-id": "mine", "x-run-id": "run-1" },
      traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    };
    const env = { incoming: { socket: { remoteAddress: "192.0.2.7" } } };
    await (await app.request("/orders/7", { headers }, env)).text();

    const published = { ...records[0]!, source: "0192f0c1-7d3a-4cc0-8a51-2f6f0d5b7a10", seq: 5 };
    const row = rowOf(JSON.parse(JSON.stringify(published)) as Fields, {}, Date.now());
    const { timestampMs, extra, ...same } = row;
    expect({ v: 1, timestamp: new Date(timestampMs).toISOString(), ...same }).toEqual(published);
    expect(extra).toBeNull();
    for (const [field, value] of Object.entries(published)) expect(value, field).toBeDefined();
  });
});

describe("the plain shape of other producers", () => {
  test("becomes a row with what it says, and with defaults for the rest", () => {
    expect(rowOf(PLAIN)).toEqual({
      ...{ request_id: "abc", timestampMs: Date.UTC(2026, 0, 2, 3, 4, 5), level: "INFO", service: "unknown" },
      ...{
        instance: "",
        endpoint: "/users",
        path: "/users",
        method: "GET",
        status_code: 200,
        response_time_ms: 3.5,
      },
      ...{ user_agent: null, client_ip: null, bytes_in: null, bytes_out: null, user_id: null },
      ...{ client_request_id: null, error_type: null, error_message: null, stack: null, run_id: null },
      ...{ trace_id: null, source: null, seq: null, extra: null },
    });
  });

  test("numbers may be text, a method may be lower case, a user may be a number", () => {
    const row = rowOf({
      ...PLAIN,
      status_code: "404",
      response_time_ms: " 12.5 ",
      method: "post",
      user_id: 7,
    });
    expect(row).toMatchObject({ status_code: 404, response_time_ms: 12.5, method: "POST", user_id: "7" });
  });

  test("without an endpoint the path stands in", () => {
    expect(rowOf({ ...without("endpoint"), path: "/users/7" })).toMatchObject({
      endpoint: "/users/7",
      path: "/users/7",
    });
  });
});

describe("the identity", () => {
  const V5 = /^[0-9a-f]{8}-[0-9a-f]{4}-5[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

  test("is request_id, else log_id", () => {
    expect(rowOf({ ...PLAIN, log_id: "other" }).request_id).toBe("abc");
    expect(rowOf({ ...without("request_id"), log_id: "log-9" }).request_id).toBe("log-9");
    expect(rowOf({ ...PLAIN, request_id: null, log_id: "log-9" }).request_id).toBe("log-9");
  });

  test.each([
    ["x".repeat(37)],
    ["größe"],
    ["with space"],
    ["tab\t"],
    [12345],
    ["\u0000"],
    ["😀"],
    ["a\ud83d"],
  ])("%j does not fit the column and becomes its UUIDv5, always the same", (request_id) => {
    const first = rowOf({ ...PLAIN, request_id }).request_id;
    expect(first).toMatch(V5);
    expect(rowOf({ ...PLAIN, request_id }, { partition: 5, offset: 99n }).request_id).toBe(first);
    expect(rowOf({ ...PLAIN, request_id: `${request_id}x` }).request_id).not.toBe(first);
  });

  test("36 printable characters are kept as they are", () => {
    const id = "!~0192f0c1-7d3a-7cc0-8a51-2f6f0d5b7a";
    expect(id).toHaveLength(36);
    expect(rowOf({ ...PLAIN, request_id: id }).request_id).toBe(id);
  });

  test.each([[undefined], [""], [null], [true], [{}], [[]]])(
    "without an id (%j) it is made of cluster, topic, partition and offset, so that redelivery repeats it",
    (request_id) => {
      const fields = { ...PLAIN, request_id };
      const first = rowOf(fields).request_id;
      expect(first).toMatch(V5);
      expect(rowOf(fields, { timeMs: 5 }).request_id).toBe(first);
      for (const elsewhere of [
        { cluster: "c-2" },
        { topic: "debug-logs" },
        { partition: 3 },
        { offset: 8n },
      ]) {
        expect(rowOf(fields, elsewhere).request_id).not.toBe(first);
      }
    },
  );
});

describe("the timestamp", () => {
  test.each<[string | number, string]>([
    ["2026-01-02T03:04:05.678Z", "2026-01-02T03:04:05.678Z"],
    ["2026-01-02T03:04:05.678+02:00", "2026-01-02T01:04:05.678Z"],
    ["2026-01-02 03:04:05-0530", "2026-01-02T08:34:05.000Z"],
    ["2026-01-02 03:04:05", "2026-01-02T03:04:05.000Z"],
    ["2026-01-02T03:04", "2026-01-02T03:04:00.000Z"],
    ["2026-01-02T03:04:05.123456", "2026-01-02T03:04:05.123Z"], // Python's isoformat()
    ["2026-01-02 03:04:05,678", "2026-01-02T03:04:05.678Z"], // Python's logging
    [1767323045678, "2026-01-02T03:04:05.678Z"],
    [1767323045678.9, "2026-01-02T03:04:05.678Z"],
  ])("%j is %s", (timestamp, iso) => {
    expect(new Date(rowOf({ ...PLAIN, timestamp }).timestampMs).toISOString()).toBe(iso);
  });

  test.each([
    ...[
      "yesterday",
      "",
      "2026-13-01 00:00:00",
      "2026-01-02T25:00:00Z",
      "0001-01-01T00:00:00Z",
      "10000-01-01T00:00:00Z",
    ],
    ...["2026-01-02", "1767323045678", -1, NaN, 1e300, null, undefined, true, {}, []],
  ])("%j cannot be read: Kafka's time of the record counts", (timestamp) => {
    expect(rowOf({ ...PLAIN, timestamp }).timestampMs).toBe(KAFKA_MS);
  });

  test("a record without any time is of 1970, which the database can hold", () => {
    expect(rowOf(without("timestamp"), { timeMs: -1 }).timestampMs).toBe(0);
  });

  test("an hour ahead of now is taken, more is not", () => {
    const at = (ms: number) => ({ ...PLAIN, timestamp: new Date(ms).toISOString() });
    expect(rowOf(at(NOW_MS + 3_600_000)).timestampMs).toBe(NOW_MS + 3_600_000);
    expect(rejectionOf(at(NOW_MS + 3_600_001))).toEqual({
      ...{ reason: "in_the_future", request_id: "abc", run_id: undefined },
      detail: 'timestamp="2026-01-05T13:00:00.001Z" must be at most 1 h ahead of now',
    });
  });
});

describe("the level", () => {
  test.each([
    ["info-logs", undefined, 200, "INFO"],
    ["debug-logs", undefined, 200, "DEBUG"],
    ["error-logs", undefined, 200, "ERROR"],
    ["info-logs", "debug", 204, "DEBUG"],
    ["debug-logs", "Info", 399, "INFO"],
    ["info-logs", "critical", 200, "CRITICAL"],
    ["info-logs", "ERROR", 200, "ERROR"],
    ["debug-logs", "DEBUG", 400, "ERROR"], // ERROR wins over DEBUG
    ["info-logs", "INFO", 500, "ERROR"],
    ["debug-logs", undefined, 500, "ERROR"],
    ["error-logs", "CRITICAL", 500, "CRITICAL"],
    ["error-logs", "WARNING", 200, "ERROR"], // says nothing: the topic counts
    ["info-logs", 7, 200, "INFO"],
    ["debug-logs", "constructor", 200, "DEBUG"],
  ])("on %s, said to be %j, with status %d is %s", (topic, level, status_code, expected) => {
    expect(rowOf({ ...PLAIN, level, status_code }, { topic }).level).toBe(expected);
  });
});

describe("a field that breaks a rule", () => {
  test.each<[string, unknown, string]>([
    ["endpoint", undefined, "endpoint=(missing) must be a path or route template"],
    ["endpoint", {}, "endpoint={} must be a path or route template"],
    ["method", undefined, "method=(missing) must be an HTTP method"],
    ["method", "", 'method="" must be an HTTP method'],
    ["status_code", undefined, "status_code=(missing) must be a whole number from 100 to 599"],
    ["status_code", 99, "status_code=99 must be a whole number from 100 to 599"],
    ["status_code", 600, "status_code=600 must be a whole number from 100 to 599"],
    ["status_code", 200.5, "status_code=200.5 must be a whole number from 100 to 599"],
    ["status_code", "ok", 'status_code="ok" must be a whole number from 100 to 599'],
    ["response_time_ms", undefined, "response_time_ms=(missing) must be a number of ms from 0 to below 1e9"],
    ["response_time_ms", 1e9, "response_time_ms=1000000000 must be a number of ms from 0 to below 1e9"],
    ["response_time_ms", -1, "response_time_ms=-1 must be a number of ms from 0 to below 1e9"],
    ["response_time_ms", "fast", 'response_time_ms="fast" must be a number of ms from 0 to below 1e9'],
    ["response_time_ms", [], "response_time_ms=[] must be a number of ms from 0 to below 1e9"],
  ])("%s=%j is rejected with the value and the rule", (name, value, detail) => {
    const rejection = rejectionOf({ ...PLAIN, run_id: "run-1", [name]: value });
    expect(rejection).toEqual({ reason: "invalid_field", detail, request_id: "abc", run_id: "run-1" });
  });
});

describe("fields we do not know", () => {
  test("are kept as JSON", () => {
    const row = rowOf({ ...PLAIN, colour: "red", nested: { a: [1, null] } });
    expect(JSON.parse(row.extra!)).toEqual({ colour: "red", nested: { a: [1, null] } });
  });

  test("lose halves of surrogate pairs, which no database can hold, and nothing else", () => {
    const row = rowOf({ ...PLAIN, "\ud83d": "a\udc00b", text: "😀\\ud83d\\\\", deep: ["\ud83d\ud83d"] });
    expect(JSON.parse(row.extra!)).toEqual({
      "\ufffd": "a\ufffdb",
      text: "😀\\ud83d\\\\",
      deep: ["\ufffd\ufffd"],
    });
  });

  test("named after the roots of JavaScript objects are kept like others and change nothing", () => {
    const json =
      '{"__proto__":{"polluted":1},"constructor":{"prototype":{"polluted":1}},"toString":"x","hasOwnProperty":2}';
    const fields = { ...(JSON.parse(JSON.stringify(PLAIN)) as Fields) };
    const row = rowOf(JSON.parse(JSON.stringify(fields).slice(0, -1) + "," + json.slice(1)) as Fields);
    expect(row.extra).toBe(json);
    expect(({} as Record<string, unknown>)["polluted"]).toBeUndefined();
  });
});

describe("any JSON object", () => {
  /** Objects that hold our field names with values of every kind, often nearly right. */
  const value = fc.oneof(
    fc.jsonValue(),
    fc.string({ unit: "binary" }).map((text) => `${text}\ud83d`),
    fc.string({ unit: "binary", maxLength: 3_000, size: "max" }),
    fc.constantFrom(
      0,
      -1,
      200,
      404,
      1e308,
      -1.2345678901234567e-100,
      "GET",
      "ßßßßßßßßßßßßßßßß",
      "ΐ".repeat(16),
      "2026-01-02 03:04:05",
    ),
  );
  const names = [...Object.keys(MAX_LENGTH), "request_id", "log_id", "timestamp", "level", "status_code"];
  const fields = fc
    .tuple(
      fc.boolean(),
      fc.dictionary(
        fc.oneof(fc.constantFrom(...names, "response_time_ms", "bytes_in", "seq"), fc.string()),
        value,
      ),
    )
    .map(([isNearlyRight, given]): Fields => (isNearlyRight ? { ...PLAIN, ...given } : given));

  test("becomes a row that fits every column, or a rejection with a reason", () => {
    let rows = 0;
    fc.assert(
      fc.property(fields, (given) => {
        const decoded = decode(JSON.parse(JSON.stringify(given)) as Fields);
        if ("rejection" in decoded) {
          expect(decoded.rejection.detail).toMatch(/ must be /);
          expect(decoded.rejection.request_id).toMatch(/^[\x21-\x7e]{1,36}$/);
          return;
        }
        rows++;
        expectToFit(decoded.row);
      }),
      { numRuns: 1_000 },
    );
    expect(rows).toBeGreaterThan(50);
  });

  function expectToFit(row: RequestLogRow): void {
    expect(row.request_id).toMatch(/^[\x21-\x7e]{1,36}$/);
    expect(LEVELS).toContain(row.level);
    for (const [name, length] of Object.entries(MAX_LENGTH)) {
      const value = row[name as keyof typeof MAX_LENGTH];
      if (value !== null) expect(value.length, name).toBeLessThanOrEqual(length);
    }
    for (const name of ["service", "endpoint", "path", "method"] as const)
      expect(row[name], name).not.toBe("");
    expect(row.status_code).toSatisfy((code: number) => Number.isInteger(code) && code >= 100 && code <= 599);
    expect(row.response_time_ms).toSatisfy((ms: number) => Number.isFinite(ms) && ms >= 0);
    expect(row.timestampMs).toSatisfy(
      (ms: number) => Number.isInteger(ms) && ms >= 0 && ms <= NOW_MS + 3_600_000,
    );
    for (const name of ["bytes_in", "bytes_out", "seq"] as const) {
      const value = row[name];
      if (value !== null) expect(value, name).toSatisfy((n: number) => Number.isSafeInteger(n) && n >= 0);
    }
    if (row.extra !== null) expect(typeof JSON.parse(row.extra)).toBe("object");
  }
});
