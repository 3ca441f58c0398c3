import { createRoute, OpenAPIHono, z } from "@hono/zod-openapi";
import { FAULTS, json } from "../problem.ts";
import type { Shop } from "../shop.ts";

const getInventory = createRoute({
  method: "get",
  path: "/inventory",
  tags: ["inventory"],
  summary: "What is in stock",
  responses: {
    200: json(
      z.record(z.string(), z.int()).openapi({ example: { "Harbour Kettle": 120, "Ember Webcam": 64 } }),
      "Count by product name",
    ),
    ...FAULTS,
  },
});

export function inventoryRoutes(shop: Shop): OpenAPIHono {
  return new OpenAPIHono().openapi(getInventory, async (c) => {
    const products = await shop.inStock(shop.products);
    return c.json(Object.fromEntries(products.map(({ name, stock }) => [name, stock])), 200);
  });
}
