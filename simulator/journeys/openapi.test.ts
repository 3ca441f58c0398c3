import { once } from "node:events";
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { serve } from "@hono/node-server";
import { Ajv2020 } from "ajv/dist/2020.js";
import addFormats from "ajv-formats";
import { describe, expect, onTestFinished, test } from "vitest";
import { openTestShop, signIn } from "../../api/testing.ts";
import { stream } from "../../contract/random.ts";
import type { Answer, Journey, SessionContext, Step } from "./journey.ts";
import { openapiJourneys, parseDocument } from "./openapi.ts";

const fixtures = join(import.meta.dirname, "openapi/fixtures");
const library = parseDocument(readFileSync(join(fixtures, "library-3.0.yaml"), "utf8"), "library-3.0.yaml");
const seed = 42;

type Send = (step: Step) => Promise<Answer> | Answer;

/** Goes through iterations of the journey; returns each request with its answer, and the checks that failed. */
async function walk(journey: Journey, iterations: number, send: Send, from = 0) {
  const requests: { step: Step; answer: Answer }[] = [];
  const failed: string[] = [];
  let sent = "";
  for (let iteration = from; iteration < from + iterations; iteration++) {
    const session: SessionContext = {
      rng: stream(seed, `iteration ${iteration}`),
      iteration,
      vu: iteration,
      planning: false,
      think: () => undefined,
      check(name, passed) {
        if (!passed) failed.push(`${sent}: ${name}`);
      },
    };
    const steps = journey.steps(session);
    for (let next = steps.next(); next.done !== true;) {
      const answer = await send(next.value);
      requests.push({ step: next.value, answer });
      sent = next.value.name!;
      next = steps.next(answer);
    }
  }
  return { requests, failed };
}

function answerOf(status: number, body: unknown, headers: Readonly<Record<string, string>> = {}): Answer {
  const text = body === undefined ? "" : JSON.stringify(body);
  const all: Readonly<Record<string, string>> = { "content-type": "application/json", ...headers };
  return { status, header: (name) => all[name], text: () => text, json: () => body };
}

const planned: Send = (step) => answerOf(200, step.planned);

async function journeyOf(document: unknown, options: Partial<Parameters<typeof openapiJourneys>[1]> = {}) {
  const made = await openapiJourneys(document, { seed, ...options });
  return { ...made, journey: made.journeys[0]! };
}

/** A document with one operation. */
function withOperation(operation: object, path = "/things", method = "post") {
  return {
    openapi: "3.1.0",
    info: { title: "one", version: "1" },
    paths: { [path]: { [method]: { responses: {}, ...operation } } },
  };
}

function withBody(schema: object) {
  return withOperation({ requestBody: { required: true, content: { "application/json": { schema } } } });
}

describe("our own API", () => {
  test("takes every generated request, and every operation is reached", async () => {
    const { app, ask } = openTestShop();
    const { authorization } = await signIn(ask);
    const server = serve({ fetch: app.fetch, hostname: "127.0.0.1", port: 0 });
    onTestFinished(() => void server.close());
    await once(server, "listening");
    const target = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const document = await (await fetch(`${target}/openapi.json`)).json();
    const { journey, operations, warnings } = await journeyOf(document, {
      auth: { session: authorization.replace("Bearer ", "") },
    });
    const send: Send = async ({ method, path, headers = {}, body }) => {
      const response = await fetch(target + path, { method, headers, body: body ?? null });
      const text = await response.text();
      return {
        status: response.status,
        header: (name) => response.headers.get(name) ?? undefined,
        text: () => text,
        json: () => JSON.parse(text) as unknown,
      };
    };
    const { requests, failed } = await walk(journey, 400, send);
    const statuses = new Map<string, Set<number>>();
    for (const { step, answer } of requests) {
      expect(
        [400, 405, 413, 415, 422],
        `${step.method} ${step.path} ${step.body ?? ""}: ${answer.text()}`,
      ).not.toContain(answer.status);
      statuses.set(step.name!, (statuses.get(step.name!) ?? new Set()).add(answer.status));
    }
    expect(warnings).toEqual([]);
    expect(failed).toEqual([]);
    expect([...statuses.keys()].sort()).toEqual(operations.map(({ name }) => name).sort());
    expect(statuses.get("POST /login")).toEqual(new Set([401])); // the documented example is nobody's
    expect(statuses.get("POST /orders")).toContain(201);
    expect(statuses.get("POST /orders")).not.toContain(404); // users and products come from their lists
    expect(statuses.get("POST /orders/{id}/payment")).toContain(200);
    expect(statuses.get("GET /orders/{id}")).toEqual(new Set([200])); // ids come from the list
  });
});

