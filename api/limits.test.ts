import { connect, type Socket } from "node:net";
import { deflateSync, gzipSync } from "node:zlib";
import { expect, onTestFinished, test, vi } from "vitest";
import { HTTP_LIMITS } from "../contract/http-limits.ts";
import { MAX_BODY_BYTES } from "./json-body.ts";
import { serveTestShop } from "./testing.ts";

type Shop = Awaited<ReturnType<typeof serveTestShop>>;

/** A connection of its own, with all that came back on it. */
function open({ port }: Shop) {
  const socket: Socket = connect(port, "127.0.0.1");
  onTestFinished(() => void socket.destroy());
  let text = "";
  socket.on("data", (chunk) => (text += chunk.toString("latin1")));
  socket.on("error", () => undefined); // cut while it was still sending
  const closed = new Promise<string>((resolve) => socket.once("close", () => resolve(text)));
  return { socket, closed, received: () => text };
}

/** All that comes back for these bytes, until the server closes. */
function exchange(shop: Shop, bytes: string | Buffer): Promise<string> {
  const { socket, closed } = open(shop);
  socket.write(typeof bytes === "string" ? Buffer.from(bytes, "latin1") : bytes);
  return closed;
}

/** Asks once and has the connection closed behind the answer. */
const requestOf = (line: string, headers: readonly string[] = [], body: string | Buffer = "") =>
  Buffer.concat([
    Buffer.from([line, "Host: shop", "Connection: close", ...headers, "", ""].join("\r\n"), "latin1"),
    Buffer.from(body),
  ]);

const statusesOf = (text: string) =>
  [...text.matchAll(/HTTP\/1\.1 (\d{3}) /g)].map(([, status]) => Number(status));

async function malformedOf({ metrics }: Shop): Promise<number> {
  const { values } = await metrics.registry.getSingleMetric("http_malformed_total")!.get();
  return values[0]?.value ?? 0;
}

/** The server still answers others, and nothing became a failure of its own. */
async function isWell(shop: Shop): Promise<void> {
  expect((await fetch(`${shop.server.url}/users/1`)).status).toBe(200);
  expect(shop.records.filter(({ status_code }) => status_code >= 500)).toEqual([]);
}

