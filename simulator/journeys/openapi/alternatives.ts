import { matches } from "./matches.ts";
import { allowedOf, boundsOf, choicesOf, keywordsOf, NO_KEYWORDS, typesOf } from "./schema.ts";
import type { Bounds, Keywords, Schema, Type } from "./schema.ts";

/**
 * One way to satisfy a schema: its own rules and those of all it combines, without `allOf`, `anyOf` and `oneOf`. Two
 * schemas for one place, such as a property, stand there as an `allOf` of both.
 */
export interface Plain {
  readonly types: readonly Type[] | undefined;
  readonly allowed: readonly unknown[] | undefined;
  readonly examples: readonly unknown[];
  readonly defaults: readonly unknown[]; // at most one
  readonly bounds: Bounds;
  readonly multipleOf: readonly number[];
  readonly format: string | undefined;
  readonly pattern: string | undefined;
  readonly minLength: number;
  readonly maxLength: number;
  readonly prefixItems: readonly Schema[];
  readonly items: Schema; // undefined: anything
  readonly contains: Schema; // undefined: nothing in particular
  readonly minItems: number;
  readonly maxItems: number;
  readonly uniqueItems: boolean;
  readonly properties: ReadonlyMap<string, Schema>;
  readonly required: ReadonlySet<string>;
  readonly patternProperties: ReadonlyMap<string, Schema>;
  readonly additionalProperties: Schema; // undefined: anything
  readonly propertyNames: Schema; // undefined: any
  readonly dependentRequired: ReadonlyMap<string, readonly string[]>;
  readonly minProperties: number;
  readonly maxProperties: number;
}

/** Combinations beyond these are left out: unions of unions grow fast. */
const MAX_ALTERNATIVES = 100;

const alternativesBySchema = new WeakMap<object, readonly Plain[]>();

/** The ways to satisfy `schema`; none of `false`, and where it contradicts itself. */
export function alternativesOf(schema: Schema): readonly Plain[] {
  if (typeof schema !== "object" || schema === null) return schema === false ? [] : [plainOf(NO_KEYWORDS)];
  const known = alternativesBySchema.get(schema);
  if (known !== undefined) return known;
  const fits = (value: unknown) => matches(schema, value);
  const alternatives = combined(schema, [])
    .map((plain) => ({
      ...plain,
      allowed: plain.allowed?.filter(fits),
      examples: plain.examples.filter(fits),
      defaults: plain.defaults.filter(fits),
    }))
    .filter(isPossible);
  alternativesBySchema.set(schema, alternatives);
  return alternatives;
}

/** @param within the schemas that combine this one: some documents combine in a circle, which adds no rule */
function combined(schema: Schema, within: readonly Schema[]): readonly Plain[] {
  if (schema === false) return [];
  const keywords = keywordsOf(schema);
  if (within.includes(schema)) return [plainOf(NO_KEYWORDS)];
  const inside = [...within, schema];
  let plains: readonly Plain[] = [plainOf(keywords)];
  for (const branches of [...keywords.allOf.map((part) => [part]), ...choicesOf(keywords)]) {
    const others = branches.flatMap((branch) => combined(branch, inside));
    plains = plains
      .flatMap((plain) => others.map((other) => merged(plain, other)))
      .filter(isPossible)
      .slice(0, MAX_ALTERNATIVES);
  }
  return plains;
}

function plainOf(keywords: Keywords): Plain {
  const { minLength = 0, maxLength = Infinity, minItems = 0, maxItems = Infinity } = keywords;
  const { minProperties = 0, maxProperties = Infinity } = keywords;
  return {
    types: typesOf(keywords),
    allowed: allowedOf(keywords),
    examples: "example" in keywords ? [keywords["example"]] : keywords.examples,
    defaults: "default" in keywords ? [keywords["default"]] : [],
    bounds: boundsOf(keywords),
    multipleOf: keywords.multipleOf === undefined ? [] : [keywords.multipleOf],
    format: keywords.format,
    pattern: keywords.pattern,
    minLength,
    maxLength,
    prefixItems: keywords.prefixItems,
    items: keywords["items"],
    contains: keywords["contains"],
    minItems,
    maxItems,
    uniqueItems: keywords.uniqueItems === true,
    properties: new Map(Object.entries(keywords.properties)),
    required: new Set(keywords.required),
    patternProperties: new Map(Object.entries(keywords.patternProperties)),
    additionalProperties: keywords["additionalProperties"],
    propertyNames: keywords["propertyNames"],
    dependentRequired: new Map(Object.entries(keywords.dependentRequired)),
    minProperties,
    maxProperties,
  };
}

