import { Agent, request } from "node:http";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { z } from "zod";
import { HTTP_LIMITS } from "../contract/http-limits.ts";
import { listen } from "../contract/listen.ts";
import { controls, inlined, operations, requestsOf, type Operation } from "./testing-openapi.ts";
import { openTestShop } from "./testing.ts";

/** A request as bytes say it: nothing of it needs to make sense. */
interface Ask {
  readonly method: string;
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | undefined;
}

const shop = openTestShop();
const agent = new Agent({ keepAlive: true, maxSockets: 4 });
let close: () => Promise<void>;
let port: number;

beforeAll(async () => {
  const server = await listen(shop.app, {
    ...{ service: "api", host: "127.0.0.1", port: 0, metrics: shop.metrics, wayOut: "", limits: HTTP_LIMITS },
  });
  port = Number(new URL(server.url).port);
  close = () => server.close(0);
  for (let product_id = 1; product_id <= 100; product_id++) {
    await shop.ask("POST", "/orders", { user_id: 1, items: [{ product_id, quantity: 1 }] });
  }
});
afterAll(async () => {
  agent.destroy();
  await close();
});

function send({ method, url, headers: given, body }: Ask) {
  const headers = { ...given, ...(body !== undefined && { "content-length": Buffer.byteLength(body) }) };
  return new Promise<{ status: number; type: string; text: string }>((resolve, reject) => {
    const asked = request({ host: "127.0.0.1", port, agent, method, path: url, headers }, (response) => {
      let text = "";
      response.setEncoding("utf8").on("data", (chunk: string) => (text += chunk));
      response.on("end", () => {
        resolve({ status: response.statusCode!, type: response.headers["content-type"] ?? "", text });
      });
    });
    asked.on("error", reject).end(body);
  });
}

const JSON_TYPE = "application/json";

/** Anything at all where a parameter stands, also what no URL library would write. */
const junk = fc.oneof(
  fc.string({ unit: "binary", maxLength: 60 }).map((text) => encodeURIComponent(text.toWellFormed())),
  fc.integer().map(String),
  fc.double().map(String),
  fc.constantFrom("", "%00", "%ff%fe", "%zz", "..%2f..", "-1", "1e2", "0x10", "9".repeat(400), "null", "[]"),
);

const texts = fc.string({ unit: "binary", maxLength: 60 });

/** A valid value, broken somewhere: a field missing, of another type, out of range, or one too many. */
function brokenValues(valid: fc.Arbitrary<unknown>): fc.Arbitrary<unknown> {
  const odd = fc.oneof(
    fc.jsonValue({ maxDepth: 3 }),
    fc.constantFrom(null, -1, 0, 1.5, 1e21, -0, "", [], {}),
  );
  return fc
    .tuple(valid, fc.nat(), odd, fc.constantFrom("replace", "remove", "add"))
    .map(([value, at, other, how]) => {
      const copy = structuredClone(value);
      if (typeof copy !== "object" || copy === null) return other;
      const places = placesOf(copy);
      const [parent, key] = places[at % places.length] ?? [copy as Record<string, unknown>, "x"];
      if (how === "replace") parent[key] = other;
      else if (how === "remove") Reflect.deleteProperty(parent, key);
      else parent[`${key}_`] = other;
      return copy;
    });
}

function placesOf(value: object): [Record<string, unknown>, string][] {
  return Object.entries(value).flatMap(([key, inner]) => [
    [value as Record<string, unknown>, key] as [Record<string, unknown>, string],
    ...(typeof inner === "object" && inner !== null ? placesOf(inner as object) : []),
  ]);
}

