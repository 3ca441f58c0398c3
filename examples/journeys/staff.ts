/** Two kinds of user in one file, exported as a list: shop.yaml takes each by its name. */
import { get, post } from "rushhour";
import type { Journey } from "rushhour";

const journeys: Journey[] = [
  {
    name: "warehouse",
    weight: 1,
    *steps(session) {
      yield get("/inventory");
      session.think(5_000);
      yield get("/inventory");
    },
  },
  {
    name: "clerk",
    weight: 2,
    *steps(session) {
      const { rng } = session;
      const order = {
        user_id: 1 + rng.integer(500),
        items: [{ product_id: 1 + rng.integer(200), quantity: 1 }],
      };
      const placed = yield post("/orders", order, { capture: true, planned: { order_id: 1 } });
      session.check("the order is taken", placed.status === 201);
      const { order_id } = (placed.json() ?? {}) as { order_id?: number };
      if (order_id !== undefined) yield get(`/orders/${order_id}`, { name: "GET /orders/{id}" });
    },
  },
];

export default journeys;
