import { describe, expect, test, vi } from "vitest";
import { CACHE_HIT_SHARE } from "./middleware/behave.ts";
import { CACHED_MS } from "./product-cache.ts";
import { openTestShop } from "./testing.ts";
import { createTrafficModel } from "./traffic-model.ts";

type Ask = ReturnType<typeof openTestShop>["ask"];

/** How each read was answered, one after the other. */
async function reads(ask: Ask, ...paths: string[]) {
  const results: (string | null)[] = [];
  for (const path of paths) results.push((await ask("GET", path)).headers.get("x-cache"));
  return results;
}

const order = (ask: Ask, ...ids: number[]) =>
  ask("POST", "/orders", { user_id: 1, items: ids.map((product_id) => ({ product_id, quantity: 1 })) });

describe("E-8: reads of products", () => {
  test("come from the cache once they were answered, by themselves or in a list", async () => {
    const { ask } = openTestShop();
    expect(await reads(ask, "/products/5", "/products/5", "/products/6")).toEqual(["miss", "hit", "miss"]);
    expect(await reads(ask, "/products?limit=10", "/products?limit=10", "/products/3")).toEqual([
      ...["miss", "hit", "hit"],
    ]);
    expect(await reads(ask, "/products?limit=4&offset=2", "/products?limit=10&offset=5")).toEqual([
      ...["hit", "miss"],
    ]);
    expect(await reads(ask, "/products?offset=200", "/products/201", "/users/1")).toEqual([
      "hit",
      null,
      null,
    ]);
  });

  test("say the same, hit or miss", async () => {
    const { ask } = openTestShop();
    for (const path of ["/products/5", "/products?limit=3&offset=4"]) {
      const [miss, hit] = [await ask("GET", path), await ask("GET", path)];
      expect(hit.text).toBe(miss.text);
    }
  });

  test("an order takes out what it changes, and lists that hold it", async () => {
    const { ask } = openTestShop();
    const paths = ["/products/5", "/products/6", "/products?limit=5", "/products?limit=5&offset=10"];
    await reads(ask, ...paths);
    const { stock } = (await ask("GET", "/products/5")).answer as { stock: number };
    await order(ask, 5, 7);
    expect(await reads(ask, ...paths)).toEqual(["miss", "hit", "hit", "hit"]); // the first read put it back
    expect((await ask("GET", "/products/5")).answer).toMatchObject({ stock: stock - 1 });
    await order(ask, 5);
    expect(await reads(ask, ...paths.toReversed())).toEqual(["hit", "miss", "hit", "hit"]);
  });

  test("a refused order takes nothing out", async () => {
    const { ask } = openTestShop();
    await reads(ask, "/products/5");
    await ask("POST", "/orders", { user_id: 1, items: Array(50).fill({ product_id: 5, quantity: 100 }) });
    expect(await reads(ask, "/products/5")).toEqual(["hit"]);
  });

  test("expire", async () => {
    vi.useFakeTimers({ toFake: ["Date"] });
    try {
      const { ask } = openTestShop();
      await reads(ask, "/products/5");
      vi.setSystemTime(Date.now() + CACHED_MS - 1);
      expect(await reads(ask, "/products/5")).toEqual(["hit"]);
      vi.setSystemTime(Date.now() + 1);
      expect(await reads(ask, "/products/5")).toEqual(["miss"]);
    } finally {
      vi.useRealTimers();
    }
  });

  test("are counted", async () => {
    const { ask } = openTestShop();
    await reads(ask, "/products/5", "/products/5", "/products/5", "/products");
    const { text } = await ask("GET", "/metrics");
    expect(text).toContain('shop_cache_requests_total{cache="product",result="hit"} 2');
    expect(text).toContain('shop_cache_requests_total{cache="product",result="miss"} 1');
    expect(text).toContain('shop_cache_requests_total{cache="products",result="miss"} 1');
  });
});

describe("E-8: with the realistic model", () => {
  /** A seed whose first read of a product is quick and well, and whose second is as the test wants it. */
  function seedWhere(second: (outcome: { delayMs: number; fault: string | undefined }) => boolean): number {
    for (let seed = 0; seed < 1_000_000; seed++) {
      const model = createTrafficModel(seed);
      const first = model.draw("GET /products/:id")!;
      if (first.fault === undefined && first.delayMs < 10 && second(model.draw("GET /products/:id")!))
        return seed;
    }
    throw new Error("no seed below 1,000,000 does that");
  }

  test("a hit takes a share of the drawn delay", async () => {
    let drawnMs = 0;
    const API_SEED = seedWhere(({ delayMs, fault }) => fault === undefined && (drawnMs = delayMs) > 100);
    const { ask, records } = openTestShop({ API_MODEL: "realistic", API_SEED });
    expect(await reads(ask, "/products/5", "/products/5")).toEqual(["miss", "hit"]);
    const tookMs = records[1]!.response_time_ms;
    expect(tookMs).toBeGreaterThan(drawnMs * CACHE_HIT_SHARE - 2);
    expect(tookMs).toBeLessThan(drawnMs);
  });

  test.each(["crash", "unavailable"])("a hit does not meet the database's fault: %s", async (fault) => {
    const API_SEED = seedWhere((outcome) => outcome.fault === fault);
    const { ask } = openTestShop({ API_MODEL: "realistic", API_SEED });
    await ask("GET", "/products/5");
    expect((await ask("GET", "/products/5")).status).toBe(200);
    const { ask: askOther } = openTestShop({ API_MODEL: "realistic", API_SEED });
    await askOther("GET", "/products/5");
    const miss = await askOther("GET", "/products/6");
    expect(miss.status).toBe(fault === "crash" ? 500 : 503);
    expect(miss.headers.get("x-cache")).toBe("miss");
  });

  test("a hit is limited as any request is", async () => {
    const API_SEED = seedWhere((outcome) => outcome.fault === "rate-limited");
    const { ask } = openTestShop({ API_MODEL: "realistic", API_SEED });
    await ask("GET", "/products/5");
    expect((await ask("GET", "/products/5")).status).toBe(429);
  });
});
