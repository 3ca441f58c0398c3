import { request } from "node:http";
import { text } from "node:stream/consumers";
import { expect, onTestFinished, test } from "vitest";
import { createControlServer } from "./server.ts";
import { aRun } from "./testing.ts";

/** What the tests look into; the rest they compare as a whole. */
interface Answer {
  readonly faults?: unknown;
  readonly error?: {
    readonly code: string;
    readonly fields?: { readonly field: string; readonly rule: string }[];
  };
}

async function control(token?: string) {
  const recorded = aRun();
  const server = await createControlServer({ port: 0, token, run: recorded.run });
  onTestFinished(() => server.close(0));
  const send = async (method: string, path: string, body?: unknown, headers: Record<string, string> = {}) => {
    const response = await fetch(server.url + path, {
      method,
      headers: { ...(body !== undefined && { "content-type": "application/json" }), ...headers },
      ...(body !== undefined && { body: typeof body === "string" ? body : JSON.stringify(body) }),
    });
    const answer = (await response.json()) as Answer;
    return { status: response.status, body: answer, headers: response.headers };
  };
  return { ...recorded, server, send };
}

/** What fetch does not let one send. */
function rawRequest(url: string, method: string, headers: Record<string, string>): Promise<[number, string]> {
  return new Promise((resolve, reject) => {
    const sent = request(url, { method, headers }, (response) => {
      text(response).then((body) => resolve([response.statusCode ?? 0, body]), reject);
    });
    sent.on("error", reject).end();
  });
}

test("the status of the run, and its health and metrics", async () => {
  const { send, server } = await control();
  expect(await send("GET", "/v1/run")).toMatchObject({
    status: 200,
    body: {
      run_id: "run-1",
      rate_factor: 1,
      paused: false,
      scenarios: [{ name: "shoppers" }, { name: "staff" }],
    },
  });
  expect(await send("GET", "/health")).toMatchObject({
    status: 200,
    body: { status: "ok", service: "simulator" },
  });
  expect(await (await fetch(`${server.url}/metrics`)).text()).toContain("process_cpu_seconds_total");
});

test("load is changed for the run or one scenario, and the answer is the new status", async () => {
  const { send, changes } = await control();
  expect(await send("PATCH", "/v1/run", { rate_factor: 2.5 })).toMatchObject({
    status: 200,
    body: { rate_factor: 2.5 },
  });
  await send("PATCH", "/v1/run", { paused: true, scenario: "staff" });
  await send("PATCH", "/v1/run", { weights: { browse: 0, buy: 2 } });
  expect(changes).toEqual([
    { rate_factor: 2.5 },
    { paused: true, scenario: "staff" },
    { weights: { browse: 0, buy: 2 } },
  ]);
});

test.each([
  [{}, ["(body) must change something: rate_factor, paused or weights"]],
  [[], ["(body) must be an object with scenario, rate_factor, paused, weights"]],
  [null, ["(body) must be an object with scenario, rate_factor, paused, weights"]],
  [{ rate_factor: 0 }, [/^rate_factor must be a number from 0.1 to 100; paused stops/]],
  [{ rate_factor: 101 }, [/^rate_factor must be/]],
  [{ rate_factor: "2" }, [/^rate_factor must be/]],
  [
    { rate: 2, paused: false },
    ["(body) cannot have rate; a change has scenario, rate_factor, paused, weights"],
  ],
  [{ weights: { browse: -1 } }, ["weights.browse must be a number from 0 to 1000000"]],
  [{ weights: { brows: 1 } }, [/^weights.brows must be weights of journeys of the run: browse, buy, admin/]],
  [{ weights: { toString: 1 } }, [/^weights.toString must be weights of journeys/]],
  [{ weights: { browse: 0, buy: 0 } }, [/^weights must leave a journey above 0 in shoppers/]],
  [
    { scenario: "staff", weights: { buy: 1 } },
    [/^weights cannot change buy, which is no journey of this scenario/],
  ],
  [
    { scenario: "shopers", rate_factor: -1, paused: "yes", weights: { admin: "all" }, x: 1 },
    [
      /^scenario must be a scenario of the run: shoppers, staff/,
      /^rate_factor/,
      /^paused must be true/,
      /^weights.admin/,
      /cannot have x/,
    ],
  ],
])("the change %j is refused with every problem", async (body, problems) => {
  const { send, changes } = await control();
  const answer = await send("PATCH", "/v1/run", body);
  expect(answer).toMatchObject({ status: 400, body: { error: { code: "INVALID_REQUEST" } } });
  const named = answer.body.error?.fields?.map(({ field, rule }) => `${field} ${rule}`);
  expect(named).toEqual(
    problems.map((problem) =>
      typeof problem === "string" ? problem : (expect.stringMatching(problem) as string),
    ),
  );
  expect(changes).toEqual([]);
});

