import { once } from "node:events";
import { request as httpRequest, type IncomingMessage } from "node:http";
import { connect, type AddressInfo } from "node:net";
import { serve } from "@hono/node-server";
import { Hono } from "hono";
import { HTTPException } from "hono/http-exception";
import { streamSSE } from "hono/streaming";
import { describe, expect, onTestFinished, test, vi } from "vitest";
import type { RequestLog } from "../../contract/request-log.ts";
import { requestLog, type RequestLogOptions } from "./request-log.ts";

const UUID_V7 = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;
const TEXT = { "content-type": "text/plain" };

/** An app of somebody's own, logged first, with an array in place of Kafka. */
function openApp(options: RequestLogOptions = {}) {
  const records: RequestLog[] = [];
  const app = new Hono();
  app.use(
    requestLog((record) => records.push(record), { service: "orders", instance: "test-1", ...options }),
  );
  app.get("/orders/:id", (c) => c.json({ id: c.req.param("id") }));
  app.all("/orders/:id", (c) => c.text("use GET", 405, { allow: "GET" }));
  app.post("/echo", async (c) => c.text(await c.req.text()));
  app.get("/raw", () => new Response("raw"));
  app.get("/empty/204", (c) => c.body(null, 204));
  app.get("/empty/304", (c) => c.body(null, 304));
  return { app, records };
}

/** One request by app.request(), its body read to the end: without a socket the record is made then. */
async function ask({ app }: ReturnType<typeof openApp>, path: string, init: RequestInit = {}, env?: object) {
  const response = await app.request(path, init, env);
  return { status: response.status, headers: response.headers, text: await response.text() };
}

async function serveApp(opened: { app: Hono; records: RequestLog[] }) {
  const server = serve({ fetch: opened.app.fetch, hostname: "127.0.0.1", port: 0 });
  await once(server, "listening");
  onTestFinished(() => {
    server.close();
    if ("closeAllConnections" in server) server.closeAllConnections();
  });
  const { port } = server.address() as AddressInfo;
  return { ...opened, port, url: `http://127.0.0.1:${port}` };
}

/** The records, once there are so many; a moment later there must still be no more. */
async function recordsOf({ records }: { records: RequestLog[] }, count = 1): Promise<RequestLog[]> {
  await vi.waitFor(() => expect(records.length).toBeGreaterThanOrEqual(count), { timeout: 5_000 });
  await new Promise((resolve) => setImmediate(resolve));
  expect(records).toHaveLength(count);
  return records;
}

/** Node prints what a broken body broke with; here that is expected. */
function silenceConsole(): void {
  const spy = vi.spyOn(console, "error").mockImplementation(() => undefined);
  onTestFinished(() => spy.mockRestore());
}

/** What other people's code does: `throw "boom"`. A generator throws whatever it is given. */
function throwAnything(thrown: unknown): never {
  const generator = (function* (): Generator<never, never> {
    yield* [];
    throw new Error("not reached");
  })();
  generator.throw(thrown);
  throw new Error("not reached");
}

/** The same behaviour is promised with a socket and without one. */
const RUNTIMES = [
  [
    "app.request()",
    async (opened: ReturnType<typeof openApp>, path: string, init: RequestInit = {}) => {
      const { status, headers, text } = await ask(opened, path, init);
      return { status, id: headers.get("x-request-id"), text, record: (await recordsOf(opened))[0]! };
    },
  ],
  [
    "a real server",
    async (opened: ReturnType<typeof openApp>, path: string, init: RequestInit = {}) => {
      const { url } = await serveApp(opened);
      const response = await fetch(url + path, init);
      const text = await response.text();
      const id = response.headers.get("x-request-id");
      return { status: response.status, id, text, record: (await recordsOf(opened))[0]! };
    },
  ],
] as const;

