import { gzipSync } from "node:zlib";
import { describe, expect, test } from "vitest";
import { MAX_BODY_BYTES, MAX_INFLATED_BYTES } from "../ingest/body.ts";
import { openTestShop, serveTestShop } from "../testing.ts";

const NDJSON = { "content-type": "application/x-ndjson" };
const UUID_V7 = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

const REQUEST = { endpoint: "/users", method: "get", status_code: 200, response_time_ms: 3.5 };
const LINE = { level: "warning", message: "low on stock", service: "inventory" };

type Shop = ReturnType<typeof openTestShop>;

async function post(
  { app }: Pick<Shop, "app">,
  body: string | Uint8Array<ArrayBuffer>,
  headers: Record<string, string> = NDJSON,
) {
  const response = await app.request("/ingest/logs", { method: "POST", body, headers });
  const answer = (await response.json()) as Record<string, unknown>;
  return { status: response.status, headers: response.headers, answer };
}

const postJson = (shop: Shop, value: unknown) =>
  post(shop, JSON.stringify(value), { "content-type": "application/json" });
const lines = (...records: readonly unknown[]) => records.map((one) => JSON.stringify(one)).join("\n");

describe("what is taken", () => {
  test("request logs and application logs, told apart by shape or by kind, with ids and times made here", async () => {
    const shop = openTestShop();
    const beforeMs = Date.now();
    const body = lines(REQUEST, LINE, { ...REQUEST, kind: "app_log", message: "odd" });
    expect(await post(shop, `\n${body}\n\n`)).toMatchObject({
      status: 202,
      answer: { accepted: 3, rejected: 0, errors: [] },
    });
    expect(shop.ingested).toMatchObject([
      { kind: "request_log", record: { ...REQUEST, v: 1, method: "GET", level: "INFO", service: "unknown" } },
      { kind: "app_log", record: { ...LINE, v: 1, level: "WARNING", logger: "inventory" } },
      { kind: "app_log", record: { message: "odd", endpoint: "/users" } },
    ]);
    for (const { record } of shop.ingested) {
      const { request_id, log_id, timestamp } = record as Record<string, string>;
      const id = request_id ?? log_id!;
      expect(id).toMatch(UUID_V7);
      expect(parseInt(id.replace("-", "").slice(0, 12), 16)).toBe(Date.parse(timestamp!));
      expect(Date.parse(timestamp!)).toBeGreaterThanOrEqual(beforeMs);
    }
  });

  test("ids, times and runs as they are given; a retry is the same record", async () => {
    const shop = openTestShop();
    const given = { request_id: "mine-1", timestamp: "2026-11-21 10:00:00", run_id: "run-1", tenant: "acme" };
    const numbers = { source: "somebody", seq: 7, kind: "request_log" };
    for (let time = 0; time < 2; time++) await postJson(shop, { ...REQUEST, ...given, ...numbers });
    const [first, second] = shop.ingested.map(({ record }) => record);
    expect(first).toMatchObject({ ...given, timestamp: "2026-11-21T10:00:00.000Z" });
    for (const field of ["source", "seq", "kind"]) expect(first).not.toHaveProperty(field);
    expect(second).toEqual(first);
  });

  test("an exception and a context of an application log", async () => {
    const shop = openTestShop();
    const exception = { type: "KeyError", message: "'id'", stack: "Traceback …" };
    await postJson(shop, [{ ...LINE, level: "ERROR", exception, context: { order: { id: 7 } } }]);
    expect(shop.ingested[0]!.record).toMatchObject({
      level: "ERROR",
      exception,
      context: { order: { id: 7 } },
    });
    expect(shop.ingested[0]!.record).not.toHaveProperty("fingerprint");
  });

  test("texts longer than their column, cut; gzip; no record at all", async () => {
    const shop = openTestShop();
    const body = gzipSync(lines({ ...REQUEST, user_agent: "x".repeat(100_000) }));
    expect(await post(shop, body, { ...NDJSON, "content-encoding": "gzip" })).toMatchObject({ status: 202 });
    expect((shop.ingested[0]!.record as { user_agent: string }).user_agent).toHaveLength(512);
    expect(await post(shop, "")).toMatchObject({ status: 202, answer: { accepted: 0 } });
    expect(await postJson(shop, [])).toMatchObject({ status: 202, answer: { accepted: 0 } });
  });
});

