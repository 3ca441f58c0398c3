import { once } from "node:events";
import { connect, type AddressInfo } from "node:net";
import { text } from "node:stream/consumers";
import { serve } from "@hono/node-server";
import { Hono } from "hono";
import { streamText } from "hono/streaming";
import { expect, onTestFinished, test, vi } from "vitest";
import type { RequestLog } from "../../contract/request-log.ts";
import { requestLog } from "./request-log.ts";

/** An app whose publisher resolves when the test says so. */
function openApp() {
  const published: { record: RequestLog; resolve: () => void }[] = [];
  const app = new Hono();
  const publish = (record: RequestLog) =>
    new Promise<void>((resolve) => {
      published.push({ record, resolve });
    });
  app.use(requestLog(publish, { service: "orders", writeAhead: true }));
  app.get("/json", (c) => c.json({ hello: "wörld" }));
  app.get("/empty", (c) => c.body(null, 204));
  app.get("/raw", () => new Response("raw"));
  app.get("/stream", (c) =>
    streamText(c, async (stream) => {
      for (const part of ["first ", "second ", "third"]) await stream.write(part);
    }),
  );
  app.get("/fails", () => {
    throw new Error("boom");
  });
  app.get("/endless", (c) =>
    streamText(c, async (stream) => {
      while (!stream.aborted) {
        await stream.write("more ");
        await stream.sleep(5);
      }
    }),
  );
  app.onError((_error, c) => c.text("sorry", 500));
  return { app, published };
}

async function serveApp() {
  const opened = openApp();
  const server = serve({ fetch: opened.app.fetch, hostname: "127.0.0.1", port: 0 });
  await once(server, "listening");
  onTestFinished(() => {
    server.close();
    if ("closeAllConnections" in server) server.closeAllConnections();
  });
  return { ...opened, port: (server.address() as AddressInfo).port };
}

const cases = [
  ["a JSON body", "GET", "/json", 200, '{"hello":"wörld"}'],
  ["no body", "GET", "/empty", 204, ""],
  ["a raw Response", "GET", "/raw", 200, "raw"],
  ["HEAD", "HEAD", "/json", 200, ""],
  ["a stream", "GET", "/stream", 200, "third"],
  ["an uncaught exception", "GET", "/fails", 500, "sorry"],
  ["an unknown route", "GET", "/nowhere", 404, "404 Not Found"],
] as const;

test.each(cases)(
  "%s is not over before its record is on disk, and the record counts the bytes of the socket",
  async (_name, method, path, status, body) => {
    const { published, port } = await serveApp();
    const socket = connect(port, "127.0.0.1");
    onTestFinished(() => void socket.destroy());
    const whole = text(socket);
    let isOver = false;
    socket.once("end", () => (isOver = true));
    socket.write(`${method} ${path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n`);
    await vi.waitFor(() => expect(published).toHaveLength(1), { timeout: 5_000 });
    const [{ record, resolve }] = published as [(typeof published)[number]];
    for (let turn = 0; turn < 20; turn++) await new Promise((done) => setImmediate(done));
    expect(isOver).toBe(false);

    resolve();
    const answer = await whole;
    expect(answer).toContain(`x-request-id: ${record.request_id}`);
    expect(answer).toContain(body);
    expect(record).toMatchObject({ status_code: status, bytes_out: Buffer.byteLength(answer) });
    expect(published).toHaveLength(1);
  },
);

test("a client that leaves in the middle is recorded once, as 499", async () => {
  const { published, port } = await serveApp();
  const socket = connect(port, "127.0.0.1");
  socket.write("GET /endless HTTP/1.1\r\nhost: x\r\n\r\n");
  await once(socket, "data");
  socket.destroy();
  await vi.waitFor(() => expect(published).toHaveLength(1), { timeout: 5_000 });
  expect(published[0]!.record).toMatchObject({ status_code: 499, error_type: "ClientClosedRequest" });
  published[0]!.resolve();
});

test("pipelined requests on one connection are answered in their order, each after its record", async () => {
  const { published, port } = await serveApp();
  const socket = connect(port, "127.0.0.1");
  const whole = text(socket);
  const get = (path: string, more = "") => `GET ${path} HTTP/1.1\r\nhost: x\r\n${more}\r\n`;
  socket.write(get("/json") + get("/raw") + get("/stream", "connection: close\r\n"));
  let resolved = 0;
  await vi.waitFor(
    () => {
      for (; resolved < published.length; resolved++) published[resolved]!.resolve();
      expect(resolved).toBe(3);
    },
    { timeout: 5_000 },
  );
  const answer = await whole;
  const ids = published.map(({ record }) => answer.indexOf(record.request_id));
  expect(ids.every((at) => at > 0)).toBe(true);
  expect(published.reduce((sum, { record }) => sum + record.bytes_out!, 0)).toBe(Buffer.byteLength(answer));
});

test("without a socket a response's body ends after its record too", async () => {
  const { app, published } = openApp();
  const response = await app.request("/json");
  let isRead = false;
  const body = response.text().then((read) => {
    isRead = true;
    return read;
  });
  await vi.waitFor(() => expect(published).toHaveLength(1));
  expect(isRead).toBe(false);
  published[0]!.resolve();
  expect(await body).toBe('{"hello":"wörld"}');
});