describe.each(RUNTIMES)("the request log under %s", (_name, get) => {
  test("A-9: a 200 leaves one record with every field", async () => {
    const beforeMs = Date.now();
    const { id, text, record } = await get(openApp({ userId: () => "42" }), "/orders/7?secret=1", {
      headers: {
        "user-agent": "test-agent/1",
        "x-request-id": "mine-1",
        "x-run-id": "run-1",
        traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
      },
    });
    expect(text).toBe('{"id":"7"}');
    expect(record).toMatchObject({
      ...{ v: 1, request_id: id, level: "INFO", service: "orders", instance: "test-1" },
      ...{ endpoint: "/orders/:id", path: "/orders/7", method: "GET", status_code: 200 },
      ...{ user_agent: "test-agent/1", user_id: "42", bytes_in: 0, client_request_id: "mine-1" },
      ...{ run_id: "run-1", trace_id: "0af7651916cd43dd8448eb211c80319c" },
    });
    expect(record.request_id).toMatch(UUID_V7);
    expect(record.bytes_out).toBeGreaterThanOrEqual(text.length);
    const startedMs = Date.parse(record.timestamp);
    expect(record.timestamp).toBe(new Date(startedMs).toISOString());
    expect(startedMs).toBeGreaterThanOrEqual(beforeMs);
    expect(startedMs).toBeLessThanOrEqual(Date.now());
    expect(record.response_time_ms).toBeGreaterThan(0);
    expect(record.response_time_ms).toBeLessThanOrEqual(Date.now() + 1 - beforeMs);
    expect(record.response_time_ms * 1000).toBeCloseTo(Math.round(record.response_time_ms * 1000), 6);
    for (const field of ["error_type", "error_message", "stack"]) expect(record).not.toHaveProperty(field);
  });

  test("further fields stand beside those of every record, and take the place of none", async () => {
    const extra = () => ({ tenant: "acme", request_id: "mine", status_code: 999 });
    const { id, record } = await get(openApp({ extra }), "/orders/7");
    expect(record).toMatchObject({ tenant: "acme", request_id: id, status_code: 200 });
    const none = await get(openApp({ extra: () => undefined }), "/orders/7");
    expect(none.record).not.toHaveProperty("tenant");
  });

  test("further fields that cannot be told are left out", async () => {
    const extra = () => throwAnything(new Error("no tenant"));
    expect((await get(openApp({ extra }), "/orders/7")).record).toMatchObject({ status_code: 200 });
  });

  test("the milliseconds inside request_id are the timestamp's", async () => {
    const { record } = await get(openApp(), "/orders/7");
    expect(parseInt(record.request_id.replace("-", "").slice(0, 12), 16)).toBe(Date.parse(record.timestamp));
  });

  test("a caller's x-request-id is kept beside the identity and never becomes it", async () => {
    const uuid = "0192f0c1-7d3a-7cc0-8a51-2f6f0d5b7a10";
    const { id, record } = await get(openApp(), "/orders/7", { headers: { "x-request-id": uuid } });
    expect(record.client_request_id).toBe(uuid);
    expect(record.request_id).not.toBe(uuid);
    expect(id).toBe(record.request_id);
  });

  test("A-9: a 404 has the endpoint (unmatched) and keeps its path", async () => {
    const { status, record } = await get(openApp(), "/nowhere/7?token=secret");
    expect(status).toBe(404);
    expect(record).toMatchObject({
      endpoint: "(unmatched)",
      path: "/nowhere/7",
      status_code: 404,
      level: "ERROR",
    });
    expect(JSON.stringify(record)).not.toContain("secret");
  });

  test("A-9: a 404 below a part of the app with a middleware of its own is (unmatched) too", async () => {
    const opened = openApp();
    opened.app.use("/api/*", (_c, next) => next());
    const { record } = await get(opened, "/api/nowhere");
    expect(record).toMatchObject({ endpoint: "(unmatched)", path: "/api/nowhere" });
  });

  test("A-9: a 405 keeps the route's template", async () => {
    const { status, record } = await get(openApp(), "/orders/7", { method: "DELETE" });
    expect(status).toBe(405);
    expect(record).toMatchObject({
      endpoint: "/orders/:id",
      method: "DELETE",
      status_code: 405,
      level: "ERROR",
    });
  });

  test("A-9: an uncaught Error is a 500 and CRITICAL, with type, message and stack", async () => {
    silenceConsole();
    const opened = openApp();
    opened.app.get("/crash", () => {
      throw new TypeError("x is undefined");
    });
    const { status, id, record } = await get(opened, "/crash");
    expect(status).toBe(500);
    expect(record).toMatchObject({
      ...{ request_id: id, endpoint: "/crash", status_code: 500, level: "CRITICAL" },
      ...{ error_type: "TypeError", error_message: "x is undefined" },
    });
    expect(record.stack).toMatch(/^TypeError: x is undefined\n +at .*request-log\.test\.ts/);
  });

  test.each<[string, unknown, string]>([
    ["a string", "boom", "thrown: boom"],
    ["undefined", undefined, "thrown: undefined"],
    ["null", null, "thrown: null"],
    ["an object", { code: 7 }, "thrown: [object Object]"],
    ["an object that cannot be text", Object.create(null), "thrown: [object Object]"],
    ["a symbol", Symbol("s"), "thrown: Symbol(s)"],
  ])("A-9: throwing %s is a 500 and CRITICAL too", async (_what, thrown, message) => {
    silenceConsole();
    const opened = openApp();
    opened.app.get("/crash", () => throwAnything(thrown));
    const { status, id, record } = await get(opened, "/crash");
    expect(status).toBe(500);
    expect(record).toMatchObject({
      request_id: id,
      status_code: 500,
      level: "CRITICAL",
      error_type: "Error",
    });
    expect(record.error_message).toBe(message);
  });

  test("an HTTPException of 4xx is an ERROR without a stack", async () => {
    const opened = openApp();
    opened.app.get("/teapot", () => {
      throw new HTTPException(418, { message: "short and stout" });
    });
    const { status, text, record } = await get(opened, "/teapot");
    expect([status, text]).toEqual([418, "short and stout"]);
    expect(record).toMatchObject({ level: "ERROR", status_code: 418, error_message: "short and stout" });
    expect(record.stack).toBeUndefined();
  });

  test("an answer of onError is logged as it went out, with what was thrown", async () => {
    const opened = openApp();
    opened.app.get("/crash", () => {
      throw new RangeError("too far");
    });
    opened.app.onError((_error, c) => c.text("sorry", 503));
    const { status, text, record } = await get(opened, "/crash");
    expect([status, text]).toEqual([503, "sorry"]);
    expect(record).toMatchObject({ level: "CRITICAL", status_code: 503, error_type: "RangeError" });
  });

  test("x-log-level: debug makes a success DEBUG and leaves a failure ERROR", async () => {
    const init = { headers: { "x-log-level": "DEBUG" } };
    expect((await get(openApp(), "/orders/7", init)).record.level).toBe("DEBUG");
    expect((await get(openApp(), "/nowhere", init)).record.level).toBe("ERROR");
  });

  test("isDebug makes a success DEBUG", async () => {
    const isDebug: RequestLogOptions["isDebug"] = (c) => c.req.path === "/raw";
    expect((await get(openApp({ isDebug }), "/raw")).record.level).toBe("DEBUG");
    expect((await get(openApp({ isDebug }), "/orders/7")).record.level).toBe("INFO");
  });

  test("the service may be named by request", async () => {
    const service: RequestLogOptions["service"] = (c) => c.req.path.slice(1);
    expect((await get(openApp({ service }), "/raw")).record.service).toBe("raw");
  });

  test("a raw Response carries x-request-id", async () => {
    const { id, record } = await get(openApp(), "/raw");
    expect(id).toBe(record.request_id);
  });

  test("long paths, agents and ids are cut to their columns", async () => {
    const long = "x".repeat(3_000);
    const { record } = await get(openApp({ userId: () => long }), `/${long}`, {
      headers: { "user-agent": long, "x-request-id": long, "x-run-id": long },
    });
    expect(record.path).toBe(`/${"x".repeat(1_023)}`);
    expect(record.user_agent).toHaveLength(512);
    expect(record.client_request_id).toHaveLength(128);
    expect(record.run_id).toHaveLength(64);
    expect(record.user_id).toHaveLength(64);
  });

  test.each([
    ["upper case", "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01"],
    ["too short", "00-0af7-b7ad6b7169203331-01"],
    ["garbage", "hello"],
  ])("a traceparent that breaks the rule (%s) gives no trace_id", async (_what, traceparent) => {
    expect((await get(openApp(), "/raw", { headers: { traceparent } })).record.trace_id).toBeUndefined();
  });

  test("bytes_in is the declared length of the body", async () => {
    const { text, record } = await get(openApp(), "/echo", {
      ...{ method: "POST", body: "äöü" },
      headers: { ...TEXT, "content-length": "6" },
    });
    expect(text).toBe("äöü");
    expect(record.bytes_in).toBe(6);
  });

  test.each(["204", "304"])("a %s without a body leaves a record", async (code) => {
    const { status, text, record } = await get(openApp(), `/empty/${code}`);
    expect([status, text]).toEqual([Number(code), ""]);
    expect(record).toMatchObject({ status_code: Number(code), level: "INFO" });
  });

  test("HEAD leaves a record and no body", async () => {
    const { status, text, record } = await get(openApp(), "/orders/7", { method: "HEAD" });
    expect([status, text]).toEqual([200, ""]);
    expect(record).toMatchObject({ method: "HEAD", status_code: 200, endpoint: "/orders/:id" });
  });

  test("a streamed body is timed and counted to its last byte", async () => {
    const opened = openApp();
    const part = "x".repeat(1_000);
    let [firstMs, lastMs] = [0, 0];
    opened.app.get("/stream", () => {
      firstMs = performance.now();
      let parts = 0;
      const body = new ReadableStream<Uint8Array>({
        async pull(controller) {
          await new Promise((resolve) => setTimeout(resolve, 10));
          lastMs = performance.now();
          expect(opened.records).toHaveLength(0);
          if (parts++ < 3) controller.enqueue(new TextEncoder().encode(part));
          else controller.close();
        },
      });
      return new Response(body, { headers: TEXT });
    });
    const { text, record } = await get(opened, "/stream");
    expect(text).toBe(part.repeat(3));
    expect(record.status_code).toBe(200);
    expect(record.response_time_ms).toBeGreaterThanOrEqual(lastMs - firstMs);
    expect(record.bytes_out).toBeGreaterThanOrEqual(3_000);
  });

  test("a body that breaks on its way is a 500 and CRITICAL with what broke it", async () => {
    silenceConsole();
    const opened = openApp();
    opened.app.get("/broken", () => {
      let parts = 0;
      const body = new ReadableStream<Uint8Array>({
        pull(controller) {
          if (parts++ === 0) controller.enqueue(new TextEncoder().encode("begin"));
          else throw new RangeError("disk gone");
        },
      });
      return new Response(body, { headers: TEXT });
    });
    await expect(get(opened, "/broken")).rejects.toThrow();
    expect(await recordsOf(opened)).toMatchObject([
      { status_code: 500, level: "CRITICAL", error_type: "RangeError", error_message: "disk gone" },
    ]);
  });

  test("a publish that throws harms no response and is said once", async () => {
    const warnings: string[] = [];
    const spy = vi
      .spyOn(process, "emitWarning")
      .mockImplementation((warning) => void warnings.push(String(warning)));
    onTestFinished(() => spy.mockRestore());
    const opened = openApp();
    const app = new Hono();
    app.use(
      requestLog((record) => {
        opened.records.push(record);
        throw new Error("publish is broken");
      }),
    );
    app.get("/raw", (c) => c.text("fine"));
    const broken = { ...opened, app };
    const { status, text } = await get(broken, "/raw");
    expect([status, text]).toEqual([200, "fine"]);
    expect((await ask(broken, "/raw")).status).toBe(200);
    await recordsOf(broken, 2);
    expect(warnings).toEqual(["a response was not logged, as publish threw: Error: publish is broken"]);
  });

  test("options that throw cost their own field, not the record", async () => {
    const fail = () => {
      throw new Error("no session");
    };
    const { status, record } = await get(openApp({ userId: fail, isDebug: fail, service: fail }), "/raw");
    expect(status).toBe(200);
    expect(record).toMatchObject({ service: "api", level: "INFO", status_code: 200 });
    expect(record.user_id).toBeUndefined();
  });
});

