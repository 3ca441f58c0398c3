import { createRoute, OpenAPIHono, z } from "@hono/zod-openapi";
import type { Counters } from "../counters.ts";
import { json } from "../problem.ts";

const Totals = z
  .object({
    total_requests: z.int(),
    total_errors: z.int().openapi({ description: "Answers with a status of 400 and above" }),
    error_rate_percent: z.number(),
    per_endpoint_usage: z.array(z.object({ endpoint: z.string(), hits: z.int(), percent: z.number() })),
  })
  .openapi("Totals");

const getTotals = createRoute({
  method: "get",
  path: "/metrics.json",
  tags: ["operation"],
  summary: "Totals since the start, from the request log",
  responses: { 200: json(Totals, "Totals, the most used endpoint first") },
});

export function metricsRoutes(counters: Counters): OpenAPIHono {
  return new OpenAPIHono().openapi(getTotals, (c) => c.json(counters.totals(), 200));
}
