import { createHash } from "node:crypto";
import { messageOf } from "../../contract/errors.ts";
import { IterationSource, PlannedAnswer } from "../journeys/iteration.ts";
import type { Iteration } from "../journeys/iteration.ts";
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
  const digest = new Digest();
  for (const incident of plan.incidents) digest.add(`${JSON.stringify(incident)}\n`);
  for (const scenario of plan.scenarios) {
    const { executor } = scenario;
    if (executor.kind === "trace") return null;
    digest.add(`${JSON.stringify([scenario.name, scenario.start_ms])}\n`);
    if (isArrivalExecutor(executor) && untilMs === undefined && durationOf(executor) === undefined)
      return null;
    try {
      if (isArrivalExecutor(executor)) addArrivals(digest, scenario, executor, plan, untilMs ?? Infinity);
      else addVus(digest, scenario, executor, plan);
    } catch (error) {
      digest.add(`! ${messageOf(error)}\n`); // of a journey: a run would end there
    }
  }
  return digest.hex();
}

const CHUNK = 65_536;

/** A hash of many short texts: given to it one by one, they would cost more than what they hold. */
class Digest {
  readonly #hash = createHash("sha256");
  #text = "";

  add(text: string): void {
    this.#text += text;
    if (this.#text.length < CHUNK) return;
    this.#hash.update(this.#text);
    this.#text = "";
  }

  hex(): string {
    return this.#hash.update(this.#text).digest("hex");
  }
}

function addArrivals(
  digest: Digest,
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
    digest.add(`@${microseconds(dueMs)}\n`);
    if (executor.arriving === "iterations") addIteration(digest, source.begin(number++));
    else {
      const lane = sessions[number++ % lanes]!;
      const session = lane.take(dueMs);
      addStep(digest, session.iteration);
      lane.answered(session, new PlannedAnswer(session.iteration.next)); // at once: within any think time
    }
  }
}

function addVus(digest: Digest, scenario: Scenario, executor: VuExecutor, plan: LoadPlan): void {
  const source = new IterationSource(scenario, plan.seed, undefined);
  if (executor.kind === "shared-iterations") {
    for (let number = 0, requests = 0; number < executor.iterations && requests < REQUESTS_OF_VUS; number++)
      requests += addIteration(digest, source.begin(number));
    return;
  }
  const each =
    executor.kind === "per-vu-iterations"
      ? Math.min(executor.iterations, ITERATIONS_OF_VU)
      : ITERATIONS_OF_VU;
  let requests = 0;
  for (let vu = 0; vu < maxVus(executor); vu++) {
    for (let number = 0; number < each && requests < REQUESTS_OF_VUS; number++)
      requests += addIteration(digest, source.begin(number, vu));
  }
}

/** @returns how many requests it plans */
function addIteration(digest: Digest, iteration: Iteration | undefined): number {
  let requests = 0;
  for (let goesOn = iteration !== undefined; goesOn && requests < STEPS_OF_ITERATION; requests++) {
    addStep(digest, iteration!);
    goesOn = iteration!.answered(new PlannedAnswer(iteration!.next));
  }
  return requests;
}

function addStep(digest: Digest, { journey, thinkMs, next }: Iteration): void {
  const { method, path, headers = {}, body } = next;
  let text = `${journey.name} ${microseconds(thinkMs)} ${method} ${path}\n`;
  for (const name in headers) text += `${name}: ${headers[name]}\n`;
  if (body !== undefined) text += `${body.length} ${body}\n`;
  digest.add(text);
}

/** Times of a plan are exact to less than that, on every machine. */
function microseconds(ms: number): number {
  return Math.round(ms * 1_000);
}
