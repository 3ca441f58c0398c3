import { templateOf } from "../../contract/access-log.ts";

const MAX_NAMES = 300;
const OTHER = "(other)";

/**
 * Names for requests: method and route. Where the path stands for a route that is not known, its query is left out and
 * each id in it is `:id`. The first 300 names stand; what comes after is `GET (other)`, so that figures stay few
 * whatever the paths are.
 */
export function requestNames(): (method: string, route: string) => string {
  const names = new Set<string>();
  return (method, route) => {
    const name = `${method} ${templateOf(route)}`;
    if (names.size < MAX_NAMES) names.add(name);
    return names.has(name) ? name : `${method} ${OTHER}`;
  };
}