test("a fault begins now and ends by its name", async () => {
  const { send, started } = await control();
  const body = {
    name: "pay",
    kind: "error-burst",
    for: "1m30s",
    route: "POST /orders/:id/payment",
    rate: 0.3,
    status: 502,
  };
  expect(await send("POST", "/v1/faults", body)).toMatchObject({ status: 201, body: { name: "pay" } });
  expect(started).toEqual([
    {
      name: "pay",
      kind: "error-burst",
      duration_ms: 90_000,
      route: "POST /orders/:id/payment",
      intensity: { rate: 0.3, status: 502 },
    },
  ]);
  expect((await send("GET", "/v1/run")).body.faults).toMatchObject([{ name: "pay" }]);
  expect(await send("DELETE", "/v1/faults/pay")).toMatchObject({
    status: 200,
    body: { requests_affected: 7 },
  });
  expect(await send("DELETE", "/v1/faults/pay")).toMatchObject({
    status: 404,
    body: { error: { code: "FAULT_UNKNOWN", message: 'no fault "pay" is under way; none is under way' } },
  });
});

test("a fault without a name gets one that no other has", async () => {
  const { send, started } = await control();
  await send("POST", "/v1/faults", { kind: "slow", for: "10s" });
  await send("POST", "/v1/faults", { kind: "slow", for: "10s" });
  expect(started.map(({ name }) => name)).toEqual(["live-slow-1", "live-slow-2"]);
});

test.each([
  [{ kind: "slow" }, [/^for must be a duration/]],
  [{ kind: "slow", for: 30 }, [/^for must be a duration/]],
  [{ kind: "slow", for: "2d" }, [/^for must be/]],
  [{ kind: "slow", for: "1s", status: 503 }, [/^status is for error-burst only, not for slow/]],
  [{ kind: "error-burst", for: "1s", rate: 0.9, burst_length: 2 }, [/^burst_length must be at least 9/]],
  [
    { kind: "flood", for: "soon", rate: 2, name: "a b", id: "x" },
    [/^kind must be one of/, /^rate/, /^name/, /^for must be a duration/, /cannot have id; a fault has/],
  ],
])("the fault %j is refused with every problem", async (body, problems) => {
  const { send, started } = await control();
  const answer = await send("POST", "/v1/faults", body);
  expect(answer.status).toBe(400);
  const named = answer.body.error?.fields?.map(({ field, rule }) => `${field} ${rule}`);
  expect(named).toEqual(
    expect.arrayContaining(problems.map((problem) => expect.stringMatching(problem) as string)),
  );
  expect(named).toHaveLength(problems.length);
  expect(started).toEqual([]);
});

test("what the run refuses is 400, what its target cannot do is 502", async () => {
  const { send } = await control();
  await send("POST", "/v1/faults", { name: "a", kind: "slow", for: "1s" });
  expect(await send("POST", "/v1/faults", { name: "a", kind: "slow", for: "1s" })).toMatchObject({
    status: 400,
    body: { error: { code: "INVALID_REQUEST", message: "the name a was used before" } },
  });
  expect(await send("POST", "/v1/faults", { kind: "reset", for: "1s" })).toMatchObject({
    status: 502,
    body: { error: { code: "SERVER_UNREACHABLE", message: "the target has no fault control" } },
  });
});

test("the run is stopped without a body", async () => {
  const { send } = await control();
  expect(await send("POST", "/v1/stop")).toMatchObject({ status: 202, body: { state: "stopping" } });
});

