import type { Rng } from "../../../contract/random.ts";
import type { Step } from "../journey.ts";
import { alternativesOf } from "./alternatives.ts";
import { namesIn } from "./document.ts";
import type { MediaType, Operation, Parameter } from "./document.ts";
import { headerText, pathText, queryPairs, textOf } from "./parameters.ts";
import { keywordsOf } from "./schema.ts";
import type { Schema } from "./schema.ts";
import { drawValue, OPTIONAL_SHARE } from "./values.ts";

/** Values that exist, by the position of the path parameter, each in place of the drawn one; undefined: none is known. */
export type Ids = readonly unknown[];

/** What is sent with each request of an operation, whatever was drawn. */
export interface Fixed {
  readonly query: readonly string[]; // `name=value`, escaped
  readonly cookies: readonly string[]; // likewise
  readonly headers: Readonly<Record<string, string>>; // lower-case names; they win
}

/** A request whose ids may still be replaced. */
export interface Drawn {
  /** What the body says, where it is JSON. */
  readonly json: unknown;
  /** @param json in place of the drawn one */
  step(ids?: Ids, json?: unknown): Pick<Step, "method" | "path" | "name" | "headers" | "body">;
}

/** Of the bodies that show the whole of one, as its author wrote it. */
const WHOLE_EXAMPLE_SHARE = 0.5;
/** These follow from the body and the documented answers (OpenAPI: "shall be ignored"). */
const OWN_HEADERS = ["accept", "content-type", "authorization"];

/**
 * Draws a valid request for `operation`. All draws happen here, so that they do not depend on the ids.
 * @param bare without what is optional
 */
export function drawRequest(operation: Operation, fixed: Fixed, rng: Rng, bare = false): Drawn {
  const drawn = operation.parameters
    .filter((parameter) => parameter.in !== "header" || !OWN_HEADERS.includes(parameter.name.toLowerCase()))
    .filter((parameter) => parameter.required || (!bare && rng.float() < OPTIONAL_SHARE))
    .map((parameter) => ({ parameter, value: drawParameter(parameter, rng) }))
    .filter(({ value }) => value !== undefined);
  const pairsIn = (place: Parameter["in"]) =>
    drawn.flatMap(({ parameter, value }) => (parameter.in === place ? queryPairs(parameter, value) : []));
  const query = [...pairsIn("query"), ...fixed.query].join("&");
  const cookies = [...pairsIn("cookie"), ...fixed.cookies].join("; ");
  const headers = drawn.flatMap(({ parameter, value }): [string, string][] =>
    parameter.in === "header" ? [[parameter.name.toLowerCase(), headerText(parameter, value)]] : [],
  );
  const content = drawBody(operation, rng, bare);
  const request = {
    method: operation.method,
    name: operation.name,
    headers: {
      accept: acceptOf(operation),
      ...Object.fromEntries(headers),
      ...(cookies !== "" && { cookie: cookies }),
      ...(content && { "content-type": content.type }),
      ...fixed.headers,
    },
  };
  const bodyOf = (json: unknown) => (json === undefined ? content!.body : JSON.stringify(json));
  const step: Drawn["step"] = (ids = [], json) => {
    const path = namesIn(operation.path).reduce((template, name, position) => {
      const own = drawn.find(({ parameter }) => parameter.in === "path" && parameter.name === name);
      return own === undefined
        ? template
        : template.replace(`{${name}}`, () => pathText(own.parameter, ids[position] ?? own.value));
    }, operation.path);
    return {
      ...request,
      path: query === "" ? path : `${path}?${query}`,
      ...(content && { body: bodyOf(json) }),
    };
  };
  return { json: content?.json, step };
}

function drawParameter(parameter: Parameter, rng: Rng): unknown {
  const examples = examplesOf(parameter);
  const [content] = Object.values(parameter.content ?? {});
  const value =
    examples.length > 0
      ? rng.pick(examples)
      : drawValue(parameterSchema(content?.schema ?? parameter.schema), rng);
  return content === undefined || value === undefined ? value : JSON.stringify(value);
}

const filled = new WeakMap<object, Schema>();

/** An empty text or list would leave no trace in a path or query. */
function parameterSchema(schema: Schema): Schema {
  if (typeof schema !== "object" || schema === null) return { type: "string", minLength: 1 };
  let other = filled.get(schema);
  if (other === undefined) filled.set(schema, (other = { allOf: [schema, { minLength: 1, minItems: 1 }] }));
  return other;
}

