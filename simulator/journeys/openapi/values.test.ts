import { Ajv2020 } from "ajv/dist/2020.js";
import addFormats from "ajv-formats";
import { expect, test } from "vitest";
import { stream } from "../../../contract/random.ts";
import { drawValue } from "./values.ts";

const ajv = new Ajv2020({ strict: false, allErrors: true });
addFormats.default(ajv);

const DRAWS = 300;
const FORMATS =
  "date-time date time duration email hostname ipv4 ipv6 uri uri-reference uuid json-pointer regex byte".split(
    " ",
  );

function drawsOf(schema: object): unknown[] {
  const rng = stream(7, "values");
  return Array.from({ length: DRAWS }, () => drawValue(schema, rng));
}

test.each(
  Object.entries<Record<string, unknown>>({
    "a number with one bound": { type: "integer", minimum: 5_000 },
    "a number below a bound": { type: "number", exclusiveMaximum: -5_000 },
    "a number in a narrow gap": { type: "number", exclusiveMinimum: 0, exclusiveMaximum: 0.001 },
    "a multiple of hundredths": { type: "number", multipleOf: 0.01, minimum: 0, maximum: 10 },
    "a multiple of two factors": {
      type: "integer",
      allOf: [{ multipleOf: 4 }, { multipleOf: 6 }],
      maximum: 100,
    },
    "a length": { type: "string", minLength: 90, maxLength: 10_000 },
    patterns: {
      type: "object",
      required: ["a", "b", "c", "d", "e"],
      properties: {
        a: { type: "string", pattern: "^\\d{3}-[A-Z]{2}(foo|bar)?$" },
        b: { type: "string", pattern: "[A-Z]{3}", maxLength: 8 },
        c: { type: "string", pattern: "^(?!foo)[a-z]+$" },
        d: { type: "string", pattern: "^[^@\\s]+@[^@\\s]+\\.[a-z]{2,}$", maxLength: 12 },
        e: { type: "string", pattern: "^\\+?[1-9]\\d{1,14}$" },
      },
    },
    "unique items of a small set": {
      type: "array",
      uniqueItems: true,
      items: { enum: [1, 2, 3] },
      minItems: 2,
    },
    "a tuple": {
      type: "array",
      prefixItems: [{ type: "string" }, { type: "integer" }],
      items: false,
      minItems: 2,
    },
    contains: { type: "array", contains: { const: 7 }, items: { type: "integer" }, minItems: 2 },
    "a map": {
      type: "object",
      additionalProperties: { type: "integer", minimum: 1 },
      minProperties: 2,
      maxProperties: 4,
    },
    "a map of named keys": {
      type: "object",
      patternProperties: { "^x-[a-z]{3}$": { type: "string" } },
      additionalProperties: false,
      minProperties: 1,
    },
    "names of properties": {
      type: "object",
      propertyNames: { pattern: "^[a-z]{2}$" },
      additionalProperties: { type: "boolean" },
      minProperties: 2,
    },
    "oneOf beside properties": {
      type: "object",
      required: ["id"],
      properties: { id: { type: "string", format: "uuid" } },
      oneOf: [
        { required: ["a"], properties: { a: { type: "integer" } } },
        { required: ["b"], properties: { b: { type: "string" } } },
      ],
    },
    "oneOf of overlapping branches": {
      oneOf: [
        { type: "integer", minimum: 0 },
        { type: "integer", maximum: 10 },
      ],
    },
    "oneOf of optional properties": {
      oneOf: [
        { type: "object", properties: { a: { type: "string" } }, additionalProperties: false },
        { type: "object", properties: { b: { type: "string" } }, additionalProperties: false },
      ],
    },
    "anyOf of types": {
      type: "object",
      required: ["v"],
      properties: {
        v: {
          anyOf: [
            { type: "string", maxLength: 5 },
            { type: "integer", minimum: 5 },
          ],
        },
      },
    },
    "allOf that narrows": {
      allOf: [
        { type: "object", required: ["a"], properties: { a: { type: "string", minLength: 3 } } },
        {
          type: "object",
          required: ["b"],
          properties: { a: { maxLength: 4 }, b: { type: "array", items: { type: "integer" }, minItems: 2 } },
        },
      ],
    },
    "allOf of anyOf": {
      allOf: [
        { anyOf: [{ minimum: 5 }, { maximum: -5 }] },
        { oneOf: [{ type: "integer" }, { type: "string" }] },
      ],
    },
    not: {
      type: "object",
      properties: { a: { type: "integer" }, b: { type: "integer" } },
      not: { required: ["a", "b"] },
    },
    "if, then, else": {
      type: "object",
      required: ["country"],
      properties: { country: { enum: ["us", "de"] }, zip: { type: "string" } },
      if: { properties: { country: { const: "us" } } },
      then: { required: ["zip"] },
      else: { not: { required: ["zip"] } },
    },
    dependentRequired: {
      type: "object",
      properties: { a: { type: "string" }, b: { type: "string" } },
      dependentRequired: { a: ["b"] },
    },
    maxProperties: {
      type: "object",
      required: ["a"],
      properties: { a: {}, b: {}, c: {}, d: {} },
      maxProperties: 2,
    },
    "null among types": { type: ["integer", "null"], minimum: 5 },
    formats: {
      type: "object",
      required: FORMATS,
      additionalProperties: false,
      properties: Object.fromEntries(FORMATS.map((format) => [format, { type: "string", format }])),
    },
    "no type at all": {
      properties: { a: { minimum: 3 }, b: { items: { type: "string" } }, c: {} },
      required: ["a", "b", "c"],
    },
    "an example that breaks the rules": { type: "string", maxLength: 3, example: "much too long" },
  }),
)("every draw keeps the rules: %s", (_name, schema) => {
  const validate = ajv.compile(schema);
  const draws = drawsOf(schema);
  for (const value of draws) {
    expect(validate(value), `${JSON.stringify(value)} ${ajv.errorsText(validate.errors)}`).toBe(true);
  }
  expect(new Set(draws.map((value) => JSON.stringify(value))).size).toBeGreaterThan(1);
});