describe("a document full of corners", () => {
  test("makes requests of each style and reads servers with variables", async () => {
    const { journey, operations, server, warnings } = await journeyOf(library);
    expect(server).toBe("https://eu.library.example:8443/v2");
    expect(operations).toHaveLength(11);
    expect(warnings.join("\n")).toContain("10 operations sent without the security");
    expect(warnings.join("\n")).toContain("POST /xml: no body is made for application/xml");
    expect(warnings.join("\n")).toContain("POST /endless: no value keeps the rules of its body");
    const { requests } = await walk(journey, operations.length, planned);
    const request = (name: string) => requests.findLast(({ step }) => step.name === name)!.step;

    const list = request("GET /shelves/{shelf_id}/books");
    const query = new URLSearchParams(list.path.split("?")[1]);
    expect(list.path).toMatch(/^\/shelves\/[0-9a-f-]{36}\/books\?/);
    expect(["title", "year"]).toContain(query.get("sort")); // the operation's own wins over the path's
    expect(Number(query.get("filter[year][min]"))).toBeGreaterThanOrEqual(1900);
    expect(list.path).toMatch(/[?&]tags=[^&]/);
    expect(list.path).toContain("&where=a/b:c");
    expect(JSON.parse(query.get("near")!)).toHaveProperty("lat");
    expect(query.getAll("ids").every((id) => /^[1-9]\d*$/.test(id))).toBe(true);
    expect(list.headers).toMatchObject({ "x-tenant": expect.stringMatching(/^[ab],[ab]$/) as string });
    expect(list.headers?.["cookie"]).toMatch(/^session=.{8,}$/);

    expect(request("GET /matrix/{point}/{labels}").path).toMatch(
      /^\/matrix\/;x=\d+;y=\d+\/\.[a-z]+(,[a-z]+)+$/,
    );
    expect(new URLSearchParams(request("POST /forms").body).getAll("tags").length).toBeGreaterThan(1);
    expect(request("POST /forms").headers).toMatchObject({
      "content-type": "application/x-www-form-urlencoded",
    });
    expect(request("POST /notes").body!.length).toBeGreaterThanOrEqual(3);
    expect(request("POST /xml").body).toBeUndefined();

    const files = request("POST /files");
    const boundary = files.headers!["content-type"]!.split("boundary=")[1]!;
    const [, ...parts] = files.body!.split(`--${boundary}`);
    expect(parts.at(-1)).toBe("--\r\n");
    expect(files.body).toContain('name="file"; filename="file.bin"');
    const about = parts.find((part) =>
      part.includes('name="about"\r\ncontent-type: application/json\r\n\r\n'),
    )!;
    expect(JSON.parse(about.split("\r\n\r\n")[1]!)).toHaveProperty("title");
  });

  test("bodies keep their schemas: recursion, discriminators, boolean bounds, read-only properties", async () => {
    const { journey, operations } = await journeyOf(library);
    const ajv = new Ajv2020({ strict: false, discriminator: false });
    addFormats.default(ajv);
    const text = { type: "string" };
    const book = {
      type: "object",
      required: ["title", "price", "sequels"],
      additionalProperties: false,
      properties: {
        title: { type: "string", minLength: 1, maxLength: 200 },
        subtitle: { type: ["string", "null"] },
        price: { type: "number", exclusiveMinimum: 0, exclusiveMaximum: 10 },
        isbn: { type: "string", pattern: "^97[89]-\\d{10}$" },
        secret: text,
        next: { $ref: "#" },
        sequels: { type: "array", items: { $ref: "#" } },
      },
    };
    const dog = { properties: { kind: { const: "Dog" }, friend: { $ref: "#" } } };
    const cat = {
      properties: { kind: { const: "feline" }, lives: { type: "integer", minimum: 1, maximum: 9 } },
    };
    const branch = {
      required: ["operator", "left", "right"],
      properties: { left: { $ref: "#" }, right: { $ref: "#" } },
    };
    const rules = {
      "POST /shelves/{shelf_id}/books": ajv.compile(book),
      "POST /animals": ajv.compile({ type: "object", required: ["kind"], oneOf: [dog, cat] }),
      "PUT /expressions": ajv.compile({ oneOf: [{ type: "number" }, { type: "object", ...branch }] }),
    };
    const { requests } = await walk(journey, 600, planned, operations.length);
    for (const [name, validate] of Object.entries(rules)) {
      const bodies = requests.flatMap(({ step }) => (step.name === name ? [step.body!] : []));
      for (const body of bodies) expect(validate(JSON.parse(body)), body).toBe(true);
      expect(new Set(bodies).size, name).toBeGreaterThan(10);
    }
  });

  test("what the security asks for is sent once it is given", async () => {
    const first = async (options: object) => {
      const { operations, warnings } = await journeyOf(library, options);
      return {
        list: operations[0]!.example,
        open: operations.find(({ path }) => path.startsWith("/matrix"))!.example,
        warnings,
      };
    };
    const token = await first({ auth: { token: "t1" } });
    expect(token.list.headers).toMatchObject({ authorization: "Bearer t1" });
    expect(token.open.headers).not.toHaveProperty("authorization");
    expect(token.warnings.join()).not.toContain("security");
    expect((await first({ auth: { key: "a b" } })).list.path).toMatch(/&api%20key=a%20b$/);
    expect((await first({ headers: { authorization: "Bearer t2" } })).warnings.join()).not.toContain(
      "security",
    );
    await expect(first({ auth: { tokn: "x" } })).rejects.toThrow("it has token, key, login");
  });

  test("references to files beside the document are followed, and only where they may be", async () => {
    const text = readFileSync(join(fixtures, "split-3.1.json"), "utf8");
    const { operations, server } = await journeyOf(parseDocument(text, "split"), { baseFolder: fixtures });
    const body = JSON.parse(operations[0]!.example.body!) as {
      size: number | null;
      parts: { code: string }[];
    };
    expect(server).toBe("/api/v1");
    expect(body.size === null || body.size > 5).toBe(true);
    expect(body.parts.length).toBeGreaterThanOrEqual(1);
    await expect(journeyOf(parseDocument(text, "split"))).rejects.toThrow(
      "references may go to places inside it",
    );
  });
});

