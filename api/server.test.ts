import { Agent, request, type IncomingMessage } from "node:http";
import { connect } from "node:net";
import { once } from "node:events";
import { expect, test, vi } from "vitest";
import { RushhourError } from "../contract/errors.ts";
import { listen } from "../contract/listen.ts";
import { openTestShop, serveTestShop } from "./testing.ts";
import { createTrafficModel } from "./traffic-model.ts";

const LISTEN = { service: "api", host: "127.0.0.1", wayOut: "choose another with --port or API_PORT" };

/** The value of one line of Prometheus text. */
async function metric(shop: Pick<ReturnType<typeof openTestShop>, "metrics">, line: string) {
  const text = await shop.metrics.registry.metrics();
  return Number(
    text
      .split("\n")
      .find((candidate) => candidate.startsWith(`${line} `))
      ?.slice(line.length),
  );
}
const OPEN = 'active_connections{service="api",connection_type="http"}';

/** A seed whose first `GET /orders` is slow and answered in order. */
function seedOfSlowAnswer(): number {
  for (let seed = 0; ; seed++) {
    const { delayMs, fault } = createTrafficModel(seed).draw("GET /orders")!;
    if (fault === undefined && delayMs > 150 && delayMs < 500) return seed;
  }
}

test("A-9: a request over a real socket leaves one record with the client's address and the bytes sent", async () => {
  const { server, records } = await serveTestShop();
  const response = await fetch(`${server.url}/users/1`);
  expect(response.status).toBe(200);
  await response.text();
  await vi.waitFor(() => expect(records).toHaveLength(1));
  expect(records[0]).toMatchObject({
    request_id: response.headers.get("x-request-id"),
    client_ip: "127.0.0.1",
    endpoint: "/users/:id",
  });
  expect(records[0]?.bytes_out).toBeGreaterThan(100);
});

test("A-9: HEAD leaves a record too", async () => {
  const { server, records } = await serveTestShop();
  await fetch(`${server.url}/users/1`, { method: "HEAD" });
  await vi.waitFor(() => expect(records).toMatchObject([{ method: "HEAD", status_code: 200 }]));
});

test("A-9: a client that leaves before the answer is logged as 499", async () => {
  const shop = await serveTestShop({ API_MODEL: "realistic", API_SEED: seedOfSlowAnswer() });
  const socket = connect(shop.port, "127.0.0.1");
  socket.write("GET /orders HTTP/1.1\r\nHost: shop\r\n\r\n");
  await vi.waitFor(async () => expect(await metric(shop, OPEN)).toBe(1));
  socket.destroy();
  await vi.waitFor(() => expect(shop.records).toMatchObject([{ status_code: 499, endpoint: "/orders" }]));
});

test("J-8: open connections are counted, and no longer when they are closed", async () => {
  const shop = await serveTestShop();
  expect(await metric(shop, OPEN)).toBe(0);
  const sockets = [connect(shop.port, "127.0.0.1"), connect(shop.port, "127.0.0.1")];
  await vi.waitFor(async () => expect(await metric(shop, OPEN)).toBe(2));
  for (const socket of sockets) socket.destroy();
  await vi.waitFor(async () => expect(await metric(shop, OPEN)).toBe(0));
});

test.each([
  ["garbage", "GARBAGE\r\n\r\n", "400 Bad Request"],
  ["headers without end", `GET / HTTP/1.1\r\nHost: x\r\nA: ${"a".repeat(20_000)}\r\n\r\n`, "431"],
  ["a host that is none", "GET / HTTP/1.1\r\nHost: a b\r\n\r\n", "400 Bad Request"],
])("%s is refused, counted as malformed and leaves no record", async (_what, bytes, status) => {
  const shop = await serveTestShop();
  const socket = connect(shop.port, "127.0.0.1");
  socket.write(bytes);
  const [chunk] = (await once(socket, "data")) as [Buffer];
  socket.destroy();
  expect(chunk.toString()).toContain(`HTTP/1.1 ${status}`);
  expect(await metric(shop, "http_malformed_total")).toBe(1);
  expect(shop.records).toEqual([]);
});

