import { describe, expect, test } from "vitest";
import { MAX_BODY_BYTES } from "./json-body.ts";
import { DEMO_PASSWORD } from "./routes/session.ts";
import { openTestShop } from "./testing.ts";
import { createTrafficModel } from "./traffic-model.ts";
import type { TrafficModel } from "./traffic-model.ts";

const ORDER = { user_id: 3, items: [{ product_id: 5, quantity: 2 }] };

describe("users and products", () => {
  test("A-1: /users lists the users page by page", async () => {
    const { ask } = openTestShop();
    const first = await ask("GET", "/users");
    expect(first.status).toBe(200);
    expect(first.answer).toMatchObject({ total: 500, limit: 20, offset: 0 });
    const { answer } = await ask("GET", "/users?limit=2&offset=498");
    expect(answer).toMatchObject({ users: [{ id: 499 }, { id: 500 }], total: 500, limit: 2, offset: 498 });
    expect((await ask("GET", "/users?offset=500")).answer).toMatchObject({ users: [] });
  });

  test("A-1: /users/{id} answers the user, or 404 for an id that nobody has", async () => {
    const { ask } = openTestShop();
    expect(await ask("GET", "/users/500")).toMatchObject({ status: 200, answer: { id: 500 } });
    for (const id of ["0", "501", "-1", "1.5", "abc", "%20", "999999999999999999999"]) {
      expect(await ask("GET", `/users/${id}`)).toMatchObject({
        status: 404,
        answer: { error: { code: "USER_UNKNOWN" } },
      });
    }
  });

  test("A-2: /products lists the products and /products/{id} answers one, or 404", async () => {
    const { ask } = openTestShop();
    expect((await ask("GET", "/products?limit=1")).answer).toMatchObject({
      products: [{ id: 1 }],
      total: 200,
    });
    expect(await ask("GET", "/products/200")).toMatchObject({ status: 200, answer: { id: 200 } });
    expect(await ask("GET", "/products/201")).toMatchObject({
      status: 404,
      answer: { error: { code: "PRODUCT_UNKNOWN" } },
    });
  });

  test("a page that breaks a rule is refused with every field named", async () => {
    const { ask } = openTestShop();
    for (const path of ["/users", "/products", "/orders"]) {
      const { status, answer } = await ask("GET", `${path}?limit=101&offset=x`);
      expect(status).toBe(400);
      expect(answer).toMatchObject({
        error: {
          code: "INVALID_REQUEST",
          fields: [
            { field: "limit", rule: "must be a whole number from 1 to 100" },
            { field: "offset", rule: "must be a whole number from 0 to 1000000" },
          ],
        },
      });
    }
  });
});

