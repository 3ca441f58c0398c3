import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { Recorder } from "../figures/recorder.ts";
import { get } from "../journeys/journey.ts";
import { quickJourney } from "../journeys/quick.ts";
import type { LoadPlan } from "../plan/plan.ts";
import { startShard } from "./shard.ts";

const REQUESTS = 4_000;
const MAX_MS = 1_000; // on a slow machine

let warm: Promise<void> | undefined;

/**
 * Sends requests to a server of its own until what sends them is compiled: some 200 ms, once a thread. The first requests of a
 * run would else be tens of milliseconds late, and look as slow as that, whatever the target does.
 */
export function warmUp(): Promise<void> {
  return (warm ??= sendSome());
}

async function sendSome(): Promise<void> {
  const server = createServer((_request, response) => response.end("{}"));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const plan = planFor(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
  const recorder = new Recorder(plan);
  const options = {
    ...{ run_id: "warm-up", shard: { index: 0, count: 1 }, details: false },
    ...{ start_at_ms: performance.timeOrigin + performance.now(), connections: VUS },
    ...{ timeout_ms: MAX_MS, drain_ms: MAX_MS },
  };
  await startShard(plan, options, (batch) => recorder.add(0, batch, 0)).done;
  server.close();
}

const VUS = 16;

function planFor(target: string): LoadPlan {
  const executor = {
    kind: "shared-iterations",
    vus: VUS,
    iterations: REQUESTS,
    max_duration_ms: MAX_MS,
  } as const;
  const scenario = { name: "warm-up", executor, start_ms: 0, graceful_stop_ms: 0, tags: {} };
  return {
    ...{ name: "warm-up", target, seed: 0, tags: {}, incidents: [], thresholds: [], starts_at: new Date() },
    scenarios: [{ ...scenario, journeys: [quickJourney(get("/"))] }],
  };
}