test("a port that is taken is refused with its number and the way out", async () => {
  const { app, port } = await serveTestShop();
  const { metrics } = openTestShop();
  const refusal = await listen(app, { ...LISTEN, port, metrics }).catch((error: unknown) => error);
  expect(refusal).toBeInstanceOf(RushhourError);
  expect(refusal).toMatchObject({ code: "PORT_IN_USE", exitCode: 104 });
  expect((refusal as Error).message).toContain(`port ${port} of 127.0.0.1`);
  expect((refusal as Error).message).toMatch(/--port or API_PORT/);
});

test("an address that this machine does not have is refused as configuration", async () => {
  const { app, metrics } = openTestShop();
  await expect(listen(app, { ...LISTEN, host: "203.0.113.1", port: 0, metrics })).rejects.toMatchObject({
    code: "CONFIG_INVALID",
    message: expect.stringContaining("must be an address of this machine") as string,
  });
});

test("closing answers what still comes on a kept connection, and says that it is the last answer", async () => {
  const shop = await serveTestShop();
  const kept = new Agent({ keepAlive: true, maxSockets: 1 });
  const get = async () => {
    const sent = request({ port: shop.port, path: "/users/1", agent: kept });
    const [answer] = (await once(sent.end(), "response")) as [IncomingMessage];
    answer.resume();
    await once(answer, "end");
    return { status: answer.statusCode, connection: answer.headers.connection, socket: sent.socket };
  };
  const before = await get();
  expect(before).toMatchObject({ status: 200, connection: "keep-alive" });
  const closed = shop.server.close(10_000, 5_000);
  expect(await get()).toEqual({ status: 200, connection: "close", socket: before.socket });
  await closed;
  await expect(get()).rejects.toMatchObject({ code: "ECONNREFUSED" });
});

test("a port is shared by those who both ask for it, and by nobody else", async () => {
  const open = (port: number, reusePort: boolean) => {
    const { app, metrics } = openTestShop();
    return listen(app, { ...LISTEN, port, metrics, reusePort });
  };
  const first = await open(0, true);
  const port = Number(new URL(first.url).port);
  const second = await open(port, true);
  await expect(open(port, false)).rejects.toMatchObject({ code: "PORT_IN_USE" });
  await first.close(0);
  expect((await fetch(`${second.url}/users/1`)).status).toBe(200);
  await second.close(0);
});

test("closing finishes what is in flight, cuts idle connections and refuses new ones", async () => {
  const shop = await serveTestShop({ API_MODEL: "realistic", API_SEED: seedOfSlowAnswer() });
  const idle = connect(shop.port, "127.0.0.1");
  const idleClosed = once(idle, "close");
  const inFlight = fetch(`${shop.server.url}/orders`);
  await vi.waitFor(async () => expect(await metric(shop, OPEN)).toBe(2));
  const closed = shop.server.close(10_000);
  await vi.waitFor(() =>
    expect(once(connect(shop.port, "127.0.0.1"), "connect")).rejects.toMatchObject({ code: "ECONNREFUSED" }),
  );
  expect((await inFlight).status).toBe(200);
  await closed;
  await idleClosed;
  expect(await metric(shop, OPEN)).toBe(0);
  expect(shop.records).toMatchObject([{ endpoint: "/orders", status_code: 200 }]);
});

test("closing cuts at the deadline what does not end", async () => {
  const shop = await serveTestShop();
  const endless = request({
    port: shop.port,
    method: "POST",
    path: "/orders",
    headers: { "content-length": 10 },
  });
  const cut = once(endless, "error");
  endless.write("{");
  await vi.waitFor(async () => expect(await metric(shop, OPEN)).toBe(1));
  await shop.server.close(50);
  expect(shop.records).toMatchObject([{ status_code: 499, endpoint: "/orders" }]);
  await expect(cut).resolves.toMatchObject([{ code: "ECONNRESET" }]);
});

test("on a socket too, each answer has each security header once, and the page of the docs its own", async () => {
  const { server } = await serveTestShop();
  const policyOf = async (path: string) => {
    const { headers } = await fetch(server.url + path);
    expect(headers.get("x-content-type-options"), path).toBe("nosniff");
    return headers.get("content-security-policy");
  };
  for (const path of ["/products/1", "/nowhere"])
    expect(await policyOf(path)).toBe("default-src 'none'; frame-ancestors 'none'");
  expect(await policyOf("/docs")).toMatch(/^default-src 'none'; script-src 'self';[^,]+$/);
});