test("an onError that itself throws leaves one CRITICAL record of 500", async () => {
  silenceConsole();
  const opened = openApp();
  opened.app.get("/crash", () => {
    throw new Error("first");
  });
  opened.app.onError(() => {
    throw new Error("second");
  });
  const { url } = await serveApp(opened);
  expect((await fetch(`${url}/crash`)).status).toBe(500);
  expect(await recordsOf(opened)).toMatchObject([{ status_code: 500, level: "CRITICAL" }]);
  await expect(opened.app.request("/crash")).rejects.toThrow("second");
  expect((await recordsOf(opened, 2))[1]).toMatchObject({ status_code: 500, level: "CRITICAL" });
});

test("a chunked body has no bytes_in, as nobody declared its length", async () => {
  const opened = await serveApp(openApp());
  const request = httpRequest(`${opened.url}/echo`, { method: "POST" });
  request.write("part one, ");
  request.end("part two");
  const [response] = (await once(request, "response")) as [IncomingMessage];
  const chunks = (await response.toArray()) as Buffer[];
  expect(Buffer.concat(chunks).toString()).toBe("part one, part two");
  expect((await recordsOf(opened))[0]!.bytes_in).toBeUndefined();
});

test.each([
  ["192.0.2.77", "192.0.2.0"],
  ["::ffff:192.0.2.77", "192.0.2.0"],
  ["2001:db8:aaaa:bbbb:cccc:dddd:eeee:ffff", "2001:db8:aaaa::"],
  ["2001:db8::7", "2001:db8::"],
  ["fe80::1%eth0", "fe80::"],
  ["::1", "::"],
])("maskIp turns %s into %s", async (remoteAddress, masked) => {
  const env = { incoming: { socket: { remoteAddress } } };
  const [open, maskedApp] = [openApp(), openApp({ maskIp: true })];
  await ask(open, "/raw", {}, env);
  await ask(maskedApp, "/raw", {}, env);
  expect((await recordsOf(open))[0]!.client_ip).toBe(remoteAddress);
  expect((await recordsOf(maskedApp))[0]!.client_ip).toBe(masked);
});

