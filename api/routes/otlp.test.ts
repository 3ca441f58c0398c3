import { gzipSync } from "node:zlib";
import { SeverityNumber, SpanKind, SpanStatusCode } from "@opentelemetry/api";
import { OTLPLogExporter as JsonLogExporter } from "@opentelemetry/exporter-logs-otlp-http";
import { OTLPLogExporter as ProtoLogExporter } from "@opentelemetry/exporter-logs-otlp-proto";
import { OTLPTraceExporter as JsonTraceExporter } from "@opentelemetry/exporter-trace-otlp-http";
import { OTLPTraceExporter as ProtoTraceExporter } from "@opentelemetry/exporter-trace-otlp-proto";
import { resourceFromAttributes } from "@opentelemetry/resources";
import { BatchLogRecordProcessor, LoggerProvider } from "@opentelemetry/sdk-logs";
import { BatchSpanProcessor, TracerProvider } from "@opentelemetry/sdk-trace";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { decodeMessage, encodeMessage, type OtlpMessage } from "../otlp/messages.ts";
import { openTestShop, serveTestShop } from "../testing.ts";

const resource = resourceFromAttributes({
  "service.name": "checkout",
  "service.instance.id": "checkout-1",
  "host.name": "web-1",
  "process.pid": 7,
});

const config = ({ url }: { url: string }, path: string) => ({
  ...{ url: `${url}${path}`, timeoutMillis: 8_000 },
  compression: "gzip" as never, // an enum of a package that is theirs
});

