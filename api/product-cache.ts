import { Counter, type Registry } from "prom-client";
import type { Product } from "./catalogue.ts";
import type { Redis } from "./redis.ts";

/** How old an answer from the cache may be, where nothing that happened to the product took it out before. */
export const CACHED_MS = 30_000;

/** Which read was answered; a label of the metric. */
export type CachedRead = "product" | "products";

/**
 * Products with what is left of them, each by itself: a list is a hit when all its products are there, so an order takes out
 * exactly what it changes. One entry a product at most. In Redis, where one is named: while it is away every read is a miss. What one process
 * reads in the moment in which another sells it may stay there too old, for {@link CACHED_MS}.
 */
export class ProductCache {
  readonly #seed: number;
  readonly #redis: Redis | undefined;
  readonly #entries = new Map<number, { readonly product: Product; readonly untilMs: number }>();
  readonly #requests: Counter<"cache" | "result">;

  /** @param seed of the products */
  constructor(seed: number, registry: Registry, redis?: Redis) {
    this.#seed = seed;
    this.#redis = redis;
    this.#requests = new Counter({
      name: "shop_cache_requests_total",
      help: "Reads of products by whether the cache had the answer",
      labelNames: ["cache", "result"],
      registers: [registry],
    });
  }

  /** All these products; undefined when one of them is missing. */
  async find(read: CachedRead, ids: readonly number[]): Promise<Product[] | undefined> {
    const found = this.#redis ? await this.#ask(this.#redis, ids) : this.#look(ids);
    const products = found?.filter((product) => product !== undefined);
    const isHit = products?.length === ids.length;
    this.#requests.inc({ cache: read, result: isHit ? "hit" : "miss" });
    return isHit ? products : undefined;
  }

  /** Resolves when they are in it, so that an order of whoever was answered takes them out. */
  async keep(products: readonly Product[]): Promise<void> {
    if (this.#redis === undefined) {
      const untilMs = Date.now() + CACHED_MS;
      for (const product of products) this.#entries.set(product.id, { product, untilMs });
    } else if (products.length > 0) {
      await this.#redis.ask((client) => {
        const expiration = { type: "PX", value: CACHED_MS } as const;
        const write = (product: Product) =>
          client.set(this.#keyOf(product.id), JSON.stringify(product), { expiration });
        return Promise.all(products.map(write));
      });
    }
  }

  /** Resolves when the next read of these products is a miss. */
  async forget(ids: readonly number[]): Promise<void> {
    for (const id of ids) this.#entries.delete(id);
    await this.#redis?.ask((client) => client.del(this.#keysOf(ids)));
  }

  async #ask(redis: Redis, ids: readonly number[]): Promise<(Product | undefined)[] | undefined> {
    if (ids.length === 0) return [];
    return redis.ask(async (client) => {
      const texts = await client.mGet(this.#keysOf(ids));
      return texts.map((text) => (text === null ? undefined : (JSON.parse(text) as Product)));
    });
  }

  #look(ids: readonly number[]): (Product | undefined)[] {
    const nowMs = Date.now();
    return ids.map((id) => {
      const entry = this.#entries.get(id);
      return entry !== undefined && entry.untilMs > nowMs ? entry.product : undefined;
    });
  }

  #keyOf(id: number): string {
    return `rushhour:shop:${this.#seed}:product:${id}`;
  }

  #keysOf(ids: readonly number[]): string[] {
    return ids.map((id) => this.#keyOf(id));
  }
}
