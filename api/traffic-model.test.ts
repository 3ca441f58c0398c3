import { expect, test } from "vitest";
import { createTrafficModel, ROUTE_MODELS, SLOW_FACTOR } from "./traffic-model.ts";
import type { RouteModel } from "./traffic-model.ts";

const DRAWS = 100_000;

function draw(route: string, count: number, seed = 1) {
  const model = createTrafficModel(seed);
  return Array.from({ length: count }, () => model.draw(route)!);
}

/** Standard normal distribution function (Abramowitz and Stegun, 26.2.17; error below 1e-7). */
function phi(z: number): number {
  if (z < 0) return 1 - phi(-z);
  const t = 1 / (1 + 0.2316419 * z);
  const tail = [1.330274429, -1.821255978, 1.781477937, -0.356563782, 0.31938153];
  return 1 - (Math.exp(-z * z * 0.5) / Math.sqrt(2 * Math.PI)) * tail.reduce((sum, k) => (sum + k) * t, 0);
}

/** Share of requests answered within `ms`: two lognormals, mixed. */
function shareWithin(ms: number, { medianMs, sigma, slow }: RouteModel): number {
  const usual = phi(Math.log(ms / medianMs) / sigma);
  return (1 - slow) * usual + slow * phi(Math.log(ms / (SLOW_FACTOR * medianMs)) / sigma);
}

test("the same seed gives the same outcomes, another seed others", () => {
  expect(draw("GET /users", 500)).toEqual(draw("GET /users", 500));
  expect(draw("GET /users", 500)).not.toEqual(draw("GET /users", 500, 2));
});

test("the nth outcome of a route does not depend on traffic to the others", () => {
  const model = createTrafficModel(1);
  const mixed = Array.from({ length: 100 }, () => {
    model.draw("GET /products");
    model.declinesPayment();
    return model.draw("GET /users");
  });
  expect(mixed).toEqual(draw("GET /users", 100));
});

test.each(ROUTE_MODELS)("A-8: $route takes as long as its table row says", (model) => {
  const delays = draw(model.route, DRAWS)
    .map(({ delayMs }) => delayMs)
    .sort((a, b) => a - b);
  expect(shareWithin(delays[DRAWS * 0.5]!, model)).toBeCloseTo(0.5, 2);
  expect(shareWithin(delays[DRAWS * 0.95]!, model)).toBeCloseTo(0.95, 2);
  expect(shareWithin(delays[DRAWS * 0.995]!, model)).toBeCloseTo(0.995, 2);
});

test.each(ROUTE_MODELS)("A-8: $route fails as often as its table row says", (model) => {
  const outcomes = draw(model.route, DRAWS);
  const faults = { crash: model.crash, unavailable: model.unavailable, "rate-limited": model.rateLimited };
  for (const [fault, share] of Object.entries(faults)) {
    const count = outcomes.filter((outcome) => outcome.fault === fault).length;
    expect(Math.abs(count - DRAWS * share)).toBeLessThan(5 * Math.sqrt(DRAWS * share)); // five deviations
  }
});

test("A-8: every route fails now and then, and a usual mix of requests between 1 and 2 %", () => {
  const requestsOf: Record<string, number> = {
    "GET /products": 20,
    "GET /products/:id": 24,
    "GET /users": 6,
    "GET /users/:id": 3,
    "POST /login": 6,
    "GET /session": 6,
    "POST /session/refresh": 1,
    "DELETE /session": 4,
    "POST /orders": 6,
    "GET /orders": 3,
    "GET /orders/:id": 9,
    "POST /orders/:id/payment": 3,
    "GET /inventory": 2,
  };
  const fromCache: Record<string, number> = { "GET /products": 0.75, "GET /products/:id": 0.95 }; // share
  let errors = 0.03 * requestsOf["POST /orders/:id/payment"]!; // declined
  for (const { route, crash, unavailable, rateLimited } of ROUTE_MODELS) {
    expect(crash * unavailable * rateLimited).toBeGreaterThan(0);
    const fromDatabase = 1 - (fromCache[route] ?? 0);
    errors += ((crash + unavailable) * fromDatabase + rateLimited) * requestsOf[route]!;
  }
  expect(errors).toBeGreaterThan(1); // of 100 requests
  expect(errors).toBeLessThan(2);
});

test("about 3 % of the payments are declined", () => {
  const model = createTrafficModel(1);
  let declined = 0;
  for (let i = 0; i < DRAWS; i++) if (model.declinesPayment()) declined++;
  expect(declined / DRAWS).toBeCloseTo(0.03, 2);
});

test("a crash has a name and a message of its own", () => {
  const error = createTrafficModel(1).crashOf("POST /orders");
  expect(error).toBeInstanceOf(Error);
  expect(error.name).toBe("DeadlockError");
  expect(error.message).toBe("orders: transaction was chosen as the victim");
});

test("what is not in the table is neither delayed nor failed", () => {
  const model = createTrafficModel(1);
  for (const route of ["GET /health", "GET /metrics", "GET /status", "GET /docs", "DELETE /users"]) {
    expect(model.draw(route)).toBeUndefined();
  }
});
