import { expect, test } from "vitest";
import { DEMO_PASSWORD } from "./routes/session.ts";
import { openTestShop, serveTestShop } from "./testing.ts";

const TRACE = "ab".repeat(16);
const headers = { traceparent: `00-${TRACE}-${"cd".repeat(8)}-01`, "x-run-id": "run-1" };

const order = (quantity: number, times = 1) => ({
  user_id: 1,
  items: Array.from({ length: times }, () => ({ product_id: 1, quantity })),
});

test("E-1: services log what matters, with the ids of the request, and nothing for what they only read", async () => {
  const { ask, lines, records } = openTestShop();
  for (const path of ["/products", "/users/1", "/orders", "/inventory", "/nowhere", "/orders/77"])
    await ask("GET", path);
  expect(lines).toEqual([]);

  await ask("POST", "/orders", order(1), headers);
  await ask("POST", "/orders", order(100, 50), headers);
  const large = { user_id: 1, items: [{ product_id: 2, quantity: 3 }] };
  await ask("POST", "/orders", large);
  await ask("POST", "/orders/2/payment", { method: "gift_card" });
  await ask("POST", "/login", { username: "nobody", password: DEMO_PASSWORD });
  expect(lines.map(({ level, service, logger, function: name }) => [level, service, logger, name])).toEqual([
    ["INFO", "orders", "orders", "placeOrder"],
    ["WARNING", "orders", "orders", "placeOrder"],
    ["INFO", "orders", "orders", "placeOrder"],
    ["WARNING", "orders", "orders.payment", "payOrder"],
    ["WARNING", "auth", "auth", "login"],
  ]);
  const [placed, refused] = lines;
  expect(placed).toMatchObject({
    ...{ message: "order 1 placed", module: "api/routes/orders.ts", host: "api-test" },
    ...{ request_id: records[6]!.request_id, trace_id: TRACE, run_id: "run-1" },
    context: { order_id: 1, items: order(1).items },
  });
  expect(refused!.message).toMatch(/^out of stock: 5000 of .+ wanted, \d+ in stock$/);
  expect(JSON.stringify(lines)).not.toContain(DEMO_PASSWORD);
});

test("what nobody caught is logged with its stack, at the level of its request", async () => {
  const { ask, lines, records } = openTestShop({ API_MODEL: "realistic", API_SEED: 3 });
  for (let n = 0; n < 1_500 && !lines.some(({ level }) => level === "CRITICAL"); n += 100)
    await Promise.all(Array.from({ length: 100 }, () => ask("POST", "/orders", order(1), headers)));
  for (const record of records.filter(({ status_code }) => status_code >= 500)) {
    const line = lines.find(({ request_id }) => request_id === record.request_id)!;
    expect(line).toMatchObject({ level: record.level, service: "orders", trace_id: TRACE });
    expect(line.exception).toMatchObject({ type: record.error_type, message: record.error_message });
    expect(line.exception!.stack).toBe(record.stack);
  }
  const critical = lines.find(({ level }) => level === "CRITICAL")!;
  expect(critical.exception!.type).toBe("DeadlockError");
  expect(critical.module).toContain("traffic-model");
  expect(critical.line).toBeGreaterThan(0);
});

test("an injected fault shows, also behind a socket", async () => {
  const { port, lines, records } = await serveTestShop();
  const url = `http://127.0.0.1:${port}`;
  const fault = { id: "burst", kind: "error-burst", for_ms: 60_000, status: 503 };
  const started = await fetch(`${url}/__admin/faults`, {
    ...{ method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(fault) },
  });
  expect(started.status, await started.text()).toBe(201);
  await fetch(`${url}/products`).then((response) => response.text());
  await expect.poll(() => lines.length).toBe(1);
  const { incident } = records.at(-1) as unknown as { incident: string };
  expect(lines[0]).toMatchObject({
    level: "ERROR",
    logger: "products",
    context: { incident, status_code: 503 },
  });
});
