import { once } from "node:events";
import { connect } from "node:net";
import { expect, test, vi } from "vitest";
import type { FaultState } from "../../contract/faults.ts";
import { requestLogRow } from "../../contract/request-log-row.ts";
import { openTestShop, serveTestShop } from "../testing.ts";

const ORDER = { user_id: 3, items: [{ product_id: 5, quantity: 2 }] };

type Shop = ReturnType<typeof openTestShop>;

/** Starts a fault as anybody would, and answers how it stands. */
async function start({ ask }: Shop, fault: object): Promise<FaultState> {
  const { status, answer } = await ask("POST", "/__admin/faults", { id: "f1", for_ms: 60_000, ...fault });
  expect(status, JSON.stringify(answer)).toBe(201);
  return answer as FaultState;
}

const end = async ({ ask }: Shop, id = "f1") =>
  (await ask("DELETE", `/__admin/faults/${id}`)).answer as FaultState;

/** The records of requests to the shop itself. */
const shopRecords = ({ records }: Pick<Shop, "records">) =>
  records.filter(({ endpoint }) => !endpoint.startsWith("/__admin"));

async function injected({ metrics }: Shop): Promise<string[]> {
  const text = await metrics.registry.metrics();
  return text.split("\n").filter((line) => line.startsWith("api_faults_injected_total{"));
}

test("an error burst answers its status, and the log names the fault", async () => {
  const shop = openTestShop();
  await start(shop, { kind: "error-burst", route: "GET /users/:id", status: 507 });
  expect(await shop.ask("GET", "/users/1")).toMatchObject({
    status: 507,
    answer: { error: { code: "FAULT_INJECTED" } },
  });
  expect((await shop.ask("GET", "/users")).status).toBe(200);
  expect(shopRecords(shop)).toMatchObject([
    { level: "ERROR", status_code: 507, error_type: "fault:f1", endpoint: "/users/:id", incident: "f1" },
    { level: "INFO", status_code: 200 },
  ]);
  expect(shopRecords(shop)[1]).not.toHaveProperty("incident");
  expect(await end(shop)).toMatchObject({ requests_seen: 1, requests_affected: 1 });
  expect((await shop.ask("GET", "/users/1")).status).toBe(200);
});

test("an error burst answers 503 with retry-after unless told otherwise", async () => {
  const shop = openTestShop();
  await start(shop, { kind: "error-burst" });
  const { status, headers } = await shop.ask("GET", "/products");
  expect([status, headers.get("retry-after")]).toEqual([503, "1"]);
});

test("the incident of a request arrives in the column extra of its row", async () => {
  const shop = openTestShop();
  await start(shop, { kind: "error-burst" });
  await shop.ask("GET", "/users");
  const fields = JSON.parse(JSON.stringify(shopRecords(shop)[0])) as Record<string, unknown>;
  const received = { cluster: "c", topic: "error-logs", partition: 0, offset: 0n, timeMs: 0, key: null };
  expect(requestLogRow(fields, { ...received, value: null }, Date.now())).toMatchObject({
    row: { status_code: 503, extra: '{"incident":"f1"}' },
  });
});

test("a rate limit answers 429 and says when to come back", async () => {
  const shop = openTestShop();
  await start(shop, { kind: "rate-limit", route: "POST /login" });
  const { status, headers, answer } = await shop.ask("POST", "/login", { username: "a", password: "b" });
  expect([status, answer]).toMatchObject([429, { error: { code: "RATE_LIMITED" } }]);
  expect(headers.get("retry-after")).toBe("1");
  expect(headers.get("ratelimit")).toBe('"shop";r=0;t=1');
  expect(headers.get("ratelimit-policy")).toBe('"shop";q=100;w=1');
});

test("a slow request is answered by the shop, later, with its body as it was sent", async () => {
  const shop = await serveTestShop();
  await start(shop, { kind: "slow", route: "POST /orders", latency_median_ms: 40, latency_sigma: 0 });
  const response = await fetch(`${shop.server.url}/orders`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(ORDER),
  });
  expect(response.status).toBe(201);
  await response.text();
  await vi.waitFor(() =>
    expect(shopRecords(shop)).toMatchObject([{ status_code: 201, level: "INFO", incident: "f1" }]),
  );
  expect(shopRecords(shop)[0]!.response_time_ms).toBeGreaterThan(38);
});

