import { isDeepStrictEqual } from "node:util";
import { allowedOf, boundsOf, choicesOf, isOneWay, keywordsOf, typesOf } from "./schema.ts";
import type { Schema, Type } from "./schema.ts";

/**
 * Whether `value` keeps the rules of `schema`, as far as making values needs to know: what only a draw can tell (`oneOf`,
 * `not`, a pattern within a length) and whether an example is one. `format` says nothing here, and a property that is
 * for one direction only (`readOnly`, `writeOnly`) may be missing.
 *
 * @param within the schemas that combine this one for the same value: in a circle they add no rule
 */
export function matches(schema: Schema, value: unknown, within: readonly Schema[] = []): boolean {
  if (typeof schema === "boolean") return schema;
  if (within.includes(schema)) return true;
  const keywords = keywordsOf(schema);
  const inside = [...within, schema];
  const fits = (other: Schema) => matches(other, value, inside);
  const types = typesOf(keywords);
  const allowed = allowedOf(keywords);
  return (
    (types === undefined || types.some((type) => isOfType(type, value))) &&
    (allowed === undefined || allowed.some((one) => isDeepStrictEqual(one, value))) &&
    keepsOwnRules(schema, value) &&
    keywords.allOf.every(fits) &&
    choicesOf(keywords).every((branches) => branches.some(fits)) &&
    (keywords.oneOf.length === 0 || keywords.oneOf.filter(fits).length === 1) &&
    (keywords["not"] === undefined || !fits(keywords["not"]))
  );
}

function isOfType(type: Type, value: unknown): boolean {
  switch (type) {
    case "null":
      return value === null;
    case "array":
      return Array.isArray(value);
    case "object":
      return typeof value === "object" && value !== null && !Array.isArray(value);
    case "integer":
      return Number.isInteger(value);
    case "number":
    case "string":
    case "boolean":
      return typeof value === type;
  }
}

function keepsOwnRules(schema: Schema, value: unknown): boolean {
  if (typeof value === "number") return isNumberWithin(schema, value);
  if (typeof value === "string") return isTextWithin(schema, value);
  if (Array.isArray(value)) return isArrayWithin(schema, value);
  return typeof value !== "object" || value === null || isObjectWithin(schema, Object.entries(value));
}

function isNumberWithin(schema: Schema, value: number): boolean {
  const keywords = keywordsOf(schema);
  const { minimum, maximum, above, below } = boundsOf(keywords);
  const within = minimum <= value && value <= maximum && above < value && value < below;
  return within && (keywords.multipleOf === undefined || Number.isInteger(value / keywords.multipleOf));
}

function isTextWithin(schema: Schema, value: string): boolean {
  const { minLength = 0, maxLength = Infinity, pattern } = keywordsOf(schema);
  const length = Array.from(value).length; // JSON Schema counts code points
  return minLength <= length && length <= maxLength && (pattern === undefined || isLike(pattern, value));
}

function isArrayWithin(schema: Schema, values: readonly unknown[]): boolean {
  const keywords = keywordsOf(schema);
  const { minItems = 0, maxItems = Infinity, prefixItems, minContains = 1, uniqueItems } = keywords;
  const { items = true, contains } = keywords as { items?: Schema; contains?: Schema };
  return (
    minItems <= values.length &&
    values.length <= maxItems &&
    values.every((value, at) => matches(at < prefixItems.length ? prefixItems[at] : items, value)) &&
    (uniqueItems !== true || new Set(values.map((value) => JSON.stringify(value))).size === values.length) &&
    (contains === undefined ||
      values.filter((value) => matches(contains, value)).length >= Number(minContains))
  );
}

function isObjectWithin(schema: Schema, entries: readonly [string, unknown][]): boolean {
  const keywords = keywordsOf(schema);
  const { minProperties = 0, maxProperties = Infinity, properties, patternProperties } = keywords;
  const { additionalProperties = true, propertyNames = true } = keywords as Readonly<Record<string, Schema>>;
  const names = new Set(entries.map(([name]) => name));
  const isThere = (name: string) =>
    names.has(name) || isOneWay(properties[name], "request") || isOneWay(properties[name], "response");
  const rulesOf = (name: string) => {
    const rules = Object.entries(patternProperties).flatMap(([pattern, rule]) =>
      isLike(pattern, name) ? [rule] : [],
    );
    if (Object.hasOwn(properties, name)) rules.push(properties[name]);
    return rules.length > 0 ? rules : [additionalProperties];
  };
  return (
    minProperties <= names.size &&
    names.size <= maxProperties &&
    keywords.required.every(isThere) &&
    Object.entries(keywords.dependentRequired).every(
      ([name, others]) => !names.has(name) || others.every(isThere),
    ) &&
    entries.every(
      ([name, value]) => matches(propertyNames, name) && rulesOf(name).every((rule) => matches(rule, value)),
    )
  );
}

const regExps = new Map<string, RegExp | undefined>();

/** Whether `text` matches `pattern`, which is anchored only where it says so; one that is no ECMAScript pattern says nothing. */
export function isLike(pattern: string, text: string): boolean {
  if (!regExps.has(pattern)) regExps.set(pattern, regExpOf(pattern));
  return regExps.get(pattern)?.test(text) ?? true;
}

function regExpOf(pattern: string): RegExp | undefined {
  for (const flags of ["u", ""]) {
    try {
      return new RegExp(pattern, flags);
    } catch {
      // many patterns are legal without the flag only, such as those that escape a hyphen
    }
  }
  return undefined;
}
