import { describe, expect, test } from "vitest";
import { v4 as uuidv4 } from "uuid";
import { requestIdAt } from "../../contract/request-id.ts";
import { openTestShop } from "../testing.ts";
import { MAX_EVENTS } from "./events.ts";

const DAY_MS = 86_400_000;

describe("U-2: POST /events", () => {
  test("an event is the same record however often it is sent: its time is that of its id", async () => {
    const { ask, taken: events } = openTestShop();
    const event_id = requestIdAt(1_000 * Math.floor(Date.now() / 1_000) - 60_000);
    for (let again = 0; again < 3; again++) {
      const sent = { event_id: event_id.toUpperCase(), name: "buy-now", page: "/ui", session_id: "s" };
      const { status, answer } = await ask("POST", "/events", sent, { "x-run-id": "run-1" });
      expect([status, answer]).toEqual([202, { events: [{ event_id, status: 202 }] }]);
    }
    const record = {
      ...{ v: 1, event_id, name: "buy-now", page: "/ui", session_id: "s", run_id: "run-1" },
      timestamp: new Date(parseInt(event_id.slice(0, 8) + event_id.slice(9, 13), 16)).toISOString(),
    };
    expect(events).toHaveLength(3); // which are one row
    for (const event of events) expect(event).toMatchObject({ kind: "ui_event", record });
  });

  test("of several each is answered for by itself, and who was refused is taken the next time", async () => {
    let left = 2;
    const taken: object[] = [];
    const sink = {
      publishOf: () => (record: object) => left-- > 0 && taken.push(record) > 0,
      hasRoom: () => true,
    };
    const { ask } = openTestShop({}, undefined, { sink });
    const sent = [1, 2, 3].map((n) => ({ event_id: requestIdAt(Date.now()), name: `button-${n}` }));
    const some = await ask("POST", "/events", sent);
    expect([some.status, some.headers.get("retry-after")]).toEqual([207, "1"]);
    expect(some.answer).toEqual({
      events: sent.map(({ event_id }, n) => ({ event_id, status: n < 2 ? 202 : 503 })),
    });
    expect(await ask("POST", "/events", sent[2])).toMatchObject({
      status: 503,
      answer: { error: { code: "UNAVAILABLE" } },
    });
    left = 1;
    expect((await ask("POST", "/events", sent[2])).status).toBe(202);
    expect(taken).toHaveLength(3);
  });

  const valid = { name: "buy-now" };
  test.each([
    ["a name with capitals", { name: "Buy Now" }, "0.name"],
    ["no name", {}, "0.name"],
    ["a name that is too long", { name: "x".repeat(65) }, "0.name"],
    ["an id without a time", { ...valid, event_id: uuidv4() }, "0.event_id"],
    ["an id of two days ago", { ...valid, event_id: requestIdAt(Date.now() - 2 * DAY_MS) }, "0.event_id"],
    ["an id of tomorrow", { ...valid, event_id: requestIdAt(Date.now() + DAY_MS) }, "0.event_id"],
    ["a page that is too long", { ...valid, page: "x".repeat(256) }, "0.page"],
    ["a session with a space", { ...valid, session_id: "a b" }, "0.session_id"],
    ["properties that are no object", { ...valid, properties: [1] }, "0.properties"],
    ["properties that are too long", { ...valid, properties: { a: "x".repeat(4_096) } }, "0.properties"],
    [
      "properties that are too deep",
      { ...valid, properties: { a: JSON.parse("[".repeat(20) + "]".repeat(20)) as unknown } },
      "0.properties",
    ],
    ["a field of its own", { ...valid, colour: "red" }, "0.colour"],
    ["no object", "x", "0"],
    ["no event", [], "(body)"],
    ["too many events", Array(MAX_EVENTS + 1).fill(valid), "(body)"],
    ["one of two that is wrong", [valid, { name: "" }], "1.name"],
  ])("%s is refused with its rule, and nothing is taken", async (_, body, field) => {
    const { ask, taken: events } = openTestShop();
    const { status, answer } = await ask(
      "POST",
      "/events",
      typeof body === "string" ? JSON.stringify(body) : body,
    );
    expect(status).toBe(400);
    expect(
      (answer as { error: { fields: { field: string }[] } }).error.fields.map((one) => one.field),
    ).toEqual([field]);
    expect(events).toEqual([]);
  });

  test("secrets and users are shown as in request logs", async () => {
    const { ask, taken: events } = openTestShop({ API_REDACT: "on", API_USER_ID: "drop" });
    await ask("POST", "/events", {
      ...valid,
      page: "/?token=abcdef",
      properties: { "e-mail": ["a@b.example"], n: 1 },
    });
    await ask("POST", "/orders", { user_id: 1, items: [{ product_id: 1, quantity: 1 }] });
    expect(events.map(({ record }) => record)).toEqual([
      expect.objectContaining({ page: "/?token=***", properties: { "e-mail": ["***"], n: 1 } }),
      expect.objectContaining({ type: "order_placed", user_id: undefined }),
    ]);
  });
});

describe("E-7: an order", () => {
  const order = { user_id: 7, items: [{ product_id: 1, quantity: 2 }] };

  test("says what happens to it, each thing by an id of its own", async () => {
    const { ask, taken: events } = openTestShop();
    await ask("POST", "/orders", { ...order, items: [{ product_id: 1, quantity: 100 }] });
    await ask("POST", "/orders", order);
    const { answer } = await ask("GET", "/orders/1");
    const id = (answer as { order_id?: number }).order_id ?? 1;
    for (const method of ["gift_card", "gift_card", "card", "card"])
      await ask("POST", `/orders/${id}/payment`, { method });
    const records = events.map(({ record }) => record as { type: string; event_id: string; user_id: string });
    expect(new Set(records.map(({ event_id }) => event_id)).size).toBe(records.length);
    expect(records.filter(({ type }) => type === "order_paid")).toHaveLength(1);
    expect(new Set(records.map(({ user_id }) => user_id))).toEqual(new Set(["7"]));
  });

  test("that cannot be announced is refused with 503 and does not exist; a payment is as if it had not been tried", async () => {
    let isTaken = true;
    const sink = { publishOf: () => () => isTaken, hasRoom: () => true };
    const { ask } = openTestShop({}, undefined, { sink });
    await ask("POST", "/orders", order);
    isTaken = false;
    const refused = await ask("POST", "/orders", order);
    expect([refused.status, refused.headers.get("retry-after")]).toEqual([503, "1"]);
    expect((await ask("POST", "/orders/1/payment", {})).status).toBe(503);
    expect((await ask("GET", "/orders/1")).answer).toMatchObject({ status: "placed" });
    isTaken = true;
    await ask("POST", "/orders", order);
    const { answer } = await ask("GET", "/orders?limit=1&offset=1");
    expect(answer).toMatchObject({ total: 2, orders: [{ order_id: 1 }] });
    expect((await ask("POST", "/orders/1/payment", {})).status).toBe(200);
  });
});
