import { createRoute, OpenAPIHono, z } from "@hono/zod-openapi";
import type { ShopService } from "../../contract/config.ts";
import type { Metrics } from "../../contract/metrics.ts";
import { statusRoutes } from "../../contract/status.ts";
import type { ReadinessCheck } from "../../contract/status.ts";
import { json } from "../problem.ts";
import type { Shop } from "../shop.ts";

const ShopStatus = z
  .object({
    status: z.literal("ok"),
    service: z.string(),
    services: z.array(z.string()).openapi({ description: "Those of the shop that this process is" }),
    instance: z.string(),
    uptime_seconds: z.int(),
    model: z
      .string()
      .openapi({ description: "realistic: latency and errors as in production; off: neither" }),
    seed: z.int(),
    users: z.int(),
    products: z.int(),
    orders: z.int(),
  })
  .openapi("ShopStatus");

const getStatus = createRoute({
  method: "get",
  path: "/status",
  tags: ["operation"],
  summary: "What this shop is made of",
  responses: { 200: json(ShopStatus, "Settings and sizes") },
});

const Health = z
  .object({
    status: z.enum(["ok", "unavailable"]),
    service: z.string(),
    pid: z.int(),
    uptime_seconds: z.int(),
    dependencies: z
      .record(z.string(), z.object({ ready: z.boolean(), reason: z.string().optional() }))
      .optional(),
  })
  .openapi("Health");

interface StatusOptions {
  readonly shop: Shop;
  readonly services: readonly ShopService[];
  readonly instance: string;
  readonly model: string;
  readonly seed: number;
  readonly metrics: Metrics;
  readonly readiness: ReadinessCheck;
}

/** `/status` of the shop, and what every process answers: health and metrics. */
export function shopStatusRoutes(options: StatusOptions): OpenAPIHono {
  const { shop, services, instance, model, seed } = options;
  const startedMs = Date.now();
  const routes = new OpenAPIHono();
  routes.openapi(getStatus, (c) =>
    c.json(
      {
        status: "ok" as const,
        service: "api",
        services: [...services],
        instance,
        uptime_seconds: Math.round((Date.now() - startedMs) / 1000),
        model,
        seed,
        users: shop.users.length,
        products: shop.products.length,
        orders: shop.orderCount,
      },
      200,
    ),
  );
  routes.route("/", statusRoutes("api", options.metrics, options.readiness));
  documentHealth(routes);
  return routes;
}

/** The shared health routes know no OpenAPI, so their documentation stands here. */
function documentHealth({ openAPIRegistry }: OpenAPIHono): void {
  const about = { method: "get" as const, tags: ["operation"] };
  const ready = {
    200: json(Health, "Ready"),
    503: json(Health, "A dependency is down; the shop itself serves on"),
  };
  openAPIRegistry.registerPath({ ...about, path: "/health", summary: "Ready?", responses: ready });
  openAPIRegistry.registerPath({ ...about, path: "/health/ready", summary: "Ready?", responses: ready });
  openAPIRegistry.registerPath({
    ...about,
    path: "/health/live",
    summary: "Running?",
    responses: { 200: json(Health, "The process runs") },
  });
  openAPIRegistry.registerPath({
    ...about,
    path: "/metrics",
    summary: "Metrics in Prometheus text",
    responses: {
      200: { description: "Metrics", content: { "text/plain": { schema: z.string() } } },
    },
  });
}
