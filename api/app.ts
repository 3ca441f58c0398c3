import { hostname } from "node:os";
import { setTimeout as sleep } from "node:timers/promises";
import { OpenAPIHono } from "@hono/zod-openapi";
import type { Context, Env, MiddlewareHandler } from "hono";
import { routePath } from "hono/route";
import type { z } from "zod";
import type { Audit } from "../contract/audit.ts";
import type { apiSettings } from "../contract/config.ts";
import type { Metrics } from "../contract/metrics.ts";
import { securityHeaders } from "../contract/security-headers.ts";
import type { ReadinessCheck } from "../contract/status.ts";
import type { Publish } from "../producer/publish.ts";
import type { Publisher } from "../producer/publisher.ts";
import { createCounters } from "./counters.ts";
import { Faults } from "./faults.ts";
import { adminGuard } from "./middleware/admin-guard.ts";
import { incidentOf, injectFaults } from "./middleware/faults.ts";
import { countInjected } from "./middleware/injected.ts";
import { limitRate, remoteAddressOf } from "./middleware/rate-limit.ts";
import { masked, requestLog } from "./middleware/request-log.ts";
import { obeySimHeaders } from "./middleware/sim-headers.ts";
import { shownUser, type UserIds } from "./origin.ts";
import { answerThrown, problem, refuseInvalid } from "./problem.ts";
import { docsRoutes } from "./routes/docs.ts";
import { eventsRoutes } from "./routes/events.ts";
import { faultsRoutes, type AuditFault } from "./routes/faults.ts";
import { inventoryRoutes } from "./routes/inventory.ts";
import { loginRoutes } from "./routes/login.ts";
import { metricsRoutes } from "./routes/metrics.ts";
import { ordersRoutes } from "./routes/orders.ts";
import { productsRoutes } from "./routes/products.ts";
import { shopStatusRoutes } from "./routes/status.ts";
import { uiRoutes } from "./routes/ui.ts";
import { usersRoutes } from "./routes/users.ts";
import { namedUser, Sessions } from "./sessions.ts";
import { shopEvents } from "./shop-events.ts";
import { Shop } from "./shop.ts";
import { createTrafficModel } from "./traffic-model.ts";
import type { TrafficModel } from "./traffic-model.ts";
import { uiEventMaker } from "./ui-events.ts";

export interface AppOptions {
  readonly publish: Publish;
  /** Where events go. */
  readonly sink: Pick<Publisher, "publishOf" | "hasRoom">;
  readonly metrics: Metrics;
  readonly settings: Pick<
    z.output<typeof apiSettings>,
    | "API_MODEL"
    | "API_SEED"
    | "API_MASK_IP"
    | "API_HOST"
    | "API_ADMIN_TOKEN"
    | "API_SIM_HEADERS"
    | "RUSHHOUR_INSTANCE"
    | "RUSHHOUR_SPOOL"
    | "API_BUTTONS"
  > &
    Partial<
      Pick<z.output<typeof apiSettings>, "API_RATE_LIMIT" | "API_USER_ID" | "API_PII_KEY" | "API_REDACT">
    >;
  readonly readiness: ReadinessCheck;
  /** Where it is said who started and ended faults. Default: nowhere. */
  readonly audit?: Audit;
}

/** The mock shop: every answer of it, refusals and failures too, becomes one record for `publish`. */
export function createApp({ publish, sink, metrics, settings, readiness, audit }: AppOptions): OpenAPIHono {
  const { API_MODEL: model, API_SEED: seed, RUSHHOUR_INSTANCE: instance = hostname() } = settings;
  const shop = new Shop(seed);
  const sessions = new Sessions();
  const counters = createCounters(metrics);
  const count = countInjected(metrics.registry);
  const faults = new Faults(seed);
  const traffic = model === "realistic" ? createTrafficModel(seed) : undefined;
  const userOf = (c: Context) => (namedUser(c) ?? sessions.userId(c.req.header("authorization")))?.toString();
  const app = new OpenAPIHono<Env>({ defaultHook: refuseInvalid });

  app.use(
    requestLog(
      (record) => {
        counters.count(record);
        return publish(record);
      },
      {
        service: serviceOf,
        instance,
        userId: userOf,
        isDebug: (c) => isDebugRoute(routePath(c, -1)),
        extra: incidentOf,
        maskIp: settings.API_MASK_IP === "yes",
        writeAhead: settings.RUSHHOUR_SPOOL === "always",
        userIds: userIdsOf(settings),
        redact: settings.API_REDACT === "on",
      },
    ),
    securityHeaders,
  );
  if (settings.API_RATE_LIMIT !== undefined) {
    const { registry } = metrics;
    app.use(
      limitRate({
        perSecond: settings.API_RATE_LIMIT,
        isExempt: (c) => isDebugRoute(routePath(c, -1)),
        registry,
      }),
    );
  }
  if (settings.API_SIM_HEADERS === "on") app.use(obeySimHeaders(seed, count));
  app.use(injectFaults(faults, count));
  if (traffic) app.use(behaveLike(traffic));
  app.use("/__admin/*", adminGuard(settings.API_ADMIN_TOKEN, settings.API_HOST, metrics.registry));

  app.route("/", usersRoutes(shop));
  app.route("/", productsRoutes(shop));
  app.route(
    "/",
    ordersRoutes(
      shop,
      () => traffic?.declinesPayment() ?? false,
      shopEvents(sink.publishOf, userIdsOf(settings)),
    ),
  );
  app.route("/", inventoryRoutes(shop));
  app.route("/", loginRoutes(shop, sessions));
  const toUiEvent = uiEventMaker({
    userOf: (c) => shownUser(userOf(c), userIdsOf(settings)),
    redact: settings.API_REDACT === "on",
  });
  app.route("/", eventsRoutes(sink, toUiEvent));
  app.route("/", uiRoutes(settings.API_BUTTONS));
  app.route("/", shopStatusRoutes({ shop, instance, model, seed, metrics, readiness }));
  app.route("/", metricsRoutes(counters));
  app.route("/", faultsRoutes(faults, auditOf(settings, audit)));
  app.route("/", docsRoutes());
  app.doc31("/openapi.json", DOCUMENT);

  refuseOtherMethods(app);
  app.notFound((c) => problem(c, 404, "ROUTE_UNKNOWN", `no route has the path ${c.req.path}; see /docs`));
  app.onError(answerThrown);
  return app;
}

