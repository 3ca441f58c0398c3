import fc from "fast-check";
import { openTestShop } from "./testing.ts";

/** The parts of OpenAPI 3.1 that the document uses. */
export interface Schema {
  readonly $ref?: string;
  readonly type?: string;
  readonly pattern?: string;
  readonly description?: string;
  readonly enum?: readonly string[];
  readonly minimum?: number;
  readonly maximum?: number;
  readonly exclusiveMinimum?: number;
  readonly minLength?: number;
  readonly maxLength?: number;
  readonly minItems?: number;
  readonly maxItems?: number;
  readonly items?: Schema;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly required?: readonly string[];
}
interface Content {
  readonly content?: Readonly<Record<string, { readonly schema: Schema }>>;
}
export interface Operation {
  readonly tags: readonly string[];
  readonly parameters?: readonly { name: string; in: "path" | "query"; required?: boolean; schema: Schema }[];
  readonly requestBody?: Content & { readonly required?: boolean };
  readonly responses: Readonly<Record<string, Content>>;
}
interface OpenApi {
  readonly openapi: string;
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
  readonly components: { readonly schemas: Readonly<Record<string, Schema>> };
}

const read = async (path: string) => (await openTestShop().ask("GET", path)).answer as OpenApi;
export const document = await read("/openapi.json");
export const control = await read("/__admin/openapi.json");

const operationsOf = (source: OpenApi) =>
  Object.entries(source.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({ method: method.toUpperCase(), path, operation })),
  );
export const operations = operationsOf(document);
export const controls = operationsOf(control);
export const namesOf = (some: typeof operations) =>
  some.map(({ method, path }) => `${method} ${path}`).sort();

/** The schema with every $ref replaced by what it names. */
export function inlined(schema: Schema): Schema {
  return JSON.parse(JSON.stringify(schema), (_key, value: unknown) => {
    const ref = (value as Schema | null)?.$ref;
    if (ref === undefined) return value;
    const name = ref.split("/").at(-1)!;
    return inlined((document.components.schemas[name] ?? control.components.schemas[name])!);
  }) as Schema;
}

/** Values that a schema allows; ids mostly of things that exist, so that not every answer is a 404. */
export function valuesOf(schema: Schema): fc.Arbitrary<unknown> {
  const { minimum = 0, minLength = 0, maxLength = 40, minItems = 0, maxItems = 5 } = schema;
  const { maximum = 250 } = schema.maximum === Number.MAX_SAFE_INTEGER ? {} : schema; // an id
  if (schema.enum) return fc.constantFrom(...schema.enum);
  switch (schema.type) {
    case "integer":
      return fc.integer({ min: minimum, max: maximum });
    case "number":
      return fc.double({
        min: Math.max(minimum, schema.exclusiveMinimum ?? minimum),
        max: maximum,
        minExcluded: true,
        noNaN: true,
      });
    case "string":
      if (schema.pattern !== undefined) return fc.stringMatching(new RegExp(schema.pattern));
      return fc.string({ minLength, maxLength });
    case "array":
      return fc.uniqueArray(valuesOf(schema.items!), {
        minLength: minItems,
        maxLength: Math.min(maxItems, 5),
        selector: (item) => (item as { id?: string }).id ?? item,
      });
    case "object": {
      const properties = Object.entries(schema.properties ?? {})
        .filter(([, { description = "" }]) => !/^(error-burst|slow): /.test(description)) // of one kind of fault only
        .map(([key, value]) => [key, valuesOf(value)] as const);
      return fc.record(Object.fromEntries(properties), { requiredKeys: [...(schema.required ?? [])] });
    }
    case undefined:
    default:
      throw new Error(`the test cannot make values of ${JSON.stringify(schema)}`);
  }
}

/** Requests that the document allows for one operation. */
export function requestsOf({ method, path, operation }: (typeof operations)[number]) {
  const parameters = Object.fromEntries(
    (operation.parameters ?? []).map(({ name, schema, required }) => {
      const values = valuesOf(inlined(schema));
      return [name, required ? values : fc.option(values, { nil: undefined })];
    }),
  );
  const schema = operation.requestBody?.content?.["application/json"]?.schema;
  const bodies = schema ? valuesOf(inlined(schema)) : fc.constant(undefined);
  const body = operation.requestBody?.required === false ? fc.option(bodies, { nil: undefined }) : bodies;
  return fc.record({ parameters: fc.record(parameters), body }).map((example) => {
    const query = new URLSearchParams();
    let url = path;
    for (const { name, in: place } of operation.parameters ?? []) {
      const value = example.parameters[name] as string | number | undefined;
      if (place === "path") url = url.replace(`{${name}}`, encodeURIComponent(String(value)));
      else if (value !== undefined) query.set(name, String(value));
    }
    return { method, url: query.size > 0 ? `${url}?${query.toString()}` : url, body: example.body };
  });
}
