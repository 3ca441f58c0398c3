import { expect, test } from "vitest";
import { survey } from "./survey.ts";
import { collect } from "./testing.ts";
import { SAFE_METHODS, traceOf, type RecordedRequest, type TraceOptions } from "./trace.ts";

const START_MS = Date.UTC(2026, 10, 21, 10);

const recorded = (after_ms: number, request: Partial<RecordedRequest> = {}): RecordedRequest => ({
  ...{ at_ms: START_MS + after_ms, method: "GET", path: "/", route: "/", user_agent: undefined },
  ...request,
});

// eslint-disable-next-line @typescript-eslint/require-await -- an iterable of values that are there
async function* from(requests: readonly RecordedRequest[]) {
  yield* requests;
}

const trace = (requests: readonly RecordedRequest[], options: Partial<TraceOptions> = {}) =>
  traceOf(() => from(requests), { speed: 1, methods: SAFE_METHODS, ...options });

const dueTimes = async (requests: readonly RecordedRequest[], options?: Partial<TraceOptions>) =>
  (await collect(trace(requests, options))).map(({ due_ms }) => due_ms);

test("the gaps are the recorded ones, divided by the speed, and the first request is due at once", async () => {
  const requests = [recorded(700), recorded(700), recorded(1_000), recorded(61_000)];
  expect(await dueTimes(requests)).toEqual([0, 0, 300, 60_300]);
  expect(await dueTimes(requests, { speed: 2 })).toEqual([0, 0, 150, 30_150]);
  expect(await dueTimes(requests, { speed: 0.5 })).toEqual([0, 0, 600, 120_600]);
});

test("only the methods that may be sent are, and the rest is told", async () => {
  const requests = ["POST", "GET", "QUIT", "HEAD", "DELETE", "POST"].map((method, n) =>
    recorded(n, { method }),
  );
  const leftOut: string[] = [];
  const traced = await collect(trace(requests, { onLeftOut: (reason) => leftOut.push(reason) }));
  expect(traced.map(({ step }) => step.method)).toEqual(["GET", "HEAD"]);
  expect(traced[0]!.due_ms).toBe(0);
  expect(leftOut).toEqual(["method POST", "method unknown", "method DELETE", "method POST"]);
});

test("a request that needs a body gets the least there is, and no other does", async () => {
  const methods = ["GET", "POST", "PUT", "PATCH", "DELETE"];
  const requests = methods.map((method) => recorded(0, { method, user_agent: "curl/8" }));
  const steps = (await collect(trace(requests, { methods }))).map(({ step }) => step);
  expect(steps.map(({ body }) => body)).toEqual([undefined, "{}", "{}", "{}", undefined]);
  expect(steps[0]!.headers).toEqual({ "user-agent": "curl/8" });
  expect(steps[1]!.headers).toEqual({ "user-agent": "curl/8", "content-type": "application/json" });
});

test("the limit ends each loop, and the next begins a mean gap after its last request", async () => {
  const requests = [recorded(0), recorded(100), recorded(400), recorded(9_000)];
  expect(await dueTimes(requests, { limit: 3, loop: 2 })).toEqual([0, 100, 400, 600, 700, 1_000]);
  expect(await dueTimes([recorded(5)], { loop: 3, speed: 2 })).toEqual([0, 500, 1_000]);
});

test("nothing to send ends at once, however often it is looped", async () => {
  expect(await dueTimes([recorded(0, { method: "POST" })], { loop: 1e9 })).toEqual([]);
});

test("a recording is read no further than the limit", async () => {
  let read = 0;
  async function* endless() {
    for (;;) yield await Promise.resolve(recorded(read++));
  }
  const traced = traceOf(endless, { speed: 1, methods: SAFE_METHODS, limit: 10 });
  expect(await collect(traced)).toHaveLength(10);
  expect(read).toBe(10);
});

test("what no request may carry does not get into it", async () => {
  const [traced] = await collect(
    trace([recorded(0, { path: "/a b/ü?x=\r\nq", user_agent: "a\r\nx-evil: 1 \u{1F600}é" })]),
  );
  expect(traced!.step.path).toBe("/a%20b/%C3%BC?x=%0D%0Aq");
  expect(traced!.step.headers).toEqual({ "user-agent": "a??x-evil: 1 ??é" });
});

test("names are few, whatever the paths are", async () => {
  const paths = [
    "/orders/17?x=1",
    "/orders/0192f0c1-7d3a-7cc0-8a51-2f6f0d5b7a10/items/5",
    "/files/9f86d081884c7d65",
    "/v1/cafe",
    ...Array.from({ length: 1_000 }, (_, n) => `/word-${n}`),
    "/orders/18",
  ];
  const traced = await collect(trace(paths.map((path) => recorded(0, { path, route: path }))));
  const names = traced.map(({ step }) => step.name);
  expect(names.slice(0, 4)).toEqual([
    ...["GET /orders/:id", "GET /orders/:id/items/:id", "GET /files/:id", "GET /v1/cafe"],
  ]);
  expect(names.slice(-2)).toEqual(["GET (other)", "GET /orders/:id"]);
  expect(new Set(names).size).toBe(301);
});

test("a survey tells what the loops will be without reading more than one", async () => {
  const requests = [recorded(0), recorded(100), recorded(400), recorded(1_600, { method: "POST" })];
  const options = { speed: 2, loop: 3 };
  const counted = await survey((onLeftOut) => trace(requests, { ...options, loop: 1, onLeftOut }), options);
  const all = await dueTimes(requests, options);
  expect(counted).toMatchObject({ requests: all.length, duration_ms: all.at(-1), most_in_a_second: 3 });
  expect(counted).toMatchObject({
    ...{ methods: { GET: 3 }, names: { "GET /": 3 } },
    left_out: { "method POST": { count: 1, first: [] } },
  });
});

test("a survey of a long recording says how far it is", async () => {
  const long = Array.from({ length: 25_000 }, (_, n) => recorded(n));
  const told: number[] = [];
  await survey(
    () => trace(long),
    { speed: 1, loop: 1 },
    (requests) => told.push(requests),
  );
  expect(told).toEqual([10_000, 20_000]);
});
