import { Hono } from "hono";
import { Counter } from "prom-client";
import { expect, test, vi } from "vitest";
import { MAX_WRONG_TOKENS } from "../../contract/bearer-token.ts";
import { serveTestShop } from "../testing.ts";
import { limitRate } from "./rate-limit.ts";

const limited = new Counter({ name: "limited_total", help: "of all tests here", registers: [] });

test("a client has one second's requests at once, then as many as the rate lets through", async () => {
  let nowMs = 0;
  const app = new Hono();
  app.use(limitRate({ perSecond: 5, isExempt: (c) => c.req.path === "/health", limited, now: () => nowMs }));
  app.get("*", (c) => c.text("ok"));
  const ask = async (address: string, path = "/") => {
    const env = { incoming: { socket: { remoteAddress: address } } };
    const response = await app.request(path, {}, env);
    return [response.status, response.headers.get("retry-after")];
  };
  const burst = async () =>
    (await Promise.all(Array.from({ length: 8 }, () => ask("192.0.2.1")))).map(([s]) => s);
  expect(await burst()).toEqual([200, 200, 200, 200, 200, 429, 429, 429]);
  expect(await ask("192.0.2.1")).toEqual([429, "1"]);
  expect(await ask("192.0.2.2")).toEqual([200, null]); // others are not hit
  expect(await ask("192.0.2.1", "/health")).toEqual([200, null]);
  nowMs += 400;
  expect(await burst()).toEqual([200, 200, 429, 429, 429, 429, 429, 429]);
  nowMs += 3_600_000;
  expect((await burst()).filter((status) => status === 200)).toHaveLength(5);
  expect((await limited.get()).values[0]!.value).toBe(13);
});

test("a slow rate says how long to wait", async () => {
  const app = new Hono();
  app.use(limitRate({ perSecond: 1 / 60, isExempt: () => false, limited, now: () => 0 }));
  app.get("/", (c) => c.text("ok"));
  await app.request("/");
  const refusal = await app.request("/");
  expect(refusal.headers.get("retry-after")).toBe("60");
});

test("what is refused is logged as any response; health is never limited, and nothing is without the setting", async () => {
  const { server, records } = await serveTestShop({ API_RATE_LIMIT: 2 });
  const ask = async (path: string) => {
    const response = await fetch(server.url + path);
    await response.text();
    return response.status;
  };
  const statuses = [
    await ask("/users/1"),
    await ask("/users/1"),
    await ask("/users/1"),
    await ask("/nowhere"),
  ];
  expect(statuses.slice(0, 2)).toEqual([200, 200]);
  expect(statuses).toContain(429);
  for (let n = 0; n < 10; n++) expect(await ask("/health/live")).toBe(200);
  await vi.waitFor(() => expect(records).toHaveLength(14));
  expect(records.find(({ status_code }) => status_code === 429)).toMatchObject({
    ...{ level: "ERROR", error_type: "RATE_LIMITED", client_ip: "127.0.0.1" },
  });

  const unlimited = await serveTestShop();
  for (let n = 0; n < 50; n++) expect((await fetch(`${unlimited.server.url}/users/1`)).status).toBe(200);
});

test("who guesses the admin token is stopped for a while, and no guess is written down", async () => {
  const TOKEN = "0123456789abcdef0123456789abcdef";
  const { server, records, metrics } = await serveTestShop({ API_ADMIN_TOKEN: TOKEN });
  const ask = async (token: string) => {
    const response = await fetch(`${server.url}/__admin/faults`, {
      headers: { authorization: `Bearer ${token}` },
    });
    await response.text();
    return response;
  };
  expect((await ask(TOKEN)).status).toBe(200);
  for (let n = 0; n < MAX_WRONG_TOKENS; n++) expect((await ask(`guess-${n}`)).status).toBe(401);
  const stopped = await ask(TOKEN);
  expect(stopped.status).toBe(429);
  expect(Number(stopped.headers.get("retry-after"))).toBeGreaterThan(0);
  expect((await fetch(`${server.url}/users/1`)).status).toBe(200);
  expect(await metrics.registry.metrics()).toContain(`api_auth_failures_total ${MAX_WRONG_TOKENS + 1}`);
  await vi.waitFor(() => expect(records).toHaveLength(MAX_WRONG_TOKENS + 3));
  expect(JSON.stringify(records)).not.toMatch(/guess-|0123456789abcdef/);
});
