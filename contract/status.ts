import { Hono } from "hono";
import { routePath } from "hono/route";
import type { Metrics } from "./metrics.ts";
import { UNMATCHED } from "./request-log.ts";
import { securityHeaders } from "./security-headers.ts";

/** One dependency's state; `reason` says why it is not ready, `warning` what a person should look at although it is. */
export interface DependencyState {
  readonly ready: boolean;
  readonly reason?: string;
  readonly warning?: string;
}

/** Asked at each /health/ready; answers at once from what the process knows. */
export type ReadinessCheck = () => Readonly<Record<string, DependencyState>>;

/**
 * What every process answers: `/health/live` (the process runs), `/health/ready` and `/health` (503 with the reason
 * while a dependency is down), `/metrics` (Prometheus text).
 */
export function statusRoutes(service: string, metrics: Metrics, readiness: ReadinessCheck): Hono {
  const startedMs = Date.now();
  const routes = new Hono();
  // The number tells two processes apart that share a port, or follow each other on it.
  const who = () => ({
    ...{ service, pid: process.pid },
    uptime_seconds: Math.round((Date.now() - startedMs) / 1000),
  });
  routes.get("/health/live", (c) => c.json({ status: "ok", ...who() }));
  for (const path of ["/health", "/health/ready"]) {
    routes.get(path, (c) => {
      const dependencies = readiness();
      const ready = Object.values(dependencies).every((state) => state.ready);
      return c.json({ status: ready ? "ok" : "unavailable", ...who(), dependencies }, ready ? 200 : 503);
    });
  }
  routes.get("/metrics", async (c) =>
    c.body(await metrics.registry.metrics(), 200, { "content-type": metrics.registry.contentType }),
  );
  return routes;
}

/** {@link statusRoutes} as an app of its own, for processes that serve nothing else; its requests are counted too. */
export function statusApp(service: string, metrics: Metrics, readiness: ReadinessCheck): Hono {
  const app = new Hono();
  app.use(securityHeaders, async (c, next) => {
    const startedMs = performance.now();
    await next();
    const labels = {
      service,
      method: c.req.method,
      endpoint: c.res.status === 404 ? UNMATCHED : routePath(c, -1),
    };
    metrics.requests.inc({ ...labels, status: c.res.status });
    metrics.requestDuration.observe(labels, (performance.now() - startedMs) / 1_000);
  });
  app.route("/", statusRoutes(service, metrics, readiness));
  return app;
}