describe("ids", () => {
  const id = {
    name: "order_id",
    in: "path",
    required: true,
    schema: { type: "integer", minimum: 1_000_000 },
  };
  const answers = { "200": { description: "ok" } };
  const shop = (parameter: object = id) => ({
    openapi: "3.0.0",
    info: {},
    paths: {
      "/orders": { get: { responses: answers }, post: { responses: answers } },
      "/orders/{order_id}": {
        get: { parameters: [parameter], responses: answers },
        delete: { parameters: [parameter], responses: answers },
      },
    },
  });
  const pathsWith = async (document: object, answer: (step: Step) => Answer) => {
    const { journey } = await journeyOf(document);
    const { requests } = await walk(journey, 4, answer);
    return requests.slice(2).map(({ step }) => `${step.method} ${step.path}`);
  };

  test("come from the list above, before a DELETE from what was just made", async () => {
    const answer = ({ method }: Step) =>
      method === "POST"
        ? answerOf(201, undefined, { location: "/orders/abc?x" })
        : answerOf(200, { page: 1, data: { orders: [{ id: 7, lines: [{ id: 1 }] }] } });
    expect(await pathsWith(shop(), answer)).toEqual([
      "GET /orders",
      "GET /orders/7",
      "POST /orders",
      "DELETE /orders/abc",
    ]);
  });

  test("are made when the list is empty, and drawn when nothing is made either", async () => {
    const made = ({ method }: Step) =>
      answerOf(200, method === "POST" ? { orderId: 9, items: [{ id: 1 }] } : []);
    expect((await pathsWith(shop(), made)).slice(0, 3)).toEqual([
      "GET /orders",
      "POST /orders",
      "GET /orders/9",
    ]);
    const drawn = await pathsWith(shop(), () => answerOf(500, { error: "down", id: 3 }));
    expect(drawn[2]).toMatch(/^GET \/orders\/1000\d{3}$/);
  });

  test("that the document gives for the parameter need no asking", async () => {
    const paths = await pathsWith(shop({ ...id, example: 5 }), () => answerOf(200, [{ id: 7 }]));
    expect(paths).toEqual(["GET /orders/5", "DELETE /orders/5"]);
  });

  test("in a body come from the collections that they are named after", async () => {
    const integer = { type: "integer", minimum: 1_000_000 };
    const line = { type: "object", required: ["productId"], properties: { productId: { type: "integer" } } };
    const order = {
      type: "object",
      required: ["order_id", "buyer_user_id", "lines", "couponIds", "paid_id", "note"],
      properties: {
        order_id: integer,
        buyer_user_id: { type: "string" },
        lines: { type: "array", minItems: 2, maxItems: 2, items: line },
        couponIds: { type: "array", minItems: 1, maxItems: 1, items: { type: "integer", minimum: 10 } },
        paid_id: { type: "integer" },
        note: { type: "string" },
      },
    };
    const listed = {
      "200": { description: "ok", content: { "application/json": { schema: { type: "object" } } } },
    };
    const document = {
      openapi: "3.0.3",
      info: {},
      paths: {
        "/orders": {
          post: {
            requestBody: { required: true, content: { "application/json": { schema: order } } },
            responses: listed,
          },
        },
        "/users": { get: { responses: listed } },
        "/v2/products": { get: { responses: listed } },
        "/coupons": { get: { responses: listed }, post: { responses: listed } },
      },
    };
    const answers: Record<string, unknown> = {
      "GET /users": { users: [{ id: 4, product_id: 1 }] },
      "GET /v2/products": [{ id: 7 }, { id: 8 }],
      "GET /coupons": [],
      "POST /coupons": { id: 3 }, // below the least that the body allows
    };
    const { journey } = await journeyOf(document);
    const ask = (replies: Record<string, unknown>) =>
      walk(journey, 1, ({ name }) => answerOf(200, replies[name!] ?? {}));
    const sentWith = async (replies: Record<string, unknown>) => {
      const { requests } = await ask(replies);
      expect(requests.map(({ step }) => step.name)).toEqual([
        ...["GET /users", "GET /v2/products", "GET /coupons", "POST /coupons", "POST /orders"],
      ]);
      return JSON.parse(requests.at(-1)!.step.body!) as Record<string, unknown>;
    };
    const drawn = await sentWith(answers);
    const linked = await sentWith({ ...answers, "POST /coupons": { id: 30 } });
    expect(linked).toMatchObject({ buyer_user_id: "4", couponIds: [30] });
    expect((linked["lines"] as { productId: number }[]).map(({ productId }) => productId).sort()).toEqual([
      7, 8,
    ]);
    expect(linked["order_id"]).toBeGreaterThanOrEqual(1_000_000); // its own
    expect(linked["paid_id"]).toBe(drawn["paid_id"]);
    expect(drawn["couponIds"]).not.toEqual([3]);
  });

  test("change nothing else that was drawn", async () => {
    const { journey } = await journeyOf(library);
    const bodies = async (send: Send) => {
      const { requests } = await walk(journey, 30, send);
      return requests.map(({ step }) => step).filter(({ name }) => name === "POST /animals");
    };
    expect(await bodies(() => answerOf(500, undefined))).toEqual(await bodies(planned));
  });
});