describe("over a real socket", () => {
  test("the client's address is logged, masked when asked", async () => {
    const open = await serveApp(openApp());
    const masked = await serveApp(openApp({ maskIp: true }));
    await fetch(`${open.url}/raw`);
    await fetch(`${masked.url}/raw`);
    expect((await recordsOf(open))[0]!.client_ip).toBe("127.0.0.1");
    expect((await recordsOf(masked))[0]!.client_ip).toBe("127.0.0.0");
  });

  test("a client that leaves before the answer leaves exactly one record of 499 ClientClosedRequest", async () => {
    const opened = openApp();
    const reached = Promise.withResolvers<undefined>();
    const answer = Promise.withResolvers<Response>();
    opened.app.get("/slow", () => {
      reached.resolve(undefined);
      return answer.promise;
    });
    const { port } = await serveApp(opened);
    const socket = connect(port, "127.0.0.1");
    socket.write("GET /slow HTTP/1.1\r\nhost: x\r\n\r\n");
    await reached.promise;
    socket.destroy();
    await recordsOf(opened);
    answer.resolve(new Response("too late"));
    expect(await recordsOf(opened)).toMatchObject([
      {
        ...{ status_code: 499, level: "ERROR", endpoint: "/slow", bytes_out: 0 },
        ...{ error_type: "ClientClosedRequest", error_message: "the client left before the answer" },
      },
    ]);
    expect(opened.records[0]!.stack).toBeUndefined();
  });

  test("a client that leaves while a failure is being answered is a 499 and no CRITICAL", async () => {
    const opened = openApp();
    const reached = Promise.withResolvers<undefined>();
    const answer = Promise.withResolvers<Response>();
    opened.app.get("/crash", () => {
      throw new TypeError("x is undefined");
    });
    opened.app.onError(() => {
      reached.resolve(undefined);
      return answer.promise;
    });
    const { port } = await serveApp(opened);
    const socket = connect(port, "127.0.0.1");
    socket.write("GET /crash HTTP/1.1\r\nhost: x\r\n\r\n");
    await reached.promise;
    socket.destroy();
    expect(await recordsOf(opened)).toMatchObject([
      { status_code: 499, level: "ERROR", error_type: "ClientClosedRequest" },
    ]);
    answer.resolve(new Response("too late", { status: 500 }));
  });

  test("a stream of events whose client leaves ends in one record of 499 with the bytes it got", async () => {
    const opened = openApp();
    const ended = Promise.withResolvers<undefined>();
    opened.app.get("/events", (c) =>
      streamSSE(c, async (stream) => {
        stream.onAbort(() => ended.resolve(undefined));
        for (let id = 0; !stream.aborted; id++) {
          await stream.writeSSE({ data: "tick", id: String(id) });
          await stream.sleep(5);
        }
      }),
    );
    const { url } = await serveApp(opened);
    const client = new AbortController();
    const response = await fetch(`${url}/events`, { signal: client.signal });
    await response.body!.getReader().read();
    expect(opened.records).toHaveLength(0); // not before the end
    client.abort();
    await ended.promise;
    const [record] = await recordsOf(opened);
    expect(record).toMatchObject({
      status_code: 499,
      error_type: "ClientClosedRequest",
      endpoint: "/events",
    });
    expect(record!.bytes_out).toBeGreaterThan(0);
    expect(record!.request_id).toBe(response.headers.get("x-request-id"));
  });

  test("bytes_out counts headers and body, and begins anew with each request of a connection", async () => {
    const opened = await serveApp(openApp());
    const socket = connect(opened.port, "127.0.0.1");
    onTestFinished(() => void socket.destroy());
    for (const count of [1, 2, 3]) {
      const before = socket.bytesRead;
      socket.write("GET /raw HTTP/1.1\r\nhost: x\r\n\r\n");
      const [record] = (await recordsOf(opened, count)).slice(-1);
      await vi.waitFor(() => expect(socket.bytesRead - before).toBe(record!.bytes_out));
    }
  });

  test("1,000 keep-alive and 1,000 pipelined requests leave 2,000 records with distinct ids", async () => {
    const opened = await serveApp(openApp());
    const answered = new Set<string>();
    for (let i = 0; i < 1_000; i++) {
      const response = await fetch(`${opened.url}/orders/${i}`);
      answered.add(response.headers.get("x-request-id")!);
      await response.arrayBuffer();
    }
    const socket = connect(opened.port, "127.0.0.1");
    onTestFinished(() => void socket.destroy());
    let received = "";
    socket.setEncoding("latin1").on("data", (text: string) => (received += text));
    socket.write("GET /orders/7 HTTP/1.1\r\nhost: x\r\n\r\n".repeat(1_000));
    await vi.waitFor(() => expect(received.match(/x-request-id: /gi)).toHaveLength(1_000), {
      timeout: 10_000,
    });
    for (const [, id] of received.matchAll(/x-request-id: (\S+)/gi)) answered.add(id!);
    const records = await recordsOf(opened, 2_000);
    expect(answered.size).toBe(2_000);
    expect(new Set(records.map(({ request_id }) => request_id))).toEqual(answered);
    const pipelined = records.slice(1_000).map(({ bytes_out }) => bytes_out);
    expect(new Set(pipelined)).toEqual(new Set([received.length / 1_000]));
  }, 30_000);
});
