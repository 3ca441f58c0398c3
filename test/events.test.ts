import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { beforeEach, describe, expect, onTestFinished, test } from "vitest";
import { DEMO_PASSWORD } from "../api/routes/session.ts";
import { requestIdAt } from "../contract/request-id.ts";
import {
  closedPort,
  freshTopics,
  numberOf,
  openTestDatabase,
  rowsOf,
  startRole,
  until,
  type Role,
} from "./harness.ts";

beforeEach(() => freshTopics());

function makeFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "rushhour-events-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** Undefined when there was no answer, as from a server that was killed. */
async function post(url: string, path: string, body?: unknown, headers: Record<string, string> = {}) {
  const answer = await fetch(`${url}${path}`, {
    method: "POST",
    headers: { ...(body !== undefined && { "content-type": "application/json" }), ...headers },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  }).catch(() => undefined);
  const json: unknown = await answer?.json().catch(() => undefined);
  if (answer === undefined || json === undefined) return undefined;
  return { status: answer.status, headers: answer.headers, json };
}

/** The samples of a metric by their labels, as `/metrics` says them. */
async function samplesOf({ url }: Role, name: string): Promise<Record<string, number>> {
  const text = await (await fetch(`${url}/metrics`)).text();
  const lines = text.matchAll(new RegExp(`^${name}(?:\\{name="([^"]+)"\\})? (\\d+)$`, "gm"));
  return Object.fromEntries([...lines].map(([, label = "", value]) => [label, Number(value)]));
}

const anEvent = (name: string) => ({
  event_id: requestIdAt(Date.now()),
  name,
  page: "/ui",
  session_id: "tab",
});