describe("orders", () => {
  test("A-3: POST /orders answers 201 with message and order_id, and the order can be read and is listed", async () => {
    const { ask } = openTestShop();
    const placed = await ask("POST", "/orders", ORDER);
    expect(placed.status).toBe(201);
    expect(placed.answer).toEqual({ message: "order placed", order_id: 1 });
    expect(placed.headers.get("location")).toBe("/orders/1");
    const order = await ask("GET", "/orders/1");
    expect(order).toMatchObject({ status: 200, answer: { order_id: 1, user_id: 3, status: "placed" } });
    expect((await ask("GET", "/orders")).answer).toMatchObject({ orders: [order.answer], total: 1 });
  });

  test("A-3: an order takes its items from the stock, and 409 when there is too little", async () => {
    const { ask } = openTestShop();
    const stock = async () => ((await ask("GET", "/products/5")).answer as { stock: number }).stock;
    const before = await stock();
    await ask("POST", "/orders", ORDER);
    expect(await stock()).toBe(before - 2);
    let last = await ask("POST", "/orders", { user_id: 3, items: [{ product_id: 5, quantity: 100 }] });
    while (last.status === 201) {
      last = await ask("POST", "/orders", { user_id: 3, items: [{ product_id: 5, quantity: 100 }] });
    }
    expect(last).toMatchObject({ status: 409, answer: { error: { code: "OUT_OF_STOCK" } } });
  });

  test("A-3: an order of nobody or of nothing on sale answers 404", async () => {
    const { ask } = openTestShop();
    expect(await ask("POST", "/orders", { ...ORDER, user_id: 501 })).toMatchObject({
      status: 404,
      answer: { error: { code: "USER_UNKNOWN", message: "no user has the id 501" } },
    });
    expect(
      await ask("POST", "/orders", { user_id: 1, items: [{ product_id: 999, quantity: 1 }] }),
    ).toMatchObject({ status: 404, answer: { error: { code: "PRODUCT_UNKNOWN" } } });
    expect(await ask("GET", "/orders/1")).toMatchObject({ status: 404 });
    expect(await ask("POST", "/orders/1/payment")).toMatchObject({ status: 404 });
  });

  test.each([
    ["no body", undefined, ["user_id", "items"]],
    ["an empty object", {}, ["user_id", "items"]],
    ["a list", [], ["(body)"]],
    ["wrong types", { user_id: "3", items: "none" }, ["user_id", "items"]],
    ["no items", { user_id: 3, items: [] }, ["items"]],
    [
      "a bad item",
      { user_id: 3, items: [{ product_id: 1, quantity: 0 }, 7] },
      ["items.0.quantity", "items.1"],
    ],
    ["too many", { user_id: 3, items: [{ product_id: 1, quantity: 101 }] }, ["items.0.quantity"]],
    ["half a piece", { user_id: 3, items: [{ product_id: 1, quantity: 0.5 }] }, ["items.0.quantity"]],
  ])("A-8: an order with %s answers 400 naming the fields", async (_what, body, fields) => {
    const { ask } = openTestShop();
    const { status, answer } = await ask("POST", "/orders", body);
    expect(status).toBe(400);
    const { error } = answer as { error: { code: string; fields: { field: string; rule: string }[] } };
    expect(error.code).toBe("INVALID_REQUEST");
    expect(error.fields.map(({ field }) => field)).toEqual(fields);
    for (const { rule } of error.fields) expect(rule).toMatch(/^must be /);
  });

  test("an order is paid once: 200, then 409", async () => {
    const { ask } = openTestShop();
    await ask("POST", "/orders", ORDER);
    expect(await ask("POST", "/orders/1/payment")).toMatchObject({
      status: 200,
      answer: { order_id: 1, status: "paid" },
    });
    expect((await ask("GET", "/orders/1")).answer).toMatchObject({ status: "paid" });
    expect(await ask("POST", "/orders/1/payment", { method: "invoice" })).toMatchObject({
      status: 409,
      answer: { error: { code: "ALREADY_PAID" } },
    });
  });

  test("a gift card does not cover a dear order: 402, and it can be paid another way", async () => {
    const { ask } = openTestShop();
    await ask("POST", "/orders", { user_id: 1, items: [{ product_id: 1, quantity: 50 }] });
    expect(await ask("POST", "/orders/1/payment", { method: "gift_card" })).toMatchObject({
      status: 402,
      answer: { error: { code: "PAYMENT_DECLINED" } },
    });
    expect((await ask("GET", "/orders/1")).answer).toMatchObject({ status: "payment_declined" });
    expect(await ask("POST", "/orders/1/payment", { method: "card" })).toMatchObject({ status: 200 });
  });
});

describe("inventory and login", () => {
  test("A-4: /inventory answers the count by product name", async () => {
    const { ask } = openTestShop();
    const { answer: product } = await ask("GET", "/products/9");
    const { name, stock } = product as { name: string; stock: number };
    const { status, answer } = await ask("GET", "/inventory");
    expect(status).toBe(200);
    expect(answer).toHaveProperty([name], stock);
    expect(Object.keys(answer as object)).toHaveLength(200);
  });

  test("A-5: signing in answers token and user_id, and the token names the user in the log", async () => {
    const { ask, records } = openTestShop();
    const { answer: user } = await ask("GET", "/users/42");
    const { username } = user as { username: string };
    const { status, answer } = await ask("POST", "/login", { username, password: DEMO_PASSWORD });
    expect(status).toBe(200);
    const { token, user_id } = answer as { token: string; user_id: number };
    expect(user_id).toBe(42);
    expect(records.at(-1)).toMatchObject({ endpoint: "/login", user_id: "42" });
    await ask("GET", "/products", undefined, { authorization: `Bearer ${token}` });
    expect(records.at(-1)).toMatchObject({ endpoint: "/products", user_id: "42" });
    await ask("GET", "/products", undefined, { authorization: `Bearer ${token}x` });
    expect(records.at(-1)?.user_id).toBeUndefined();
  });

  test("A-5: a wrong username or password answers 401 without telling which", async () => {
    const { ask } = openTestShop();
    const { answer: user } = await ask("GET", "/users/1");
    const { username } = user as { username: string };
    const wrongPassword = await ask("POST", "/login", { username, password: "guess" });
    const wrongName = await ask("POST", "/login", { username: "nobody", password: DEMO_PASSWORD });
    expect(wrongPassword).toMatchObject({ status: 401, answer: { error: { code: "BAD_CREDENTIALS" } } });
    expect(wrongName.answer).toEqual(wrongPassword.answer);
  });

  test("what a client sends as its password is in no record, however broken the body", async () => {
    const { ask, records } = openTestShop();
    await ask("POST", "/login", '{"username": "a", "password": hunter2secret}');
    await ask("POST", "/login", "hunter2secret");
    await ask("POST", "/login", { username: "a", password: "hunter2secret".repeat(20) });
    await ask("POST", "/login", { username: "a", password: "hunter2secret" });
    expect(records.map((record) => record.status_code)).toEqual([400, 400, 400, 401]);
    expect(JSON.stringify(records)).not.toContain("hunter2");
  });
});

