import fc from "fast-check";
import { expect, test } from "vitest";
import { MAX_ORDERS, ORDERS_PER_DELIVERY, Shop } from "./shop.ts";
import type { Order } from "./shop.ts";

function place(shop: Shop, productId: number, quantity = 1): Order {
  const order = shop.placeOrder(1, [{ product_id: productId, quantity }]);
  if ("refused" in order) throw new Error(order.refused);
  return order;
}

test("users and products are the same for the same seed and differ for another", () => {
  expect(new Shop(3).users).toEqual(new Shop(3).users);
  expect(new Shop(3).products).toEqual(new Shop(3).products);
  expect(new Shop(4).users).not.toEqual(new Shop(3).users);
  expect(new Shop(4).products).not.toEqual(new Shop(3).products);
});

test("there are 500 users and 200 products, each with a name of its own", () => {
  const { users, products } = new Shop(1);
  expect(new Set(users.map((user) => user.username)).size).toBe(500);
  expect(new Set(products.map((product) => product.name)).size).toBe(200);
  for (const product of products) expect(product.price_cents).toBeGreaterThan(0);
});

test("an order names its user, its items at today's price and their total", () => {
  const shop = new Shop(1);
  const [price2, price5] = [shop.product(2)!.price_cents, shop.product(5)!.price_cents];
  const order = shop.placeOrder(7, [
    { product_id: 2, quantity: 3 },
    { product_id: 5, quantity: 1 },
  ]);
  expect(order).toMatchObject({
    order_id: 1,
    user_id: 7,
    status: "placed",
    total_cents: 3 * price2 + price5,
    items: [
      { product_id: 2, quantity: 3, price_cents: price2 },
      { product_id: 5, quantity: 1, price_cents: price5 },
    ],
  });
  expect(shop.order(1)).toBe(order);
});

test("stock never goes below zero, and goes down by exactly what was ordered", () => {
  const line = fc.record({
    product_id: fc.integer({ min: 1, max: 4 }),
    quantity: fc.integer({ min: 1, max: 100 }),
  });
  const orders = fc.array(fc.array(line, { minLength: 1, maxLength: 4 }), { maxLength: 60 });
  fc.assert(
    fc.property(orders, (wishes) => {
      const shop = new Shop(1);
      const before = shop.products.map((product) => product.stock);
      const sold = new Map<number, number>();
      for (const lines of wishes) {
        if ("refused" in shop.placeOrder(1, lines)) continue;
        for (const { product_id, quantity } of lines)
          sold.set(product_id, (sold.get(product_id) ?? 0) + quantity);
      }
      for (const [index, product] of shop.products.entries()) {
        expect(product.stock).toBeGreaterThanOrEqual(0);
        expect(product.stock).toBe(before[index]! - (sold.get(product.id) ?? 0));
      }
    }),
    { numRuns: 50 },
  );
});

test("an order that cannot be filled whole changes nothing, even when the same product stands in two lines", () => {
  const shop = new Shop(1);
  const { stock } = shop.product(1)!;
  const before = shop.inventory();
  const half = Math.floor(stock / 2) + 1;
  const refusal = shop.placeOrder(1, [
    { product_id: 2, quantity: 1 },
    { product_id: 1, quantity: half },
    { product_id: 1, quantity: half },
  ]);
  expect(refusal).toMatchObject({ refused: "out_of_stock", wanted: 2 * half });
  expect(shop.inventory()).toEqual(before);
  expect(shop.orderCount).toBe(0);
});

test("unknown users and products are refused by name", () => {
  const shop = new Shop(1);
  const items = [{ product_id: 1, quantity: 1 }];
  expect(shop.placeOrder(501, items)).toEqual({ refused: "unknown_user", user_id: 501 });
  expect(shop.placeOrder(1, [{ product_id: 201, quantity: 1 }])).toEqual({
    refused: "unknown_product",
    product_id: 201,
  });
});

test("a delivery refills the shelves, even when every order since the last was refused", () => {
  const shop = new Shop(1);
  const { stock } = shop.product(1)!;
  place(shop, 1, stock);
  for (let i = 2; i < ORDERS_PER_DELIVERY; i++) {
    expect(shop.placeOrder(1, [{ product_id: 1, quantity: 1 }])).toHaveProperty("refused", "out_of_stock");
  }
  expect(place(shop, 1).status).toBe("placed");
  expect(shop.product(1)!.stock).toBe(stock - 1);
});

test("only the newest orders are kept, newest first", () => {
  const shop = new Shop(1);
  for (let i = 0; i < MAX_ORDERS + 5; i++) place(shop, (i % 200) + 1);
  expect(shop.orderCount).toBe(MAX_ORDERS);
  expect(shop.order(5)).toBeUndefined();
  expect(shop.order(6)).toBeDefined();
  expect(shop.newestOrders(3, 1).map((order) => order.order_id)).toEqual([
    MAX_ORDERS + 4,
    MAX_ORDERS + 3,
    MAX_ORDERS + 2,
  ]);
  expect(shop.newestOrders(100, MAX_ORDERS - 2).map((order) => order.order_id)).toEqual([7, 6]);
  expect(shop.newestOrders(10, MAX_ORDERS)).toEqual([]);
});