describe("events that were answered for", () => {
  test("become one row each, with their counts and notifications, though API and consumer are killed", async () => {
    const database = await openTestDatabase();
    const { pool, writerUrl } = database;
    const spools = makeFolder();
    const env = { RUSHHOUR_SPOOL: "always", RUSHHOUR_SPOOL_DIR: spools, RUSHHOUR_INSTANCE: "events" };
    const startApi = () => startRole(["api", "--port", "0", "--model", "off"], env);
    const startConsumer = () =>
      startRole(["consumer", "--group", "events", "--port", "0"], { MYSQL_WRITER_URL: writerUrl });
    const answered = { events: new Set<string>(), placed: 0, paid: 0, declined: 0 };
    let [api, consumer] = await Promise.all([startApi(), startConsumer()]);

    /** One visitor: events, some sent twice, and an order that is paid. */
    async function visit(n: number): Promise<void> {
      const batch = [anEvent("enroll-now"), anEvent("buy-now"), anEvent(`button-${n % 3}`)];
      for (let again = 0; again < 2; again++) {
        const answer = await post(api.url, "/events", batch);
        if (answer?.status === 202) for (const { event_id } of batch) answered.events.add(event_id);
      }
      const order = await post(api.url, "/orders", {
        user_id: 1 + (n % 100),
        items: [{ product_id: 1 + (n % 200), quantity: 1 }],
      });
      if (order?.status !== 201) return;
      answered.placed++;
      const { order_id } = order.json as { order_id: number };
      const method = n % 4 === 0 ? "gift_card" : "card";
      const payment = await post(api.url, `/orders/${order_id}/payment`, { method });
      if (payment?.status === 200) answered.paid++;
      if (payment?.status === 402) answered.declined++;
    }
    const visitAll = (count: number) => Promise.all(Array.from({ length: count }, (_, n) => visit(n)));

    const stored = (table: string) => numberOf(pool, `SELECT COUNT(*) FROM ${table}`);
    const first = visitAll(60);
    await until("the first rows", async () => (await stored("ui_events")) > 0);
    consumer.process.kill("SIGKILL");
    const second = visitAll(60);
    await until("some of the second visitors", () => answered.events.size > 250);
    api.process.kill("SIGKILL");
    await Promise.all([first, second]);
    [api, consumer] = await Promise.all([startApi(), startConsumer()]);
    await visitAll(20);

    const missing = async () => {
      const rows = await rowsOf(pool, "SELECT event_id FROM ui_events");
      const there = new Set(rows.map((row) => row["event_id"] as string));
      return [...answered.events].filter((id) => !there.has(id)).length;
    };
    await until("every event that was answered", async () => (await missing()) === 0);
    const types = async () =>
      Object.fromEntries(
        (await rowsOf(pool, "SELECT type, COUNT(*) AS n FROM shop_events GROUP BY type")).map((row) => [
          row["type"] as string,
          Number(row["n"]),
        ]),
      );
    await until("the orders", async () => ((await types())["order_placed"] ?? 0) >= answered.placed);
    await until("the payments", async () => ((await types())["order_paid"] ?? 0) >= answered.paid);
    expect((await types())["payment_declined"] ?? 0).toBeGreaterThanOrEqual(answered.declined);
    await until("no gap", async () => {
      const gaps = await rowsOf(pool, "SELECT * FROM v_ingest_gaps");
      const open = await rowsOf(
        pool,
        "SELECT * FROM v_publishers WHERE missing_records > 0 OR unacknowledged > 0",
      );
      return gaps.length + open.length === 0;
    });

    // An event, however often it was sent, is one row; an order says each thing once, and each is told once by each channel.
    expect(await stored("ui_events")).toBe(
      await numberOf(pool, "SELECT COUNT(DISTINCT event_id) FROM ui_events"),
    );
    expect(await stored("shop_events")).toBe(
      await numberOf(pool, "SELECT COUNT(DISTINCT event_id) FROM shop_events"),
    );
    const told = `SELECT COUNT(*) FROM shop_events e LEFT JOIN (
        SELECT event_id, COUNT(*) AS n, COUNT(DISTINCT channel) AS channels FROM notifications GROUP BY event_id
      ) AS t ON t.event_id = e.event_id WHERE COALESCE(t.n, 0) <> 2 OR t.channels <> 2`;
    expect(await numberOf(pool, told)).toBe(0);
    expect(await stored("notifications")).toBe(2 * (await stored("shop_events")));
    const { placed, paid } = (
      await rowsOf(pool, "SELECT SUM(placed) AS placed, SUM(paid) AS paid FROM v_orders")
    )[0]!;
    expect([Number(placed), Number(paid)]).toEqual([
      (await types())["order_placed"],
      (await types())["order_paid"],
    ]);

    const rows = await rowsOf(pool, "SELECT name, COUNT(*) AS n FROM ui_events GROUP BY name");
    const expected = Object.fromEntries(rows.map(({ name, n }) => [name as string, Number(n)]));
    expect(await samplesOf(consumer, "ui_events_total")).toEqual(expected);
    expect(await samplesOf(consumer, "kafka_funny_events_total")).toEqual({ "": expected["enroll-now"] });
    expect(await samplesOf(consumer, "kafka_serious_events_total")).toEqual({ "": expected["buy-now"] });

    // Neither a restart nor the end of old rows sets a counter back.
    await pool.query("DELETE FROM ui_events");
    consumer.process.kill("SIGTERM");
    await consumer.exited;
    consumer = await startConsumer();
    await until("the counters", async () => "buy-now" in (await samplesOf(consumer, "ui_events_total")));
    expect(await samplesOf(consumer, "ui_events_total")).toEqual(expected);
  });

  test("keep what is hostile in them as it is, and say who and which request it was", async () => {
    const { pool, writerUrl } = await openTestDatabase();
    const [api] = await Promise.all([
      startRole(["api", "--port", "0", "--model", "off"], {}),
      startRole(["consumer", "--group", "hostile", "--port", "0"], { MYSQL_WRITER_URL: writerUrl }),
    ]);
    const login = await post(api.url, "/login", await userOf(api.url));
    const { token } = login!.json as { token: string };
    const hostile = [
      "'; DROP TABLE ui_events; --",
      "<script>alert(1)</script>",
      "tab\t\\N\nnul\0",
      "😀 \u202e",
      "\ud800",
    ];
    const events = hostile.map((text) => ({
      name: "x",
      page: text,
      properties: { [text]: [text, { deep: null }] },
    }));
    const headers = { authorization: `Bearer ${token}`, "x-run-id": "run-1" };
    const answer = await post(api.url, "/events", events, headers);
    expect(answer?.status).toBe(202);
    await post(api.url, "/producer/event/funny");
    await post(api.url, "/producer/event/serious", { page: "/old", properties: { n: 1 } });

    await until("all rows", async () => (await numberOf(pool, "SELECT COUNT(*) FROM ui_events")) === 7);
    const rows = await rowsOf(
      pool,
      "SELECT page, properties, run_id, user_id, request_id FROM ui_events WHERE name = 'x' ORDER BY seq",
    );
    expect(rows).toEqual(
      hostile.map((text) => ({
        ...{ page: text.toWellFormed(), run_id: "run-1", user_id: "1" },
        properties: expect.toSatisfy(
          (json: unknown) =>
            JSON.stringify(typeof json === "string" ? JSON.parse(json) : json) ===
            JSON.stringify({ [text.toWellFormed()]: [text.toWellFormed(), { deep: null }] }),
        ) as unknown,
        request_id: answer?.headers.get("x-request-id"),
      })),
    );
    const aliases = await rowsOf(pool, "SELECT name, page FROM ui_events WHERE name <> 'x' ORDER BY name");
    expect(aliases).toEqual([
      { name: "buy-now", page: "/old" },
      { name: "enroll-now", page: null },
    ]);
    expect(await numberOf(pool, "SELECT COUNT(*) FROM dead_letters")).toBe(0);
    expect(await numberOf(pool, "SELECT SUM(events) FROM v_ui_events")).toBe(7);
  });
});