describe("status and metrics", () => {
  test("A-6: /status tells what the shop is made of", async () => {
    const { ask } = openTestShop({ API_SEED: 9 });
    await ask("POST", "/orders", ORDER);
    expect((await ask("GET", "/status")).answer).toMatchObject({
      status: "ok",
      service: "api",
      instance: "api-test",
      model: "off",
      seed: 9,
      users: 500,
      products: 200,
      orders: 1,
    });
  });

  test("A-6: /health tells the truth of the dependencies while the shop serves on", async () => {
    const { ask } = openTestShop({}, () => ({ kafka: { ready: false, reason: "no broker answers" } }));
    for (const path of ["/health", "/health/ready"]) {
      expect(await ask("GET", path)).toMatchObject({
        status: 503,
        answer: { status: "unavailable", dependencies: { kafka: { reason: "no broker answers" } } },
      });
    }
    expect((await ask("GET", "/health/live")).status).toBe(200);
    expect((await ask("GET", "/users")).status).toBe(200);
    expect((await openTestShop().ask("GET", "/health")).status).toBe(200);
  });

  test("A-7: /metrics.json before the first request has no rate to divide", async () => {
    expect((await openTestShop().ask("GET", "/metrics.json")).answer).toEqual({
      total_requests: 0,
      total_errors: 0,
      error_rate_percent: 0,
      per_endpoint_usage: [],
    });
  });

  test("A-7, A-10: totals, errors and per-endpoint usage add up to what was logged", async () => {
    const { ask, records } = openTestShop();
    for (const id of [1, 2, 3, 999]) await ask("GET", `/users/${id}`);
    await ask("GET", "/nowhere");
    await ask("DELETE", "/users");
    expect(records).toHaveLength(6);
    expect((await ask("GET", "/metrics.json")).answer).toEqual({
      total_requests: 6,
      total_errors: 3,
      error_rate_percent: 50,
      per_endpoint_usage: [
        { endpoint: "/users/:id", hits: 4, percent: 66.67 },
        { endpoint: "(unmatched)", hits: 1, percent: 16.67 },
        { endpoint: "/users", hits: 1, percent: 16.67 },
      ],
    });
  });

  test("A-7, J-8: /metrics says the same in Prometheus text", async () => {
    const { ask } = openTestShop();
    await ask("GET", "/users/1");
    await ask("GET", "/users/1");
    await ask("GET", "/users/999");
    const { text, headers } = await ask("GET", "/metrics");
    expect(headers.get("content-type")).toMatch(/^text\/plain/);
    const labels = 'service="users",method="GET",endpoint="/users/:id"';
    expect(text).toContain(`requests_total{${labels},status="200"} 2`);
    expect(text).toContain(`requests_total{${labels},status="404"} 1`);
    expect(text).toContain(`request_duration_seconds_count{${labels}} 3`);
    for (const name of [
      "messages_processed_total",
      "message_processing_duration_seconds",
      "log_entries_by_source_total",
      "processing_errors_total",
      "active_connections",
      "process_cpu_seconds_total",
      "nodejs_eventloop_lag_seconds",
    ]) {
      expect(text).toContain(`# TYPE ${name} `);
    }
  });
});

