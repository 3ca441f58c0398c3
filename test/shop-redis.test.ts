import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { getCACertificates, setDefaultCACertificates } from "node:tls";
import { describe, expect, onTestFinished, test } from "vitest";
import { openRedis, type Redis } from "../api/redis.ts";
import { openTestShop } from "../api/testing.ts";
import { createAuthority } from "./certificates.ts";
import { runCli, silent, startRole, until, type Role } from "./harness.ts";
import { hasRedis, openTestRedis, type TestRedis } from "./redis.ts";

const API_SESSION_KEY = "0123456789abcdef0123456789abcdef";

async function connected({ url }: TestRedis): Promise<Redis> {
  const redis = await openRedis(url, silent);
  onTestFinished(() => redis.close());
  await until("Redis to be ready", () => redis.state().ready);
  return redis;
}

/** The whole shop as one of several processes would have it. */
async function openShop(server: TestRedis) {
  const redis = await connected(server);
  const shop = openTestShop({ API_SESSION_KEY }, undefined, { redis });
  const read = async (path: string) => {
    const { headers, answer } = await shop.ask("GET", path);
    return { cache: headers.get("x-cache"), stock: (answer as { stock?: number }).stock };
  };
  return { ...shop, redis, read };
}

interface SignedIn {
  readonly token: string;
  readonly refresh_token: string;
}

async function signIn(url: string): Promise<SignedIn> {
  const { username } = (await (await fetch(`${url}/users/42`)).json()) as { username: string };
  return (await send("POST", `${url}/login`, undefined, { username, password: "open-sesame" }))
    .body as SignedIn;
}

async function send(method: string, url: string, token?: string, body?: object) {
  const response = await fetch(url, {
    method,
    headers: {
      ...(body && { "content-type": "application/json" }),
      ...(token !== undefined && { authorization: `Bearer ${token}` }),
    },
    body: body ? JSON.stringify(body) : null,
  });
  const text = await response.text();
  return { status: response.status, body: text === "" ? undefined : (JSON.parse(text) as unknown) };
}

const session = async ({ url }: Role, token: string) => (await send("GET", `${url}/session`, token)).status;
const refresh = async ({ url }: Role, refresh_token: string) =>
  (await send("POST", `${url}/session/refresh`, undefined, { refresh_token })).status;

