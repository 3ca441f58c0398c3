import { isDeepStrictEqual } from "node:util";
import { generateSync } from "json-schema-faker";
import type { Rng } from "../../../contract/random.ts";
import { alternativesOf } from "./alternatives.ts";
import type { Plain } from "./alternatives.ts";
import { FORMATS } from "./formats.ts";
import { isLike, matches } from "./matches.ts";
import { isOneWay } from "./schema.ts";
import type { Direction, Schema, Type } from "./schema.ts";

/** How likely something is that may be left out: an optional property or parameter. */
export const OPTIONAL_SHARE = 0.5;

const EXAMPLE_SHARE = 0.75; // of values made from the document's examples wherever it has some
const NULL_SHARE = 0.1; // where null is one of several types
const DEPTH = 6; // levels of objects and arrays, unless more are required
const MAX_DEPTH = 40;
const MAX_VALUES = 200; // in one document, before only what is required is added
const MAX_TRIES = 20;
const EXTRA_LENGTH = 12; // of texts above their least
const EXTRA_ITEMS = 3; // of arrays and maps above theirs
const SPREAD = 1_000; // of numbers with one bound or none

/** Whether there is a value that keeps the rules of `schema`, and one that ends. */
export function hasValue(schema: Schema): boolean {
  return heightOf(schema) < Infinity;
}

interface Drawing {
  readonly rng: Rng;
  readonly direction: Direction;
  readonly examples: boolean;
  left: number; // values that may be added without need
}

/**
 * Draws a value that keeps the rules of `schema`. (json-schema-faker makes the texts that a pattern asks for; of its
 * objects, those with recursion, one-sided bounds or `oneOf` beside other keywords broke their schemas.)
 * @returns undefined when the schema allows no value, or none that is finite
 */
export function drawValue(schema: Schema, rng: Rng, direction: Direction = "request"): unknown {
  if (!hasValue(schema)) return undefined;
  const depth = Math.max(DEPTH, heightOf(schema));
  const examples = rng.float() < EXAMPLE_SHARE;
  let value: unknown;
  for (let tries = 0; tries < MAX_TRIES; tries++) {
    value = draw(schema, { rng, direction, examples, left: MAX_VALUES }, depth);
    if (matches(schema, value)) break; // what `oneOf` and `not` exclude shows only now
  }
  return value;
}

function draw(schema: Schema, drawing: Drawing, depth: number): unknown {
  const plain = drawing.rng.pick(alternativesOf(schema).filter((one) => fitsPlain(one, depth)));
  const known = knownValue(plain, drawing);
  if (known !== undefined) return known;
  drawing.left--;
  switch (typeFor(plain, drawing, depth)) {
    case "null":
      return null;
    case "boolean":
      return drawing.rng.float() < 0.5;
    case "integer":
      return drawNumber(plain, drawing.rng, true);
    case "number":
      return drawNumber(plain, drawing.rng, false);
    case "string":
      return drawText(plain, drawing.rng);
    case "array":
      return drawArray(plain, drawing, depth - 1);
    case "object":
      return drawObject(plain, drawing, depth - 1);
  }
}

/** A value that the document itself names. */
function knownValue(plain: Plain, { rng, examples }: Drawing): unknown {
  if (examples && plain.examples.length > 0) return rng.pick(plain.examples);
  if (examples && plain.defaults.length > 0 && rng.float() < 0.5) return plain.defaults[0];
  return plain.allowed === undefined ? undefined : rng.pick(plain.allowed);
}

function typeFor(plain: Plain, { rng }: Drawing, depth: number): Type {
  const types = typesIn(plain).filter((type) => fitsAs(type, plain, depth));
  const others = types.filter((type) => type !== "null");
  if (others.length < types.length && (others.length === 0 || rng.float() < NULL_SHARE)) return "null";
  return rng.pick(others);
}

function typesIn(plain: Plain): readonly Type[] {
  return plain.types ?? [impliedType(plain)];
}

