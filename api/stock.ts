import type { Product } from "./catalogue.ts";
import type { Redis } from "./redis.ts";

/**
 * A delivery fills every shelf after this many orders, taken or refused: popular products run out now and then,
 * yet a long run never dries up.
 */
export const ORDERS_PER_DELIVERY = 500;

export interface Taking {
  readonly isDelivered: boolean; // a delivery came first
  /** What there is too little of, so that nothing was taken. */
  readonly short?: { readonly productId: number; readonly left: number };
}

/** A stock nobody uses is full again after a day. */
const KEPT_MS = 86_400_000;

/**
 * Takes all products or none, in one step for all processes.
 * KEYS: the hash of what was sold, by product, and `orders` since the last delivery. ARGV: orders per delivery, how long the hash is kept,
 * then three for each product: id, quantity, full stock. Answers whether a delivery came, and id and rest of what is short (0, 0: nothing).
 */
const TAKE = `
local delivered = 0
if redis.call('HINCRBY', KEYS[1], 'orders', 1) >= tonumber(ARGV[1]) then
  redis.call('DEL', KEYS[1])
  redis.call('HSET', KEYS[1], 'orders', 0)
  delivered = 1
end
redis.call('PEXPIRE', KEYS[1], ARGV[2])
for i = 3, #ARGV, 3 do
  local left = ARGV[i + 2] - (redis.call('HGET', KEYS[1], ARGV[i]) or 0)
  if left < tonumber(ARGV[i + 1]) then return { delivered, tonumber(ARGV[i]), left } end
end
for i = 3, #ARGV, 3 do redis.call('HINCRBY', KEYS[1], ARGV[i], ARGV[i + 1]) end
return { delivered, 0, 0 }`;

/** What was sold of each product since the last delivery: in Redis, or in this process without one and while it is away. */
export class Stock {
  readonly #key: string;
  readonly #redis: Redis | undefined;
  readonly #sold = new Map<number, number>();
  #orders = 0;

  /** @param seed of the products: shops with other ones have another stock */
  constructor(seed: number, redis?: Redis) {
    this.#key = `rushhour:shop:${seed}:sold`;
    this.#redis = redis;
  }

  /** The products with what is left of them. */
  async of(products: readonly Product[]): Promise<Product[]> {
    const sold = await this.#soldOf(products);
    return products.map((product, index) => ({ ...product, stock: product.stock - sold[index]! }));
  }

  /** Takes the whole quantity of each product, or nothing. */
  async take(wanted: ReadonlyMap<Product, number>): Promise<Taking> {
    const lines = [...wanted].flatMap(([{ id, stock }, quantity]) => [id, quantity, stock]);
    const args = [ORDERS_PER_DELIVERY, KEPT_MS, ...lines].map(String);
    const answer = await this.#redis?.ask((client) =>
      client.eval(TAKE, { keys: [this.#key], arguments: args }),
    );
    if (answer === undefined) return this.#takeHere(wanted);
    const [delivered, productId, left] = answer as [number, number, number];
    return { isDelivered: delivered === 1, ...(productId > 0 && { short: { productId, left } }) };
  }

  async #soldOf(products: readonly Product[]): Promise<number[]> {
    const ids = products.map(({ id }) => String(id));
    const sold = ids.length === 0 ? [] : await this.#redis?.ask((client) => client.hmGet(this.#key, ids));
    return sold?.map(Number) ?? products.map(({ id }) => this.#sold.get(id) ?? 0);
  }

  #takeHere(wanted: ReadonlyMap<Product, number>): Taking {
    const isDelivered = ++this.#orders >= ORDERS_PER_DELIVERY;
    if (isDelivered) {
      this.#orders = 0;
      this.#sold.clear();
    }
    for (const [{ id, stock }, quantity] of wanted) {
      const left = stock - (this.#sold.get(id) ?? 0);
      if (left < quantity) return { isDelivered, short: { productId: id, left } };
    }
    for (const [{ id }, quantity] of wanted) this.#sold.set(id, (this.#sold.get(id) ?? 0) + quantity);
    return { isDelivered };
  }
}
