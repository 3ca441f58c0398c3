import { mkdirSync, symlinkSync } from "node:fs";
import type { IncomingMessage, ServerResponse } from "node:http";
import { createServer as createTcpServer } from "node:net";
import { join } from "node:path";
import { expect, test, vi } from "vitest";
import { assertReachable } from "./http.ts";
import { get } from "../journeys/journey.ts";
import type { Journey } from "../journeys/journey.ts";
import { quickJourney } from "../journeys/quick.ts";
import { startRun } from "./run.ts";
import type { RunOptions } from "./run.ts";
import type { Arriving, LoadPlan } from "../plan/plan.ts";
import { aPlan } from "../plan/testing.ts";
import { readTally, tallyPath } from "../ledger/tally.ts";
import type { Tally } from "../ledger/tally.ts";
import { listening, runToEnd, serve, temporaryHome } from "./testing.ts";

let answers = 0;
function answer(response: ServerResponse, status = 200): string {
  const id = `id-${++answers}`;
  response.writeHead(status, { "x-request-id": id }).end('{"captured": true}');
  return id;
}

/** The address of a server that has gone. */
async function nothingListens(): Promise<string> {
  const server = createTcpServer();
  const url = await listening(server);
  await new Promise((resolve) => server.close(resolve));
  return url;
}

interface Wanted {
  readonly journeys?: readonly Journey[];
  readonly rate_per_second?: number;
  readonly duration_ms?: number | undefined;
  readonly arriving?: Arriving;
  readonly max_vus?: number;
  readonly seed?: number;
}

/** Even arrivals, 200 a second for half a second unless said otherwise. */
function planFor(target: string, wanted: Wanted = {}): LoadPlan {
  const { journeys = [quickJourney(get("/"))], seed = 1, ...executor } = wanted;
  return aPlan({
    ...{ target, seed, journeys, graceful_stop_ms: 100 },
    executor: {
      ...{ kind: "constant-arrival-rate", arrival: "even", arriving: "requests", max_vus: 10_000 },
      ...{ rate_per_second: 200, duration_ms: 500 },
      ...executor,
    },
  });
}

async function idsOf(tally: Tally): Promise<string[]> {
  const ids: string[] = [];
  for await (const id of tally.ids()) ids.push(id);
  return ids;
}

test("every due time sends one request, and the tally holds the id of every answer", async () => {
  const sent: string[] = [];
  const headers: IncomingMessage["headers"][] = [];
  const target = await serve((request, response) => {
    headers.push(request.headers);
    sent.push(answer(response, request.url === "/base/missing" ? 404 : 200));
  });
  const journeys = [quickJourney(get("/")), quickJourney(get("/missing"))];
  const { result, figures, tally } = await runToEnd(planFor(`${target}/base/`, { journeys }));
  const counts = { offered: 100, sent: 100, unsent: 0, answered: 100, answered_without_id: 0, unanswered: 0 };
  expect(figures.counts).toEqual(counts);
  expect(tally.counts).toEqual(counts);
  expect((await idsOf(tally)).toSorted()).toEqual(sent.toSorted());
  expect(figures.statuses["404"]).toBe(figures.failed);
  expect(figures.failed).toBeGreaterThan(0);
  expect(new Set(headers.map((header) => header["x-run-id"]))).toEqual(new Set([result.run_id]));
  expect(new Set(headers.map((header) => header["traceparent"])).size).toBe(100);
  expect(headers[0]).toMatchObject({
    traceparent: expect.stringMatching(/^00-[0-9a-f]{32}-[0-9a-f]{16}-01$/) as string,
    "user-agent": expect.stringMatching(/^rushhour-simulator\/\d/) as string,
  });
});

test("a stall shows in the response time of every request that was due in it, though one connection sends them late", async () => {
  let stallFrom: number | undefined;
  const target = await serve((_, response) => {
    stallFrom ??= performance.now() + 500;
    const stallMs = performance.now() >= stallFrom ? Math.max(0, stallFrom + 1_000 - performance.now()) : 0;
    setTimeout(answer, stallMs, response);
  });
  const plan = planFor(target, { rate_per_second: 100, duration_ms: 1_500 });
  const { result } = await runToEnd(plan, { connections: 1 });
  expect(result.figures.counts.answered).toBe(150);
  expect(result.figures.response.percentile(99)).toBeGreaterThan(900);
  expect(result.figures.response.percentile(50)).toBeGreaterThan(100); // most requests were due in or behind the stall
  expect(result.figures.service.summary().max).toBeGreaterThan(900); // the one that was on its way
  expect(result.figures.service.percentile(90)).toBeLessThan(result.figures.response.percentile(90)); // the others left after it
});