describe.each([
  ["JSON", JsonLogExporter, JsonTraceExporter],
  ["protobuf", ProtoLogExporter, ProtoTraceExporter],
])("the OpenTelemetry SDK, in %s with gzip", (_name, LogExporter, TraceExporter) => {
  test("its log records become application logs", async () => {
    const { server, ingested } = await serveTestShop();
    const exporter = new LogExporter(config(server, "/v1/logs"));
    const provider = new LoggerProvider({
      resource,
      processors: [new BatchLogRecordProcessor({ exporter })],
    });
    const logger = provider.getLogger("shop.payment");
    const timestamp = Date.UTC(2026, 10, 21, 10, 0, 0, 123);
    logger.emit({
      ...{ timestamp, severityNumber: SeverityNumber.WARN, body: "card declined" },
      attributes: {
        ...{ "code.file.path": "pay.ts", "code.function.name": "charge", "code.line.number": 42 },
        ...{ "thread.name": "main", "order.id": 7, retried: true, shares: [0.5, 1], "user.id": "u-1" },
        ...{ request_id: "r-1", run_id: "run-1" },
      },
    });
    logger.emit({
      ...{ severityNumber: SeverityNumber.FATAL, body: { step: "pay", tries: 3 } },
      attributes: {
        ...{ "exception.type": "TypeError", "exception.message": "x is undefined" },
        "exception.stacktrace": "TypeError: x is undefined\n    at charge",
      },
    });
    await provider.shutdown();
    const common = { v: 1, service: "checkout", host: "web-1", logger: "shop.payment", process: "7" };
    expect(ingested).toMatchObject([
      {
        kind: "app_log",
        record: {
          ...{ ...common, timestamp: "2026-11-21T10:00:00.123Z", level: "WARNING", message: "card declined" },
          ...{ module: "pay.ts", function: "charge", line: 42, thread: "main", user_id: "u-1" },
          ...{ request_id: "r-1", run_id: "run-1" },
          context: { "order.id": 7, retried: true, shares: [0.5, 1] },
        },
      },
      {
        record: {
          ...{ ...common, level: "CRITICAL", message: '{"step":"pay","tries":3}' },
          exception: {
            ...{ type: "TypeError", message: "x is undefined" },
            stack: expect.stringContaining("at charge") as string,
          },
        },
      },
    ]);
  });

  test("HTTP spans of servers become request logs, by new and old names; others are taken and left", async () => {
    const shop = await serveTestShop();
    const exporter = new TraceExporter(config(shop.server, "/v1/traces"));
    const provider = new TracerProvider({ resource, spanProcessors: [new BatchSpanProcessor({ exporter })] });
    const tracer = provider.getTracer("test");
    const startTime = Date.UTC(2026, 10, 21, 10, 0, 0, 123);
    const ok = tracer.startSpan("GET /orders/:id", {
      ...{ kind: SpanKind.SERVER, startTime },
      attributes: {
        ...{ "http.request.method": "GET", "http.route": "/orders/:id", "url.path": "/orders/7" },
        ...{ "url.query": "secret=1", "http.response.status_code": 200, "client.address": "192.0.2.1" },
        ...{ "user_agent.original": "curl/8", "http.response.body.size": 431 },
        "http.request.header.x-run-id": ["run-1"],
      },
    });
    ok.end(startTime + 12.5);
    const crash = tracer.startSpan("POST", {
      kind: SpanKind.SERVER,
      attributes: { "http.method": "POST", "http.target": "/pay?card=4711", "http.status_code": 500 },
    });
    crash.recordException(new TypeError("x is undefined"));
    crash.setStatus({ code: SpanStatusCode.ERROR });
    crash.end();
    tracer.startSpan("SELECT", { kind: SpanKind.CLIENT, attributes: { "http.method": "GET" } }).end();
    tracer.startSpan("consume", { kind: SpanKind.SERVER }).end();
    await provider.shutdown();

    const { traceId, spanId } = ok.spanContext();
    expect(shop.ingested).toMatchObject([
      {
        kind: "request_log",
        record: {
          ...{ v: 1, service: "checkout", instance: "checkout-1", timestamp: "2026-11-21T10:00:00.123Z" },
          ...{ method: "GET", endpoint: "/orders/:id", path: "/orders/7", status_code: 200, level: "INFO" },
          ...{ response_time_ms: 12.5, client_ip: "192.0.2.1", user_agent: "curl/8", bytes_out: 431 },
          ...{ trace_id: traceId, span_id: spanId, run_id: "run-1" },
        },
      },
      {
        record: {
          ...{ method: "POST", endpoint: "(unmatched)", path: "/pay", status_code: 500, level: "CRITICAL" },
          ...{ error_type: "TypeError", error_message: "x is undefined" },
          stack: expect.stringContaining("otlp.test.ts") as string,
        },
      },
    ]);
    expect(JSON.stringify(shop.ingested)).not.toMatch(/secret|4711/);
    expect(await shop.metrics.registry.metrics()).toContain('ingest_records_total{outcome="ignored"} 2');
  });

  test("an export that found no room for all comes again with the same ids", async () => {
    let rooms = 1;
    const taken: { log_id: string; timestamp: string }[] = [];
    const sink = {
      hasRoom: () => rooms-- > 0 || rooms < -1,
      publishOf: () => (record: object) => taken.push(record as (typeof taken)[number]) > 0,
    };
    const { server, records } = await serveTestShop({}, undefined, undefined, { sink });
    const exporter = new LogExporter(config(server, "/v1/logs"));
    const provider = new LoggerProvider({
      resource,
      processors: [new BatchLogRecordProcessor({ exporter })],
    });
    for (let line = 0; line < 3; line++) provider.getLogger("shop").emit({ body: "the same" });
    await provider.shutdown();
    expect(records.map(({ status_code }) => status_code)).toEqual([503, 200]);
    const [first, ...again] = taken.map(({ log_id, timestamp }) => `${timestamp} ${log_id}`);
    expect(again).toHaveLength(3);
    expect(again[0]).toBe(first);
    expect(new Set(again).size).toBe(3);
  });
});

type Shop = ReturnType<typeof openTestShop>;
const PROTOBUF = "application/x-protobuf";

async function post(
  { app }: Pick<Shop, "app">,
  path: string,
  body: string | Uint8Array<ArrayBuffer>,
  headers: Record<string, string>,
) {
  const response = await app.request(path, { method: "POST", body, headers });
  const type = response.headers.get("content-type");
  return { status: response.status, type, bytes: new Uint8Array(await response.arrayBuffer()) };
}

async function postJson(shop: Shop, path: string, value: unknown) {
  const { status, bytes } = await post(shop, path, JSON.stringify(value), {
    "content-type": "application/json",
  });
  return { status, answer: JSON.parse(Buffer.from(bytes).toString()) as unknown };
}

