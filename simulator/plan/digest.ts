import { createHash } from "node:crypto";
import type { Hash } from "node:crypto";
import { IterationSource } from "../journeys/iteration.ts";
import type { Iteration } from "../journeys/iteration.ts";
import type { Answer, Step } from "../journeys/journey.ts";
import { Sessions } from "../journeys/sessions.ts";
import { dueTimes } from "./arrivals.ts";
import { durationOf, isArrivalExecutor, laneCount, maxVus } from "./curve.ts";
import type { ArrivalExecutor, VuExecutor } from "./curve.ts";
import type { LoadPlan, Scenario } from "./plan.ts";

/** Of each virtual user; how many it gets to is for the server to decide. */
const ITERATIONS_OF_VU = 1_000;
const REQUESTS_OF_VUS = 1_000_000; // of all virtual users of a scenario together
const STEPS_OF_ITERATION = 10_000;

/**
 * SHA-256, in hex, of everything a plan wants sent: each request with its due time (arrivals: all of them, until `untilMs` when
 * the plan has no end) or in the order of its virtual user (the first 1,000 iterations of each, a million requests at
 * most), and the incidents. The answers that journeys go on from are those they planned with (`Step.planned`), so the digest is
 * the same whatever the server does, on however many threads the run was.
 * @returns null when nothing can be planned: an arrival scenario has no end and `untilMs` is not given, or requests are replayed
 */
export function planDigest(plan: LoadPlan, untilMs?: number): string | null {
  const hash = createHash("sha256");
  for (const incident of plan.incidents) hash.update(`${JSON.stringify(incident)}\n`);
  for (const scenario of plan.scenarios) {
    const { executor } = scenario;
    if (executor.kind === "trace") return null;
    hash.update(`${JSON.stringify([scenario.name, scenario.start_ms])}\n`);
    if (!isArrivalExecutor(executor)) hashVus(hash, scenario, executor, plan);
    else if (untilMs === undefined && durationOf(executor) === undefined) return null;
    else hashArrivals(hash, scenario, executor, plan, untilMs ?? Infinity);
  }
  return hash.digest("hex");
}

function hashArrivals(
  hash: Hash,
  scenario: Scenario,
  executor: ArrivalExecutor,
  plan: LoadPlan,
  untilMs: number,
): void {
  const source = new IterationSource(scenario, plan.seed, undefined);
  const lanes = laneCount(scenario, plan);
  const sessions = Array.from({ length: lanes }, (_, lane) => new Sessions(source, lane, lanes));
  let number = 0;
  for (const dueMs of dueTimes(scenario, plan)) {
    if (scenario.start_ms + dueMs >= untilMs) return;
    hash.update(`@${dueMs.toFixed(3)}\n`);
    if (executor.arriving === "iterations") hashIteration(hash, source.begin(number++));
    else {
      const lane = sessions[number++ % lanes]!;
      const session = lane.take(dueMs);
      hashStep(hash, session.iteration);
      lane.answered(session, plannedAnswer(session.iteration.next)); // at once: within any think time
    }
  }
}

function hashVus(hash: Hash, scenario: Scenario, executor: VuExecutor, plan: LoadPlan): void {
  const source = new IterationSource(scenario, plan.seed, undefined);
  if (executor.kind === "shared-iterations") {
    for (let number = 0, requests = 0; number < executor.iterations && requests < REQUESTS_OF_VUS; number++)
      requests += hashIteration(hash, source.begin(number));
    return;
  }
  const each =
    executor.kind === "per-vu-iterations"
      ? Math.min(executor.iterations, ITERATIONS_OF_VU)
      : ITERATIONS_OF_VU;
  let requests = 0;
  for (let vu = 0; vu < maxVus(executor); vu++) {
    for (let number = 0; number < each && requests < REQUESTS_OF_VUS; number++)
      requests += hashIteration(hash, source.begin(number, vu));
  }
}

/** @returns how many requests it plans */
function hashIteration(hash: Hash, iteration: Iteration | undefined): number {
  let requests = 0;
  for (let goesOn = iteration !== undefined; goesOn && requests < STEPS_OF_ITERATION; requests++) {
    hashStep(hash, iteration!);
    goesOn = iteration!.answered(plannedAnswer(iteration!.next));
  }
  return requests;
}

function hashStep(hash: Hash, { journey, thinkMs, next }: Iteration): void {
  const { method, path, headers, body } = next;
  hash.update(`${journey.name} ${thinkMs.toFixed(3)} ${method} ${path}\n`);
  if (headers !== undefined) hash.update(JSON.stringify(headers));
  if (body !== undefined) hash.update(body);
}

function plannedAnswer({ planned }: Step): Answer {
  return {
    status: 200,
    header: () => undefined,
    text: () => (planned === undefined ? "" : JSON.stringify(planned)),
    json: () => planned,
  };
}
