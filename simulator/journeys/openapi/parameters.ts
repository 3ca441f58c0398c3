import type { Parameter } from "./document.ts";

type Pair = readonly [name: string, value: string];

/** How `value` is written for `parameter` in a path template's place, by its style (RFC 6570). */
export function pathText(parameter: Parameter, value: unknown): string {
  const { name, style = "simple", explode = false } = parameter;
  const write = writerOf(parameter);
  if (style === "label") return `.${joined(value, explode ? "." : ",", explode, write)}`;
  if (style !== "matrix") return joined(value, ",", explode, write);
  const pairs = explode ? exploded(name, value) : [[name, joined(value, ",", false, write)] as const];
  return pairs.map(([key, text]) => `;${write(key)}=${explode ? write(text) : text}`).join("");
}

/** The pairs `name=value` of a query or cookie, escaped. Of an empty list there is none. */
export function queryPairs(parameter: Parameter, value: unknown): readonly string[] {
  const { name, style = "form", explode = style === "form" } = parameter;
  const write = writerOf(parameter);
  if (Array.isArray(value) && value.length === 0) return [];
  const pair = ([key, text]: Pair) => `${encodeURIComponent(key)}=${text}`;
  if (style === "deepObject" && isObject(value)) {
    return deep(name, value).map(([key, text]) => pair([key, write(text)]));
  }
  if (explode) return exploded(name, value).map(([key, text]) => pair([key, write(text)]));
  return [pair([name, joined(value, SEPARATORS[style] ?? ",", false, write)])];
}

const SEPARATORS: Readonly<Record<string, string>> = { spaceDelimited: "%20", pipeDelimited: "%7C" };

/** A header's value: no escapes, and nothing that would end it. */
export function headerText({ explode = false }: Parameter, value: unknown): string {
  return joined(value, ",", explode, (text) => text.replace(/[^\x20-\x7e]/g, "?"));
}

/** `a,b`; of an object `k,v,l,w`, exploded `k=v,l=w`. */
function joined(
  value: unknown,
  separator: string,
  explode: boolean,
  write: (text: string) => string,
): string {
  if (Array.isArray(value)) return value.map((item) => write(textOf(item))).join(separator);
  if (!isObject(value)) return write(textOf(value));
  const between = explode ? "=" : separator;
  return Object.entries(value)
    .map(([key, item]) => `${write(key)}${between}${write(textOf(item))}`)
    .join(separator);
}

/** A pair for each item, all of one name, or for each property, under its own. */
function exploded(name: string, value: unknown): readonly Pair[] {
  if (Array.isArray(value)) return value.map((item) => [name, textOf(item)]);
  if (!isObject(value)) return [[name, textOf(value)]];
  return Object.entries(value).flatMap(([key, item]) => exploded(key, item));
}

/** `filter[price][min]=3` */
function deep(name: string, value: object): readonly Pair[] {
  return Object.entries(value).flatMap(([key, item]: [string, unknown]) =>
    isObject(item) ? deep(`${name}[${key}]`, item) : exploded(`${name}[${key}]`, item),
  );
}

export function textOf(value: unknown): string {
  return typeof value === "string" ? value : JSON.stringify(value);
}

function writerOf({ allowReserved, in: place }: Parameter): (text: string) => string {
  const escape = (text: string) => encodeURIComponent(text.toWellFormed());
  if (!allowReserved || place !== "query") return escape;
  // `&`, `#` and `+` would end or change the value, so these stay escaped
  return (text) => escape(text).replace(/%(3A|2F|3F|40|21|24|27|28|29|2A|2C|3B|3D)/g, decodeURIComponent);
}

function isObject(value: unknown): value is object {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