/** The examples that are given for a parameter or body as a whole. */
export function examplesOf({
  example,
  examples = {},
}: Pick<MediaType, "example" | "examples">): readonly unknown[] {
  const values = [example, ...Object.values(examples).map((one) => keywordsOf(one)["value"])];
  return values.filter((value) => value !== undefined);
}

interface Content {
  readonly type: string;
  readonly body: string;
  readonly json: unknown; // undefined: it is not JSON
}

const JSON_TYPE = /^application\/(.+\+)?json\b/i;

export function isJson(type: string): boolean {
  return JSON_TYPE.test(type);
}

/** A body, and its media type where it is not the documented one as it stands. */
interface Written {
  readonly type?: string;
  readonly body: string;
}

/** Bodies that can be made, the preferred first. */
const WRITERS: readonly (readonly [RegExp, (value: unknown, rng: Rng, schema: Schema) => Written])[] = [
  [JSON_TYPE, (value) => ({ body: JSON.stringify(value) })],
  [/^application\/x-www-form-urlencoded\b/i, (value) => ({ body: formOf(value) })],
  [/^multipart\/form-data\b/i, multipartOf],
  [/^(text\/plain|application\/octet-stream)\b/i, (value) => ({ body: textOf(value) })],
  [/^\*\/\*$/, (value) => ({ type: "application/json", body: JSON.stringify(value) })],
];

/** The media type of the body that is sent; undefined when the operation takes none, or none that can be made. */
export function bodyTypeOf({ requestBody }: Operation): string | undefined {
  const types = Object.keys(requestBody?.content ?? {});
  for (const [pattern] of WRITERS) {
    const type = types.find((one) => pattern.test(one));
    if (type !== undefined) return type;
  }
  return undefined;
}

function drawBody(operation: Operation, rng: Rng, bare: boolean): Content | undefined {
  const type = bodyTypeOf(operation);
  if (type === undefined || operation.requestBody === undefined) return undefined;
  const { required, content } = operation.requestBody;
  if (!required && (bare || rng.float() >= OPTIONAL_SHARE)) return undefined;
  const media = content[type]!;
  const examples = examplesOf(media);
  const isExample = examples.length > 0 && rng.float() < WHOLE_EXAMPLE_SHARE;
  const value = isExample ? rng.pick(examples) : drawValue(media.schema, rng);
  if (value === undefined) return undefined;
  const [, write] = WRITERS.find(([pattern]) => pattern.test(type))!;
  const { type: own = type, body } = write(value, rng, media.schema);
  return { type: own, body, json: isJson(own) ? value : undefined };
}

function formOf(value: unknown): string {
  const fields = { name: "", in: "query", required: true, allowReserved: false } as Parameter;
  return queryPairs(fields, value).join("&");
}

function multipartOf(value: unknown, rng: Rng, schema: Schema): Written {
  const boundary = `rushhour-${rng.uint32().toString(16)}`;
  const parts = Object.entries(value as object).flatMap(([name, field]: [string, unknown]) =>
    (Array.isArray(field) ? field : [field]).map((item: unknown) => partOf(name, item, isFile(schema, name))),
  );
  const body = [...parts.map((part) => `--${boundary}\r\n${part}\r\n`), `--${boundary}--\r\n`].join("");
  return { type: `multipart/form-data; boundary=${boundary}`, body };
}

function partOf(name: string, value: unknown, isUpload: boolean): string {
  const field = `content-disposition: form-data; name="${name.replaceAll('"', "%22")}"`;
  if (isUpload)
    return `${field}; filename="file.bin"\r\ncontent-type: application/octet-stream\r\n\r\n${textOf(value)}`;
  const type = typeof value === "object" && value !== null ? "\r\ncontent-type: application/json" : "";
  return `${field}${type}\r\n\r\n${textOf(value)}`;
}

/** Whether a property is an uploaded file, or a list of them: `format: binary`, since 3.1 `contentMediaType`. */
function isFile(schema: Schema, name: string): boolean {
  return alternativesOf(schema).some(({ properties }) => {
    const { items, ...property } = keywordsOf(properties.get(name));
    const own = items === undefined ? property : keywordsOf(items);
    return own.format === "binary" || own["contentMediaType"] !== undefined;
  });
}

/** The media types of the answers that the document knows. */
function acceptOf({ responses }: Operation): string {
  const types = new Set(Object.values(responses).flatMap(({ content }) => Object.keys(content)));
  return types.size > 0 ? [...types].join(", ") : "*/*";
}