/** Requests near what the document allows, of every kind of wrong. */
function asksOf({ method, path, operation }: (typeof operations)[number]): fc.Arbitrary<Ask> {
  const valid = requestsOf({ method, path, operation });
  const validBodies = valid.map(({ body }) => body);
  const parameters = operation.parameters ?? [];
  const urls = fc
    .tuple(valid, fc.array(junk, { minLength: 3, maxLength: 3 }), fc.boolean())
    .map(([{ url }, [inPath = "", inQuery = "", name = ""], isBroken]) => {
      if (!isBroken) return url;
      const broken = path.replace(/\{\w+\}/g, inPath || "x");
      const query = parameters.filter((parameter) => parameter.in === "query");
      return `${broken}?${[...query.map((one) => `${one.name}=${inQuery}`), `${name}=1`].join("&")}`;
    });
  const bodies =
    operation.requestBody === undefined
      ? fc.option(texts, { nil: undefined })
      : fc.oneof(
          validBodies.map((body) => JSON.stringify(body)),
          brokenValues(validBodies).map((body) => JSON.stringify(body)),
          fc.json(),
          texts,
          fc.constantFrom(undefined, "", "{", "[".repeat(9_000), "x".repeat(70_000), '{"__proto__":1}'),
        );
  const headers = fc.record(
    {
      "content-type": fc.constantFrom(
        JSON_TYPE,
        JSON_TYPE,
        `${JSON_TYPE}; charset=utf-8`,
        "text/plain",
        "",
        ";",
      ),
      "content-encoding": fc.constantFrom("gzip", "zstd", "identity", "x"),
      authorization: fc.constantFrom("Bearer x", "Basic Og==", "Bearer", ""),
      "x-request-id": fc.string({ maxLength: 300 }).map((text) => text.replace(/[^\x20-\xff]/g, "?")),
      traceparent: fc.constantFrom("00-0-0-0", "x"),
      "x-log-level": fc.constantFrom("debug", "\x7e"),
      accept: fc.constantFrom("text/html", "*/*", ""),
      range: fc.constantFrom("bytes=0-1", "x"),
    },
    { requiredKeys: [] },
  );
  return fc.record({
    method: fc.oneof(
      { weight: 8, arbitrary: fc.constant(method) },
      { weight: 1, arbitrary: fc.constantFrom("HEAD", "OPTIONS", "PATCH", "TRACE", "PROPFIND") },
    ),
    url: urls,
    headers,
    body: bodies,
  });
}

/** What any route answers to a method it does not have, and without its being written beside each. */
const EVERYWHERE = new Set([405]);

function judge(
  { method, operation }: { method: string; operation: Operation },
  ask: Ask,
  answer: Awaited<ReturnType<typeof send>>,
) {
  const what = `${ask.method} ${ask.url} -> ${answer.status} ${answer.text.slice(0, 200)}`;
  expect(answer.status, what).toBeLessThan(500);
  if (ask.method === "HEAD") return; // no body, and the status of GET
  const documented = operation.responses[String(answer.status)];
  if (ask.method === method) {
    // A path that the junk made another one's is nobody's.
    if (!(answer.status === 404 && answer.text.includes("ROUTE_UNKNOWN")))
      expect(documented, what).toBeDefined();
  } else expect([404, ...EVERYWHERE], what).toContain(answer.status);
  const content = Object.entries(documented?.content ?? {})[0];
  const isText = content !== undefined && content[0] !== JSON_TYPE;
  expect(answer.type, what).toMatch(isText ? /^text\/plain/ : /^application\/json/);
  if (isText) return;
  const value: unknown = JSON.parse(answer.text);
  const schema = content?.[1].schema ?? { type: "object", required: ["error"] };
  const parsed = z.fromJSONSchema(inlined(schema) as z.core.JSONSchema.JSONSchema).safeParse(value);
  expect(parsed.success, `${what}: ${parsed.error?.message ?? ""}`).toBe(true);
}

describe("whatever a client sends", () => {
  test.each([...operations, ...controls])(
    "$method $path answers as the document says, never with a failure",
    async (operation) => {
      await fc.assert(
        fc.asyncProperty(asksOf(operation), async (ask) => judge(operation, ask, await send(ask))),
        { numRuns: 80 },
      );
    },
  );
});
