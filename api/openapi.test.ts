import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { z } from "zod";
import { SHOP_ROUTES } from "./shop-routes.ts";
import { openTestShop } from "./testing.ts";

/** The parts of OpenAPI 3.1 that the document uses. */
interface Schema {
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
interface Operation {
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
const document = await read("/openapi.json");
const control = await read("/__admin/openapi.json");

const operationsOf = (source: OpenApi) =>
  Object.entries(source.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({ method: method.toUpperCase(), path, operation })),
  );
const operations = operationsOf(document);
const controls = operationsOf(control);
const namesOf = (some: typeof operations) => some.map(({ method, path }) => `${method} ${path}`).sort();

/** The schema with every $ref replaced by what it names. */
function inlined(schema: Schema): Schema {
  return JSON.parse(JSON.stringify(schema), (_key, value: unknown) => {
    const ref = (value as Schema | null)?.$ref;
    if (ref === undefined) return value;
    const name = ref.split("/").at(-1)!;
    return inlined((document.components.schemas[name] ?? control.components.schemas[name])!);
  }) as Schema;
}

/** Values that a schema allows; ids mostly of things that exist, so that not every answer is a 404. */
function valuesOf(schema: Schema): fc.Arbitrary<unknown> {
  const { minimum = 0, maximum = 250, minLength = 0, maxLength = 40, minItems = 0, maxItems = 5 } = schema;
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
function requestsOf({ method, path, operation }: (typeof operations)[number]) {
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

describe("the OpenAPI document", () => {
  test("describes every route of the shop", () => {
    expect(document.openapi).toBe("3.1.0");
    expect(namesOf(operations)).toEqual([
      "GET /health",
      "GET /health/live",
      "GET /health/ready",
      "GET /inventory",
      "GET /metrics",
      "GET /metrics.json",
      "GET /orders",
      "GET /orders/{id}",
      "GET /products",
      "GET /products/{id}",
      "GET /status",
      "GET /users",
      "GET /users/{id}",
      "POST /login",
      "POST /orders",
      "POST /orders/{id}/payment",
    ]);
  });

  test("the control routes have a document of their own, so that nobody breaks the shop unawares", () => {
    expect(control.openapi).toBe("3.1.0");
    expect(namesOf(controls)).toEqual([
      "DELETE /__admin/faults",
      "DELETE /__admin/faults/{id}",
      "GET /__admin/faults",
      "POST /__admin/faults",
      "PUT /__admin/faults",
    ]);
  });

  test("a fault can be asked for on every route of the shop itself, and on no other", () => {
    const own = operations.filter(({ operation }) => !operation.tags.includes("operation"));
    const templates = own.map(({ method, path }) => `${method} ${path.replace(/\{(\w+)\}/g, ":$1")}`);
    expect([...SHOP_ROUTES].sort()).toEqual(templates.sort());
    expect(control.components.schemas["Fault"]?.properties?.["route"]?.enum).toEqual(SHOP_ROUTES);
  });

  test.each([...operations, ...controls])(
    "A-8: $method $path answers what it allows as it documents",
    async (operation) => {
      const { ask } = openTestShop();
      for (let product_id = 1; product_id <= 100; product_id++) {
        await ask("POST", "/orders", { user_id: 1, items: [{ product_id, quantity: 1 }] });
      }
      const seen = new Set<number>();
      await fc.assert(
        fc.asyncProperty(requestsOf(operation), async ({ method, url, body }) => {
          const { status, answer } = await ask(method, url, body);
          seen.add(status);
          const documented = operation.operation.responses[String(status)];
          expect(documented, `status ${status}`).toBeDefined();
          expect(status, JSON.stringify(answer)).not.toBe(400); // the example keeps the documented rules
          const schema = documented?.content?.["application/json"]?.schema;
          if (schema) z.fromJSONSchema(inlined(schema) as z.core.JSONSchema.JSONSchema).parse(answer);
        }),
        { numRuns: 60 },
      );
      // No username is guessed (401), and no id of a fault (404).
      if (!["/login", "/__admin/faults/{id}"].includes(operation.path)) {
        expect(Math.min(...seen)).toBeLessThan(300);
      }
    },
  );

  test("one shape serves every documented error", () => {
    for (const { operation } of [...operations, ...controls]) {
      for (const [status, { content }] of Object.entries(operation.responses)) {
        const { $ref } = content!["application/json"]?.schema ?? {};
        if (Number(status) >= 400 && $ref !== "#/components/schemas/Health") {
          expect($ref).toBe("#/components/schemas/Problem");
        }
      }
    }
  });
});

describe("the docs page", () => {
  test("loads nothing from elsewhere, and all it names is served", async () => {
    const { ask } = openTestShop();
    const page = await ask("GET", "/docs");
    expect(page.status).toBe(200);
    expect(page.headers.get("content-type")).toMatch(/^text\/html/);
    expect(page.headers.get("content-security-policy")).toContain("script-src 'self'");
    const links = [...page.text.matchAll(/(?:src|href)="([^"]+)"/g)].map(([, link]) => link!);
    expect(links).toHaveLength(4);
    for (const link of links) {
      expect(link).toMatch(/^docs\//);
      const { status, headers, text } = await ask("GET", `/${link}`);
      expect(status).toBe(200);
      expect(text.length).toBeGreaterThan(50);
      expect(headers.get("content-type")).toMatch(/^(text\/(css|javascript)|image\/png)/);
    }
    expect((await ask("GET", "/docs/start.js")).text).toContain('url: "openapi.json"');
  });

  test("serves no other file of the package or of the machine", async () => {
    const { ask } = openTestShop();
    for (const file of [
      "package.json",
      "index.js",
      "..%2fpackage.json",
      "%2fetc%2fpasswd",
      "toString",
      "__proto__",
    ]) {
      expect((await ask("GET", `/docs/${file}`)).status).toBe(404);
    }
  });
});
