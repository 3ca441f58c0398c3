import type { Answer } from "../journey.ts";

/** Objects around a list or a thing are looked through, so many. */
const ENVELOPES = 2;

/**
 * The ids in the answer to a list or to what made something; none when it holds none.
 * @param parameter what they are for, such as `id` or `orderId`
 * @param collection the last segment of the path that answered, such as `orders`
 */
export function idsIn(answer: Answer, parameter: string, collection: string): readonly unknown[] {
  if (answer.status < 200 || answer.status > 299) return [];
  const body = answer.json();
  const own = idOf(body, parameter, collection, 0);
  if (own !== undefined) return [own];
  const listed = (listIn(body, ENVELOPES) ?? [])
    .map((item) => (isId(item) && Array.isArray(body) ? item : idOf(item, parameter, collection, 0)))
    .filter((id) => id !== undefined);
  if (listed.length > 0) return listed;
  const inside = idOf(body, parameter, collection, ENVELOPES) ?? idAt(answer.header("location"));
  return inside === undefined ? [] : [inside];
}

/** The first list in a body, itself or inside objects. */
function listIn(value: unknown, levels: number): readonly unknown[] | undefined {
  if (Array.isArray(value)) return value as unknown[];
  if (typeof value !== "object" || value === null || levels === 0) return undefined;
  for (const inner of Object.values(value)) {
    const list = listIn(inner, levels - 1);
    if (list !== undefined) return list;
  }
  return undefined;
}

/** The property that is the thing's id, by the parameter's name or that of the collection: `id`, `order_id`, `orderId`. */
function idOf(thing: unknown, parameter: string, collection: string, levels: number): unknown {
  if (typeof thing !== "object" || thing === null || Array.isArray(thing)) return undefined;
  const entries = Object.entries(thing);
  const names = [plain(parameter), `${singularOf(collection)}id`, "id", "uuid"];
  for (const name of names) {
    const found = entries.find(([key, value]) => plain(key) === name && isId(value));
    if (found !== undefined) return found[1];
  }
  for (const [, inner] of levels > 0 ? entries : []) {
    const id = idOf(inner, parameter, collection, levels - 1);
    if (id !== undefined) return id;
  }
  return undefined;
}

/** The last segment of a `Location`. */
function idAt(location: string | undefined): string | undefined {
  return location
    ?.split(/[?#]/)[0]
    ?.split("/")
    .findLast((segment) => segment !== "");
}

function isId(value: unknown): boolean {
  return typeof value === "number" || (typeof value === "string" && value !== "");
}

/** `Order-Items` and `orderItems` are `orderitem`. */
export function singularOf(collection: string): string {
  return plain(collection)
    .replace(/ies$/, "y")
    .replace(/(ss|s)$/, (end) => (end === "ss" ? end : ""));
}

/** `Order-Id`, `order_id` and `orderId` are one name. */
export function plain(name: string): string {
  return name.toLowerCase().replace(/[^a-z0-9]/g, "");
}
