import { createRoute, OpenAPIHono, z } from "@hono/zod-openapi";
import type { Context } from "hono";
import type { Product } from "../catalogue.ts";
import type { Behave } from "../middleware/behave.ts";
import { FAULTS, json, problem, PROBLEMS } from "../problem.ts";
import { CACHED_MS, type CachedRead, type ProductCache } from "../product-cache.ts";
import type { Shop } from "../shop.ts";
import { IdParam, Page, PageOf } from "./paging.ts";

const ProductSchema = z
  .object({
    id: z.int().openapi({ example: 1 }),
    name: z.string().openapi({ example: "Harbour Kettle" }),
    category: z.string().openapi({ example: "kitchen" }),
    price_cents: z.int().openapi({ example: 6490 }),
    stock: z.int().openapi({ example: 120 }),
  })
  .openapi("Product");

const CACHE_HEADER = z.object({
  "x-cache": z.enum(["hit", "miss"]).openapi({
    description: `Whether the cache had the answer, which is then up to ${CACHED_MS / 1_000} s old; an order takes out what it changes`,
  }),
});

const listProducts = createRoute({
  method: "get",
  path: "/products",
  tags: ["products"],
  summary: "List the products",
  request: { query: Page },
  responses: {
    200: {
      ...json(z.object({ products: z.array(ProductSchema), ...PageOf }), "Products by id"),
      headers: CACHE_HEADER,
    },
    400: PROBLEMS[400],
    ...FAULTS,
  },
});

const getProduct = createRoute({
  method: "get",
  path: "/products/{id}",
  tags: ["products"],
  summary: "One product",
  request: { params: IdParam },
  responses: {
    200: { ...json(ProductSchema, "The product"), headers: CACHE_HEADER },
    404: PROBLEMS[404],
    ...FAULTS,
  },
});

/** A product or a page of them: from the cache, or from the database and then into the cache. */
export function productsRoutes(shop: Shop, cache: ProductCache, behave: Behave): OpenAPIHono {
  /** Hands what it finds to `answer`, unless the model answers in its place. */
  async function read<T>(
    c: Context,
    what: CachedRead,
    products: readonly Product[],
    answer: (found: Product[]) => T,
  ): Promise<T> {
    const ids = products.map(({ id }) => id);
    const cached = await cache.find(what, ids);
    c.header("x-cache", cached ? "hit" : "miss");
    const failure = await behave(c, cached !== undefined);
    if (failure) return failure as T; // one of FAULTS, which each of these routes documents
    if (cached) return answer(cached);
    const found = await shop.inStock(products);
    await cache.keep(found);
    return answer(found);
  }

  return new OpenAPIHono()
    .openapi(listProducts, (c) => {
      const { limit, offset } = c.req.valid("query");
      const page = shop.products.slice(offset, offset + limit);
      return read(c, "products", page, (products) =>
        c.json({ products, total: shop.products.length, limit, offset }, 200),
      );
    })
    .openapi(getProduct, async (c) => {
      const { id } = c.req.valid("param");
      const product = shop.product(Number(id));
      if (product) return read(c, "product", [product], ([found]) => c.json(found!, 200));
      const unknown = () => problem(c, 404, "PRODUCT_UNKNOWN", `no product has the id ${id}`);
      return ((await behave(c)) as ReturnType<typeof unknown> | undefined) ?? unknown();
    });
}
