import { routeId } from "../contract/rollup.ts";
import type { RequestLogRow } from "../contract/request-log-row.ts";
import { text } from "./literals.ts";

export interface Route {
  readonly service: string;
  readonly method: string;
  readonly endpoint: string;
  readonly id: number;
  isStored: boolean;
}

/** Routes remembered at most: whoever writes to the topics names them. */
const MAX_ROUTES = 50_000;

/** The routes that were seen, each with its number and whether `api_routes` names it. */
export function createRoutes(): { of(row: RequestLogRow): Route } {
  const routes = new Map<string, Route>();
  return {
    of({ service, method, endpoint }) {
      const name = `${service}\0${method}\0${endpoint}`;
      let route = routes.get(name);
      if (!route) {
        if (routes.size >= MAX_ROUTES) routes.clear();
        const id = routeId(service, method, endpoint);
        route = { service, method, endpoint, id, isStored: false };
        routes.set(name, route);
      }
      return route;
    },
  };
}

/** Routes stay named for good. Sorted, so that two consumers who meet the same routes first wait in the same order. */
export function insertRoutes(routes: readonly Omit<Route, "isStored">[]): string[] {
  if (routes.length === 0) return [];
  const values = routes
    .toSorted((a, b) => a.id - b.id)
    .map(({ id, service, method, endpoint }) => `(${id},${text(service)},${text(method)},${text(endpoint)})`);
  return [
    `INSERT INTO api_routes (route_id, service, method, endpoint) VALUES ${values.join(",")}
     ON DUPLICATE KEY UPDATE route_id = api_routes.route_id`,
  ];
}
