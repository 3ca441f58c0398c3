import { plain, singularOf } from "./ids.ts";

/**
 * What the values of a JSON body refer to, as far as names tell: `product_id`, `productIds` and `main-product-id` are
 * ids of things that a collection `products` lists.
 */

/**
 * The collection, of those given by their singular names, that ids called `key` are of; undefined when none is.
 * The whole name goes before its end: `order_item_id` is of `order-items`, else of `items`.
 */
export function collectionOf(key: string, collections: Iterable<string>): string | undefined {
  const words = key
    .replaceAll(/([a-z0-9])([A-Z])/g, "$1 $2")
    .split(/[^A-Za-z0-9]+/)
    .map(plain);
  if (words.length < 2 || !/^(u?u?id)s?$/.test(words.at(-1)!)) return undefined;
  const known = new Set(collections);
  for (let from = 0; from < words.length - 1; from++) {
    const name = singularOf(words.slice(from, -1).join(""));
    if (known.has(name)) return name;
  }
  return undefined;
}

/** A copy of `json`, each text and number in it as `replace` says, which gets the name it stands under. */
export function replaced(
  json: unknown,
  replace: (key: string, value: string | number) => unknown,
  key = "",
): unknown {
  if (Array.isArray(json)) return json.map((item) => replaced(item, replace, key));
  if (typeof json === "object" && json !== null) {
    return Object.fromEntries(
      Object.entries(json).map(([name, value]) => [name, replaced(value, replace, name)]),
    );
  }
  return typeof json === "string" || typeof json === "number" ? replace(key, json) : json;
}
