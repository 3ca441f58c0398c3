const MAX_NAMES = 300;
const OTHER = "(other)";

/** Numbers, UUIDs and long hexadecimal words are ids. */
const ID = /^(?:\d+|[\da-f]{8}(?:-[\da-f]{4}){3}-[\da-f]{12}|[\da-f]{16,})$/i;

/**
 * Names for requests: method and route. Where the path stands for a route that is not known, its query is left out and
 * each id in it is `:id`. The first 300 names stand; what comes after is `GET (other)`, so that figures stay few
 * whatever the paths are.
 */
export function requestNames(): (method: string, route: string) => string {
  const names = new Set<string>();
  return (method, route) => {
    const segments = route.replace(/[?#].*$/s, "").split("/");
    const name = `${method} ${segments.map((segment) => (ID.test(segment) ? ":id" : segment)).join("/")}`;
    if (names.size < MAX_NAMES) names.add(name);
    return names.has(name) ? name : `${method} ${OTHER}`;
  };
}
