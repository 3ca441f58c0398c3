import { hostname } from "node:os";
import { OpenAPIHono } from "@hono/zod-openapi";
import type { Context, Env } from "hono";
import { routePath } from "hono/route";
import { Counter } from "prom-client";
import type { z } from "zod";
import type { Audit } from "../contract/audit.ts";
import type { AppLog } from "../contract/app-log.ts";
import { SHOP_SERVICES, type apiSettings, type ShopService } from "../contract/config.ts";
import type { Metrics } from "../contract/metrics.ts";
import { securityHeaders } from "../contract/security-headers.ts";
import type { ReadinessCheck } from "../contract/status.ts";
import type { Publish } from "../producer/publish.ts";
import { createCounters } from "./counters.ts";
import { Faults } from "./faults.ts";
import { behaveFirst, behaviourOf } from "./middleware/behave.ts";
import { createIntake, type Sink } from "./ingest/intake.ts";
import { callerGuard } from "./middleware/caller-guard.ts";
import { incidentOf, injectFaults } from "./middleware/faults.ts";
import { countInjected } from "./middleware/injected.ts";
import { limitRate, remoteAddressOf } from "./middleware/rate-limit.ts";
import { requestLog } from "./middleware/request-log.ts";
import { masked } from "./middleware/request-record.ts";
import { obeySimHeaders } from "./middleware/sim-headers.ts";
import { answerThrown, problem, refuseInvalid } from "./problem.ts";
import { ProductCache } from "./product-cache.ts";
import type { Redis } from "./redis.ts";
import { docsRoutes } from "./routes/docs.ts";
import { faultsRoutes, type AuditFault } from "./routes/faults.ts";
import { ingestRoutes } from "./routes/ingest.ts";
import { inventoryRoutes } from "./routes/inventory.ts";
import { metricsRoutes } from "./routes/metrics.ts";
import { ordersRoutes } from "./routes/orders.ts";
import { answerStatus, otlpRoutes } from "./routes/otlp.ts";
import { productsRoutes } from "./routes/products.ts";
import { sessionRoutes } from "./routes/session.ts";
import { shopStatusRoutes } from "./routes/status.ts";
import { usersRoutes } from "./routes/users.ts";
import { createServicesLog } from "./services-log.ts";
import { namedUser, Sessions } from "./sessions.ts";
import { Shop } from "./shop.ts";
import { Stock } from "./stock.ts";
import { createTrafficModel } from "./traffic-model.ts";

export interface AppOptions {
  readonly publish: Publish;
  /** Where records go that other programs send. */
  readonly sink: Sink;
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
    | "API_INGEST_RATE"
    | "RUSHHOUR_SPOOL"
  > &
    Partial<
      Pick<
        z.output<typeof apiSettings>,
        | "API_RATE_LIMIT"
        | "API_USER_ID"
        | "API_PII_KEY"
        | "API_REDACT"
        | "API_SERVICE"
        | "API_SESSION_KEY"
        | "API_INGEST_TOKEN"
      >
    >;
  readonly readiness: ReadinessCheck;
  /** What this process shares with others: sessions that ended, cached products, stock. Default: nothing. */
  readonly redis?: Redis | undefined;
  /** Where the services' application logs go. Default: nowhere. */
  readonly publishLog?: (record: AppLog) => unknown;
  /** Where it is said who started and ended faults. Default: nowhere. */
  readonly audit?: Audit;
}

