import { join } from "node:path";
import { dereference } from "@apidevtools/json-schema-ref-parser";
import { parse as parseYaml } from "yaml";
import { z } from "zod";
import { messageOf, RushhourError } from "../../../contract/errors.ts";
import type { Schema } from "./schema.ts";

const METHODS = ["get", "put", "post", "delete", "options", "head", "patch", "trace"] as const;

const MediaTypes = z.record(
  z.string(),
  z.looseObject({
    schema: z.unknown().optional(),
    example: z.unknown().optional(),
    examples: z.record(z.string(), z.unknown()).optional(),
  }),
);
export type MediaType = z.output<typeof MediaTypes>[string];

const Parameter = z.looseObject({
  name: z.string(),
  in: z.enum(["path", "query", "header", "cookie"]),
  required: z.boolean().default(false),
  style: z.string().optional(),
  explode: z.boolean().optional(),
  allowReserved: z.boolean().default(false),
  schema: z.unknown().optional(),
  content: MediaTypes.optional(),
  example: z.unknown().optional(),
  examples: z.record(z.string(), z.unknown()).optional(),
});
export type Parameter = z.output<typeof Parameter>;

const Response = z.looseObject({ content: MediaTypes.default({}) });
const Security = z.array(z.record(z.string(), z.array(z.string())));

const OwnOperation = z.looseObject({
  parameters: z.array(Parameter).default([]),
  requestBody: z.looseObject({ required: z.boolean().default(false), content: MediaTypes }).optional(),
  responses: z.record(z.string(), Response).default({}),
  security: Security.optional(),
});

const SecurityScheme = z.discriminatedUnion("type", [
  z.looseObject({ type: z.literal("apiKey"), in: z.enum(["query", "header", "cookie"]), name: z.string() }),
  z.looseObject({ type: z.literal("http"), scheme: z.string().toLowerCase() }),
  z.looseObject({ type: z.enum(["oauth2", "openIdConnect", "mutualTLS"]) }),
]);
export type SecurityScheme = z.output<typeof SecurityScheme>;

const Server = z.looseObject({
  url: z.string(),
  variables: z.record(z.string(), z.looseObject({ default: z.coerce.string() })).default({}),
});

const Document = z.looseObject({
  openapi: z.string(),
  servers: z.array(Server).default([]),
  paths: z.record(z.string(), z.looseObject({ parameters: z.array(Parameter).default([]) })),
  security: Security.default([]),
  components: z
    .looseObject({
      schemas: z.record(z.string(), z.unknown()).default({}),
      securitySchemes: z.record(z.string(), SecurityScheme).default({}),
    })
    .prefault({}),
});

export interface Operation {
  readonly parameters: readonly Parameter[];
  readonly requestBody: z.output<typeof OwnOperation>["requestBody"];
  readonly responses: z.output<typeof OwnOperation>["responses"];
  readonly method: string; // upper case
  readonly path: string; // template
  readonly name: string; // `GET /orders/{id}`
  readonly security: readonly Readonly<Record<string, readonly string[]>>[]; // one of them; none: free
}

/** What requests need to know of an OpenAPI document. */
export interface Api {
  readonly operations: readonly Operation[]; // in the document's order
  readonly schemes: Readonly<Record<string, SecurityScheme>>;
  readonly server: string | undefined; // the first one's URL; may be relative to where the document came from
}

/**
 * Reads JSON or YAML.
 * @param name where the text came from, for the message
 * @throws RushhourError CONFIG_INVALID
 */
export function parseDocument(text: string, name: string): unknown {
  try {
    return text.trimStart().startsWith("{") ? (JSON.parse(text) as unknown) : (parseYaml(text) as unknown);
  } catch (error) {
    throw invalid(`${name} is neither JSON nor YAML: ${messageOf(error)}`, { cause: error });
  }
}

/**
 * Checks the document and replaces its references by what they name.
 * @param baseFolder what file references are relative to; undefined: the document may not refer to files
 * @throws RushhourError CONFIG_INVALID naming every problem
 */
export async function readDocument(document: unknown, baseFolder: string | undefined): Promise<Api> {
  checkVersion(document);
  const parsed = Document.safeParse(await withoutReferences(document, baseFolder));
  if (!parsed.success) throw invalid(problemsOf(parsed.error, []).join("\n"));
  const { paths, security, servers, components } = parsed.data;
  nameBranches(parsed.data, components.schemas);
  const problems: string[] = [];
  const operations: Operation[] = [];
  for (const [path, item] of Object.entries(paths)) {
    for (const method of METHODS.filter((name) => item[name] !== undefined)) {
      const operation = OwnOperation.safeParse(item[method]);
      if (!operation.success) problems.push(...problemsOf(operation.error, ["paths", path, method]));
      else operations.push(operationOf(method, path, item.parameters, security, operation.data));
    }
  }
  if (problems.length > 0) throw invalid(problems.join("\n"));
  return { operations, schemes: components.securitySchemes, server: servers[0] && urlOf(servers[0]) };
}

