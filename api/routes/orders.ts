import { createRoute, OpenAPIHono, z } from "@hono/zod-openapi";
import type { Context } from "hono";
import { jsonBody } from "../json-body.ts";
import { FAULTS, json, problem, PROBLEMS } from "../problem.ts";
import { say } from "../services-log.ts";
import { MAX_ORDERS } from "../shop.ts";
import type { Refusal, Shop } from "../shop.ts";
import { ORDERS_PER_DELIVERY } from "../stock.ts";
import { IdParam, Page, PageOf } from "./paging.ts";

const MODULE = "api/routes/orders.ts";

/** The greatest whole number that JavaScript tells from its neighbours; what is beyond is refused, so it is documented. */
const MAX_ID = Number.MAX_SAFE_INTEGER;
const idOf = (what: string) => {
  const rule = `must be the id of a ${what}`;
  return z.int(rule).min(1, rule).max(MAX_ID, rule);
};
const QUANTITY = "must be a whole number from 1 to 100";
const ITEMS = "must be a list of 1 to 50 items";

const NewOrder = z
  .object(
    {
      user_id: idOf("user").openapi({ example: 1 }),
      items: z
        .array(
          z.object(
            {
              product_id: idOf("product").openapi({ example: 1 }),
              quantity: z.int(QUANTITY).min(1, QUANTITY).max(100, QUANTITY).openapi({ example: 2 }),
            },
            "must be an object with product_id and quantity",
          ),
          ITEMS,
        )
        .min(1, ITEMS)
        .max(50, ITEMS),
    },
    "must be an object with user_id and items",
  )
  .openapi("NewOrder");

const Status = z.enum(["placed", "paid", "payment_declined"]);

const Order = z
  .object({
    order_id: z.int(),
    user_id: z.int(),
    items: z.array(z.object({ product_id: z.int(), quantity: z.int(), price_cents: z.int() })),
    total_cents: z.int(),
    created_at: z.iso.datetime(),
    status: Status,
  })
  .openapi("Order");

/** A gift card covers this much; what costs more is declined. */
const GIFT_CARD_CENTS = 5_000;

const METHODS = ["card", "invoice", "gift_card"] as const;
const Payment = z
  .object(
    { method: z.enum(METHODS, `must be one of ${METHODS.join(", ")}`).default("card") },
    'must be an object such as {"method": "card"}',
  )
  .openapi("Payment", { description: "How to pay; by card unless said otherwise" });

const listOrders = createRoute({
  method: "get",
  path: "/orders",
  tags: ["orders"],
  summary: "List the orders, newest first",
  description: `The shop remembers its ${MAX_ORDERS.toLocaleString("en")} newest orders.`,
  request: { query: Page },
  responses: {
    200: json(z.object({ orders: z.array(Order), ...PageOf }), "Orders, newest first"),
    400: PROBLEMS[400],
    ...FAULTS,
  },
});

const placeOrder = createRoute({
  method: "post",
  path: "/orders",
  tags: ["orders"],
  summary: "Place an order",
  description: `Takes the whole order or none of it. A delivery refills the stock after every ${ORDERS_PER_DELIVERY} orders.`,
  middleware: jsonBody,
  request: { body: { required: true, content: { "application/json": { schema: NewOrder } } } },
  responses: {
    201: json(z.object({ message: z.string(), order_id: z.int() }), "Placed; `location` leads to the order"),
    400: PROBLEMS[400],
    404: PROBLEMS[404],
    409: PROBLEMS[409],
    413: PROBLEMS[413],
    415: PROBLEMS[415],
    ...FAULTS,
  },
});

const getOrder = createRoute({
  method: "get",
  path: "/orders/{id}",
  tags: ["orders"],
  summary: "One order",
  request: { params: IdParam },
  responses: { 200: json(Order, "The order"), 404: PROBLEMS[404], ...FAULTS },
});