test("several faults at once: the latency of the first, the error of the second, both in the log", async () => {
  const shop = openTestShop();
  await start(shop, { id: "a", kind: "slow", latency_median_ms: 40, latency_sigma: 0 });
  await start(shop, { id: "b", kind: "error-burst" });
  expect((await shop.ask("GET", "/inventory")).status).toBe(503);
  const [record] = shopRecords(shop);
  expect(record).toMatchObject({ incident: "a,b", error_type: "fault:b" });
  expect(record!.response_time_ms).toBeGreaterThan(38);
  expect(await injected(shop)).toEqual([
    'api_faults_injected_total{kind="slow",route="GET /inventory"} 1',
    'api_faults_injected_total{kind="error-burst",route="GET /inventory"} 1',
  ]);
});

test("a timeout holds the answer until the client leaves, and that is logged as 499", async () => {
  const shop = await serveTestShop();
  await start(shop, { kind: "timeout", route: "GET /users" });
  const socket = connect(shop.port, "127.0.0.1");
  let answered = "";
  socket.on("data", (chunk: Buffer) => (answered += chunk.toString()));
  socket.write("GET /users HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n");
  await vi.waitFor(async () =>
    expect(await injected(shop)).toEqual(['api_faults_injected_total{kind="timeout",route="GET /users"} 1']),
  );
  expect(shopRecords(shop)).toEqual([]);
  socket.destroy();
  await vi.waitFor(() => expect(shopRecords(shop)).toMatchObject([{ status_code: 499, incident: "f1" }]));
  expect(answered).toBe("");
});

test("a timeout that the client outlasts is answered 504", async () => {
  const shop = await serveTestShop();
  await start(shop, { kind: "timeout", for_ms: 1_500 }); // time enough to ask on a busy machine
  const response = await fetch(`${shop.server.url}/users`);
  expect(response.status).toBe(504);
  await vi.waitFor(() =>
    expect(shopRecords(shop)).toMatchObject([{ status_code: 504, error_type: "fault:f1" }]),
  );
});

test("a reset breaks the connection without a byte of an answer, leaves one record and the server well", async () => {
  const shop = await serveTestShop();
  await start(shop, { kind: "reset", route: "POST /orders" });
  const socket = connect(shop.port, "127.0.0.1");
  let answered = "";
  socket.on("data", (chunk: Buffer) => (answered += chunk.toString()));
  const body = JSON.stringify(ORDER);
  socket.write(
    `POST /orders HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
  );
  expect(await once(socket, "error")).toMatchObject([{ code: "ECONNRESET" }]);
  expect(answered).toBe("");
  await vi.waitFor(() =>
    expect(shopRecords(shop)).toMatchObject([{ status_code: 499, endpoint: "/orders", incident: "f1" }]),
  );
  expect(await end(shop)).toMatchObject({ requests_affected: 1 });
  const after = await fetch(`${shop.server.url}/orders`);
  expect(await after.json()).toMatchObject({ total: 0 }); // the shop never saw the order
  expect(shopRecords(shop).filter(({ method }) => method === "POST")).toHaveLength(1);
});

test("health, metrics, documentation, control and what has no route are never hit", async () => {
  const shop = openTestShop();
  await start(shop, { kind: "error-burst" });
  for (const path of ["/health", "/health/live", "/health/ready", "/metrics", "/metrics.json", "/status"]) {
    expect([path, (await shop.ask("GET", path)).status]).toEqual([path, 200]);
  }
  for (const path of ["/docs", "/docs/start.js", "/openapi.json", "/__admin/faults"]) {
    expect([path, (await shop.ask("GET", path)).status]).toEqual([path, 200]);
  }
  expect((await shop.ask("GET", "/nowhere")).status).toBe(404);
  expect((await shop.ask("DELETE", "/users")).status).toBe(405);
  expect(await end(shop)).toMatchObject({ requests_seen: 0 });
});

test("HEAD is hit as GET is", async () => {
  const shop = openTestShop();
  await start(shop, { kind: "error-burst", route: "GET /users" });
  expect((await shop.app.request("/users", { method: "HEAD" })).status).toBe(503);
});

test("closing the server does not wait for answers that a timeout holds", async () => {
  const shop = await serveTestShop();
  await start(shop, { kind: "timeout" });
  const cut = fetch(`${shop.server.url}/users`).catch((error: unknown) => error);
  await vi.waitFor(async () => expect(await injected(shop)).toHaveLength(1));
  await shop.server.close(0);
  expect(await cut).toBeInstanceOf(TypeError);
  expect(shopRecords(shop)).toMatchObject([{ status_code: 499 }]);
});
