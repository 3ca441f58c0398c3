import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test, vi } from "vitest";
import { readTally, tallyPath } from "../ledger/tally.ts";
import { loadPlan } from "../plan/load-plan.ts";
import type { PlanSource } from "../plan/load-plan.ts";
import { startRun } from "./run.ts";
import { serve, temporaryHome } from "./testing.ts";

/** Remembers what it was asked for, and answers each request alike. */
async function openServer() {
  const asked: string[] = [];
  const url = await serve((request, response) => {
    let body = "";
    request.on("data", (chunk: Buffer) => (body += chunk.toString()));
    request.on("end", () => {
      asked.push(`${String(request.headers["traceparent"])} ${request.method} ${request.url} ${body}`);
      response.writeHead(200, { "content-type": "application/json" }).end('{"id": 7}');
    });
  });
  return { asked, url };
}

const JOURNEYS = `
data:
  people: { file: people.csv, as: person, by: zipf }
journeys:
  walk:
    steps:
      - get: /first/\${random.int(0, 1000000)}
        capture: { id: "$.id" }
      - think: 400ms
      - post: /second/\${id}
        json: { number: "\${random.int(0, 1000000)}", name: "\${person.name}" }
  look:
    steps:
      - get: /look/\${random.int(0, 1000000)}
  steady: { file: typed.ts }
  climbing: { file: typed.ts }
  throwing: { file: typed.ts }
  leaving: { file: typed.ts }
  bursting: { file: typed.ts }
`;

const TYPED = `
import type { SessionContext } from "rushhour";

const journey = (name: string, act: (session: SessionContext) => void) => ({
  name,
  weight: 1,
  *steps(session: SessionContext) {
    if (session.iteration === 3) act(session);
    const path = \`/\${name}/\${session.vu}/\${session.iteration}/\${session.rng.integer(1_000_000)}\`;
    yield { method: "GET", path };
  },
});

export default [
  journey("steady", () => undefined),
  journey("climbing", () => undefined),
  journey("throwing", () => {
    throw new Error("no fourth time");
  }),
  journey("leaving", () => process.exit(7)),
  journey("bursting", () =>
    queueMicrotask(() => {
      throw new Error("nobody catches this");
    }),
  ),
];
`;

