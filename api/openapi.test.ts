import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { z } from "zod";
import { SHOP_ROUTES } from "./shop-routes.ts";
import { control, controls, document, inlined, namesOf, operations, requestsOf } from "./testing-openapi.ts";
import { openTestShop, signIn } from "./testing.ts";

describe("the OpenAPI document", () => {
  test("describes every route of the shop", () => {
    expect(document.openapi).toBe("3.1.0");
    expect(namesOf(operations)).toEqual([
      "DELETE /session",
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
      "GET /session",
      "GET /status",
      "GET /users",
      "GET /users/{id}",
      "POST /login",
      "POST /orders",
      "POST /orders/{id}/payment",
      "POST /session/refresh",
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
      const headers = operation.path === "/session" ? await signIn(ask) : {};
      await fc.assert(
        fc.asyncProperty(requestsOf(operation), async ({ method, url, body }) => {
          const { status, answer } = await ask(method, url, body, headers);
          seen.add(status);
          const documented = operation.operation.responses[String(status)];
          expect(documented, `status ${status}`).toBeDefined();
          expect(status, JSON.stringify(answer)).not.toBe(400); // the example keeps the documented rules
          const schema = documented?.content?.["application/json"]?.schema;
          if (schema) z.fromJSONSchema(inlined(schema) as z.core.JSONSchema.JSONSchema).parse(answer);
        }),
        { numRuns: 60 },
      );
      // No username or token is guessed (401), and no id of a fault (404).
      if (!["/login", "/session/refresh", "/__admin/faults/{id}"].includes(operation.path)) {
        expect(Math.min(...seen)).toBeLessThan(300);
      }
    },
  );

  test("one shape serves every documented error", () => {
    for (const { operation } of [...operations, ...controls]) {
      for (const [status, { content }] of Object.entries(operation.responses)) {
        const { $ref } = content?.["application/json"]?.schema ?? {};
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
