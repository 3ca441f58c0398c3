import { stream } from "../contract/random.ts";
import type { Rng } from "../contract/random.ts";

/** How a route fails on purpose: an uncaught exception (500), 503, or 429. */
export type Fault = "crash" | "unavailable" | "rate-limited";

/** What happens to one request before the shop sees it. */
export interface Outcome {
  readonly delayMs: number;
  readonly fault: Fault | undefined;
}

/** One row of the table below. */
export interface RouteModel {
  readonly route: string; // method and template
  readonly medianMs: number; // of the usual, lognormal latency
  readonly sigma: number; // its standard deviation on the log scale
  readonly slow: number; // share of requests in the slow mode: SLOW_FACTOR times the median
  readonly crash: number; // shares of requests that fail, by fault
  readonly unavailable: number;
  readonly rateLimited: number;
  readonly cause: string; // name and message of the exception when it crashes
}

/** A slow request (cold cache, lock, retried upstream) takes about this many times the usual. */
export const SLOW_FACTOR = 10;

/** Share of payments that the bank declines (402). */
const DECLINED_PAYMENTS = 0.03;

type Row = readonly [string, number, number, number, number, number, number, string];

// prettier-ignore
const ROWS: readonly Row[] = [
  // route                      median sigma  slow   crash  unavail. limited  cause
  ["GET /users",                    9, 0.35, 0.010, 0.0020, 0.0040, 0.0020, "QueryTimeout: users: no answer from the replica within 2000 ms"],
  ["GET /users/:id",                4, 0.30, 0.005, 0.0020, 0.0020, 0.0010, "CacheError: users: cached profile has an unknown version"],
  ["GET /products",                14, 0.40, 0.015, 0.0060, 0.0080, 0.0060, "QueryTimeout: products: search index did not answer within 2000 ms"],
  ["GET /products/:id",             6, 0.35, 0.010, 0.0040, 0.0060, 0.0030, "TypeError: cannot read the price of a product without a price list"],
  ["GET /orders",                  18, 0.45, 0.015, 0.0040, 0.0060, 0.0020, "QueryTimeout: orders: no answer from the replica within 2000 ms"],
  ["POST /orders",                 32, 0.45, 0.020, 0.0100, 0.0150, 0.0060, "DeadlockError: orders: transaction was chosen as the victim"],
  ["GET /orders/:id",               8, 0.35, 0.010, 0.0030, 0.0050, 0.0010, "CacheError: orders: cached order has an unknown version"],
  ["POST /orders/:id/payment",     85, 0.50, 0.030, 0.0100, 0.0200, 0.0040, "PaymentGatewayError: connection was reset while waiting for the bank"],
  ["GET /inventory",               11, 0.40, 0.010, 0.0020, 0.0040, 0.0040, "WarehouseError: inventory: stock feed sent a truncated page"],
  ["POST /login",                  45, 0.30, 0.010, 0.0020, 0.0040, 0.0160, "KeyStoreError: auth: signing key is being rotated"],
  ["GET /session",                  3, 0.30, 0.005, 0.0020, 0.0020, 0.0010, "SessionError: auth: session store answered for another session"],
  ["POST /session/refresh",        12, 0.30, 0.010, 0.0020, 0.0040, 0.0040, "KeyStoreError: auth: signing key is being rotated"],
  ["DELETE /session",               6, 0.30, 0.005, 0.0020, 0.0030, 0.0010, "SessionError: auth: session store refused the write"],
];

/**
 * Reads are quick and mostly well, writes slower and frailer, payment the worst: 1 to 2 % errors over a usual mix. What is said of
 * products is said of their database, which most reads never meet (middleware/behave.ts).
 */
export const ROUTE_MODELS: readonly RouteModel[] = ROWS.map(
  ([route, medianMs, sigma, slow, crash, unavailable, rateLimited, cause]) => {
    return { route, medianMs, sigma, slow, crash, unavailable, rateLimited, cause };
  },
);

/** Latency and errors of a shop in production, from a seed. */
export interface TrafficModel {
  /** The next outcome of a route such as `GET /orders/:id`; undefined for a route that is not modelled. */
  draw(route: string): Outcome | undefined;
  /** Whether the bank declines the next payment. */
  declinesPayment(): boolean;
  /** The exception of a route that crashes. */
  crashOf(route: string): Error;
}

/**
 * The nth request of a route gets the same outcome in every run with the same seed, whatever the other routes do.
 * Health, status, metrics and documentation are not modelled: they answer at once and never fail.
 */
export function createTrafficModel(seed: number): TrafficModel {
  const routes = new Map(
    ROUTE_MODELS.map((model) => [model.route, { model, rng: stream(seed, model.route) }]),
  );
  const bank = stream(seed, "bank");
  return {
    draw(route) {
      const entry = routes.get(route);
      return entry === undefined ? undefined : drawOutcome(entry.model, entry.rng);
    },
    declinesPayment: () => bank.float() < DECLINED_PAYMENTS,
    crashOf(route) {
      const [name = "Error", ...message] = (routes.get(route)?.model.cause ?? "").split(": ");
      return Object.assign(new Error(message.join(": ")), { name });
    },
  };
}

/** Always four draws, so that the sequences of latency and of errors do not depend on each other's results. */
function drawOutcome(model: RouteModel, rng: Rng): Outcome {
  const factor = rng.float() < model.slow ? SLOW_FACTOR : 1;
  const delayMs = factor * rng.lognormal(model.medianMs, model.sigma);
  return { delayMs, fault: faultAt(model, rng.float()) };
}

function faultAt(model: RouteModel, u: number): Fault | undefined {
  if (u < model.crash) return "crash";
  if (u < model.crash + model.unavailable) return "unavailable";
  if (u < model.crash + model.unavailable + model.rateLimited) return "rate-limited";
  return undefined;
}