describe("what is rejected", () => {
  test("is named by line or index with the reason, and the rest is taken", async () => {
    const shop = openTestShop();
    const bad = { ...REQUEST, status_code: 99 };
    expect(await post(shop, ["not json", "", lines(REQUEST, bad, [1]), '"text"'].join("\n"))).toMatchObject({
      status: 207,
      answer: {
        accepted: 1,
        rejected: 4,
        errors: [
          { line: 1, reason: "is not JSON" },
          { line: 4, reason: "status_code=99 must be a whole number from 100 to 599" },
          { line: 5, reason: "must be one JSON object" },
          { line: 6, reason: "must be one JSON object" },
        ],
      },
    });
    expect(await postJson(shop, [bad, LINE])).toMatchObject({
      status: 207,
      answer: { errors: [{ index: 0 }] },
    });
    expect(await postJson(shop, bad)).toMatchObject({ status: 400, answer: { accepted: 0, rejected: 1 } });
    expect(shop.records.map(({ level, endpoint }) => [level, endpoint])).toEqual([
      ["DEBUG", "/ingest/logs"],
      ["DEBUG", "/ingest/logs"],
      ["ERROR", "/ingest/logs"],
    ]);
  });

  test.each<[string, unknown, string]>([
    ["another kind", { kind: "metric" }, "kind must be"],
    ["a time ahead", { ...LINE, timestamp: "2999-01-01T00:00:00Z" }, "at most 1 h ahead"],
    ["a line without a message", { level: "INFO" }, "message=(missing)"],
    ["further fields of 70 kB", { ...LINE, blob: "x".repeat(70_000) }, "and may have 65536"],
    [
      "further fields nested deeper than a database reads",
      { ...LINE, deep: nested(25) },
      "nested more than 24",
    ],
    ["a context nested so", { ...LINE, context: nested(24) }, "nested more than 24"],
    ["what nobody can follow", { ...LINE, deep: "DEEP" }, "cannot be read"],
  ])("%s", async (_name, record, reason) => {
    const shop = openTestShop();
    const bottomless = `${"[".repeat(20_000)}${"]".repeat(20_000)}`;
    const { status, answer } = await post(shop, JSON.stringify(record).replace('"DEEP"', bottomless));
    expect([status, answer]).toMatchObject([
      400,
      { errors: [{ reason: expect.stringContaining(reason) as string }] },
    ]);
    expect(shop.ingested).toEqual([]);
  });

  test("100 reasons are told, and all are counted", async () => {
    const body = Array.from({ length: 250 }, () => "x").join("\n");
    const { answer } = await post(openTestShop(), body);
    expect(answer).toMatchObject({ accepted: 0, rejected: 250 });
    expect(answer["errors"]).toHaveLength(100);
  });
});

function nested(levels: number): unknown {
  return levels === 0 ? {} : { a: nested(levels - 1) };
}

describe("limits", () => {
  test.each<[string, string | Uint8Array<ArrayBuffer>, Record<string, string>, number, string]>([
    ["another media type", lines(LINE), { "content-type": "text/plain" }, 415, "MEDIA_TYPE_UNKNOWN"],
    ["none", lines(LINE), {}, 415, "MEDIA_TYPE_UNKNOWN"],
    ["another compression", lines(LINE), { ...NDJSON, "content-encoding": "br" }, 415, "BODY_ENCODED"],
    ["a broken gzip", "not gzip", { ...NDJSON, "content-encoding": "gzip" }, 400, "BODY_NOT_GZIP"],
    [
      "half a gzip",
      gzipSync(lines(LINE)).subarray(0, -9),
      { ...NDJSON, "content-encoding": "gzip" },
      400,
      "BODY_NOT_GZIP",
    ],
    ["broken JSON", "[{", { "content-type": "application/json" }, 400, "BODY_NOT_JSON"],
    ["a body beyond 1 MiB", "x".repeat(MAX_BODY_BYTES + 1), NDJSON, 413, "BODY_TOO_LARGE"],
    ["a bomb of gigabytes", bomb(), { ...NDJSON, "content-encoding": "gzip" }, 413, "BODY_TOO_LARGE"],
    ["10,001 records", "{}\n".repeat(10_001), NDJSON, 413, "TOO_MANY_RECORDS"],
  ])("%s is refused, and nothing is taken", async (_name, body, headers, status, code) => {
    const shop = openTestShop();
    expect(await post(shop, body, headers)).toMatchObject({ status, answer: { error: { code } } });
    expect(shop.ingested).toEqual([]);
  });

  test("10,000 records are taken", async () => {
    const shop = openTestShop();
    const body = gzipSync(Array.from({ length: 10_000 }, () => JSON.stringify(REQUEST)).join("\n"));
    expect(await post(shop, body, { ...NDJSON, "content-encoding": "gzip" })).toMatchObject({ status: 202 });
    expect(shop.ingested).toHaveLength(10_000);
  });

  test("a client with more requests than API_INGEST_RATE is told when to come back, and the shop serves on", async () => {
    const shop = openTestShop({ API_INGEST_RATE: 1 });
    expect((await post(shop, lines(LINE))).status).toBe(202);
    const refusal = await post(shop, lines(LINE));
    expect([refusal.status, refusal.headers.get("retry-after")]).toEqual([429, "1"]);
    expect((await shop.ask("GET", "/users")).status).toBe(200);
  });

  test("without room it takes what there is room for, and says where to go on", async () => {
    let room = 2;
    const shop = openTestShop({}, undefined, { sink: { hasRoom: () => room-- > 0 } });
    const { status, headers, answer } = await post(shop, `x\n${lines(LINE, LINE, LINE)}\n\n${lines(LINE)}`);
    expect([status, headers.get("retry-after")]).toEqual([503, "1"]);
    expect(answer).toMatchObject({ accepted: 2, rejected: 1, not_taken: 2, not_taken_from: 4 });
    expect(shop.ingested).toHaveLength(2);
  });

  test("what is written ahead and refused on its way counts as no room too", async () => {
    let taken = 0;
    const publishOf = () => () => Promise.resolve(++taken < 3);
    const { answer } = await post(
      openTestShop({}, undefined, { sink: { publishOf } }),
      lines(LINE, LINE, LINE, LINE),
    );
    expect(answer).toMatchObject({ accepted: 2, not_taken: 2, not_taken_from: 3 });
  });
});

