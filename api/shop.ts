import { seedProducts, seedUsers } from "./catalogue.ts";
import type { Product, User } from "./catalogue.ts";
import type { Stock } from "./stock.ts";

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
  | {
      readonly refused: "out_of_stock";
      readonly product: Product;
      readonly wanted: number;
      readonly left: number;
    };

/** Orders kept in memory; beyond it the oldest is forgotten and answers as unknown. */
export const MAX_ORDERS = 10_000;

/** The shop's state: users and products from the seed, orders as they come, in memory; what is left of the products where `stock` is. */
export class Shop {
  readonly users: readonly User[];
  readonly products: readonly Product[];
  readonly #stock: Stock;
  readonly #onStock: (ids: readonly number[]) => Promise<void>;
  readonly #orders = new Map<number, Order>(); // oldest first
  #newestOrderId = 0;

  /** @param onStock told the products of which there is more or less than before, and waited for */
  constructor(seed: number, stock: Stock, onStock: (ids: readonly number[]) => Promise<void>) {
    this.users = seedUsers(seed);
    this.products = seedProducts(seed);
    this.#stock = stock;
    this.#onStock = onStock;
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
    for (let id = this.#newestOrderId - offset; orders.length < limit; id--) {
      const order = this.#orders.get(id);
      if (order === undefined) break; // ids have no holes, so this is the end of what is kept
      orders.push(order);
    }
    return orders;
  }

  /** The products with what is left of them. */
  inStock(products: readonly Product[]): Promise<Product[]> {
    return this.#stock.of(products);
  }

  /** Takes the whole order or none of it: stock of several products goes down together. */
  async placeOrder(userId: number, lines: readonly OrderLine[]): Promise<Order | Refusal> {
    if (this.user(userId) === undefined) return { refused: "unknown_user", user_id: userId };
    const wanted = new Map<Product, number>();
    for (const { product_id, quantity } of lines) {
      const product = this.product(product_id);
      if (product === undefined) return { refused: "unknown_product", product_id };
      wanted.set(product, (wanted.get(product) ?? 0) + quantity);
    }
    const { isDelivered, short } = await this.#stock.take(wanted);
    if (isDelivered) await this.#onStock(this.products.map(({ id }) => id));
    if (short) {
      const product = this.product(short.productId)!;
      return { refused: "out_of_stock", product, wanted: wanted.get(product)!, left: short.left };
    }
    if (!isDelivered) await this.#onStock(Array.from(wanted.keys(), ({ id }) => id));
    return this.#keep(userId, lines);
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