function checkVersion(document: unknown): void {
  const { openapi, swagger } = z.looseObject({}).catch({}).parse(document);
  if (swagger !== undefined) {
    throw invalid(
      `swagger: ${JSON.stringify(swagger)} is not read; convert the document to OpenAPI 3.0 or 3.1`,
    );
  }
  if (typeof openapi !== "string" || !/^3\.[01](\.|$)/.test(openapi)) {
    throw invalid(
      `openapi: ${openapi === undefined ? "(missing)" : JSON.stringify(openapi)} is not read; it must be 3.0.x or 3.1.x, as in openapi: "3.1.0"`,
    );
  }
}

async function withoutReferences(document: unknown, baseFolder: string | undefined): Promise<unknown> {
  try {
    return await dereference(join(baseFolder ?? ".", "/"), document, {
      mutateInputSchema: false,
      resolve: { file: baseFolder === undefined ? false : {}, http: false },
    });
  } catch (error) {
    const ways = baseFolder === undefined ? "inside it" : "inside it or to files beside it";
    throw invalid(`a $ref leads nowhere: ${messageOf(error)}; references may go to places ${ways}`, {
      cause: error,
    });
  }
}

function operationOf(
  method: string,
  path: string,
  common: readonly Parameter[],
  security: Operation["security"],
  own: z.output<typeof OwnOperation>,
): Operation {
  const overridden = (one: Parameter) =>
    own.parameters.some((other) => other.name === one.name && other.in === one.in);
  const declared = [...common.filter((parameter) => !overridden(parameter)), ...own.parameters];
  const inPath = namesIn(path);
  const undeclared = inPath.filter((name) => !declared.some((one) => one.in === "path" && one.name === name));
  return {
    requestBody: own.requestBody,
    responses: own.responses,
    method: method.toUpperCase(),
    path,
    name: `${method.toUpperCase()} ${path}`,
    parameters: [
      ...declared.filter((one) => one.in !== "path" || inPath.includes(one.name)),
      ...undeclared.map((name) =>
        Parameter.parse({ name, in: "path", required: true, schema: { type: "string" } }),
      ),
    ],
    security: own.security ?? security,
  };
}

/** The names of the parameters in a path template. */
export function namesIn(path: string): readonly string[] {
  return [...path.matchAll(/\{([^{}]+)\}/g)].map(([, name]) => name!);
}

function urlOf({ url, variables }: z.output<typeof Server>): string {
  return url.replaceAll(/\{([^{}]+)\}/g, (whole, name: string) => variables[name]?.default ?? whole);
}

/**
 * Writes into each branch of a `oneOf` or `anyOf` with a `discriminator` the value that tells it apart: by the
 * `mapping`, else the name of the schema it is.
 */
function nameBranches(document: unknown, schemas: Readonly<Record<string, unknown>>): void {
  const seen = new Set<unknown>();
  const waiting: unknown[] = [document];
  while (waiting.length > 0) {
    const node = waiting.pop();
    if (typeof node !== "object" || node === null || seen.has(node)) continue;
    seen.add(node);
    const { data } = Discriminated.safeParse(node);
    for (const key of ["oneOf", "anyOf"] as const) {
      const branches = data?.[key];
      if (data === undefined || branches === undefined) continue;
      (node as Record<string, unknown>)[key] = branches.map((branch) =>
        named(branch, data.discriminator, schemas),
      );
    }
    for (const inner of Object.values(node) as unknown[]) waiting.push(inner);
  }
}

const Discriminated = z.object({
  discriminator: z.object({
    propertyName: z.string(),
    mapping: z.record(z.string(), z.string()).default({}),
  }),
  oneOf: z.array(z.unknown()).optional(),
  anyOf: z.array(z.unknown()).optional(),
});

function named(
  branch: Schema,
  { propertyName, mapping }: z.output<typeof Discriminated>["discriminator"],
  schemas: Readonly<Record<string, unknown>>,
): Schema {
  const component = Object.keys(schemas).find((name) => schemas[name] === branch);
  const mapped = Object.entries(mapping).flatMap(([value, target]) =>
    component !== undefined && target.split("/").at(-1) === component ? [value] : [],
  );
  const values = mapped.length > 0 ? mapped : component === undefined ? [] : [component];
  if (values.length === 0) return branch;
  const rule = { required: [propertyName], properties: { [propertyName]: { enum: values } } };
  return { allOf: [branch, rule] };
}

function problemsOf(error: z.ZodError, path: readonly PropertyKey[]): string[] {
  return error.issues.map((issue) => `${[...path, ...issue.path].map(String).join(".")}: ${issue.message}`);
}

function invalid(problems: string, options?: { cause?: unknown }): RushhourError {
  return new RushhourError(
    "CONFIG_INVALID",
    `invalid OpenAPI document:\n${problems.replace(/^/gm, "  ")}`,
    options,
  );
}