/** Sends one byte after the other, each when the one before is out, until the server has enough of it. */
async function trickle(socket: Socket, bytes: () => string): Promise<void> {
  while (!socket.destroyed && socket.writable) {
    await new Promise((resolve) => socket.write(bytes(), resolve));
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

const IMPATIENT = {
  headersTimeout: 300,
  requestTimeout: 500,
  connectionsCheckingInterval: 50,
  lingerMs: 50,
} as const;

test.each([
  ["headers", "GET /users HTTP/1.1\r\nHost: shop\r\n", () => "a: b\r\n", []],
  ["a request line", "", () => "G", []],
  [
    "a body",
    "POST /orders HTTP/1.1\r\nHost: shop\r\nContent-Type: application/json\r\nContent-Length: 60000\r\n\r\n",
    () => " ",
    [499],
  ],
  [
    "a chunked body",
    "POST /orders HTTP/1.1\r\nHost: shop\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n",
    () => "1\r\n \r\n",
    [499],
  ],
])("a client that lets %s trickle is sent away with 408", async (what, head, more, statuses) => {
  const shop = await serveTestShop({}, undefined, { ...IMPATIENT, maxHeaderSize: 16_384 });
  const { socket, closed } = open(shop);
  socket.write(head);
  await Promise.all([trickle(socket, more), closed]);
  expect(statusesOf(await closed)).toEqual([what === "a request line" ? 400 : 408]);
  expect(await malformedOf(shop)).toBe(1);
  await vi.waitFor(() => expect(shop.records.map((record) => record.status_code)).toEqual(statuses));
  await isWell(shop);
});

test("the limits of a server that listens are the documented ones", () => {
  expect(HTTP_LIMITS).toMatchObject({ headersTimeout: 10_000, requestTimeout: 30_000, maxHeaders: 100 });
});

test.each([
  ["one huge header", [`X-Big: ${"a".repeat(1_000_000)}`]],
  ["headers of 16 KiB together", Array.from({ length: 40 }, (_, n) => `X-${n}: ${"a".repeat(500)}`)],
  ["more than 100 headers", Array.from({ length: 101 }, (_, n) => `X-${n}: a`)],
  ["thousands of headers", Array.from({ length: 3_000 }, () => "a:")],
])("%s are refused with 431 and counted", async (_what, headers) => {
  const shop = await serveTestShop();
  expect(statusesOf(await exchange(shop, requestOf("GET /users HTTP/1.1", headers)))).toEqual([431]);
  expect(await malformedOf(shop)).toBe(1);
  expect(shop.records).toEqual([]);
  await isWell(shop);
});

test("a path as long as the headers may be is answered, a longer one refused", async () => {
  const shop = await serveTestShop();
  const ask = (length: number) => exchange(shop, requestOf(`GET /${"a".repeat(length)} HTTP/1.1`));
  expect(statusesOf(await ask(16_000))).toEqual([404]);
  expect(shop.records.at(-1)?.path).toHaveLength(1024);
  expect(statusesOf(await ask(100_000))).toEqual([431]);
});

const JSON_TYPE = "Content-Type: application/json";
const ORDER = "POST /orders HTTP/1.1";

test.each([
  ["arrays", 30_000, (depth: number) => "[".repeat(depth) + "]".repeat(depth)],
  ["objects", 10_000, (depth: number) => '{"a":'.repeat(depth) + "1" + "}".repeat(depth)],
  [
    "arrays in a known field",
    30_000,
    (depth: number) => `{"user_id":1,"items":${"[".repeat(depth)}${"]".repeat(depth)}}`,
  ],
  [
    "objects in a field nobody knows",
    9_000,
    (depth: number) => `{"user_id":1,"x":${'{"a":'.repeat(depth)}1${"}".repeat(depth)}}`,
  ],
  ["brackets that never close", 60_000, (depth: number) => "[".repeat(depth)],
])("JSON of deeply nested %s is a 400", async (_what, depth, bodyOf) => {
  const shop = await serveTestShop();
  const body = bodyOf(depth);
  const answer = await exchange(shop, requestOf(ORDER, [JSON_TYPE, `Content-Length: ${body.length}`], body));
  expect(statusesOf(answer)).toEqual([400]);
  await isWell(shop);
});

test("a body beyond the limit is a 413, declared, streamed without a length, and on a route that reads none", async () => {
  const shop = await serveTestShop();
  const body = "x".repeat(MAX_BODY_BYTES + 1);
  const declared = requestOf(ORDER, [JSON_TYPE, `Content-Length: ${body.length}`], body);
  expect(statusesOf(await exchange(shop, declared))).toEqual([413]);

  const { socket, closed, received } = open(shop);
  socket.write(requestOf(ORDER, [JSON_TYPE, "Transfer-Encoding: chunked"]));
  const chunk = `4000\r\n${" ".repeat(0x4000)}\r\n`;
  while (!received().includes("\r\n\r\n") && socket.writable) {
    await new Promise((resolve) => socket.write(chunk, resolve)); // the answer comes before the end of the body
  }
  socket.end("0\r\n\r\n");
  expect(statusesOf(await closed)).toEqual([413]);

  const unread = requestOf("GET /users/1 HTTP/1.1", [`Content-Length: ${body.length}`], body);
  expect(statusesOf(await exchange(shop, unread))).toEqual([200]);
  await isWell(shop);
});

test.each([
  ["gzip", gzipSync(Buffer.alloc(10_000_000, " "))],
  ["deflate", deflateSync("{}")],
  ["zstd", Buffer.from("28b52ffd", "hex")],
  ["gzip, gzip", Buffer.from("1f8b", "hex")],
])("a body compressed by %s is refused with 415 before it is read", async (encoding, body) => {
  const shop = await serveTestShop();
  const headers = [JSON_TYPE, `Content-Encoding: ${encoding}`, `Content-Length: ${body.length}`];
  const answer = await exchange(shop, requestOf(ORDER, headers, body));
  expect(statusesOf(answer)).toEqual([415]);
  expect(answer).toMatch(/accept-encoding: identity/i);
  expect(answer).toContain('"BODY_ENCODED"');
  expect(shop.records).toMatchObject([{ status_code: 415, error_type: "BODY_ENCODED" }]);
});

test("a flood of pipelined requests starts handlers up to a bound, and its connection ends", async () => {
  const shop = await serveTestShop({ API_MODEL: "realistic" });
  await exchange(shop, "GET /users/1 HTTP/1.1\r\nHost: shop\r\n\r\n".repeat(5_000));
  expect(await malformedOf(shop)).toBeGreaterThan(0);
  expect(shop.records.length).toBeGreaterThan(HTTP_LIMITS.maxPipelined);
  expect(shop.records.length).toBeLessThan(5 * HTTP_LIMITS.maxPipelined);
  expect((await fetch(`${shop.server.url}/health/live`)).status).toBe(200);
});

test("as many pipelined requests as are allowed are all answered", async () => {
  const shop = await serveTestShop();
  const one = "GET /users/1 HTTP/1.1\r\nHost: shop\r\n\r\n";
  const last = requestOf("GET /users/1 HTTP/1.1").toString();
  const statuses = statusesOf(await exchange(shop, one.repeat(HTTP_LIMITS.maxPipelined) + last));
  expect(statuses).toEqual(Array.from({ length: HTTP_LIMITS.maxPipelined + 1 }, () => 200));
  expect(await malformedOf(shop)).toBe(0);
});

test.each([
  ["a null byte in the path", "GET /users\0 HTTP/1.1", [], 400],
  ["a control character in the path", "GET /us\x1bers HTTP/1.1", [], 400],
  ["a null byte in a header", "GET /users HTTP/1.1", ["X-A: a\0b"], 400],
  ["an escape in a header", "GET /users HTTP/1.1", ["X-A: a\x1b[31mb"], 400],
  ["a line feed alone in a header", "GET /users HTTP/1.1", ["X-A: a\nX-B: b"], 400],
  ["a method that is none", "G\x01T /users HTTP/1.1", [], 400],
  ["two lengths", "POST /orders HTTP/1.1", ["Content-Length: 1", "Content-Length: 2"], 400],
  ["a length and chunks", "POST /orders HTTP/1.1", ["Content-Length: 1", "Transfer-Encoding: chunked"], 400],
  ["a negative length", "POST /orders HTTP/1.1", ["Content-Length: -1"], 400],
  ["an encoded null byte in the path", "GET /users/%00 HTTP/1.1", [], 404],
  ["broken percent-encoding", "GET /users/%zz%ff%fe HTTP/1.1", [], 404],
  ["broken UTF-8 in the query", "GET /users?limit=%ff%fe HTTP/1.1", [], 400],
  ["control characters in the query", "GET /users?limit=%00%1b%0a HTTP/1.1", [], 400],
  ["Latin-1 in the path", "GET /\xe4\xff HTTP/1.1", [], 400],
  ["dots to leave the root", "GET /docs/..%2f..%2fetc%2fpasswd HTTP/1.1", [], 404],
  ["no path at all", "GET * HTTP/1.1", [], 400],
  ["an address in place of the path", "GET http://elsewhere.example/users/1 HTTP/1.1", [], 200],
  ["an upgrade nobody offers", "GET /users/1 HTTP/1.1", ["Upgrade: websocket", "Connection: upgrade"], 200],
  ["an expectation nobody knows", "GET /users/1 HTTP/1.1", ["Expect: miracles"], 417],
])("%s", async (_what, line, headers, status) => {
  const shop = await serveTestShop();
  const answer = exchange(shop, requestOf(line, headers));
  expect(statusesOf(await answer)).toEqual([status]);
  await isWell(shop);
});

test.each([
  ["a null byte", '{"username":"a\0b","password":"x"}', 400],
  ["an escaped null byte", '{"username":"a\\u0000\\u001b[2J","password":"x"}', 401],
  ["bytes that are no UTF-8", Buffer.from("7b22fffe223a317d", "hex"), 400],
  ["half of a surrogate pair", '{"username":"\\ud800","password":"x"}', 401],
  ["a number beyond all", '{"username":1e999,"password":"x"}', 400],
  ["the prototype", '{"__proto__":{"username":"a"},"constructor":1}', 400],
])("a body with %s", async (_what, body, status) => {
  const shop = await serveTestShop();
  const bytes = Buffer.from(body as string);
  const headers = [JSON_TYPE, `Content-Length: ${bytes.length}`];
  expect(statusesOf(await exchange(shop, requestOf("POST /login HTTP/1.1", headers, bytes)))).toEqual([
    status,
  ]);
  await isWell(shop);
});

test("chunks that break off or make no sense end the connection and leave a record that says so", async () => {
  const shop = await serveTestShop();
  const answer = await exchange(shop, requestOf(ORDER, [JSON_TYPE, "Transfer-Encoding: chunked"], "zz\r\n"));
  expect(statusesOf(answer)).toEqual([400]);
  expect(await malformedOf(shop)).toBe(1);
  await vi.waitFor(() => expect(shop.records).toMatchObject([{ status_code: 499 }]));
  await isWell(shop);
});