function merged(a: Plain, b: Plain): Plain {
  const prefixes = a.prefixItems.length > b.prefixItems.length ? a.prefixItems : b.prefixItems;
  return {
    types: commonTypes(a.types, b.types),
    allowed: common(a.allowed, b.allowed),
    examples: [...a.examples, ...b.examples],
    defaults: a.defaults.length > 0 ? a.defaults : b.defaults,
    bounds: {
      minimum: Math.max(a.bounds.minimum, b.bounds.minimum),
      maximum: Math.min(a.bounds.maximum, b.bounds.maximum),
      above: Math.max(a.bounds.above, b.bounds.above),
      below: Math.min(a.bounds.below, b.bounds.below),
    },
    multipleOf: [...new Set([...a.multipleOf, ...b.multipleOf])],
    format: a.format ?? b.format,
    pattern: a.pattern ?? b.pattern,
    minLength: Math.max(a.minLength, b.minLength),
    maxLength: Math.min(a.maxLength, b.maxLength),
    prefixItems: prefixes.map((_, at) => both(a.prefixItems[at], b.prefixItems[at])),
    items: both(a.items, b.items),
    contains: a.contains ?? b.contains,
    minItems: Math.max(a.minItems, b.minItems),
    maxItems: Math.min(a.maxItems, b.maxItems),
    uniqueItems: a.uniqueItems || b.uniqueItems,
    properties: unionOf(a.properties, b.properties, both),
    required: new Set([...a.required, ...b.required]),
    patternProperties: unionOf(a.patternProperties, b.patternProperties, both),
    additionalProperties: both(a.additionalProperties, b.additionalProperties),
    propertyNames: both(a.propertyNames, b.propertyNames),
    dependentRequired: unionOf(a.dependentRequired, b.dependentRequired, (one, other) => [...one, ...other]),
    minProperties: Math.max(a.minProperties, b.minProperties),
    maxProperties: Math.min(a.maxProperties, b.maxProperties),
  };
}

function isPossible({ types, allowed, bounds, ...plain }: Plain): boolean {
  return (
    types?.length !== 0 &&
    allowed?.length !== 0 &&
    bounds.minimum <= bounds.maximum &&
    bounds.above < bounds.maximum &&
    bounds.minimum < bounds.below &&
    plain.minLength <= plain.maxLength &&
    plain.minItems <= plain.maxItems &&
    plain.minProperties <= plain.maxProperties
  );
}

/** The schema of what satisfies both; undefined is no rule. */
function both(a: Schema, b: Schema): Schema {
  if (a === undefined || a === b) return b;
  return b === undefined ? a : { allOf: [a, b] };
}

function unionOf<T>(
  a: ReadonlyMap<string, T>,
  b: ReadonlyMap<string, T>,
  combine: (a: T, b: T) => T,
): ReadonlyMap<string, T> {
  const union = new Map(a);
  for (const [key, value] of b) union.set(key, a.has(key) ? combine(a.get(key)!, value) : value);
  return union;
}

function commonTypes(a: Plain["types"], b: Plain["types"]): Plain["types"] {
  if (a === undefined || b === undefined) return a ?? b;
  const within = (types: readonly Type[]) => (type: Type) =>
    types.includes(type) || (type === "integer" && types.includes("number"));
  return [...new Set([...a.filter(within(b)), ...b.filter(within(a))])];
}

function common(a: Plain["allowed"], b: Plain["allowed"]): Plain["allowed"] {
  if (a === undefined || b === undefined) return a ?? b;
  const texts = new Set(b.map((value) => JSON.stringify(value)));
  return a.filter((value) => texts.has(JSON.stringify(value)));
}
