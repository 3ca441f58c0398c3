import type { Answer } from "../journey.ts";

/** Objects around a list or a thing are looked through, so many. */
const ENVELOPES = 2;

/**
 * An id out of the answer to a list or to what made something; undefined when it holds none.
 * @param parameter the path parameter it is for, such as `id` or `orderId`
 * @param collection the last segment of the path that answered, such as `orders`
 * @param point from 0 up to 1: which one of a list
 */
export function idIn(answer: Answer, parameter: string, collection: string, point: number): unknown {
  if (answer.status < 200 || answer.status > 299) return undefined;
  const body = answer.json();
  const list = listIn(body, ENVELOPES) ?? [];
  const listed = list[Math.floor(point * list.length)];
  return (
    idOf(body, parameter, collection, 0) ??
    (isId(listed) && Array.isArray(body) ? listed : idOf(listed, parameter, collection, 0)) ??
    idOf(body, parameter, collection, ENVELOPES) ??
    idAt(answer.header("location"))
  );
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
  const singular = plain(collection)
    .replace(/ies$/, "y")
    .replace(/(ss|s)$/, (end) => (end === "ss" ? end : ""));
  const names = [plain(parameter), `${singular}id`, "id", "uuid"];
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

/** `Order-Id`, `order_id` and `orderId` are one name. */
function plain(name: string): string {
  return name.toLowerCase().replace(/[^a-z0-9]/g, "");
}
