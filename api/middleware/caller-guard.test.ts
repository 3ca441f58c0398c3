import { request } from "node:http";
import { expect, test } from "vitest";
import { openTestShop, serveTestShop } from "../testing.ts";
import { isLoopback } from "../../contract/loopback.ts";

const TOKEN = "0123456789abcdef0123456789abcdef";
const PATH = "/__admin/faults";

/** The status of a request as a browser could be made to send it: `host` is what stands in the address bar. */
function askAs(port: number, headers: Record<string, string>): Promise<number | undefined> {
  return new Promise((resolve, reject) => {
    request({ port, host: "127.0.0.1", path: PATH, headers }, (response) => {
      response.resume();
      resolve(response.statusCode);
    })
      .on("error", reject)
      .end();
  });
}

test("with a token, only who brings it may, and the others are told how", async () => {
  const { ask, records } = openTestShop({ API_ADMIN_TOKEN: TOKEN, API_HOST: "0.0.0.0" });
  const wrong = [
    undefined,
    "Bearer",
    `Bearer ${TOKEN}x`,
    `Bearer ${TOKEN.slice(1)}`,
    `Basic ${TOKEN}`,
    TOKEN,
  ];
  for (const authorization of wrong) {
    const headers: Record<string, string> = authorization === undefined ? {} : { authorization };
    const refusal = await ask("GET", PATH, undefined, headers);
    const message = "send authorization: Bearer with the value of API_ADMIN_TOKEN";
    expect(refusal).toMatchObject({ status: 401, answer: { error: { code: "UNAUTHORIZED", message } } });
    expect(refusal.headers.get("www-authenticate")).toBe('Bearer realm="rushhour"');
  }
  expect((await ask("GET", PATH, undefined, { authorization: `Bearer ${TOKEN}` })).status).toBe(200);
  expect((await ask("GET", PATH, undefined, { authorization: `bearer ${TOKEN}` })).status).toBe(200);
  expect(JSON.stringify(records)).not.toContain(TOKEN.slice(1));
});

test("the token guards every path and method below /__admin", async () => {
  const { ask } = openTestShop({ API_ADMIN_TOKEN: TOKEN });
  for (const path of [PATH, `${PATH}/f1`, "/__admin", "/__admin/openapi.json", "/__admin/nowhere"]) {
    for (const method of ["GET", "POST", "PUT", "DELETE", "OPTIONS"]) {
      expect([method, path, (await ask(method, path)).status]).toEqual([method, path, 401]);
    }
  }
  expect((await ask("GET", "/users")).status).toBe(200);
});

test.each(["0.0.0.0", "::", "192.0.2.7"])(
  "without a token nobody may while the API listens on %s",
  async (API_HOST) => {
    const { ask } = openTestShop({ API_HOST });
    expect(await ask("GET", PATH)).toMatchObject({
      status: 403,
      answer: {
        error: {
          code: "FORBIDDEN",
          message: `the server listens on ${API_HOST}: set API_ADMIN_TOKEN and send it as bearer token`,
        },
      },
    });
  },
);

test("without a token, a name that was made to lead to this machine gets nowhere", async () => {
  const { port } = await serveTestShop();
  for (const host of ["127.0.0.1", `127.0.0.1:${port}`, `localhost:${port}`, "[::1]"]) {
    expect([host, await askAs(port, { host })]).toEqual([host, 200]);
  }
  for (const host of [
    "evil.example",
    `evil.example:${port}`,
    "localhost.evil.example",
    "127.0.0.1.evil.example",
  ]) {
    expect([host, await askAs(port, { host })]).toEqual([host, 403]);
  }
});

test("without a token, a page of another origin gets nowhere", async () => {
  const { port } = await serveTestShop();
  const host = `127.0.0.1:${port}`;
  expect(await askAs(port, { host, origin: `http://${host}` })).toBe(200);
  for (const origin of ["https://evil.example", "null", "http://127.0.0.1:1", `https://${host}`]) {
    expect([origin, await askAs(port, { host, origin })]).toEqual([origin, 403]);
  }
});

test("control requests are logged as DEBUG, refused ones as ERROR", async () => {
  const { ask, records } = openTestShop();
  await ask("GET", PATH);
  await ask("POST", PATH, { id: "f1", kind: "slow", for_ms: 1_000 });
  await ask("DELETE", `${PATH}/f2`);
  expect(records).toMatchObject([
    { level: "DEBUG", endpoint: PATH },
    { level: "DEBUG", endpoint: PATH, status_code: 201 },
    { level: "ERROR", endpoint: `${PATH}/:id`, error_type: "FAULT_UNKNOWN" },
  ]);
});

test("loopback is what can only be reached from this machine", () => {
  for (const host of ["localhost", "127.0.0.1", "127.8.9.10", "::1", "[::1]"])
    expect(isLoopback(host)).toBe(true);
  for (const host of ["0.0.0.0", "::", "", "10.0.0.1", "127.0.0.1.example", "api"]) {
    expect(isLoopback(host)).toBe(false);
  }
});