describe("refusals", () => {
  test("an unknown path answers 404 in the one shape", async () => {
    const { ask, records } = openTestShop();
    expect(await ask("GET", "/nowhere?q=1")).toMatchObject({
      status: 404,
      answer: { error: { code: "ROUTE_UNKNOWN", message: "no route has the path /nowhere; see /docs" } },
    });
    expect(records[0]).toMatchObject({
      endpoint: "(unmatched)",
      path: "/nowhere",
      error_type: "ROUTE_UNKNOWN",
    });
  });

  test.each([
    ["DELETE", "/users", "GET, HEAD", "/users"],
    ["PUT", "/orders", "GET, HEAD, POST", "/orders"],
    ["PATCH", "/orders/7", "GET, HEAD", "/orders/:id"],
    ["GET", "/orders/7/payment", "POST", "/orders/:id/payment"],
    ["GET", "/login", "POST", "/login"],
    ["POST", "/metrics", "GET, HEAD", "/metrics"],
    ["OPTIONS", "/health/live", "GET, HEAD", "/health/live"],
    ["POST", "/openapi.json", "GET, HEAD", "/openapi.json"],
  ])("%s %s answers 405 with allow: %s, logged under its template", async (method, path, allow, endpoint) => {
    const { ask, records } = openTestShop();
    const { status, headers, answer } = await ask(method, path);
    expect(status).toBe(405);
    expect(headers.get("allow")).toBe(allow);
    expect(answer).toMatchObject({ error: { code: "METHOD_NOT_ALLOWED" } });
    expect(records[0]).toMatchObject({ level: "ERROR", method, endpoint, status_code: 405 });
  });

  test("HEAD answers as GET without the body", async () => {
    const { app } = openTestShop();
    const response = await app.request("/users/1", { method: "HEAD" });
    expect([response.status, response.headers.get("content-type")]).toEqual([200, "application/json"]);
    expect(await response.text()).toBe("");
    expect((await app.request("/users/999", { method: "HEAD" })).status).toBe(404);
  });

  test.each(["/orders", "/login"])(
    "POST %s refuses a body that is not JSON: 400, or 415 by its type",
    async (path) => {
      const { ask } = openTestShop();
      for (const body of ["{", "", "undefined", '{"user_id":1,}']) {
        expect(await ask("POST", path, body)).toMatchObject({
          status: 400,
          answer: { error: { code: "BODY_NOT_JSON" } },
        });
      }
      for (const type of ["text/plain", "application/x-www-form-urlencoded", "application/jsonp", "json"]) {
        expect(await ask("POST", path, "{}", { "content-type": type })).toMatchObject({
          status: 415,
          answer: { error: { code: "NOT_JSON_TYPE" } },
        });
      }
      const charset = await ask("POST", path, "{}", { "content-type": "application/json; charset=utf-8" });
      expect(charset).toMatchObject({ status: 400, answer: { error: { code: "INVALID_REQUEST" } } });
    },
  );

  test("a body above 64 KiB answers 413, one of exactly 64 KiB is read", async () => {
    const { ask } = openTestShop();
    const bodyOf = (bytes: number) =>
      JSON.stringify({ ...ORDER, note: "" }).replace('""', `"${"x".repeat(bytes)}"`);
    const padding = MAX_BODY_BYTES - bodyOf(0).length;
    expect((await ask("POST", "/orders", bodyOf(padding))).status).toBe(201);
    expect(await ask("POST", "/orders", bodyOf(padding + 1))).toMatchObject({
      status: 413,
      answer: { error: { code: "BODY_TOO_LARGE" } },
    });
  });

  test("answers carry security headers, refusals and failures too", async () => {
    const { ask } = openTestShop();
    for (const path of ["/users", "/users/999", "/nowhere", "/health"]) {
      const { headers } = await ask("GET", path);
      expect(headers.get("x-content-type-options")).toBe("nosniff");
      expect(headers.get("content-security-policy")).toBe("default-src 'none'; frame-ancestors 'none'");
      expect(headers.get("cache-control")).toBe("no-store");
      expect(headers.get("x-powered-by")).toBeNull();
    }
  });
});

