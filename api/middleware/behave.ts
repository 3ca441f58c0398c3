import { setTimeout as sleep } from "node:timers/promises";
import type { Context, MiddlewareHandler } from "hono";
import { problem } from "../problem.ts";
import { shopRouteOf } from "../shop-routes.ts";
import type { TrafficModel } from "../traffic-model.ts";

/** What a cache answers takes this share of the drawn delay: 1 to 2 ms, as such a look-up does. */
export const CACHE_HIT_SHARE = 0.15;

/**
 * Delays a request as the model says, and answers it where the model fails it. What a cache answers meets no database, so it
 * neither crashes nor finds it overloaded.
 * @throws the exception of a route that crashes
 */
export type Behave = (c: Context, isHit?: boolean) => Promise<Response | undefined>;

/** @param traffic left out: every request is answered at once */
export function behaviourOf(traffic: TrafficModel | undefined): Behave {
  return async function behave(c, isHit = false) {
    const route = shopRouteOf(c);
    if (route === undefined || traffic === undefined) return undefined;
    const outcome = traffic.draw(route)!; // all routes of the shop are modelled
    await sleep(outcome.delayMs * (isHit ? CACHE_HIT_SHARE : 1));
    switch (isHit && outcome.fault !== "rate-limited" ? undefined : outcome.fault) {
      case undefined:
        return undefined;
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

/** Routes that behave by themselves, once they know whether their cache has the answer. */
const CACHED: ReadonlySet<string | undefined> = new Set(["GET /products", "GET /products/:id"]);

/** Every other route behaves before the shop sees the request. */
export function behaveFirst(behave: Behave): MiddlewareHandler {
  return async (c, next) => (CACHED.has(shopRouteOf(c)) ? next() : ((await behave(c)) ?? next()));
}
