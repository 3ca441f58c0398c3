import { describe, expect, test } from "vitest";
import { SHOP_SERVICES, type ShopService } from "../contract/config.ts";
import { openTestShop } from "./testing.ts";

interface Document {
  readonly paths: Readonly<Record<string, object>>;
}

const only = (...services: ShopService[]) => openTestShop({ API_SERVICE: services });
const ROUTES: Readonly<Record<ShopService, readonly string[]>> = {
  users: ["/users", "/users/{id}"],
  products: ["/products", "/products/{id}"],
  orders: ["/orders", "/orders/{id}", "/orders/{id}/payment"],
  inventory: ["/inventory"],
  auth: ["/login", "/session", "/session/refresh"],
};
const OPERATION = ["/health", "/health/live", "/health/ready", "/metrics", "/metrics.json", "/status"];

describe("E-7: a service by itself", () => {
  test.each(SHOP_SERVICES)("%s serves and documents its own routes", async (service) => {
    const { ask } = only(service);
    const { paths } = (await ask("GET", "/openapi.json")).answer as Document;
    expect(Object.keys(paths).sort()).toEqual([...ROUTES[service], ...OPERATION].sort());
    expect((await ask("GET", "/status")).answer).toMatchObject({ services: [service], users: 500 });
    for (const path of ["/health", "/metrics", "/docs", "/__admin/faults"])
      expect((await ask("GET", path)).status).toBe(200);
  });

  test("answers 404 for the routes of others, naming what it is", async () => {
    const { ask, records } = only("orders", "auth");
    for (const path of ["/users", "/products/1", "/inventory"]) {
      expect(await ask("GET", path)).toMatchObject({
        status: 404,
        answer: {
          error: {
            code: "ROUTE_UNKNOWN",
            message: `no route has the path ${path} in this process, which is orders, auth; see /docs`,
          },
        },
      });
    }
    expect(records).toHaveLength(3);
    for (const record of records) expect(record).toMatchObject({ service: "api", endpoint: "(unmatched)" });
  });

  test("logs under the name it has in the whole shop", async () => {
    const { ask, records } = only("orders");
    await ask("POST", "/orders", { user_id: 1, items: [{ product_id: 1, quantity: 1 }] });
    await ask("POST", "/orders/1/payment");
    expect(records.map(({ service, status_code }) => [service, status_code])).toEqual([
      ["orders", 201],
      ["payments", 200],
    ]);
  });

  test("a session of one is good in another that has the key", async () => {
    const API_SESSION_KEY = "0123456789abcdef";
    const auth = openTestShop({ API_SERVICE: ["auth"], API_SESSION_KEY });
    const orders = openTestShop({ API_SERVICE: ["orders"], API_SESSION_KEY });
    const { username } = (await openTestShop().ask("GET", "/users/42")).answer as { username: string };
    const { answer } = await auth.ask("POST", "/login", { username, password: "open-sesame" });
    const { token } = answer as { token: string };
    await orders.ask("GET", "/orders", undefined, { authorization: `Bearer ${token}` });
    expect(orders.records[0]).toMatchObject({ service: "orders", user_id: "42" });
  });
});