const aSpan = (fields: object = {}) => ({
  ...{ traceId: "0af7651916cd43dd8448eb211c80319c", spanId: "b7ad6b7169203331", kind: 2 },
  ...{ startTimeUnixNano: "1795255200123000000", endTimeUnixNano: "1795255200130000000" },
  attributes: [
    { key: "http.request.method", value: { stringValue: "GET" } },
    { key: "http.response.status_code", value: { intValue: "200" } },
  ],
  ...fields,
});
const traces = (...spans: object[]) => ({ resourceSpans: [{ scopeSpans: [{ spans }] }] });
const logs = (...logRecords: object[]) => ({ resourceLogs: [{ scopeLogs: [{ logRecords }] }] });

describe("answers", () => {
  test("nothing more than that all was taken, or how many were not and why the first was not", async () => {
    const shop = openTestShop();
    expect(await postJson(shop, "/v1/traces", traces(aSpan()))).toEqual({ status: 200, answer: {} });
    const late = aSpan({ endTimeUnixNano: "1795255200000000000" });
    const nobody = aSpan({ traceId: "00" });
    expect(await postJson(shop, "/v1/traces", traces(late, nobody, aSpan()))).toEqual({
      status: 200,
      answer: {
        partialSuccess: {
          rejectedSpans: "2",
          errorMessage: "response_time_ms=-123 must be a number of ms from 0 to below 1e9",
        },
      },
    });
    expect(shop.ingested).toHaveLength(2);
    const request = encodeMessage("TraceRequest", fromHex(traces(late)));
    const { status, type, bytes } = await post(shop, "/v1/traces", request, { "content-type": PROTOBUF });
    expect([status, type]).toEqual([200, PROTOBUF]);
    const { partialSuccess } = decodeMessage("TraceResponse", bytes) as { partialSuccess: object };
    expect(String((partialSuccess as { rejectedSpans: unknown }).rejectedSpans)).toBe("1");
  });

  test("refusals as a Status in the encoding of the request, with the headers that go with them", async () => {
    const shop = openTestShop({ API_INGEST_TOKEN: "0123456789abcdef" });
    const headers = { authorization: "Bearer 0123456789abcdef" };
    const json = { ...headers, "content-type": "application/json" };
    const statusOf = async (
      path: string,
      body: string | Uint8Array<ArrayBuffer>,
      asked: Record<string, string>,
    ) => {
      const { status, type, bytes } = await post(shop, path, body, asked);
      const isProtobuf = asked["content-type"] === PROTOBUF;
      expect(type).toBe(isProtobuf ? PROTOBUF : "application/json");
      const said: unknown = isProtobuf
        ? decodeMessage("Status", bytes)
        : JSON.parse(Buffer.from(bytes).toString());
      return [status, (said as { code: number }).code];
    };
    for (const encoding of ["application/json", PROTOBUF]) {
      const asked = { ...headers, "content-type": encoding };
      expect(await statusOf("/v1/logs", "{", asked)).toEqual([400, 3]);
      expect(await statusOf("/v1/logs", "{}", { "content-type": encoding })).toEqual([401, 16]);
      expect(await statusOf("/v1/nowhere", "", asked)).toEqual([404, 5]);
      expect(await statusOf("/v1/logs", "", { ...asked, "content-encoding": "br" })).toEqual([415, 3]);
      expect(await statusOf("/v1/logs", new Uint8Array(2 ** 20 + 1), asked)).toEqual([413, 8]);
    }
    expect(await statusOf("/v1/logs", "", { ...headers, "content-type": "text/plain" })).toEqual([415, 3]);
    const tooMany = logs(...Array.from({ length: 10_001 }, () => ({})));
    expect(await statusOf("/v1/logs", JSON.stringify(tooMany), json)).toEqual([413, 8]);
    const refusal = await shop.app.request("/v1/logs", { method: "POST" });
    expect(refusal.headers.get("www-authenticate")).toBe('Bearer realm="rushhour"');
    expect(shop.ingested).toEqual([]);
  });

  test("429 with retry-after beyond API_INGEST_RATE", async () => {
    const { app } = openTestShop({ API_INGEST_RATE: 1 });
    const ask = () =>
      app.request("/v1/logs", {
        method: "POST",
        body: "{}",
        headers: { "content-type": "application/json" },
      });
    expect((await ask()).status).toBe(200);
    const limited = await ask();
    expect([limited.status, limited.headers.get("retry-after"), await limited.json()]).toMatchObject([
      ...[429, "1", { code: 8 }],
    ]);
  });
});