test("one seed makes the same requests, another one others", async () => {
  const sent = async (options: object) => {
    const { journey } = await journeyOf(structuredClone(library), options);
    return (await walk(journey, 60, planned)).requests.map(({ step }) => step);
  };
  expect(await sent({})).toEqual(await sent({}));
  expect(await sent({ seed: 43 })).not.toEqual(await sent({}));
});

test("--methods leaves out the others", async () => {
  const { operations } = await journeyOf(library, { methods: ["GET", "HEAD"] });
  expect(new Set(operations.map(({ method }) => method))).toEqual(new Set(["GET"]));
  await expect(journeyOf(library, { methods: ["PATCH"] })).rejects.toThrow(
    "--methods PATCH leaves no operation of the OpenAPI document; it has GET, POST, DELETE, PUT",
  );
});

test("an answer that the document does not know fails a check", async () => {
  const { journey } = await journeyOf(
    withOperation({
      responses: {
        200: { description: "", content: { "application/json": {} } },
        "4XX": { description: "" },
      },
    }),
  );
  const failedBy = async (answer: Answer) => (await walk(journey, 1, () => answer)).failed;
  expect(await failedBy(answerOf(200, {}))).toEqual([]);
  expect(await failedBy(answerOf(404, undefined))).toEqual([]);
  expect(await failedBy(answerOf(500, undefined))).toEqual(["POST /things: documented status"]);
  expect(await failedBy(answerOf(200, {}, { "content-type": "text/html" }))).toEqual([
    "POST /things: documented JSON",
  ]);
  expect(await failedBy(answerOf(200, undefined))).toEqual(["POST /things: documented JSON"]);
});