test("what is no JSON, no route or too long is refused in the same shape", async () => {
  const { send } = await control();
  const change = { rate_factor: 2 };
  expect(await send("PATCH", "/v1/run", change, { "content-type": "text/plain" })).toMatchObject({
    status: 415,
  });
  expect(await send("PATCH", "/v1/run")).toMatchObject({ status: 415 });
  expect(await send("PATCH", "/v1/run", "{")).toMatchObject({
    status: 400,
    body: { error: { code: "BODY_NOT_JSON" } },
  });
  expect(await send("PATCH", "/v1/run", `"${"x".repeat(70_000)}"`)).toMatchObject({ status: 413 });
  expect(await send("GET", "/v1/walk")).toMatchObject({
    status: 404,
    body: { error: { code: "ROUTE_UNKNOWN" } },
  });
});

test("pages of other origins and names of other hosts reach nothing", async () => {
  const { send, server, run } = await control();
  const port = new URL(server.url).port;
  const foreign: Record<string, string>[] = [
    { origin: "https://evil.example" },
    { origin: "null" },
    { origin: "http://127.0.0.1.evil.example" },
    { host: `evil.example:${port}` },
    { host: `localhost.evil.example:${port}` },
  ];
  for (const headers of foreign) {
    const [status, body] = await rawRequest(`${server.url}/v1/stop`, "POST", headers);
    expect([headers, status, body]).toEqual([headers, 403, expect.stringContaining("FOREIGN")]);
  }
  expect(run.status().state).toBe("running");
  for (const host of [`localhost:${port}`, `127.0.0.1:${port}`, `[::1]:${port}`]) {
    expect(await rawRequest(`${server.url}/v1/run`, "GET", { host })).toMatchObject([200, expect.anything()]);
  }
  expect(await send("POST", "/v1/stop", undefined, { origin: server.url })).toMatchObject({ status: 202 });
});

test("with a token everything below /v1 asks for it, health does not", async () => {
  const { send } = await control("s3cret-s3cret-s3cret");
  const without = await send("GET", "/v1/run");
  const message = "send authorization: Bearer with the value of SIMULATOR_CONTROL_TOKEN";
  expect(without).toMatchObject({ status: 401, body: { error: { code: "UNAUTHORIZED", message } } });
  expect(without.headers.get("www-authenticate")).toBe('Bearer realm="rushhour"');
  expect(await send("GET", "/v1/run", undefined, { authorization: "Bearer wrong" })).toMatchObject({
    status: 401,
  });
  expect(await send("GET", "/v1/walk")).toMatchObject({ status: 401 });
  const authorization = "Bearer s3cret-s3cret-s3cret";
  expect(await send("GET", "/v1/run", undefined, { authorization })).toMatchObject({ status: 200 });
  expect(await send("GET", "/health/live")).toMatchObject({ status: 200 });
});

test("events tell the status at once and what happens, and end with the server", async () => {
  const { server, run, listeners } = await control();
  const response = await fetch(`${server.url}/v1/events`);
  expect(response.headers.get("content-type")).toContain("text/event-stream");
  let stream = "";
  for await (const chunk of response.body!.pipeThrough(new TextDecoderStream())) {
    if (stream === "") run.change({ paused: true });
    stream += chunk;
    if (stream.includes("changed")) void server.close(5_000); // well before that
  }
  expect(stream).toMatch(/^event: status\ndata: \{.*"run_id":"run-1".*\}\n\n/);
  expect(stream).toContain('event: event\ndata: {"at_ms":1,"text":"changed"}\n\n');
  expect(listeners.size).toBe(0);
});

test("a listener that leaves is forgotten", async () => {
  const { server, listeners } = await control();
  const left = new AbortController();
  const response = await fetch(`${server.url}/v1/events`, { signal: left.signal });
  await response.body!.getReader().read();
  expect(listeners.size).toBe(1);
  left.abort();
  await expect.poll(() => listeners.size, { timeout: 5_000 }).toBe(0);
});

test("a port that is taken is a clear error", async () => {
  const { server, run } = await control();
  const port = Number(new URL(server.url).port);
  await expect(createControlServer({ port, run })).rejects.toMatchObject({
    code: "PORT_IN_USE",
    exitCode: 104,
  });
});