describe.skipIf(!hasRedis)("with a real redis-server (skipped where there is none)", () => {
  test("E-8: processes share sessions, sign-outs and used refresh tokens, also after Redis lost them", async () => {
    const server = await openTestRedis();
    const env = { REDIS_URL: server.url, API_SESSION_KEY, API_MODEL: "off", KAFKA_BROKERS: "127.0.0.1:1" };
    const [one, other] = await Promise.all([
      startRole(["api", "--port", "0", "--service", "auth,users"], env),
      startRole(["api", "--port", "0", "--service", "auth"], env),
    ]);
    const [first, second, third] = [await signIn(one.url), await signIn(one.url), await signIn(one.url)];
    expect(await session(other, first.token)).toBe(200);
    expect((await send("DELETE", `${one.url}/session`, first.token)).status).toBe(204);
    expect(await session(other, first.token)).toBe(401);
    expect(await refresh(other, first.refresh_token)).toBe(401);

    expect(await refresh(one, second.refresh_token)).toBe(200);
    expect(await refresh(other, second.refresh_token)).toBe(401);
    expect(await session(one, second.token)).toBe(401); // that second use ended it for both

    await server.kill();
    const redisOf = async ({ url }: Role) => {
      const { dependencies } = (await send("GET", `${url}/health/ready`)).body as {
        dependencies: { redis: { ready: boolean; reason?: string } };
      };
      return dependencies.redis;
    };
    await until("both to notice", async () => !(await redisOf(one)).ready && !(await redisOf(other)).ready);
    expect((await redisOf(one)).reason).toMatch(/ECONNREFUSED|closed/i);
    expect((await send("DELETE", `${one.url}/session`, third.token)).status).toBe(204);
    expect(await session(one, third.token)).toBe(401);
    expect(await session(other, third.token)).toBe(200); // nobody could tell it

    await server.start();
    await until("both to be back", async () => (await redisOf(one)).ready && (await redisOf(other)).ready);
    await until("the other to be told", async () => (await session(other, third.token)) === 401);
    expect(await refresh(other, third.refresh_token)).toBe(401);
  });

  test("E-8: processes share cached reads and stock, and an order of one takes out what the other reads", async () => {
    const server = await openTestRedis();
    const [one, other] = [await openShop(server), await openShop(server)];
    const { stock = 0 } = await one.read("/products/5");
    await until("the cache to have it", async () => (await other.read("/products/5")).cache === "hit");
    const order = { user_id: 1, items: [{ product_id: 5, quantity: 3 }] };
    expect((await one.ask("POST", "/orders", order)).status).toBe(201);
    expect(await other.read("/products/5")).toEqual({ cache: "miss", stock: stock - 3 });
    expect(await one.read("/products/5")).toEqual({ cache: "hit", stock: stock - 3 });
    const { text } = await other.ask("GET", "/inventory");
    expect(Object.values(JSON.parse(text) as Record<string, number>)[4]).toBe(stock - 3);
  });

  test("E-7: several processes sell no piece twice, and a delivery fills the shelves of all", async () => {
    const server = await openTestRedis();
    const shops = [await openShop(server), await openShop(server)];
    const { stock = 0 } = await shops[0]!.read("/products/5");
    const buy = (n: number, quantity: number) =>
      shops[n % 2]!.ask("POST", "/orders", { user_id: 1, items: [{ product_id: 5, quantity }] });
    const answers: { readonly status: number }[] = [];
    for (let n = 0; n < 499; n += 50) {
      const some = Array.from({ length: Math.min(50, 499 - n) }, (_, index) => buy(index, 1));
      answers.push(...(await Promise.all(some)));
    }
    expect(answers.filter(({ status }) => status === 201)).toHaveLength(stock);
    expect(answers.filter(({ status }) => status === 409)).toHaveLength(499 - stock);
    expect(await shops[1]!.read("/products/5")).toMatchObject({ stock: 0 });
    expect((await buy(0, 2)).status).toBe(201); // the 500th
    expect(await shops[1]!.read("/products/5")).toMatchObject({ stock: stock - 2 });
  });

  test("E-8: a frozen Redis is asked once and then no more, and a thawed one is used again", async () => {
    const server = await openTestRedis();
    const { ask, read, redis } = await openShop(server);
    await read("/products/5");
    server.signal("SIGSTOP");
    expect((await read("/products/5")).cache).toBe("miss"); // waits in vain
    let asked = 0;
    for (let n = 0; n < 20; n++) await redis.ask(() => Promise.resolve(asked++));
    expect(asked).toBe(0);
    const order = { user_id: 1, items: [{ product_id: 5, quantity: 1 }] };
    expect((await ask("POST", "/orders", order)).status).toBe(201);
    await until("the outage to show", () => !redis.state().ready);
    expect(redis.state().reason).toMatch(/does not answer/);
    server.signal("SIGCONT");
    await until("its return", () => redis.state().ready);
    await read("/products/6");
    await until("the cache to answer", async () => (await read("/products/6")).cache === "hit");
  });

  test("E-9: a Redis that takes no writes is not ready, and the API starts without one", async () => {
    const server = await openTestRedis();
    const redis = await connected(server);
    await redis.ask((client) => client.sendCommand(["REPLICAOF", "127.0.0.1", "1"]));
    await until("the refusal to show", () => /READONLY/.test(redis.state().reason ?? ""));
    await redis.ask((client) => client.sendCommand(["REPLICAOF", "NO", "ONE"]));
    await server.kill();
    const away = await openRedis(server.url, silent);
    expect(await away.ask((client) => client.ping())).toBeUndefined();
    await server.start();
    await until("both to be ready", () => redis.state().ready && away.state().ready);
    away.close();
  });

  test("E-8: over TLS the certificate is checked, and a password is used and never shown", async () => {
    const folder = mkdtempSync(join(tmpdir(), "rushhour-redis-"));
    onTestFinished(() => rmSync(folder, { recursive: true }));
    const authority = createAuthority("a test's authority");
    const certificate = authority.issue("127.0.0.1");
    const file = (name: "cert" | "key") => {
      writeFileSync(join(folder, name), certificate[name]);
      return join(folder, name);
    };
    const server = await openTestRedis({
      password: "top-secret",
      certFile: file("cert"),
      keyFile: file("key"),
    });
    const reasonAt = async (url: string) => {
      const redis = await openRedis(url, silent);
      await until("an answer", () => redis.state().reason !== "not connected yet");
      redis.close();
      return redis.state().reason;
    };
    expect(await reasonAt(server.url)).toMatch(/unable to (verify|get)|self[- ]signed/);
    const known = getCACertificates("default");
    setDefaultCACertificates([...known, authority.cert]);
    onTestFinished(() => setDefaultCACertificates(known));
    expect(await reasonAt(server.url.replace("top", "bottom"))).toMatch(/^WRONGPASS(?!.*secret)/);
    const redis = await connected(server);
    expect(await redis.ask((client) => client.ping())).toBe("PONG");
  });
});

test("E-7: up refuses to start a part of the shop, to which it would send the load of all", async () => {
  const { code, stderr } = await runCli(["up"], { API_SERVICE: "orders" });
  expect(code).toBe(104);
  expect(stderr).toContain("API_SERVICE=orders is for rushhour api");
});

test("E-8: a REDIS_URL that is none is refused before anything opens, without its password", async () => {
  const { code, stderr } = await runCli(["api"], { REDIS_URL: "redis://:top-secret@cache/zero" });
  expect(code).toBe(104);
  expect(stderr).toContain("REDIS_URL=redis://:***@cache/zero must look like");
});
