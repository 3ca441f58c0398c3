import { v7 as uuidv7 } from "uuid";
import { stream, weighted, zipf, type Rng } from "../contract/random.ts";
import type { Level, RequestLog } from "../contract/request-log.ts";

interface Route {
  readonly weight: number;
  readonly service: string;
  readonly method: string;
  readonly endpoint: string; // ":id" is replaced in the path
  readonly medianMs: number;
  readonly failures: readonly (readonly [share: number, status: number, type: string, message: string])[];
}

const UNAVAILABLE = [0.004, 503, "ServiceUnavailable", "upstream did not answer"] as const;
const NO_SUCH = [0.02, 404, "NotFound", "no such id"] as const;

const ROUTES: readonly Route[] = [
  {
    weight: 30,
    service: "products",
    method: "GET",
    endpoint: "/products",
    medianMs: 18,
    failures: [UNAVAILABLE],
  },
  {
    weight: 24,
    service: "products",
    method: "GET",
    endpoint: "/products/:id",
    medianMs: 9,
    failures: [NO_SUCH],
  },
  { weight: 10, service: "users", method: "GET", endpoint: "/users/:id", medianMs: 11, failures: [NO_SUCH] },
  { weight: 4, service: "users", method: "GET", endpoint: "/users", medianMs: 25, failures: [UNAVAILABLE] },
  { weight: 8, service: "orders", method: "GET", endpoint: "/orders/:id", medianMs: 14, failures: [NO_SUCH] },
  {
    ...{ weight: 8, service: "orders", method: "POST", endpoint: "/orders", medianMs: 60 },
    failures: [
      [0.02, 400, "ValidationError", "items: at least one"],
      [0.01, 409, "OutOfStock", "not enough in stock"],
      UNAVAILABLE,
    ],
  },
  {
    weight: 6,
    service: "inventory",
    method: "GET",
    endpoint: "/inventory",
    medianMs: 22,
    failures: [UNAVAILABLE],
  },
  {
    ...{ weight: 5, service: "auth", method: "POST", endpoint: "/login", medianMs: 85 },
    failures: [
      [0.06, 401, "InvalidCredentials", "wrong name or password"],
      [0.01, 429, "RateLimited", "too many attempts"],
    ],
  },
  { weight: 5, service: "api", method: "GET", endpoint: "/health", medianMs: 1, failures: [] },
];

const AGENTS = [
  "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/143.0.0.0 Safari/537.36",
  "Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.1 Mobile/15E148 Safari/604.1",
  "Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0",
  "curl/8.11.0",
];

const IDS = 500;
const SIGMA = 0.6; // of the lognormal response time
const CRASH_SHARE = 0.002;

/**
 * Request logs without an API, each at the time `now()` says when it is drawn. Consistent where careless generators are not: the
 * level follows the status, ids belong to their endpoint, failures are slow or quick as their kind is. The seed decides
 * everything but ids and times.
 */
export function* syntheticLogs(seed: number, now: () => number = Date.now): Generator<RequestLog, never> {
  const rng = stream(seed, "synthetic");
  const route = weighted(ROUTES.map(({ weight }) => weight));
  const id = zipf(IDS);
  for (;;) yield record(rng, ROUTES[route(rng)]!, 1 + id(rng), now());
}

function record(rng: Rng, route: Route, id: number, nowMs: number): RequestLog {
  const { service, method, endpoint } = route;
  const failure = failureOf(rng, route);
  const status_code = failure?.[1] ?? (method === "POST" && endpoint === "/orders" ? 201 : 200);
  const response_time_ms = Math.round(rng.lognormal(route.medianMs, SIGMA) * 1000) / 1000;
  return {
    ...{ v: 1, service, method, endpoint, status_code, response_time_ms },
    request_id: uuidv7({ msecs: nowMs }),
    timestamp: new Date(nowMs).toISOString(),
    level: levelOf(endpoint, status_code),
    instance: "synthetic",
    path: endpoint.replace(":id", String(id)),
    user_agent: rng.pick(AGENTS),
    client_ip: `198.51.100.${1 + rng.integer(254)}`, // TEST-NET-2: nobody's address
    bytes_out: 120 + rng.integer(4_000),
    ...(failure && { error_type: failure[2], error_message: failure[3] }),
  };
}

function failureOf(rng: Rng, { endpoint, failures }: Route): Route["failures"][number] | undefined {
  if (endpoint === "/health") return undefined;
  let point = rng.float();
  if ((point -= CRASH_SHARE) < 0)
    return [CRASH_SHARE, 500, "TypeError", "cannot read properties of undefined"];
  return failures.find(([share]) => (point -= share) < 0);
}

function levelOf(endpoint: string, statusCode: number): Level {
  if (statusCode === 500) return "CRITICAL";
  if (statusCode >= 400) return "ERROR";
  return endpoint === "/health" ? "DEBUG" : "INFO";
}