async function userOf(url: string) {
  const { username } = (await (await fetch(`${url}/users/1`)).json()) as { username: string };
  return { username, password: DEMO_PASSWORD };
}

test("E-7: an order is found by its trace in the logs of each service it passed", async () => {
  const { pool, writerUrl } = await openTestDatabase();
  const [api] = await Promise.all([
    startRole(["api", "--port", "0", "--model", "off"], {}),
    startRole(["consumer", "--group", "trace", "--port", "0"], { MYSQL_WRITER_URL: writerUrl }),
  ]);
  const trace = "4bf92f3577b34da6a3ce929d0e0e4736";
  const order = { user_id: 1, items: [{ product_id: 1, quantity: 1 }] };
  const placed = await post(api.url, "/orders", order, { traceparent: `00-${trace}-00f067aa0ba902b7-01` });
  expect(placed?.status).toBe(201);
  const logged = () =>
    rowsOf(pool, "SELECT service, level, message FROM app_logs WHERE trace_id = ? ORDER BY service", [trace]);
  await until("the lines of both services", async () => (await logged()).length === 2);
  expect(await logged()).toEqual([
    { service: "notifications", level: "INFO", message: "order-confirmation of order 1 sent" },
    { service: "orders", level: "INFO", message: "order 1 placed" },
  ]);
  const requestId = placed!.headers.get("x-request-id");
  for (const table of ["api_logs", "shop_events"])
    expect(await numberOf(pool, `SELECT COUNT(*) FROM ${table} WHERE request_id = ?`, [requestId])).toBe(1);
  expect(await numberOf(pool, "SELECT COUNT(*) FROM notifications WHERE order_id = '1'")).toBe(2);
});

test("what has no room is answered 503: no event, no order", async () => {
  const api = await startRole(["api", "--port", "0", "--model", "off", "--spool", "off"], {
    KAFKA_BROKERS: `127.0.0.1:${await closedPort()}`,
    API_BUFFER_RECORDS: "100",
  });
  const send = () => post(api.url, "/events", anEvent("buy-now"));
  const statuses: (number | undefined)[] = [];
  for (let n = 0; n < 150; n++) statuses.push((await send())?.status);
  expect(new Set(statuses)).toEqual(new Set([202, 503]));
  // Half of 100 is for logs and orders; the other may go once more, when the first batch has left the buffer for its send.
  expect(statuses.filter((status) => status === 202).length).toBeLessThanOrEqual(100);
  expect(new Set(statuses.slice(-25))).toEqual(new Set([503]));
  expect((await send())?.headers.get("retry-after")).toBe("1");

  const order = () => post(api.url, "/orders", { user_id: 1, items: [{ product_id: 1, quantity: 1 }] });
  let placed = 0;
  let answer = await order();
  for (; answer?.status === 201 && placed < 100; answer = await order()) placed++;
  expect(answer?.status).toBe(503);
  expect(answer?.headers.get("retry-after")).toBe("1");
  const { total } = (await (await fetch(`${api.url}/orders`)).json()) as { total: number };
  expect(total).toBe(placed);
});
