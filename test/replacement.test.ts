import { expect, onTestFinished, test } from "vitest";
import { Pool } from "undici";
import { freePorts } from "../engines/ports.ts";
import { freshTopics, numberOf, openTestDatabase, rowsOf, startRole, until, type Role } from "./harness.ts";

const RATE = 200; // requests a second

/** Sends at a steady rate on kept connections, as a service that calls another does. */
function load(origin: string) {
  const pool = new Pool(origin, { connections: 20 });
  const answered: string[] = [];
  const failures: unknown[] = [];
  const inFlight = new Set<Promise<void>>();
  const startMs = performance.now();
  let sent = 0;
  const send = async () => {
    try {
      const { statusCode, headers, body } = await pool.request({
        method: "GET",
        path: `/users/${(sent % 50) + 1}`,
      });
      await body.dump();
      if (statusCode === 200) answered.push(String(headers["x-request-id"]));
      else failures.push(statusCode);
    } catch (error) {
      failures.push(error);
    }
  };
  const timer = setInterval(() => {
    for (; sent < ((performance.now() - startMs) * RATE) / 1_000; sent++) {
      const request = send().finally(() => inFlight.delete(request));
      inFlight.add(request);
    }
  }, 5);
  const end = async () => {
    clearInterval(timer);
    await Promise.all(inFlight);
    await pool.close();
  };
  onTestFinished(() => clearInterval(timer));
  return { answered, failures, end };
}

async function health({ url }: Role): Promise<{ status: string; pid: number }> {
  const answer = await fetch(`${url}/health/ready`, { headers: { connection: "close" } }); // on a new connection, so either may answer
  return (await answer.json()) as { status: string; pid: number };
}

async function untilReady(role: Role): Promise<void> {
  await until(`process ${role.process.pid} to be ready`, async () => {
    const { status, pid } = await health(role);
    return status === "ok" && pid === role.process.pid;
  });
}

async function replace(old: Role, next: Promise<Role>): Promise<void> {
  await untilReady(await next);
  old.process.kill("SIGTERM");
  expect(await old.exited).toBe(0);
}

test("API and consumer are replaced under load: every request is answered, and has its row", async () => {
  await freshTopics();
  const database = await openTestDatabase();
  const [port] = await freePorts([undefined]);
  const startApi = (instance: string) =>
    startRole(["api", "--port", String(port), "--reuse-port", "--model", "off"], {
      RUSHHOUR_INSTANCE: instance,
    });
  const startConsumer = () =>
    startRole(["consumer", "--port", "0"], {
      MYSQL_WRITER_URL: database.writerUrl,
      CONSUMER_GROUP: database.name,
    });
  const [oldApi, oldConsumer] = await Promise.all([startApi("old"), startConsumer()]);
  await Promise.all([untilReady(oldApi), untilReady(oldConsumer)]);

  const { answered, failures, end } = load(oldApi.url);
  await until("requests", () => answered.length > RATE);
  await replace(oldApi, startApi("new"));
  await replace(oldConsumer, startConsumer());
  const before = answered.length;
  await until("requests to the new one", () => answered.length > before + RATE);
  await end();

  expect(failures).toEqual([]);
  await until("every row", async () => (await numberOf(database.pool, COUNT)) >= answered.length);
  const stored = await rowsOf(
    database.pool,
    "SELECT request_id, instance FROM api_logs WHERE endpoint = '/users/:id'",
  );
  expect(stored.map((row) => String(row["request_id"])).sort()).toEqual(answered.sort());
  expect(new Set(stored.map((row) => String(row["instance"])))).toEqual(new Set(["old", "new"]));
});

const COUNT = "SELECT COUNT(*) FROM api_logs WHERE endpoint = '/users/:id'";
