import { expect, test } from "vitest";
import { APP_LOG } from "../contract/app-log.ts";
import type { Publishable, RecordKind } from "../contract/record-kind.ts";
import { SHOP_EVENT } from "../contract/shop-event.ts";
import { UI_EVENT } from "../contract/ui-event.ts";
import type { Beside } from "./synthetic/besides.ts";
import type { Fields } from "../contract/record.ts";
import type { RequestLog } from "../contract/request-log.ts";
import { requestLogRow } from "../contract/request-log-row.ts";
import { TOPIC_OF_LEVEL } from "../contract/request-log.ts";
import { createSyntheticLogs } from "./synthetic.ts";

const NOW_MS = Date.UTC(2026, 0, 5, 12, 34, 56, 789);
const DAY_MS = 86_400_000;

type Drawn = RequestLog & { readonly incident?: string };

/** Records of a day, evenly spread. */
function draw(
  count: number,
  { seed = 7, startMs = NOW_MS } = {},
): { level: string; json: string; besides: readonly Beside[]; log: Drawn }[] {
  const logs = createSyntheticLogs({ seed, startMs, meanPerSecond: 5 });
  return Array.from({ length: count }, (_, n) => {
    const { level, json, besides } = logs.next(startMs + Math.floor((n * DAY_MS) / count));
    return { level, json, besides, log: JSON.parse(json) as Drawn };
  });
}

const DAY = draw(50_000);
const LOGS = DAY.map(({ log }) => log);

test("A-13: the three topics are all filled", () => {
  const counts = Map.groupBy(DAY, ({ log }) => TOPIC_OF_LEVEL[log.level]);
  for (const topic of ["info-logs", "error-logs", "debug-logs"])
    expect(counts.get(topic)!.length, topic).toBeGreaterThan(50);
});

test("A-13: level, status and error agree in each record", () => {
  for (const { level, log } of DAY.slice(0, 5_000)) {
    const { status_code, endpoint, error_type, error_message, stack } = log;
    const isDebug = endpoint === "/health";
    const right =
      status_code === 500 ? "CRITICAL" : status_code >= 400 ? "ERROR" : isDebug ? "DEBUG" : "INFO";
    const [isError, isCrash] = [status_code >= 400, right === "CRITICAL"];
    expect([
      level,
      log.level,
      error_type !== undefined,
      error_message !== undefined,
      stack !== undefined,
    ]).toEqual([...[right, right, isError, isError, isCrash]]);
  }
});

/** Records of a kind with the requests that brought them about. */
const besidesIn = <R extends Publishable>(day: typeof DAY, { topics }: RecordKind<R>) =>
  day.flatMap(({ besides, log }) =>
    besides
      .filter(({ to }) => topics.includes(to.topic))
      .map(({ json }) => ({ log, record: JSON.parse(json) as R })),
  );