/** What a schema without `type` is about, by its keywords. */
function impliedType(plain: Plain): Type {
  const { properties, patternProperties, required, additionalProperties, bounds } = plain;
  const isObject = properties.size + patternProperties.size + required.size + plain.minProperties > 0;
  if (isObject || typeof additionalProperties === "object") return "object";
  if (plain.items !== undefined || plain.prefixItems.length > 0 || plain.minItems > 0) return "array";
  const isBounded = Math.max(bounds.minimum, bounds.above, -bounds.maximum, -bounds.below) > -Infinity;
  return isBounded || plain.multipleOf.length > 0 ? "number" : "string";
}

function drawNumber({ bounds, multipleOf, format }: Plain, rng: Rng, isInteger: boolean): number {
  const step = multipleOf[0] ?? (isInteger ? 1 : 0.01);
  let low = Math.max(bounds.minimum, bounds.above);
  let high = Math.min(bounds.maximum, bounds.below);
  if (low === -Infinity) low = high === Infinity ? 0 : high - SPREAD * Math.max(1, step);
  if (high === Infinity) high = low + SPREAD * Math.max(1, step);
  if (format === "int32") high = Math.min(high, 2 ** 31 - 1);
  const fits = (value: number) =>
    low <= value &&
    value <= high &&
    value !== bounds.above &&
    value !== bounds.below &&
    (!isInteger || Number.isInteger(value)) &&
    multipleOf.every((factor) => Number.isInteger(value / factor));
  const first = Math.ceil(low / step);
  const count = Math.floor(high / step) - first + 1;
  for (let tries = 0; count > 0 && tries < MAX_TRIES; tries++) {
    const value = Number(((first + rng.integer(count)) * step).toPrecision(15));
    if (fits(value)) return value;
  }
  return isInteger ? Math.ceil(low) : low + (high - low) * (0.25 + rng.float() / 2);
}

const LETTERS = "abcdefghijklmnopqrstuvwxyz";

function drawText(plain: Plain, rng: Rng): string {
  const { pattern, format, minLength, maxLength } = plain;
  const most = Math.min(maxLength, minLength + EXTRA_LENGTH);
  const fits = (text: string) => minLength <= text.length && text.length <= maxLength;
  if (pattern !== undefined) return drawLike(pattern, minLength, maxLength, rng);
  const formatted = format === undefined ? undefined : FORMATS[format]?.(rng);
  if (formatted !== undefined && fits(formatted)) return formatted;
  const least = Math.max(minLength, Math.min(1, most)); // an empty text is rarely what is meant
  const length = least + rng.integer(most - least + 1);
  return Array.from({ length }, () => LETTERS[rng.integer(LETTERS.length)]).join("");
}

function drawLike(pattern: string, minLength: number, maxLength: number, rng: Rng): string {
  const lengths = { minLength, ...(maxLength < Infinity && { maxLength }) };
  let text = "";
  for (let tries = 0; tries < MAX_TRIES; tries++) {
    text = String(generateSync({ type: "string", pattern, ...lengths }, { seed: rng.uint32() }));
    if (isLike(pattern, text)) break;
  }
  return text;
}

function drawArray(plain: Plain, drawing: Drawing, depth: number): unknown[] {
  const { minItems, maxItems, prefixItems, contains } = plain;
  const values: unknown[] = contains === undefined ? [] : [draw(contains, drawing, depth)];
  const wanted = minItems + (drawing.left > 0 ? drawing.rng.integer(EXTRA_ITEMS + 1) : 0);
  const length = Math.min(maxItems, Math.max(wanted, minItems, Math.min(1, maxItems)));
  for (let tries = 0; values.length < length && tries < length + MAX_TRIES; tries++) {
    const schema = prefixItems[values.length] ?? plain.items ?? ANYTHING;
    if (!canFit(schema, depth)) break; // not among those that are required: these do
    const value = draw(schema, drawing, depth);
    if (!plain.uniqueItems || !values.some((other) => isDeepStrictEqual(other, value))) values.push(value);
  }
  return values;
}

