import type { Context } from "hono";
import { routePath } from "hono/route";
import { ROUTE_MODELS } from "./traffic-model.ts";

/** Method and template of every route of the shop itself: those that may be slow or fail on purpose. */
export const SHOP_ROUTES: readonly string[] = ROUTE_MODELS.map(({ route }) => route);

const known: ReadonlySet<string> = new Set(SHOP_ROUTES);

/**
 * The route of {@link SHOP_ROUTES} that a request goes to; undefined for health, metrics, documentation, control, and
 * for what will be answered 404 or 405. HEAD goes where GET goes.
 */
export function shopRouteOf(c: Context): string | undefined {
  const route = `${c.req.method === "HEAD" ? "GET" : c.req.method} ${routePath(c, -1)}`;
  return known.has(route) ? route : undefined;
}
