import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { expect, onTestFinished, test } from "vitest";
import { loadPlan } from "../plan/load-plan.ts";
import type { PlanSource } from "../plan/load-plan.ts";
import { startRun } from "./run.ts";

/** Remembers what it was asked for, and answers each request alike. */
async function openServer() {
  const asked: string[] = [];
  const server = createServer((request, response) => {
    let body = "";
    request.on("data", (chunk: Buffer) => (body += chunk.toString()));
    request.on("end", () => {
      asked.push(`${String(request.headers["traceparent"])} ${request.method} ${request.url} ${body}`);
      response.writeHead(200, { "content-type": "application/json" }).end('{"id": 7}');
    });
  });
  onTestFinished(() => {
    server.close();
    server.closeAllConnections();
  });
  await new Promise<void>((resolve) => void server.listen(0, "127.0.0.1", resolve));
  return { asked, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` };
}

const JOURNEYS = `
journeys:
  walk:
    steps:
      - get: /first/\${random.int(0, 1000000)}
        capture: { id: "$.id" }
      - think: 200ms
      - post: /second/\${id}
        json: { number: "\${random.int(0, 1000000)}" }
  look:
    steps:
      - get: /look/\${random.int(0, 1000000)}
`;

function sourceOf(scenario: string, target: string, seed = 5): PlanSource {
  const text = `scenarios:\n  main: { journeys: [walk, look], gracefulStop: 10s, ${scenario} }\n${JOURNEYS}`;
  return {
    ...{ kind: "scenario", path: "threads.yaml", text, env: {} },
    ...{ target, seed, drawn_seed: 0, tags: {}, starts_at_ms: 0 },
  };
}

async function askedBy(scenario: string, workers: number, seed?: number) {
  const server = await openServer();
  const source = sourceOf(scenario, server.url, seed);
  const run = await startRun(await loadPlan(source), { home: undefined, workers, source });
  const result = await run.done;
  expect(result.scenario_error).toBeUndefined();
  const count = server.asked.length;
  expect(result.figures.counts).toMatchObject({ sent: count, answered: count });
  return { asked: server.asked.toSorted(), result };
}

const arrivals = (arriving: string) =>
  `executor: constant-arrival-rate, rate: 150/s, duration: 1200ms, arriving: ${arriving}`;

test.each(["iterations", "requests"] as const)(
  "arriving %s: one thread or three, the same seed sends the same requests, another seed others",
  async (arriving) => {
    const one = await askedBy(arrivals(arriving), 1);
    const three = await askedBy(arrivals(arriving), 3);
    expect(one.asked.length).toBeGreaterThan(100);
    expect(three.asked).toEqual(one.asked);
    expect(three.result.figures.response.count).toBe(one.asked.length); // every sample came through
    expect((await askedBy(arrivals(arriving), 3, 6)).asked).not.toEqual(one.asked);
  },
  30_000,
);

test("shared iterations are done once each, however many threads and users share them", async () => {
  const scenario = "executor: shared-iterations, iterations: 40";
  const one = await askedBy(`${scenario}, vus: 5`, 1);
  const two = await askedBy(`${scenario}, vus: 7`, 2);
  expect(two.asked).toEqual(one.asked);
  expect(two.result.figures.iterations).toMatchObject({ started: 40, completed: 40 });
}, 30_000);

test("a thread that cannot make the plan fails the run before anything is sent", async () => {
  const server = await openServer();
  const source = sourceOf(arrivals("iterations"), server.url);
  const broken = { ...source, text: "scenarios: 7" } as PlanSource;
  const run = startRun(await loadPlan(source), { home: undefined, workers: 2, source: broken });
  await expect(run).rejects.toThrow(/scenarios/);
  expect(server.asked).toEqual([]);
});
