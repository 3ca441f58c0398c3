import { z } from "zod";

/**
 * A schema as the document has it, its references replaced by what they name, so that it may contain itself. OpenAPI
 * 3.0 and 3.1 alike: `nullable`, a boolean `exclusiveMinimum` and `example` stand for what JSON Schema has in their place.
 */
export type Schema = unknown;

const TYPES = ["string", "integer", "number", "boolean", "object", "array", "null"] as const;
export type Type = (typeof TYPES)[number];

const number = z.number().optional().catch(undefined);
const text = z.string().optional().catch(undefined);
const flag = z.boolean().optional().catch(undefined);
const list = z.array(z.unknown()).catch([]);
const names = z.array(z.string()).catch([]);
const children = z.record(z.string(), z.unknown()).catch({});

/** The keywords with their types. One of another type is left out: documents in the field have such, and mean little by it. */
const Keywords = z.looseObject({
  type: z
    .union([z.array(z.string()), z.string().transform((type) => [type])])
    .optional()
    .catch(undefined),
  nullable: flag,
  enum: z.array(z.unknown()).min(1).optional().catch(undefined),
  examples: list,
  format: text,
  pattern: text,
  minLength: number,
  maxLength: number,
  minimum: number,
  maximum: number,
  exclusiveMinimum: z.union([z.number(), z.boolean()]).optional().catch(undefined),
  exclusiveMaximum: z.union([z.number(), z.boolean()]).optional().catch(undefined),
  multipleOf: z.number().positive().optional().catch(undefined),
  prefixItems: list,
  minItems: number,
  maxItems: number,
  uniqueItems: flag,
  properties: children,
  required: names,
  patternProperties: children,
  dependentRequired: z.record(z.string(), names).catch({}),
  minProperties: number,
  maxProperties: number,
  readOnly: flag,
  writeOnly: flag,
  allOf: list,
  anyOf: list,
  oneOf: list,
});
export type Keywords = z.output<typeof Keywords>;

export const NO_KEYWORDS = Keywords.parse({});
const keywordsBySchema = new WeakMap<object, Keywords>();

/** The keywords of `schema` alone; none of `true`, and of what is no schema. */
export function keywordsOf(schema: Schema): Keywords {
  if (typeof schema !== "object" || schema === null) return NO_KEYWORDS;
  const known = keywordsBySchema.get(schema);
  if (known !== undefined) return known;
  const keywords = Keywords.catch(NO_KEYWORDS).parse(schema);
  keywordsBySchema.set(schema, keywords);
  return keywords;
}

/** The types that the keyword `type` allows; undefined: any, also where it names none that there is, such as `file`. */
export function typesOf({ type = [], nullable }: Keywords): readonly Type[] | undefined {
  const known = type.filter(isType);
  if (known.length === 0) return undefined;
  return nullable === true ? [...known, "null"] : known;
}

function isType(name: string): name is Type {
  return TYPES.includes(name as Type);
}

/** The values that `enum` and `const` allow; undefined: any. */
export function allowedOf(keywords: Keywords): readonly unknown[] | undefined {
  if ("const" in keywords) return [keywords["const"]];
  if (keywords.enum === undefined) return undefined;
  return keywords.nullable === true ? [...keywords.enum, null] : keywords.enum;
}

export interface Bounds {
  readonly minimum: number;
  readonly maximum: number;
  readonly above: number; // exclusive minimum
  readonly below: number; // exclusive maximum
}

export function boundsOf(keywords: Keywords): Bounds {
  const { minimum = -Infinity, maximum = Infinity, exclusiveMinimum, exclusiveMaximum } = keywords;
  return {
    minimum,
    maximum,
    above: exclusiveMinimum === true ? minimum : numberOr(-Infinity, exclusiveMinimum),
    below: exclusiveMaximum === true ? maximum : numberOr(Infinity, exclusiveMaximum),
  };
}

function numberOr(otherwise: number, value: unknown): number {
  return typeof value === "number" ? value : otherwise;
}

/** What is combined with the schema's own keywords: of each list one schema, at least. */
export function choicesOf({ anyOf, oneOf, ...others }: Keywords): readonly (readonly Schema[])[] {
  const choices = [anyOf, oneOf].filter((branches) => branches.length > 0);
  if (others["if"] === undefined) return choices;
  const then = { allOf: [others["if"], others["then"] ?? true] };
  const otherwise = { allOf: [{ not: others["if"] }, others["else"] ?? true] };
  return [...choices, [then, otherwise]];
}

/** Who sends a value. */
export type Direction = "request" | "response";

/** Whether a property is only sent the other way: `readOnly` ones by the server, `writeOnly` ones to it. */
export function isOneWay(schema: Schema, direction: Direction): boolean {
  const { readOnly, writeOnly, allOf } = keywordsOf(schema);
  const otherWay = direction === "request" ? readOnly : writeOnly;
  return otherWay === true || allOf.some((part) => isOneWay(part, direction));
}