/** The mock shop: every answer of it, refusals and failures too, becomes one record for `publish`. */
export function createApp(options: AppOptions): OpenAPIHono {
  const { publish, publishLog, sink, metrics, settings, readiness, redis, audit } = options;
  const { API_MODEL: model, API_SEED: seed, RUSHHOUR_INSTANCE: instance = hostname() } = settings;
  const { API_SERVICE: services = SHOP_SERVICES } = settings;
  const cache = new ProductCache(seed, metrics.registry, redis);
  const shop = new Shop(seed, new Stock(seed, redis), (ids) => cache.forget(ids));
  const sessions = new Sessions(settings.API_SESSION_KEY, redis);
  const counters = createCounters(metrics);
  const count = countInjected(metrics.registry);
  const faults = new Faults(seed);
  const traffic = model === "realistic" ? createTrafficModel(seed) : undefined;
  const behave = behaviourOf(traffic);
  const logServices = publishLog && createServicesLog(publishLog, instance);
  const app = new OpenAPIHono<Env>({ defaultHook: refuseInvalid });

  app.use(
    requestLog(
      (record, c) => {
        counters.count(record);
        logServices?.(record, c);
        return publish(record);
      },
      {
        service: serviceOf,
        instance,
        userId: (c) => (namedUser(c) ?? sessions.userId(c.req.header("authorization")))?.toString(),
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
  const counter = (name: string, help: string) => new Counter({ name, help, registers: [metrics.registry] });
  if (settings.API_RATE_LIMIT !== undefined) {
    app.use(
      limitRate({
        perSecond: settings.API_RATE_LIMIT,
        isExempt: (c) => isDebugRoute(routePath(c, -1)),
        limited: counter("api_rate_limited_total", "Requests beyond API_RATE_LIMIT, answered 429"),
      }),
    );
  }
  if (settings.API_SIM_HEADERS === "on") app.use(obeySimHeaders(seed, count));
  app.use(injectFaults(faults, count));
  if (traffic) app.use(behaveFirst(behave));
  const guard = {
    host: settings.API_HOST,
    refused: counter(
      "api_auth_failures_total",
      "Requests to /__admin and to ingestion without the right token",
    ),
  };
  app.use(
    "/__admin/*",
    callerGuard({ ...guard, token: settings.API_ADMIN_TOKEN, setting: "API_ADMIN_TOKEN" }),
  );
  app.use("/v1/*", answerStatus);
  const ingestGuards = [
    limitRate({
      perSecond: settings.API_INGEST_RATE,
      isExempt: () => false,
      limited: counter("ingest_rate_limited_total", "Requests beyond API_INGEST_RATE, answered 429"),
    }),
    callerGuard({ ...guard, token: settings.API_INGEST_TOKEN, setting: "API_INGEST_TOKEN" }),
  ];
  for (const path of ["/ingest/*", "/v1/*"]) app.use(path, ...ingestGuards);

  const routes: Readonly<Record<ShopService, () => OpenAPIHono>> = {
    users: () => usersRoutes(shop),
    products: () => productsRoutes(shop, cache, behave),
    orders: () => ordersRoutes(shop, () => traffic?.declinesPayment() ?? false),
    inventory: () => inventoryRoutes(shop),
    auth: () => sessionRoutes(shop, sessions),
  };
  for (const service of services) app.route("/", routes[service]());
  app.route("/", shopStatusRoutes({ shop, services, instance, model, seed, metrics, readiness }));
  app.route("/", metricsRoutes(counters));
  app.route("/", faultsRoutes(faults, auditOf(settings, audit)));
  const intake = createIntake(sink, metrics.registry);
  app.route("/", ingestRoutes(intake));
  app.route("/", otlpRoutes(intake));
  app.route("/", docsRoutes());
  app.doc31("/openapi.json", DOCUMENT);

  refuseOtherMethods(app);
  const whole =
    services.length === SHOP_SERVICES.length ? "" : ` in this process, which is ${services.join(", ")}`;
  app.notFound((c) =>
    problem(c, 404, "ROUTE_UNKNOWN", `no route has the path ${c.req.path}${whole}; see /docs`),
  );
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

function userIdsOf({ API_USER_ID: choice = "keep", API_PII_KEY: hashKey }: AppOptions["settings"]) {
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

const isDebugRoute = (template: string) =>
  DEBUG_ROUTES.has(template) || ["/__admin/", "/ingest/", "/v1/"].some((start) => template.startsWith(start));

/** The service whose route it is, be it a process of its own or not. */
function serviceOf(c: Context): string {
  const template = routePath(c, -1);
  if (template.endsWith("/payment")) return "payments";
  const [, first = ""] = template.split("/");
  return SERVICE_OF.get(first) ?? "api";
}

/** By the first part of the path. */
const SERVICE_OF: ReadonlyMap<string, string> = new Map([
  ...["users", "products", "orders", "inventory"].map((name) => [name, name] as const),
  ...["login", "session"].map((name) => [name, "auth"] as const),
]);

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