const payOrder = createRoute({
  method: "post",
  path: "/orders/{id}/payment",
  tags: ["orders"],
  summary: "Pay an order",
  description: `A gift card covers ${GIFT_CARD_CENTS} cents at most. A declined payment can be tried again.`,
  middleware: jsonBody,
  request: {
    params: IdParam,
    body: { required: false, content: { "application/json": { schema: Payment } } },
  },
  responses: {
    200: json(z.object({ message: z.string(), order_id: z.int(), status: Status }), "Paid"),
    400: PROBLEMS[400],
    402: PROBLEMS[402],
    404: PROBLEMS[404],
    409: PROBLEMS[409],
    413: PROBLEMS[413],
    415: PROBLEMS[415],
    ...FAULTS,
  },
});

/** @param declinesPayment asked once for each payment: whether the bank says no */
export function ordersRoutes(shop: Shop, declinesPayment: () => boolean): OpenAPIHono {
  return new OpenAPIHono()
    .openapi(listOrders, (c) => {
      const { limit, offset } = c.req.valid("query");
      return c.json({ orders: shop.newestOrders(limit, offset), total: shop.orderCount, limit, offset }, 200);
    })
    .openapi(placeOrder, async (c) => {
      const { user_id, items } = c.req.valid("json");
      const order = await shop.placeOrder(user_id, items);
      if ("refused" in order) return explain(c, order);
      const { order_id, total_cents } = order;
      say(c, {
        ...{ level: "info", logger: "orders", function: "placeOrder", message: `order ${order_id} placed` },
        fields: { module: MODULE, order_id, total_cents, items },
      });
      c.header("location", `/orders/${order.order_id}`);
      return c.json({ message: "order placed", order_id: order.order_id }, 201);
    })
    .openapi(getOrder, (c) => {
      const { id } = c.req.valid("param");
      const order = shop.order(Number(id));
      return order ? c.json(order, 200) : unknownOrder(c, id);
    })
    .openapi(payOrder, (c) => {
      const { id } = c.req.valid("param");
      const { method } = c.req.valid("json");
      const order = shop.order(Number(id));
      if (order === undefined) return unknownOrder(c, id);
      if (order.status === "paid") return problem(c, 409, "ALREADY_PAID", `order ${id} is paid already`);
      const declined = declinesPayment() || (method === "gift_card" && order.total_cents > GIFT_CARD_CENTS);
      order.status = declined ? "payment_declined" : "paid";
      if (declined) {
        const { total_cents } = order;
        const message = `payment of order ${id} declined`;
        say(c, {
          ...{ level: "warn", logger: "orders.payment", function: "payOrder", message },
          fields: { module: MODULE, order_id: order.order_id, total_cents, method },
        });
        return problem(c, 402, "PAYMENT_DECLINED", `the payment of order ${id} by ${method} was declined`);
      }
      return c.json({ message: "order paid", order_id: order.order_id, status: order.status }, 200);
    });
}

function unknownOrder(c: Context, id: string) {
  return problem(c, 404, "ORDER_UNKNOWN", `no order has the id ${id}; the oldest are forgotten`);
}

function explain(c: Context, refusal: Refusal) {
  switch (refusal.refused) {
    case "unknown_user":
      return problem(c, 404, "USER_UNKNOWN", `no user has the id ${refusal.user_id}`);
    case "unknown_product":
      return problem(c, 404, "PRODUCT_UNKNOWN", `no product has the id ${refusal.product_id}`);
    case "out_of_stock": {
      const { product, wanted, left } = refusal;
      const message = `${wanted} of ${product.name} wanted, ${left} in stock`;
      say(c, {
        ...{ level: "warn", logger: "orders", function: "placeOrder", message: `out of stock: ${message}` },
        fields: { module: MODULE, product_id: product.id, wanted, stock: left },
      });
      return problem(c, 409, "OUT_OF_STOCK", message);
    }
  }
}
