import { createRoute, OpenAPIHono, z } from "@hono/zod-openapi";
import { FAULTS, json, problem, PROBLEMS } from "../problem.ts";
import type { Shop } from "../shop.ts";
import { IdParam, Page, PageOf } from "./paging.ts";

const Product = z
  .object({
    id: z.int().openapi({ example: 1 }),
    name: z.string().openapi({ example: "Harbour Kettle" }),
    category: z.string().openapi({ example: "kitchen" }),
    price_cents: z.int().openapi({ example: 6490 }),
    stock: z.int().openapi({ example: 120 }),
  })
  .openapi("Product");

const listProducts = createRoute({
  method: "get",
  path: "/products",
  tags: ["products"],
  summary: "List the products",
  request: { query: Page },
  responses: {
    200: json(z.object({ products: z.array(Product), ...PageOf }), "Products by id"),
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
  responses: { 200: json(Product, "The product"), 404: PROBLEMS[404], ...FAULTS },
});

export function productsRoutes(shop: Shop): OpenAPIHono {
  return new OpenAPIHono()
    .openapi(listProducts, (c) => {
      const { limit, offset } = c.req.valid("query");
      const products = shop.products.slice(offset, offset + limit);
      return c.json({ products, total: shop.products.length, limit, offset }, 200);
    })
    .openapi(getProduct, (c) => {
      const { id } = c.req.valid("param");
      const product = shop.product(Number(id));
      return product
        ? c.json(product, 200)
        : problem(c, 404, "PRODUCT_UNKNOWN", `no product has the id ${id}`);
    });
}
