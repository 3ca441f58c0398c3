import { once } from "node:events";
import { execFile } from "node:child_process";
import { createServer } from "node:http";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test, vi } from "vitest";

const root = join(import.meta.dirname, "..");
const library = "simulator/journeys/openapi/fixtures/library-3.0.yaml";

function quick(...words: readonly string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  return new Promise((resolve) => {
    const child = execFile(
      process.execPath,
      ["cli/rushhour.js", "quick", ...words],
      { cwd: root },
      (_error, stdout, stderr) => resolve({ code: child.exitCode ?? -1, stdout, stderr }),
    );
  });
}

/** A server that describes itself with a relative server URL, and what it was asked. */
async function openServer() {
  const seen = new Map<string, string>();
  const server = createServer((request, response) => {
    seen.set(`${request.method ?? ""} ${request.url ?? ""}`, request.headers.authorization ?? "");
    response.setHeader("content-type", "application/json");
    response.end(request.url === "/openapi.json" ? JSON.stringify(document) : "{}");
  }).listen(0, "127.0.0.1");
  onTestFinished(() => void server.close());
  await once(server, "listening");
  const responses = { 200: { description: "ok" } };
  const document = {
    openapi: "3.1.0",
    servers: [{ url: "/api/v1" }],
    security: [{ bearer: [] }],
    paths: { "/a": { get: { responses }, post: { responses } }, "/b": { delete: { responses } } },
    components: { securitySchemes: { bearer: { type: "http", scheme: "bearer" } } },
  };
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, seen };
}

test("quick --openapi sends every operation to where the document stands, and keeps no secret", async () => {
  const { url, seen } = await openServer();
  const document = `${url}/openapi.json`;
  const { code, stdout, stderr } = await quick(
    "--openapi",
    document,
    "-i",
    "6",
    "--auth",
    "bearer=s3cret",
    "--seed",
    "1",
  );
  expect(stderr).toBe("");
  expect(code).toBe(0);
  expect([...seen.keys()].sort()).toEqual([
    "DELETE /api/v1/b",
    "GET /api/v1/a",
    "GET /openapi.json",
    "POST /api/v1/a",
  ]);
  expect(seen.get("POST /api/v1/a")).toBe("Bearer s3cret");
  expect(stdout).toContain(`rushhour quick --openapi ${document} --auth`);
  expect(stdout).not.toContain("s3cret");
});

test("quick --list sends nothing and shows an example of each operation", async () => {
  const { url, seen } = await openServer();
  const { code, stdout } = await quick(
    "--openapi",
    `${url}/openapi.json`,
    "--list",
    "--methods",
    "get,delete",
  );
  expect(code).toBe(0);
  expect(stdout).toBe("GET /a\n    GET /a\n    accept: */*\n\nDELETE /b\n    DELETE /b\n    accept: */*\n");
  expect([...seen.keys()]).toEqual(["GET /openapi.json"]);
});

test.each([
  ["writes to another machine", [library, "-i", "1"], "mean it with --allow-writes"],
  [
    "a document without a server to send to",
    ["simulator/journeys/openapi/fixtures/split-3.1.json"],
    "--target http://127.0.0.1:8000",
  ],
  ["a file that is not there", ["nope.yaml"], "the OpenAPI document nope.yaml cannot be read: ENOENT"],
  ["flags of a single URL", [library, "--method", "GET"], "--method: only for a single URL"],
  [
    "flags of a document",
    ["http://127.0.0.1:1/", "--allow-writes"],
    "--allow-writes: only for an OpenAPI document",
  ],
  [
    "a header of a variable that is not set",
    ["http://127.0.0.1:1/", "--header", "authorization: ${env.NOT_SET_HERE}"],
    "names ${env.NOT_SET_HERE}, but NOT_SET_HERE is not set",
  ],
  [
    "an unreadable --auth",
    [library, "--auth", "token"],
    "--auth=token must be a security scheme of the document",
  ],
])("quick refuses %s", async (_what, words, message) => {
  const { code, stderr } = await quick(...words);
  expect(code).toBe(104);
  expect(stderr).toContain(message);
});

test("what may be a secret is *** in the command that is kept, and a reference to the environment stays and works", async () => {
  const { url, seen } = await openServer();
  const home = mkdtempSync(join(tmpdir(), "rushhour-quick-"));
  vi.stubEnv("RUSHHOUR_HOME", home);
  vi.stubEnv("QUICK_TEST_TOKEN", "s3cret");
  onTestFinished(() => {
    vi.unstubAllEnvs();
    rmSync(home, { recursive: true });
  });
  const { code, stdout } = await quick(
    ...[`${url}/a?page=2&api_key=abc`, "-i", "1", "--seed", "1"],
    ...["--header", "authorization: Bearer ${env.QUICK_TEST_TOKEN}", "--header", "accept: text/html"],
    ...["--header", "x-tenant: acme"],
  );
  expect(code).toBe(0);
  expect(seen.get("GET /a?page=2&api_key=abc")).toBe("Bearer s3cret");
  expect(stdout).toContain(
    "--header 'authorization: Bearer ${env.QUICK_TEST_TOKEN}' --header 'accept: text/html'",
  );
  expect(stdout).toContain(`'${url}/a?page=2&api_key=***'`);
  const [record] = readdirSync(join(home, "runs")).filter((file) => file.endsWith(".json"));
  for (const kept of [stdout, readFileSync(join(home, "runs", record!), "utf8")])
    for (const secret of ["s3cret", "abc", "acme"]) expect(kept).not.toContain(secret);
});