test("a server slower than the rate does not slow the arrivals", async () => {
  const waiting: ServerResponse[] = [];
  const target = await serve((_, response) => {
    waiting.push(response);
    if (waiting.length === 100) for (const each of waiting) answer(each); // none before all are here
  });
  const { result } = await runToEnd(planFor(target));
  expect(result.figures.counts).toMatchObject({ sent: 100, answered: 100 });
});

test("answers that are whole, cut short and reset: only the whole ones are in the tally", async () => {
  let requests = 0;
  const target = await serve((request, response) => {
    requests++;
    if (requests % 3 === 0) request.socket.resetAndDestroy();
    else if (requests % 3 === 1) answer(response);
    else {
      response.writeHead(200, { "x-request-id": "cut", "content-length": "100" });
      response.write("short", () => request.socket.destroy());
    }
  });
  const { figures, tally } = await runToEnd(planFor(target));
  expect(figures.counts.answered).toBeGreaterThan(0);
  expect(figures.counts.unanswered).toBeGreaterThan(0);
  expect(figures.statuses).toEqual({ 200: figures.counts.answered });
  const ids = await idsOf(tally);
  expect(ids).toHaveLength(figures.counts.answered);
  expect(ids).not.toContain("cut");
});

test("answers without an id are counted as such", async () => {
  const target = await serve((_, response) => response.end("ok"));
  const { result, tally } = await runToEnd(planFor(target, { rate_per_second: 20 }));
  expect(result.figures.counts).toMatchObject({ answered: 10, answered_without_id: 10 });
  expect(tally.counts).toEqual(result.figures.counts);
});

test("with nothing listening each request is unanswered, and the check before a run says so", async () => {
  const target = await nothingListens();
  const { result } = await runToEnd(planFor(target, { rate_per_second: 20 }));
  expect(result.figures.counts).toMatchObject({ offered: 10, sent: 10, unanswered: 10 });
  expect(result.figures.reasons).toEqual({ ECONNREFUSED: 10 });
  await expect(assertReachable(target)).rejects.toMatchObject({ code: "SERVER_UNREACHABLE", exitCode: 1 });
  await expect(assertReachable(await serve(() => undefined))).resolves.toBeUndefined();
});

test("stop sends nothing new and waits for what is in flight", async () => {
  const held: ServerResponse[] = [];
  const target = await serve((_, response) => held.push(response));
  const home = temporaryHome();
  const run = await startRun(planFor(target, { duration_ms: undefined }), { home });
  await vi.waitUntil(() => held.length >= 10, { timeout: 5_000 });
  run.stop();
  run.stop();
  const { sent, in_flight } = run.progress();
  expect(in_flight).toBe(sent);
  await vi.waitUntil(() => held.length === sent, { timeout: 5_000 });
  for (const response of held) answer(response);
  const result = await run.done;
  expect(result.stopped).toBe(true);
  expect(result.figures.counts).toMatchObject({ offered: sent, answered: sent, unanswered: 0 });
  expect((await readTally(tallyPath(home, run.run_id))).counts).toEqual(result.figures.counts);
});

test("what is still in flight at the drain deadline ends unanswered", async () => {
  const target = await serve(() => undefined);
  const plan = planFor(target, { rate_per_second: 40 });
  const { result } = await runToEnd(plan, { drain_ms: 50, connections: 2 });
  expect(result.figures.counts).toMatchObject({ sent: 20, answered: 0, unanswered: 20 });
  expect(result.figures.reasons).toEqual({ drain_deadline: 20 });
});

test("a server that never answers runs into the timeout, and that time counts as latency", async () => {
  const target = await serve(() => undefined);
  const plan = planFor(target, { rate_per_second: 50, duration_ms: 100 });
  const { result } = await runToEnd(plan, { timeout_ms: 200 });
  expect(result.figures.reasons).toEqual({ UND_ERR_HEADERS_TIMEOUT: 5 });
  expect(result.figures.response.percentile(50)).toBeGreaterThan(150);
});

test("a request due while too many are in flight is not sent, and counted", async () => {
  const held: ServerResponse[] = [];
  const target = await serve((_, response) => held.push(response));
  const run = await startRun(planFor(target, { max_vus: 10 }), { home: temporaryHome() });
  await vi.waitUntil(() => run.progress().offered === 100, { timeout: 5_000 });
  await vi.waitUntil(() => held.length === 10, { timeout: 5_000 });
  for (const response of held) answer(response);
  expect((await run.done).figures.counts).toMatchObject({ offered: 100, sent: 10, unsent: 90, answered: 10 });
});