function sourceOf(scenarios: string, target: string, seed = 5): PlanSource {
  const folder = mkdtempSync(join(tmpdir(), "rushhour-threads-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  writeFileSync(join(folder, "people.csv"), "name\nAda\nBob\nCleo\nDora\n");
  writeFileSync(join(folder, "typed.ts"), TYPED);
  return {
    ...{ kind: "scenario", path: join(folder, "threads.yaml"), text: `scenarios:${scenarios}\n${JOURNEYS}` },
    ...{ target, seed, env: {}, drawn_seed: 0, tags: {}, starts_at_ms: 0 },
  };
}

async function askedBy(scenarios: string, workers: number, seed?: number) {
  const server = await openServer();
  const source = sourceOf(scenarios, server.url, seed);
  const run = await startRun(await loadPlan(source), { home: undefined, workers, source });
  const result = await run.done;
  expect(result.scenario_error).toBeUndefined();
  const count = server.asked.length;
  expect(result.figures.counts).toMatchObject({ sent: count, answered: count });
  expect(result.figures.response.count).toBe(count); // every sample came through
  for (const { arrived, dropped, started } of result.figures.scenarios.values()) {
    expect(arrived).toBeGreaterThanOrEqual(dropped);
    expect(started).toBeGreaterThan(0);
  }
  return { asked: server.asked.toSorted(), result };
}

const EVERY_EXECUTOR = `
  rate:     { executor: constant-arrival-rate, rate: 100/s, duration: 800ms, journeys: [walk, look] }
  requests: { executor: constant-arrival-rate, rate: 150/s, duration: 800ms, journeys: [walk, look], arriving: requests }
  ramp:     { executor: ramping-arrival-rate, stages: [{ target: 80/s, duration: 800ms }], journeys: [walk, look] }
  day:      { executor: daily-curve, peak: 80/s, trough: 10/s, peakAt: "12:00", day: 1s, duration: 800ms, journeys: look }
  shared:   { executor: shared-iterations, vus: 5, iterations: 20, journeys: [walk, look] }
  each:     { executor: per-vu-iterations, vus: 4, iterations: 3, journeys: [walk, look] }
  steady:   { executor: constant-vus, vus: 4, duration: 300ms, journeys: steady }
  climbing: { executor: ramping-vus, stages: [{ target: 4, duration: 300ms }], journeys: climbing }`;

/** How often users come depends on the answers, but not what they do. */
const isTimed = (request: string) => / \/(steady|climbing)\//.test(request);
const byNumber = (asked: readonly string[]) =>
  new Map(asked.filter(isTimed).map((request) => [request.split("/").slice(1, 4).join("/"), request]));

test("every executor: one, two or three threads send the same requests, another seed others", async () => {
  const one = await askedBy(EVERY_EXECUTOR, 1);
  const planned = one.asked.filter((request) => !isTimed(request));
  expect(planned.length).toBeGreaterThan(250);
  for (const workers of [2, 3]) {
    const { asked } = await askedBy(EVERY_EXECUTOR, workers);
    expect(asked.filter((request) => !isTimed(request))).toEqual(planned);
    const numbered = byNumber(asked);
    const shared = [...byNumber(one.asked)].filter(([number]) => numbered.has(number));
    expect(shared.length).toBeGreaterThan(0);
    for (const [number, request] of shared) expect(numbered.get(number)).toBe(request);
  }
  const other = await askedBy(EVERY_EXECUTOR, 1, 6);
  expect(other.asked.some((request) => one.asked.includes(request))).toBe(false);
}, 30_000);

test("more threads than users: every iteration is done all the same", async () => {
  const scenarios = `
  shared: { executor: shared-iterations, vus: 2, iterations: 10, journeys: look }
  each:   { executor: per-vu-iterations, vus: 1, iterations: 4, journeys: look }`;
  const one = await askedBy(scenarios, 1);
  const three = await askedBy(scenarios, 3);
  expect(three.asked).toEqual(one.asked);
  expect(three.result.figures.iterations).toMatchObject({ started: 14, completed: 14 });
}, 30_000);

test("a thread that cannot make the plan fails the run before anything is sent", async () => {
  const server = await openServer();
  const source = sourceOf(" { look: { executor: constant-vus, journeys: look } }", server.url);
  const broken = { ...source, text: "scenarios: 7" } as PlanSource;
  const run = startRun(await loadPlan(source), { home: undefined, workers: 2, source: broken });
  await expect(run).rejects.toThrow(/scenarios/);
  expect(server.asked).toEqual([]);
});

const endlessly = (journey: string) =>
  ` { main: { executor: constant-arrival-rate, rate: 100/s, journeys: ${journey} } }`;

async function startEndless(journey: string) {
  const server = await openServer();
  const source = sourceOf(endlessly(journey), server.url);
  const home = temporaryHome();
  const run = await startRun(await loadPlan(source), { home, workers: 2, source });
  return { run, tally: () => readTally(tallyPath(home, run.run_id)) };
}

test("a journey that throws on one thread ends the run on all of them", async () => {
  const { run, tally } = await startEndless("throwing");
  const result = await run.done;
  expect(result.scenario_error).toBe("no fourth time");
  expect(result.figures.counts.unanswered).toBe(0);
  expect((await tally()).counts).toEqual(result.figures.counts);
}, 30_000);

test.each([
  ["leaving", "it exited with code 7"],
  ["bursting", "nobody catches this"],
])(
  "a thread that dies (%s) fails the run, and the tally keeps what the others did without calling it complete",
  async (journey, why) => {
    const { run, tally } = await startEndless(journey);
    await expect(run.done).rejects.toMatchObject({
      code: "ROLE_FAILED",
      message: expect.stringContaining(why) as string,
    });
    const { counts, ended_at } = await tally();
    expect(ended_at).toBeUndefined();
    expect(counts.answered + counts.unanswered).toBe(counts.sent);
    expect(counts.answered).toBe(run.recorder.counts.answered);
  },
  30_000,
);

test("a change reaches every thread: a pause holds them, resuming goes on", async () => {
  const { run } = await startEndless("look");
  const { counts } = run.recorder;
  await vi.waitUntil(() => counts.sent >= 10, { timeout: 5_000 });
  run.change({ factor: 0 });
  let before = -1;
  const isQuiet = () => before === (before = counts.sent);
  await vi.waitUntil(isQuiet, { timeout: 5_000, interval: 250 }); // time for 25 more, were one still sending
  run.change({ factor: 3 });
  await vi.waitUntil(() => counts.sent >= before + 50, { timeout: 5_000 });
  run.stop();
  const { stopped, figures } = await run.done;
  expect(stopped).toBe(true);
  expect(figures.counts.answered).toBe(figures.counts.sent);
}, 30_000);