/** 2 GiB of zeros in a body of less than 1 MiB: gzip of what is gzip of zeros already, in many members. */
function bomb(): Uint8Array<ArrayBuffer> {
  const member = gzipSync(Buffer.alloc(32 * MAX_INFLATED_BYTES));
  return Buffer.concat(Array.from({ length: Math.floor(MAX_BODY_BYTES / member.length) }, () => member));
}

describe("who may", () => {
  const TOKEN = "0123456789abcdef";

  test("with a token only who brings it", async () => {
    const shop = openTestShop({
      API_INGEST_TOKEN: TOKEN,
      API_ADMIN_TOKEN: "f".repeat(16),
      API_HOST: "0.0.0.0",
    });
    const withToken = (token: string) =>
      post(shop, lines(LINE), { ...NDJSON, authorization: `Bearer ${token}` });
    expect((await withToken("f".repeat(16))).status).toBe(401);
    expect(await post(shop, lines(LINE))).toMatchObject({
      status: 401,
      answer: { error: { message: "send authorization: Bearer with the value of API_INGEST_TOKEN" } },
    });
    expect((await withToken(TOKEN)).status).toBe(202);
    expect((await shop.ask("GET", "/ingest/openapi.json")).status).toBe(401);
    expect(shop.ingested).toHaveLength(1);
  });

  test("without one, nobody while the API listens beyond this machine, and no page of another origin", async () => {
    expect((await post(openTestShop({ API_HOST: "0.0.0.0" }), lines(LINE))).status).toBe(403);
    const { app, server, ingested } = await serveTestShop();
    const origin = "https://evil.example";
    const refused = await fetch(`${server.url}/ingest/logs`, {
      ...{ method: "POST", body: lines(LINE), headers: { ...NDJSON, origin } },
    });
    expect(refused.status).toBe(403);
    const rebound = await app.request("http://evil.example/ingest/logs", {
      ...{ method: "POST", body: lines(LINE), headers: NDJSON },
    });
    expect(rebound.status).toBe(403);
    expect(ingested).toEqual([]);
  });
});

test("what becomes of records is counted, and described in a document of its own", async () => {
  const shop = openTestShop();
  await post(shop, lines(LINE, LINE, { kind: "x" }));
  const metrics = await shop.metrics.registry.metrics();
  expect(metrics).toContain('ingest_records_total{outcome="accepted"} 2');
  expect(metrics).toContain('ingest_records_total{outcome="rejected"} 1');
  const { answer } = await shop.ask("GET", "/ingest/openapi.json");
  expect(Object.keys((answer as { paths: object }).paths)).toEqual(["/ingest/logs"]);
  const shopDocument = (await shop.ask("GET", "/openapi.json")).answer as { paths: object };
  expect(Object.keys(shopDocument.paths)).not.toContain("/ingest/logs");
});