test("an answer too large to keep fails no check", async () => {
  const responses = { 200: { description: "", content: { "application/json": {} } } };
  const { journey } = await journeyOf(withOperation({ responses }));
  const cut = { ...answerOf(200, undefined), too_large: true };
  expect((await walk(journey, 1, () => cut)).failed).toEqual([]);
});

test.each([
  ["Swagger 2", { swagger: "2.0", paths: {} }, 'swagger: "2.0" is not read; convert the document'],
  ["a list", [], "openapi: (missing) is not read"],
  ["a text", "hello", "openapi: (missing) is not read"],
  [
    "a later version",
    { openapi: "4.0.0", paths: {} },
    'openapi: "4.0.0" is not read; it must be 3.0.x or 3.1.x',
  ],
  ["no paths", { openapi: "3.1.0" }, "paths: "],
  ["empty paths", { openapi: "3.1.0", paths: {} }, "has no operation that could be sent"],
  ["a broken reference", withBody({ $ref: "#/components/schemas/Nope" }), '"#/components/schemas/Nope"'],
  [
    "a reference to the network",
    withBody({ $ref: "http://127.0.0.1:1/x.json" }),
    "references may go to places inside it",
  ],
])("refuses %s", async (_name, document, message) => {
  await expect(openapiJourneys(document, { seed })).rejects.toMatchObject({
    exitCode: 104,
    message: expect.stringContaining(message) as string,
  });
});

test("names all problems of a document together", async () => {
  const document = withOperation({ parameters: [{ name: "a", in: "body" }, { in: "query" }] });
  await expect(openapiJourneys(document, { seed })).rejects.toThrow(
    /paths\.\/things\.post\.parameters\.0\.in.*\n.*paths\.\/things\.post\.parameters\.1\.name/,
  );
});

test("a text that is neither JSON nor YAML is refused", () => {
  expect(() => parseDocument('{"openapi": ', "api.json")).toThrow("api.json is neither JSON nor YAML");
  expect(() => parseDocument("a: b: c: [", "api.yaml")).toThrow("api.yaml is neither JSON nor YAML");
});

test("generated requests reach a real server as they are", async () => {
  const seen: string[] = [];
  const server = createServer((request, response) => {
    seen.push(`${request.method ?? ""} ${request.url ?? ""}`);
    response.end();
  }).listen(0, "127.0.0.1");
  onTestFinished(() => void server.close());
  const { journey, operations } = await journeyOf(library);
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  const send: Send = async ({ method, path, headers = {}, body }) => {
    const { status } = await fetch(`http://127.0.0.1:${port}${path}`, {
      method,
      headers,
      body: body ?? null,
    });
    return answerOf(status, undefined);
  };
  const { requests } = await walk(journey, operations.length, send);
  expect(seen).toEqual(requests.map(({ step }) => `${step.method} ${step.path}`));
});