test("E-1: beside each crash its service logs a CRITICAL with the ids and the stack of the request, the same for the same seed", () => {
  const crashed = DAY.filter(({ log }) => log.stack !== undefined);
  expect(crashed.length).toBeGreaterThan(10);
  const crashes = besidesIn(DAY, APP_LOG);
  expect(crashes.map(({ log }) => log)).toEqual(crashed.map(({ log }) => log));
  for (const { record, log } of crashes) {
    const { request_id, trace_id, service, stack, error_type } = log;
    expect(record).toMatchObject({ level: "CRITICAL", request_id, trace_id, service });
    expect(record.exception).toMatchObject({ type: error_type, stack });
    expect(record.module).toMatch(/^\/srv\/shop\//);
    expect(Date.parse(record.timestamp)).toBeGreaterThanOrEqual(Date.parse(log.timestamp));
  }
  const ids = (day: typeof DAY) => besidesIn(day, APP_LOG).map(({ record }) => record.log_id);
  expect(new Set(ids(DAY)).size).toBe(crashed.length);
  expect(ids(draw(50_000))).toEqual(ids(DAY));
});

test("E-7: an order that is placed, paid or declined is an event, always of the same items", () => {
  const events = besidesIn(DAY, SHOP_EVENT);
  const answered = (method: string, endpoint: string, status: number) =>
    LOGS.filter((log) => log.method === method && log.endpoint === endpoint && log.status_code === status);
  const told = (type: string) => events.filter(({ record }) => record.type === type);
  expect(told("order_placed")).toHaveLength(answered("POST", "/orders", 201).length);
  expect(told("order_paid")).toHaveLength(answered("POST", "/orders/:id/payment", 200).length);
  expect(told("payment_declined")).toHaveLength(answered("POST", "/orders/:id/payment", 402).length);
  const placed = new Map(told("order_placed").map(({ record }) => [record.order_id, record]));
  expect(placed.size).toBeGreaterThan(100);
  for (const { record, log } of told("order_paid")) {
    expect(log.path).toBe(`/orders/${record.order_id}/payment`);
    expect(record).toMatchObject({ user_id: log.user_id, request_id: log.request_id });
    expect(record.items).toEqual(placed.get(record.order_id)!.items);
    expect(record.total_cents).toBeGreaterThan(0);
  }
});

test("U-1: buttons are pressed, each press an event whose time is in its id", () => {
  const events = besidesIn(DAY, UI_EVENT);
  expect(new Set(events.map(({ record }) => record.name))).toEqual(new Set(["enroll-now", "buy-now"]));
  for (const { record } of events)
    expect(parseInt(record.event_id.replace("-", "").slice(0, 12), 16)).toBe(Date.parse(record.timestamp));
});

test("errors are as rare as in production, and each kind is of its routes", () => {
  const share = LOGS.filter(({ status_code }) => status_code >= 400).length / LOGS.length;
  expect(share).toBeGreaterThan(0.01);
  expect(share).toBeLessThan(0.04);
  const kinds = Map.groupBy(LOGS, ({ error_type }) => error_type);
  expect(kinds.size).toBeGreaterThan(10);
  for (const { endpoint } of kinds.get("PaymentDeclined")!) expect(endpoint).toBe("/orders/:id/payment");
});

test("refusals are quicker than success and timeouts are as long as the timeout", () => {
  const median = (isWanted: (log: Drawn) => boolean) => {
    const times = LOGS.filter(isWanted).map(({ response_time_ms }) => response_time_ms);
    return times.sort((a, b) => a - b)[times.length >> 1]!;
  };
  const login = (status: number) => median((log) => log.endpoint === "/login" && log.status_code === status);
  expect(login(401)).toBeLessThan(login(200) * 0.6);
  expect(median(({ status_code }) => status_code === 503)).toBeGreaterThan(2_000);
  expect(median(({ endpoint }) => endpoint === "/products/:id")).toBeGreaterThan(4);
  expect(median(({ endpoint }) => endpoint === "/products/:id")).toBeLessThan(9);
});

test("A-13: path and endpoint agree, and an order that was placed is the one that is paid", () => {
  for (const { endpoint, path } of LOGS) {
    const template = endpoint === "(unmatched)" ? path : path.replace(/\/[1-9]\d*(?=\/|$)/, "/:id");
    if (template !== (endpoint === "(unmatched)" ? path : endpoint)) expect(path).toBe(endpoint);
  }
  expect(new Set(LOGS.map(({ method, endpoint }) => `${method} ${endpoint}`)).size).toBe(15);

  const paid = LOGS.filter(
    ({ endpoint, status_code }) => endpoint.endsWith("/payment") && status_code === 200,
  );
  const orders = paid.map(({ path }) => path);
  expect(new Set(orders).size).toBe(orders.length);
  const placed = LOGS.filter(({ endpoint, status_code }) => endpoint === "/orders" && status_code === 201);
  expect(placed.length).toBeGreaterThan(paid.length);
  expect(paid.length).toBeGreaterThan(placed.length * 0.8);
});

test("users of a day become fewer from login over product and order to payment", () => {
  const users = (step: string) =>
    new Set(
      LOGS.filter(
        ({ method, endpoint, status_code }) => `${method} ${endpoint}` === step && status_code < 400,
      ).flatMap(({ user_id }) => user_id ?? []),
    ).size;
  const funnel = ["POST /login", "GET /products/:id", "POST /orders", "POST /orders/:id/payment"].map(users);
  const [logins = 0, views = 0, orders = 0, payments = 0] = funnel;
  expect(logins).toBeGreaterThan(200);
  expect(views).toBeLessThan(logins);
  expect(orders).toBeLessThan(views * 0.6);
  expect(orders).toBeGreaterThan(views * 0.1);
  expect(payments).toBeLessThanOrEqual(orders);
  expect(payments).toBeGreaterThan(orders * 0.7);
});

test("a user keeps agent and address for the day, and addresses are nobody's", () => {
  const sameDay = LOGS.filter(({ timestamp }) => timestamp.startsWith("2026-01-05"));
  const homes = Map.groupBy(sameDay, ({ user_id }) => user_id);
  homes.delete(undefined);
  expect(homes.size).toBeGreaterThan(50);
  for (const own of homes.values())
    expect(new Set(own.map(({ user_agent, client_ip }) => `${user_agent!} ${client_ip!}`)).size).toBe(1);
  for (const { client_ip } of LOGS)
    expect(client_ip).toMatch(/^(10\.|198\.51\.100\.|203\.0\.113\.|2001:db8:)/);
});

test("few users are many of the requests", () => {
  const requests = Map.groupBy(LOGS, ({ user_id }) => user_id);
  requests.delete(undefined);
  const counts = [...requests.values()].map((own) => own.length).sort((a, b) => b - a);
  const sum = (list: readonly number[]) => list.reduce((total, count) => total + count, 0);
  expect(sum(counts.slice(0, Math.ceil(counts.length / 10)))).toBeGreaterThan(sum(counts) * 0.3);
});

test("the seed decides every byte for the same times", () => {
  const drawn = (seed: number) => draw(2_000, { seed }).map(({ json }) => json);
  expect(drawn(7)).toEqual(drawn(7));
  expect(drawn(7)).not.toEqual(drawn(8));
});

test("two producers with one seed share no id unless they start in the same millisecond", () => {
  const ids = (startMs: number) => draw(1_000, { startMs }).map(({ log }) => log.request_id);
  const random = (id: string) => id.slice(14);
  const first = new Set(ids(NOW_MS).map(random));
  for (const id of ids(NOW_MS + 1)) expect(first.has(random(id))).toBe(false);
});

test("every record has the time it was drawn at, also inside its UUIDv7, and becomes a row", () => {
  const logs = createSyntheticLogs({ seed: 1, startMs: NOW_MS, meanPerSecond: 5 });
  const ids = new Set<string>();
  for (let n = 0; n < 2_000; n++) {
    const timeMs = NOW_MS + ((n * 7_919) % 100_000); // also backwards
    const { json, level } = logs.next(timeMs);
    const log = JSON.parse(json) as Drawn;
    ids.add(log.request_id);
    expect(log.timestamp).toBe(new Date(timeMs).toISOString());
    expect(log.request_id).toMatch(/^[\da-f]{8}-[\da-f]{4}-7[\da-f]{3}-[89ab][\da-f]{3}-[\da-f]{12}$/);
    expect(parseInt(log.request_id.replace("-", "").slice(0, 12), 16)).toBe(timeMs);
    expect(log.trace_id).toMatch(/^[\da-f]{32}$/);
    const record = {
      ...{ cluster: "c", topic: TOPIC_OF_LEVEL[level], partition: 0, offset: 0n, timeMs: 0 },
      ...{ key: null, value: null },
    };
    const decoded = requestLogRow(JSON.parse(json) as Fields, record, NOW_MS + 100_000);
    expect(decoded).toMatchObject({
      row: { request_id: log.request_id, level, status_code: log.status_code, extra: null },
    });
  }
  expect(ids.size).toBe(2_000);
});
