import { once } from "node:events";
import { createServer, type RequestListener } from "node:http";
import { connect, type AddressInfo } from "node:net";
import express from "express";
import fastify from "fastify";
import { describe, expect, onTestFinished, test, vi } from "vitest";
import type { RequestLog } from "../../contract/request-log.ts";
import { nodeRequestLog, noteError, type NodeRequestLogOptions } from "./node-request-log.ts";

const OPTIONS: NodeRequestLogOptions = { service: "orders", instance: "test-1" };

interface Served {
  readonly url: string;
  readonly records: readonly RequestLog[];
}

async function serve(listener: RequestListener): Promise<string> {
  const server = createServer(listener).listen(0, "127.0.0.1");
  await once(server, "listening");
  onTestFinished(() => {
    server.close();
    server.closeAllConnections();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

class NotFound extends Error {
  readonly statusCode = 404;
}

async function serveExpress(options: NodeRequestLogOptions = OPTIONS): Promise<Served> {
  const records: RequestLog[] = [];
  const app = express();
  app.set("env", "test"); // or it prints what was thrown
  app.use(nodeRequestLog((record) => records.push(record), options));
  const orders = express.Router();
  orders.get("/", (_request, response) => void response.json([]));
  orders.get("/:id", (request, response) => void response.json(request.params));
  orders.post("/:id/crash", () => {
    throw new TypeError("x is undefined");
  });
  orders.post("/:id/gone", () => {
    throw new NotFound("no such order");
  });
  app.use("/orders", orders);
  app.get("/stream", (_request, response) => {
    response.write("x".repeat(1_000));
  });
  app.get("/files/*path", (_request, response) => void response.sendStatus(404));
  app.use(((error, request, _response, next) => {
    noteError(request, error);
    next(error);
  }) satisfies express.ErrorRequestHandler);
  return { records, url: await serve(app) };
}

async function serveFastify(options: NodeRequestLogOptions = OPTIONS): Promise<Served> {
  const records: RequestLog[] = [];
  const app = fastify();
  app.addHook(
    "onRequest",
    nodeRequestLog((record) => records.push(record), options),
  );
  app.addHook("onError", (request, _reply, error, done) => {
    noteError(request, error);
    done();
  });
  app.register(
    (orders, _options, done) => {
      orders.get("/", () => []);
      orders.get("/:id", (request) => request.params);
      orders.post("/:id/crash", () => {
        throw new TypeError("x is undefined");
      });
      orders.post("/:id/gone", () => {
        throw new NotFound("no such order");
      });
      done();
    },
    { prefix: "/orders" },
  );
  app.get("/stream", (_request, reply) => {
    reply.raw.write("x".repeat(1_000));
    return new Promise(() => undefined);
  });
  app.get("/files/*", (_request, reply) => reply.code(404).send());
  await app.ready();
  return { records, url: await serve((request, response) => app.routing(request, response)) };
}

async function recordOf(
  { url, records }: Served,
  path: string,
  init: RequestInit = {},
): Promise<RequestLog & { readonly id: string | null }> {
  const response = await fetch(url + path, init);
  await response.text();
  await vi.waitFor(() => expect(records).toHaveLength(1));
  return { ...records[0]!, id: response.headers.get("x-request-id") };
}

describe.each([
  ["Express", serveExpress],
  ["Fastify", serveFastify],
])("the request log of %s", (_name, serveApp) => {
  test("has the template of the route, wherever its router is mounted, and every field", async () => {
    const headers = { "x-run-id": "run-1", "x-request-id": "mine", "user-agent": "test/1" };
    const { id, ...record } = await recordOf(await serveApp(), "/orders/7?secret=1", { headers });
    expect(record).toMatchObject({
      ...{ v: 1, request_id: id, level: "INFO", service: "orders", instance: "test-1", method: "GET" },
      ...{ endpoint: "/orders/:id", path: "/orders/7", status_code: 200, user_agent: "test/1" },
      ...{ client_ip: "127.0.0.1", bytes_in: 0, client_request_id: "mine", run_id: "run-1" },
    });
    expect(record.bytes_out).toBeGreaterThan('{"id":"7"}'.length);
    expect(record.response_time_ms).toBeGreaterThan(0);
    expect(JSON.stringify(record)).not.toContain("secret");
  });

  test("knows a router's own root, and where there is no route", async () => {
    expect((await recordOf(await serveApp(), "/orders")).endpoint).toMatch(/^\/orders\/?$/);
    for (const path of ["/nowhere", "/files/none.txt"]) {
      const record = await recordOf(await serveApp(), path);
      expect(record).toMatchObject({ endpoint: "(unmatched)", path, status_code: 404, level: "ERROR" });
    }
  });

  test("names what a handler threw: CRITICAL with a stack, or the answer it was meant to be", async () => {
    const crash = await recordOf(await serveApp(), "/orders/7/crash", { method: "POST" });
    expect(crash).toMatchObject({ endpoint: "/orders/:id/crash", status_code: 500, level: "CRITICAL" });
    expect(crash).toMatchObject({ error_type: "TypeError", error_message: "x is undefined" });
    expect(crash.stack).toContain("node-request-log.test.ts");
    const gone = await recordOf(await serveApp(), "/orders/7/gone", { method: "POST" });
    expect(gone).toMatchObject({ status_code: 404, level: "ERROR", error_message: "no such order" });
    expect(gone.stack).toBeUndefined();
  });

  test("records a client that left before its answer as 499", async () => {
    const served = await serveApp();
    const socket = connect(Number(new URL(served.url).port), "127.0.0.1");
    socket.write("GET /stream HTTP/1.1\r\nhost: x\r\n\r\n");
    await once(socket, "data");
    socket.destroy();
    await vi.waitFor(() => expect(served.records).toHaveLength(1));
    expect(served.records[0]).toMatchObject({ status_code: 499, error_type: "ClientClosedRequest" });
  });

  test("asks the options with the framework's request, and survives what they throw", async () => {
    const options: NodeRequestLogOptions = {
      endpoint: (request) => `/${("raw" in request ? request.raw : request).method!}`,
      extra: () => ({ tenant: "acme" }),
      userId: () => {
        throw new Error("nobody");
      },
    };
    const record = await recordOf(await serveApp(options), "/orders/7");
    expect(record).toMatchObject({ endpoint: "/GET", tenant: "acme", service: "api" });
  });
});

test("a response is not over before a record that is written ahead is on disk", async () => {
  let isOnDisk = false;
  const written = Promise.withResolvers<undefined>();
  const publish = () => written.promise.then(() => (isOnDisk = true));
  const log = nodeRequestLog(publish, { writeAhead: true });
  const url = await serve((request, response) => log(request, response, () => response.end("done")));
  const answered = fetch(url).then((response) => response.text());
  for (let turns = 0; turns < 20; turns++) await new Promise((resolve) => setImmediate(resolve));
  expect(isOnDisk).toBe(false);
  written.resolve(undefined);
  expect(await answered).toBe("done");
  expect(isOnDisk).toBe(true);
});
