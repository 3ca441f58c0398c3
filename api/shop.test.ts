import fc from "fast-check";
import { expect, test } from "vitest";
import { MAX_ORDERS, Shop } from "./shop.ts";
import type { Order } from "./shop.ts";
import { ORDERS_PER_DELIVERY, Stock } from "./stock.ts";

/** A shop and, one list an order, the products whose stock changed. */
function openShop(seed: number) {
  const changes: (readonly number[])[] = [];
  const shop = new Shop(seed, new Stock(seed), (ids) => Promise.resolve(void changes.push(ids)));
  return { shop, changes };
}

const left = async (shop: Shop, id: number) => (await shop.inStock([shop.product(id)!]))[0]!.stock;
const allLeft = async (shop: Shop) => (await shop.inStock(shop.products)).map(({ stock }) => stock);

async function place(shop: Shop, productId: number, quantity = 1): Promise<Order> {
  const order = await shop.placeOrder(1, [{ product_id: productId, quantity }]);
  if ("refused" in order) throw new Error(order.refused);
  return order;
}

test("users and products are the same for the same seed and differ for another", () => {
  expect(openShop(3).shop.users).toEqual(openShop(3).shop.users);
  expect(openShop(3).shop.products).toEqual(openShop(3).shop.products);
  expect(openShop(4).shop.users).not.toEqual(openShop(3).shop.users);
  expect(openShop(4).shop.products).not.toEqual(openShop(3).shop.products);
});

test("there are 500 users and 200 products, each with a name of its own", () => {
  const { users, products } = openShop(1).shop;
  expect(new Set(users.map((user) => user.username)).size).toBe(500);
  expect(new Set(products.map((product) => product.name)).size).toBe(200);
  for (const product of products) expect(product.price_cents).toBeGreaterThan(0);
});

test("an order names its user, its items at today's price and their total", async () => {
  const { shop } = openShop(1);
  const [price2, price5] = [shop.product(2)!.price_cents, shop.product(5)!.price_cents];
  const order = await shop.placeOrder(7, [
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

test("stock never goes below zero, and goes down by exactly what was ordered", async () => {
  const line = fc.record({
    product_id: fc.integer({ min: 1, max: 4 }),
    quantity: fc.integer({ min: 1, max: 100 }),
  });
  const orders = fc.array(fc.array(line, { minLength: 1, maxLength: 4 }), { maxLength: 60 });
  await fc.assert(
    fc.asyncProperty(orders, async (wishes) => {
      const { shop } = openShop(1);
      const sold = new Map<number, number>();
      for (const lines of wishes) {
        if ("refused" in (await shop.placeOrder(1, lines))) continue;
        for (const { product_id, quantity } of lines)
          sold.set(product_id, (sold.get(product_id) ?? 0) + quantity);
      }
      for (const [index, stock] of (await allLeft(shop)).entries()) {
        expect(stock).toBeGreaterThanOrEqual(0);
        expect(stock).toBe(shop.products[index]!.stock - (sold.get(index + 1) ?? 0));
      }
    }),
    { numRuns: 50 },
  );
});

test("an order that cannot be filled whole changes nothing, even when the same product stands in two lines", async () => {
  const { shop, changes } = openShop(1);
  const { stock } = shop.product(1)!;
  const before = await allLeft(shop);
  const half = Math.floor(stock / 2) + 1;
  const refusal = await shop.placeOrder(1, [
    { product_id: 2, quantity: 1 },
    { product_id: 1, quantity: half },
    { product_id: 1, quantity: half },
  ]);
  expect(refusal).toMatchObject({ refused: "out_of_stock", wanted: 2 * half, left: stock });
  expect(await allLeft(shop)).toEqual(before);
  expect(changes).toEqual([]);
  expect(shop.orderCount).toBe(0);
});

test("unknown users and products are refused by name", async () => {
  const { shop } = openShop(1);
  const items = [{ product_id: 1, quantity: 1 }];
  expect(await shop.placeOrder(501, items)).toEqual({ refused: "unknown_user", user_id: 501 });
  expect(await shop.placeOrder(1, [{ product_id: 201, quantity: 1 }])).toEqual({
    refused: "unknown_product",
    product_id: 201,
  });
});

test("an order says which products it changed, a delivery that it changed all", async () => {
  const { shop, changes } = openShop(1);
  for (let i = 1; i <= ORDERS_PER_DELIVERY; i++) await place(shop, 1 + (i % 200));
  expect(changes.slice(0, 3)).toEqual([[2], [3], [4]]);
  expect(changes.slice(0, -1).every((ids) => ids.length === 1)).toBe(true);
  expect(changes.at(-1)).toHaveLength(200);
});

test("a delivery refills the shelves, even when every order since the last was refused", async () => {
  const { shop } = openShop(1);
  const { stock } = shop.product(1)!;
  await place(shop, 1, stock);
  for (let i = 2; i < ORDERS_PER_DELIVERY; i++) {
    expect(await shop.placeOrder(1, [{ product_id: 1, quantity: 1 }])).toHaveProperty(
      "refused",
      "out_of_stock",
    );
  }
  expect((await place(shop, 1)).status).toBe("placed");
  expect(await left(shop, 1)).toBe(stock - 1);
});

test("only the newest orders are kept, newest first", async () => {
  const { shop } = openShop(1);
  for (let i = 0; i < MAX_ORDERS + 5; i++) await place(shop, (i % 200) + 1);
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