/** protobuf.js takes bytes as base64 where OTLP's JSON has hex. */
function fromHex(message: object): object {
  const text = JSON.stringify(message, (key, value: unknown) =>
    /^(trace|span)Id$/.test(key) ? Buffer.from(value as string, "hex").toString("base64") : value,
  );
  return asBytes(JSON.parse(text)) as object;
}

/** What is text in OTLP is bytes in our description of it. */
function asBytes(value: unknown, key = ""): unknown {
  if (typeof value === "string" && !/Nano|^intValue|Id$/.test(key)) return Buffer.from(value);
  if (Array.isArray(value)) return value.map((one) => asBytes(one));
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, asBytes(inner, name)]));
}

describe("values", () => {
  test("a record says as much in protobuf as in JSON", async () => {
    const value = {
      kvlistValue: {
        values: [
          { key: "deep", value: { arrayValue: { values: [{ doubleValue: 0.5 }, { intValue: "-3" }, {}] } } },
          { key: "big", value: { intValue: "9223372036854775807" } },
          { key: "__proto__", value: { boolValue: true } },
        ],
      },
    };
    const record = {
      ...{ timeUnixNano: "1795255200123456789", severityNumber: 17, spanId: "b7ad6b7169203331" },
      ...{ body: { stringValue: "höre" }, attributes: [{ key: "order", value }] },
    };
    const shop = openTestShop();
    expect(await postJson(shop, "/v1/logs", logs(record))).toEqual({ status: 200, answer: {} });
    const bytes = encodeMessage("LogsRequest", fromHex(logs(record)));
    await post(shop, "/v1/logs", bytes, { "content-type": PROTOBUF });
    const [json, protobuf] = shop.ingested.map((one) => one.record);
    expect(json).toMatchObject({ message: "höre", level: "ERROR", timestamp: "2026-11-21T10:00:00.123Z" });
    expect((json as { context: { order: object } }).context.order).toEqual(
      JSON.parse('{"deep":[0.5,-3,null],"big":"9223372036854775807","__proto__":true}'),
    );
    expect(protobuf).toEqual(json);
  });

  test("without a time a record has now, without a text it is (empty), and log.record.uid is its id", async () => {
    const shop = openTestShop();
    const uid = { key: "log.record.uid", value: { stringValue: "01JD" } };
    await postJson(shop, "/v1/logs", logs({}, { severityText: "fatal", attributes: [uid] }));
    expect(shop.ingested).toMatchObject([
      { record: { message: "(empty)", level: "INFO", service: "unknown" } },
      { record: { level: "CRITICAL", log_id: "01JD" } },
    ]);
  });

  test("a span without a status has failed, or its client left", async () => {
    const shop = openTestShop();
    const {
      attributes: [method],
    } = aSpan() as { attributes: object[] };
    const failed = { status: { code: 2, message: "database away" } };
    await postJson(
      shop,
      "/v1/traces",
      traces(aSpan({ attributes: [method] }), aSpan({ attributes: [method], ...failed })),
    );
    expect(shop.ingested).toMatchObject([
      { record: { status_code: 499, level: "ERROR" } },
      { record: { status_code: 500, level: "ERROR", error_message: "database away" } },
    ]);
  });
});