describe("the log", () => {
  test("A-9: each answer leaves one record, under the id the client was given", async () => {
    const { ask, records } = openTestShop();
    const answers = [
      await ask("GET", "/products/1", undefined, { "user-agent": "curious/1.0" }),
      await ask("GET", "/nowhere"),
      await ask("PUT", "/users"),
      await ask("POST", "/orders", "{"),
    ];
    expect(records.map((record) => record.request_id)).toEqual(
      answers.map(({ headers }) => headers.get("x-request-id")),
    );
    expect(records.map((record) => record.status_code)).toEqual([200, 404, 405, 400]);
    expect(records[0]).toMatchObject({
      endpoint: "/products/:id",
      path: "/products/1",
      method: "GET",
      user_agent: "curious/1.0",
      instance: "api-test",
    });
  });

  test("A-9: a refusal is logged with its code and message", async () => {
    const { ask, records } = openTestShop();
    await ask("GET", "/orders/5");
    expect(records[0]).toMatchObject({
      level: "ERROR",
      error_type: "ORDER_UNKNOWN",
      error_message: "no order has the id 5; the oldest are forgotten",
    });
    expect(records[0]?.stack).toBeUndefined();
  });

  test("A-11: health, status and metrics are DEBUG, and so is what asks for it; errors stay errors", async () => {
    const { ask, records } = openTestShop();
    const quiet = ["/health", "/health/live", "/health/ready", "/status", "/metrics", "/metrics.json"];
    for (const path of quiet) await ask("GET", path);
    await ask("GET", "/users/1", undefined, { "x-log-level": "debug" });
    expect(new Set(records.map((record) => record.level))).toEqual(new Set(["DEBUG"]));
    await ask("GET", "/users/1");
    await ask("GET", "/users/999", undefined, { "x-log-level": "debug" });
    await ask("POST", "/health");
    expect(records.slice(-3).map((record) => record.level)).toEqual(["INFO", "ERROR", "ERROR"]);
  });

  test.each([
    ["GET", "/users/1", "users"],
    ["GET", "/products", "products"],
    ["GET", "/orders", "orders"],
    ["POST", "/orders/1/payment", "payments"],
    ["GET", "/inventory", "inventory"],
    ["POST", "/login", "auth"],
    ["GET", "/status", "api"],
    ["GET", "/docs", "api"],
    ["GET", "/users-of-nowhere", "api"],
  ])("%s %s is logged by the service %s would be: %s", async (method, path, service) => {
    const { ask, records } = openTestShop();
    await ask(method, path);
    expect(records[0]?.service).toBe(service);
  });
});

/** The first seed whose model does what the test is about. */
function seedWhere(matches: (model: TrafficModel) => boolean): number {
  for (let seed = 0; seed < 100_000; seed++) if (matches(createTrafficModel(seed))) return seed;
  throw new Error("no seed below 100,000 does that");
}

describe("the realistic model", () => {
  test("A-8, A-9: a crash answers 500 without its stack and leaves a CRITICAL record with it", async () => {
    const seed = seedWhere((model) => model.draw("GET /users/:id")?.fault === "crash");
    const { ask, records } = openTestShop({ API_MODEL: "realistic", API_SEED: seed });
    const { status, answer, text, headers } = await ask("GET", "/users/1");
    expect(status).toBe(500);
    expect(answer).toMatchObject({ error: { code: "INTERNAL_ERROR" } });
    expect(text).not.toMatch(/CacheError|\.ts:|stack/);
    expect(headers.get("x-content-type-options")).toBe("nosniff");
    expect(records).toMatchObject([
      { level: "CRITICAL", endpoint: "/users/:id", status_code: 500, error_type: "CacheError" },
    ]);
    expect(records[0]?.stack).toContain("traffic-model.ts");
  });

  test.each([
    ["unavailable", 503, "UNAVAILABLE"],
    ["rate-limited", 429, "RATE_LIMITED"],
  ] as const)(
    "A-8: %s answers %i with retry-after and leaves an ERROR record",
    async (fault, status, code) => {
      const seed = seedWhere((model) => model.draw("GET /users")?.fault === fault);
      const { ask, records } = openTestShop({ API_MODEL: "realistic", API_SEED: seed });
      const answer = await ask("GET", "/users");
      expect(answer).toMatchObject({ status, answer: { error: { code } } });
      expect(answer.headers.get("retry-after")).toBe("1");
      expect(records).toMatchObject([{ level: "ERROR", status_code: status, error_type: code }]);
    },
  );

  test("A-8: a request takes the time that was drawn for it", async () => {
    const seed = seedWhere((model) => {
      const { delayMs, fault } = model.draw("GET /users")!;
      return fault === undefined && delayMs > 100; // an answer without a delay takes less
    });
    const { ask, records } = openTestShop({ API_MODEL: "realistic", API_SEED: seed });
    expect((await ask("GET", "/users")).status).toBe(200);
    expect(records[0]!.response_time_ms).toBeGreaterThan(95);
  });

  test("A-8: the bank declines some payments: 402, and the order stays unpaid", async () => {
    const seed = seedWhere(
      (model) =>
        model.declinesPayment() &&
        model.draw("POST /orders")?.fault === undefined &&
        model.draw("POST /orders/:id/payment")?.fault === undefined &&
        model.draw("GET /orders/:id")?.fault === undefined,
    );
    const { ask } = openTestShop({ API_MODEL: "realistic", API_SEED: seed });
    expect((await ask("POST", "/orders", ORDER)).status).toBe(201);
    expect(await ask("POST", "/orders/1/payment")).toMatchObject({
      status: 402,
      answer: { error: { code: "PAYMENT_DECLINED" } },
    });
    expect((await ask("GET", "/orders/1")).answer).toMatchObject({ status: "payment_declined" });
  });
});
