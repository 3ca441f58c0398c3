import { z } from "@hono/zod-openapi";
import type { MiddlewareHandler } from "hono";
import { stream } from "../../contract/random.ts";
import { durationSetting } from "../../contract/units.ts";
import { refuseInvalid } from "../problem.ts";
import { shopRouteOf } from "../shop-routes.ts";
import { fail, MAX_WAIT_MS, pause, type CountInjected } from "./injected.ts";

const DELAY = "must be a duration above 0 and up to 60s, such as 200ms";
const ERROR = "must be a status from 400 to 599";
const PERCENTAGE = "must be a number from 0 to 100";

const Headers = z
  .object({
    "x-sim-delay": durationSetting.refine((ms) => ms <= MAX_WAIT_MS, DELAY).optional(),
    "x-sim-error": z
      .string()
      .regex(/^[45]\d\d$/, ERROR)
      .transform(Number)
      .optional(),
    "x-sim-error-percentage": z
      .string()
      .regex(/^(100(\.0+)?|\d{1,2}(\.\d+)?)$/, PERCENTAGE)
      .transform(Number)
      .optional(),
  })
  .refine(
    (headers) => headers["x-sim-error"] !== undefined || headers["x-sim-error-percentage"] === undefined,
    {
      path: ["x-sim-error-percentage"],
      error: "must come with x-sim-error",
    },
  );

/** Lets a request to the shop ask for its own delay and error; what the headers say wrong is answered 400. */
export function obeySimHeaders(seed: number, count: CountInjected): MiddlewareHandler {
  const rng = stream(seed, "x-sim-error");
  return async function obeySimHeaders(c, next) {
    const route = shopRouteOf(c);
    if (route === undefined) return next();
    const given = Object.fromEntries(Object.keys(Headers.shape).map((name) => [name, c.req.header(name)]));
    const parsed = Headers.safeParse(given);
    if (!parsed.success) return refuseInvalid({ ...parsed, target: "header" }, c);
    const {
      "x-sim-delay": delay_ms,
      "x-sim-error": status,
      "x-sim-error-percentage": percentage = 100,
    } = parsed.data;
    if (delay_ms !== undefined) {
      count("x-sim-delay", route);
      await pause(c, delay_ms);
    }
    if (status === undefined || rng.float() * 100 >= percentage) return next();
    count("x-sim-error", route);
    return fail(c, status, "FAULT_INJECTED", "x-sim-error");
  };
}