function drawObject(plain: Plain, drawing: Drawing, depth: number): object {
  const { properties, minProperties, maxProperties, dependentRequired } = plain;
  const { rng, direction } = drawing;
  const values = new Map<string, unknown>();
  const add = (name: string) => {
    const schema = propertyOf(plain, name);
    if (values.has(name) || isOneWay(schema, direction) || !canFit(schema, depth)) return;
    values.set(name, draw(schema, drawing, depth));
    dependentRequired.get(name)?.forEach(add);
  };
  plain.required.forEach(add);
  for (const name of properties.keys()) {
    const isWanted = rng.float() < OPTIONAL_SHARE && drawing.left > 0;
    if (isWanted && values.size < maxProperties) add(name);
  }
  for (const name of properties.keys()) if (values.size < minProperties) add(name);
  if (plain.additionalProperties !== false || plain.patternProperties.size > 0) {
    const isMap = properties.size === 0 && typeof plain.additionalProperties === "object";
    const wanted = Math.max(minProperties, isMap ? 1 + rng.integer(EXTRA_ITEMS) : 0);
    const size = Math.min(maxProperties, wanted);
    for (let tries = 0; values.size < size && tries < MAX_TRIES; tries++) add(drawName(plain, rng));
  }
  return Object.fromEntries(values);
}

/** The name of a property that the schema does not name. */
function drawName({ patternProperties, propertyNames }: Plain, rng: Rng): string {
  const patterns = [...patternProperties.keys()];
  if (patterns.length > 0) return drawLike(rng.pick(patterns), 0, Infinity, rng);
  const names = propertyNames === undefined ? { minLength: 3 } : { type: "string", allOf: [propertyNames] };
  return String(drawValue(names, rng));
}

/** What holds for the property `name`, wherever the schema says it. */
function propertyOf(plain: Plain, name: string): Schema {
  const known = plain.properties.get(name);
  if (known !== undefined) return known;
  for (const [pattern, schema] of plain.patternProperties) if (isLike(pattern, name)) return schema;
  return plain.additionalProperties ?? ANYTHING;
}

const ANYTHING = {};

const fitting = new WeakMap<object, Map<number, boolean>>();

/** Whether a value of `schema` can be made of at most `depth` levels of objects and arrays. */
function canFit(schema: Schema, depth: number): boolean {
  if (typeof schema !== "object" || schema === null) return schema !== false;
  let byDepth = fitting.get(schema);
  if (byDepth === undefined) fitting.set(schema, (byDepth = new Map<number, boolean>()));
  let fits = byDepth.get(depth);
  if (fits === undefined) {
    fits = alternativesOf(schema).some((plain) => fitsPlain(plain, depth));
    byDepth.set(depth, fits);
  }
  return fits;
}

function fitsPlain(plain: Plain, depth: number): boolean {
  return plain.allowed !== undefined || typesIn(plain).some((type) => fitsAs(type, plain, depth));
}

function fitsAs(type: Type, plain: Plain, depth: number): boolean {
  if (type !== "array" && type !== "object") return true;
  if (depth < 1) return false;
  const required =
    type === "object"
      ? [...plain.required].map((name) => propertyOf(plain, name))
      : [...plain.prefixItems.slice(0, plain.minItems)];
  if (type === "array" && plain.minItems > plain.prefixItems.length) required.push(plain.items);
  if (type === "array" && plain.contains !== undefined) required.push(plain.contains);
  return required.every((schema) => canFit(schema, depth - 1));
}

/** The least depth that a value of `schema` fits into; Infinity when it has no end. */
function heightOf(schema: Schema): number {
  for (let depth = 0; depth <= MAX_DEPTH; depth++) if (canFit(schema, depth)) return depth;
  return Infinity;
}
