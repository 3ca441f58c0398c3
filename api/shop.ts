import { seedProducts, seedUsers } from "./catalogue.ts";
import type { Product, User } from "./catalogue.ts";

/** What a customer asks for; the same product may stand in several lines. */
export interface OrderLine {
  readonly product_id: number;
  readonly quantity: number;
}

export interface Order {
  readonly order_id: number; // 1, 2, 3 …
  readonly user_id: number;
  readonly items: (OrderLine & { readonly price_cents: number })[];
  readonly total_cents: number;
  readonly created_at: string; // ISO 8601, UTC
  status: "placed" | "paid" | "payment_declined";
}

/** Why an order was not taken; nothing has changed then. */
export type Refusal =
  | { readonly refused: "unknown_user"; readonly user_id: number }
  | { readonly refused: "unknown_product"; readonly product_id: number }
  | { readonly refused: "out_of_stock"; readonly product: Product; readonly wanted: number };

/** Orders kept in memory; beyond it the oldest is forgotten and answers as unknown. */
export const MAX_ORDERS = 10_000;

/**
 * A delivery fills every shelf after this many orders, taken or refused: popular products run out now and then,
 * yet a long run never dries up.
 */
export const ORDERS_PER_DELIVERY = 500;

/** The shop's state, in memory: users and products from the seed, orders as they come. */
export class Shop {
  readonly users: readonly User[];
  readonly products: readonly Product[];
  readonly #fullStock: readonly number[];
  readonly #orders = new Map<number, Order>(); // oldest first
  #newestOrderId = 0;
  #orderAttempts = 0;

  constructor(seed: number) {
    this.users = seedUsers(seed);
    this.products = seedProducts(seed);
    this.#fullStock = this.products.map((product) => product.stock);
  }

  user(id: number): User | undefined {
    return this.users[id - 1];
  }

  product(id: number): Product | undefined {
    return this.products[id - 1];
  }

  order(id: number): Order | undefined {
    return this.#orders.get(id);
  }

  get orderCount(): number {
    return this.#orders.size;
  }

  /** Newest first: `limit` orders after leaving out the `offset` newest. */
  newestOrders(limit: number, offset: number): Order[] {
    const orders: Order[] = [];
    const oldestId = Math.max(1, this.#newestOrderId - MAX_ORDERS + 1);
    let left = offset;
    for (let id = this.#newestOrderId; id >= oldestId && orders.length < limit; id--) {
      const order = this.#orders.get(id);
      if (order === undefined) continue; // withdrawn
      if (left-- <= 0) orders.push(order);
    }
    return orders;
  }

  /** Forgets an order that must not stand. What it took from the shelf comes back with the next delivery. */
  withdraw({ order_id }: Order): void {
    this.#orders.delete(order_id);
  }

  /** Count on the shelf by product name. */
  inventory(): Record<string, number> {
    return Object.fromEntries(this.products.map((product) => [product.name, product.stock]));
  }

  /** Takes the whole order or none of it: stock of several products goes down together. */
  placeOrder(userId: number, lines: readonly OrderLine[]): Order | Refusal {
    this.#awaitDelivery();
    if (this.user(userId) === undefined) return { refused: "unknown_user", user_id: userId };
    const wanted = new Map<Product, number>();
    for (const { product_id, quantity } of lines) {
      const product = this.product(product_id);
      if (product === undefined) return { refused: "unknown_product", product_id };
      wanted.set(product, (wanted.get(product) ?? 0) + quantity);
    }
    for (const [product, quantity] of wanted) {
      if (product.stock < quantity) return { refused: "out_of_stock", product, wanted: quantity };
    }
    for (const [product, quantity] of wanted) product.stock -= quantity;
    return this.#keep(userId, lines);
  }

  #awaitDelivery(): void {
    this.#orderAttempts++;
    if (this.#orderAttempts % ORDERS_PER_DELIVERY !== 0) return;
    for (const [index, product] of this.products.entries()) product.stock = this.#fullStock[index]!;
  }

  #keep(userId: number, lines: readonly OrderLine[]): Order {
    const items = lines.map((line) => ({ ...line, price_cents: this.product(line.product_id)!.price_cents }));
    const order: Order = {
      order_id: ++this.#newestOrderId,
      user_id: userId,
      items,
      total_cents: items.reduce((sum, item) => sum + item.quantity * item.price_cents, 0),
      created_at: new Date().toISOString(),
      status: "placed",
    };
    this.#orders.set(order.order_id, order);
    this.#orders.delete(order.order_id - MAX_ORDERS);
    return order;
  }
}