/** Says who by the address, which is all an API knows of those who have the token. */
function auditOf({ API_MASK_IP }: AppOptions["settings"], audit: Audit | undefined): AuditFault {
  return (c, action, target, result, detail) => {
    const address = remoteAddressOf(c);
    const actor = (API_MASK_IP === "yes" ? masked(address) : address) ?? "(unknown)";
    audit?.({ actor, via: "api", action, target, result, detail });
  };
}

function userIdsOf({ API_USER_ID: choice = "keep", API_PII_KEY: hashKey }: AppOptions["settings"]): UserIds {
  return choice === "hash" ? { hashKey: hashKey! } : choice; // readSettings asks for the key
}

/** Of interest only when somebody is debugging. */
const DEBUG_ROUTES: ReadonlySet<string> = new Set([
  "/health",
  "/health/live",
  "/health/ready",
  "/metrics",
  "/metrics.json",
  "/status",
]);

const isDebugRoute = (template: string) => DEBUG_ROUTES.has(template) || template.startsWith("/__admin/");

/** The service that would answer a route if the shop were made of several. */
function serviceOf(c: Context): string {
  const template = routePath(c, -1);
  if (template.endsWith("/payment")) return "payments";
  const [, first = ""] = template.split("/");
  if (UI_PATHS.has(first)) return "ui";
  return first === "login" ? "auth" : SHOP_SERVICES.has(first) ? first : "api";
}

const UI_PATHS: ReadonlySet<string> = new Set(["ui", "events", "producer"]);
const SHOP_SERVICES: ReadonlySet<string> = new Set(["users", "products", "orders", "inventory"]);

/** Delays and fails requests as the model says, before the shop sees them. */
function behaveLike(traffic: TrafficModel): MiddlewareHandler {
  return async (c, next) => {
    const route = `${c.req.method === "HEAD" ? "GET" : c.req.method} ${routePath(c, -1)}`;
    const outcome = traffic.draw(route);
    if (outcome === undefined) return next();
    await sleep(outcome.delayMs);
    switch (outcome.fault) {
      case undefined:
        return next();
      case "crash":
        throw traffic.crashOf(route);
      case "unavailable":
        c.header("retry-after", "1");
        return problem(c, 503, "UNAVAILABLE", "the service is overloaded; try again in a second");
      case "rate-limited":
        c.header("retry-after", "1");
        return problem(c, 429, "RATE_LIMITED", "too many requests; try again in a second");
    }
  };
}

/**
 * Answers 405 on the path of each route. Registered under the same template, so that the request log names the
 * route and not `(unmatched)`.
 */
function refuseOtherMethods(app: OpenAPIHono): void {
  const methodsOf = new Map<string, Set<string>>();
  for (const { path, method } of app.routes) {
    if (method === "ALL") continue; // middleware
    const methods = methodsOf.get(path) ?? new Set();
    methodsOf.set(path, methods.add(method));
    if (method === "GET") methods.add("HEAD"); // Hono answers HEAD with the headers of GET
  }
  for (const [path, methods] of methodsOf) {
    const allow = [...methods].join(", ");
    app.all(path, (c) => {
      c.header("allow", allow);
      return problem(c, 405, "METHOD_NOT_ALLOWED", `${c.req.method} is not for ${c.req.path}; use ${allow}`);
    });
  }
}

const DOCUMENT = {
  openapi: "3.1.0",
  info: {
    title: "rushhour: mock shop API",
    version: "1.0.0",
    description:
      "A shop that behaves like one in production: with latency, errors, and state that exists. Each answer carries " +
      "`x-request-id`, the id of its row in `api_logs`. A wrong method answers 405 with `allow`, an unknown path 404. " +
      "What makes it fail on purpose is described at `/__admin/openapi.json`.",
  },
};