const twoSteps: Journey = {
  name: "two steps",
  weight: 1,
  *steps(session) {
    const first = yield get(`/first/${session.rng.integer(1_000_000)}`, { capture: true });
    session.think(300 + session.rng.integer(100)); // far longer than an answer takes
    yield get(`/second/${Object.keys(first.json() as object).join()}/${session.rng.integer(1_000_000)}`);
  },
};

test("the same seed asks for the same things in the same order, another seed for others", async () => {
  const askedWith = async (seed: number) => {
    const asked: string[] = [];
    const target = await serve((_, response) => void answer(response));
    const journeys = [twoSteps, quickJourney(get("/"))];
    const plan = planFor(target, { journeys, seed, duration_ms: 900, rate_per_second: 50 });
    const onEnded: RunOptions["onEnded"] = (ended) => asked.push(...ended.map(({ path }) => path));
    const run = await startRun(plan, { home: temporaryHome(), connections: 1, onEnded });
    await run.done;
    return asked;
  };
  const [first, again, other] = await Promise.all([askedWith(5), askedWith(5), askedWith(6)]);
  expect(first.some((path) => path.startsWith("/second/captured/"))).toBe(true);
  expect(again).toEqual(first);
  expect(other).not.toEqual(first);
}, 20_000);

test("a journey that throws ends the run and is named", async () => {
  const target = await serve((_, response) => void answer(response));
  const broken: Journey = {
    name: "broken",
    weight: 1,
    *steps() {
      yield get("/");
      throw new Error("no such field");
    },
  };
  const { result } = await runToEnd(planFor(target, { journeys: [broken], duration_ms: 60_000 }));
  expect(result.scenario_error).toBe("no such field");
  expect(result.figures.counts.answered).toBe(result.figures.counts.sent);
});

test.each([undefined, "/users", { method: "GET" }])(
  "a journey that yields %j ends the run and is named",
  async (step) => {
    const target = await serve((_, response) => void answer(response));
    const broken = {
      name: "broken",
      weight: 1,
      *steps() {
        yield get("/");
        yield step as never;
      },
    };
    const { result } = await runToEnd(planFor(target, { journeys: [broken], duration_ms: 60_000 }));
    expect(result.scenario_error).toMatch(/^journey "broken" yielded something else than a request/);
  },
);

test.skipIf(process.platform !== "linux")("a full disk under the tally ends the run", async () => {
  const target = await serve((_, response) => void answer(response));
  const home = temporaryHome();
  mkdirSync(join(home, "runs"));
  symlinkSync("/dev/full", tallyPath(home, "full"));
  const run = await startRun(planFor(target, { duration_ms: undefined }), { home, run_id: "full" });
  await expect(run.done).rejects.toMatchObject({ code: "DISK_FULL" });
  const { offered } = run.progress();
  await new Promise((resolve) => setTimeout(resolve, 50)); // time for ten more, were it still sending
  expect(run.progress().offered).toBe(offered);
});

test("a run that stays paused ends with its schedule", async () => {
  const target = await serve((_request, response) => answer(response));
  const run = await startRun(planFor(target, { duration_ms: 1_000 }), { home: temporaryHome() });
  await vi.waitFor(() => expect(run.recorder.counts.sent).toBeGreaterThan(10));
  run.change({ factor: 0 });
  const { stopped, elapsed_ms, figures } = await run.done;
  expect({ stopped, elapsed_ms }).toEqual({ stopped: false, elapsed_ms: 1_000 });
  expect(figures.counts.sent).toBeLessThan(200);
});

test("a trace waits while it is paused, and then goes on at the speed it is told, from where it was", async () => {
  const target = await serve((_request, response) => answer(response));
  async function* requests() {
    for (let n = 0; n < 40; n++)
      yield Promise.resolve({ due_ms: n < 10 ? n : 60_000 + n, step: get(`/${n}`) });
    await Promise.resolve();
  }
  const plan = aPlan({ target, journeys: [], executor: { kind: "trace", requests } });
  const run = await startRun(plan, { home: temporaryHome() });
  await vi.waitFor(() => expect(run.recorder.counts.sent).toBe(10));
  run.change({ factor: 0 });
  run.change({ factor: 100_000 }); // the minute between passes in under a millisecond
  const { figures } = await run.done;
  expect(figures.counts).toMatchObject({ offered: 40, sent: 40, answered: 40 });
});