describe("hostile bytes", () => {
  const requests: readonly (readonly [string, OtlpMessage, object])[] = [
    [
      "/v1/logs",
      "LogsRequest",
      logs({ body: { stringValue: "x" }, attributes: [{ key: "a", value: { intValue: "1" } }] }),
    ],
    ["/v1/traces", "TraceRequest", traces(aSpan())],
  ];

  test.each(requests)(
    "%s: whatever is broken in a message is answered, never with a failure",
    async (path, type, message) => {
      const shop = openTestShop();
      const whole = encodeMessage(type, fromHex(message));
      const headers = { "content-type": PROTOBUF };
      const answers = async (bytes: Uint8Array<ArrayBuffer>) => {
        expect([200, 400, 413]).toContain((await post(shop, path, bytes, headers)).status);
      };
      for (let length = 0; length < whole.length; length++) await answers(whole.slice(0, length));
      await fc.assert(
        fc.asyncProperty(
          fc.array(fc.tuple(fc.nat(whole.length - 1), fc.integer({ min: 0, max: 255 })), {
            minLength: 1,
            maxLength: 6,
          }),
          async (changes) => {
            const bytes = whole.slice();
            for (const [at, byte] of changes) bytes[at] = byte;
            await answers(bytes);
          },
        ),
        { numRuns: 300 },
      );
      await fc.assert(
        fc.asyncProperty(fc.uint8Array({ maxLength: 200 }), async (bytes) => {
          await answers(new Uint8Array(bytes));
        }),
        { numRuns: 200 },
      );
    },
  );

  test.each<[string, Uint8Array<ArrayBuffer>]>([
    ["a length of four gigabytes", new Uint8Array([0x0a, 0xff, 0xff, 0xff, 0xff, 0x0f])],
    ["a length that never ends", new Uint8Array([0x0a, ...Array.from({ length: 12 }, () => 0xff)])],
    ["groups within groups", new Uint8Array(200_000).fill(0x0b)],
    ["text where a message stands", new Uint8Array([0x0a, 2, 0x08, 1])],
    ["values nested 5,000 deep", nestedValues(5_000)],
  ])("%s is refused or skipped", async (_name, bytes) => {
    const shop = openTestShop();
    const { status } = await post(shop, "/v1/logs", bytes, { "content-type": PROTOBUF });
    expect([200, 400]).toContain(status);
    expect(shop.ingested.length).toBeLessThanOrEqual(1);
  });

  test.each<[string, unknown]>([
    ["no object", [1]],
    ["a list that is none", { resourceLogs: {} }],
    ["a message that is none", logs(7 as never)],
    ["a time that is none", logs({ timeUnixNano: "yesterday" })],
    ["a time below zero", logs({ timeUnixNano: "-1" })],
    ["a faked 64-bit number", logs({ timeUnixNano: { low: 1, high: 2, unsigned: true, __isLong__: true } })],
    ["values nested 101 deep", logs({ body: nestedJson(101) })],
    ["an attribute that is none", logs({ attributes: [null] })],
  ])("JSON with %s is refused", async (_name, message) => {
    const shop = openTestShop();
    expect(await postJson(shop, "/v1/logs", message)).toMatchObject({ status: 400, answer: { code: 3 } });
    expect(shop.ingested).toEqual([]);
  });

  test("any JSON at all is answered, never with a failure", async () => {
    const shop = openTestShop();
    const anything = fc.oneof(
      fc.jsonValue({ maxDepth: 6 }),
      fc.jsonValue().map((value) => logs({ body: value as object })),
    );
    await fc.assert(
      fc.asyncProperty(anything, async (message) => {
        expect([200, 400]).toContain((await postJson(shop, "/v1/logs", message)).status);
      }),
      { numRuns: 300 },
    );
  });

  test("a bomb is stopped where it has become 4 MiB", async () => {
    const bomb = gzipSync(Buffer.alloc(64 * 2 ** 20));
    const headers = { "content-type": PROTOBUF, "content-encoding": "gzip" };
    expect((await post(openTestShop(), "/v1/logs", bomb, headers)).status).toBe(413);
  });
});

function nestedJson(levels: number): object {
  return levels === 0 ? {} : { arrayValue: { values: [nestedJson(levels - 1)] } };
}

/** A log record whose body is lists in lists. */
function nestedValues(levels: number): Uint8Array<ArrayBuffer> {
  let bytes: Buffer = Buffer.alloc(0);
  const wrapped = (field: number) => {
    const length: number[] = [];
    let rest = bytes.length;
    for (; rest > 127; rest >>>= 7) length.push((rest & 127) | 128);
    bytes = Buffer.concat([Buffer.from([(field << 3) | 2, ...length, rest]), bytes]);
  };
  for (let level = 0; level < levels; level++) for (const field of [1, 5]) wrapped(field);
  for (const field of [5, 2, 2, 1]) wrapped(field);
  return new Uint8Array(bytes);
}
