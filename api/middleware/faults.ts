import type { ServerResponse } from "node:http";
import type { Context, MiddlewareHandler, Next } from "hono";
import { effectOf, type Fault } from "../../contract/faults.ts";
import type { Faults } from "../faults.ts";
import { shopRouteOf } from "../shop-routes.ts";
import { fail, MAX_WAIT_MS, pause, type CountInjected } from "./injected.ts";

/** What a rate limiter would say of itself: so many requests in so many seconds, and none left. */
const LIMIT = { quota: 100, window_s: 1 } as const;

/** Applies the faults at work, in the order they came; without one it costs a look. */
export function injectFaults(faults: Faults, count: CountInjected): MiddlewareHandler {
  return (c, next) => {
    if (faults.isIdle) return next();
    const route = shopRouteOf(c);
    return route === undefined ? next() : meetFaults(c, next, route);
  };

  async function meetFaults(c: Context, next: Next, route: string) {
    const hits = faults.draw(route);
    if (hits.length > 0) c.set(INCIDENT, hits.map(({ fault }) => fault.id).join(","));
    for (const { fault, delay_ms } of hits) {
      count(fault.kind, route);
      await pause(c, delay_ms);
      const answer = await answerOf(c, fault);
      if (answer) return answer;
    }
    return next();
  }
}

const INCIDENT = "incident";

/** The ground truth of a request that faults hit, for its record: their ids, parted by commas. */
export function incidentOf(c: Context): { incident: string } | undefined {
  const incident = c.get(INCIDENT) as string | undefined;
  return incident === undefined ? undefined : { incident };
}

/** How the fault answers in place of the shop; undefined when it only slows down. */
async function answerOf(c: Context, fault: Fault): Promise<Response | undefined> {
  const cause = `fault:${fault.id}`;
  switch (fault.kind) {
    case "slow":
      return undefined;
    case "error-burst": {
      const { status } = effectOf(fault);
      if (status === 503) c.header("retry-after", "1");
      return fail(c, status, "FAULT_INJECTED", cause);
    }
    case "timeout":
      await pause(c, Math.min(fault.for_ms, MAX_WAIT_MS));
      return fail(c, 504, "FAULT_INJECTED", cause);
    case "reset":
      (c.env as { outgoing?: ServerResponse } | undefined)?.outgoing?.socket?.resetAndDestroy();
      return fail(c, 503, "FAULT_INJECTED", cause); // nobody reads it where there was a socket
    case "rate-limit":
      c.header("retry-after", String(LIMIT.window_s));
      // https://datatracker.ietf.org/doc/draft-ietf-httpapi-ratelimit-headers/
      c.header("ratelimit-policy", `"shop";q=${LIMIT.quota};w=${LIMIT.window_s}`);
      c.header("ratelimit", `"shop";r=0;t=${LIMIT.window_s}`);
      return fail(c, 429, "RATE_LIMITED", cause);
  }
}
