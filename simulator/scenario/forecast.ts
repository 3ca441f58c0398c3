import { IterationSource, PlannedAnswer } from "../journeys/iteration.ts";
import { isArrivalExecutor, plannedDuration, rateSegments, vusAt } from "../plan/curve.ts";
import type { LoadPlan, Scenario } from "../plan/plan.ts";

/** What a scenario is expected to do; null where the server's answers decide. */
export interface Forecast {
  readonly requests_per_iteration: number; // mean of a sample
  readonly iterations: number | null;
  readonly requests: number | null;
}

const SAMPLE = 300;
const MAX_STEPS = 10_000;
const ENDLESS_MS = 600_000;

/** How much of a plan is shown: all of it, or of one without end a day of its curves, else ten minutes. */
export function horizonOf(plan: LoadPlan): number {
  const ends = plan.scenarios.map((scenario) => {
    const { executor, start_ms } = scenario;
    const lasting = plannedDuration({ scenarios: [scenario] });
    return lasting ?? start_ms + (executor.kind === "daily-curve" ? executor.day_ms : ENDLESS_MS);
  });
  return Math.max(...ends);
}

/** Arrivals, up to `untilMs` after the run's start, in each of `count` stretches of the same length. */
export function arrivalsOver(scenario: Scenario, plan: LoadPlan, untilMs: number, count: number): number[] {
  const width = untilMs / count;
  const arrivals = new Array<number>(count).fill(0);
  for (const segment of rateSegments(scenario, plan)) {
    const from = scenario.start_ms + segment.from_ms;
    const to = Math.min(scenario.start_ms + segment.to_ms, untilMs);
    if (from >= untilMs) break;
    const slope = Number.isFinite(segment.to_ms)
      ? (segment.to_rate - segment.from_rate) / (segment.to_ms - segment.from_ms)
      : 0;
    for (let at = from; at < to;) {
      const column = Math.min(count - 1, Math.floor(at / width + 1e-9));
      const end = column === count - 1 ? to : Math.min(to, (column + 1) * width);
      const rate = segment.from_rate + slope * ((at + end) / 2 - from);
      arrivals[column]! += (rate * (end - at)) / 1_000;
      at = end;
    }
  }
  return arrivals;
}

/** Virtual users in the middle of each of `count` stretches. */
export function vusOver(scenario: Scenario, untilMs: number, count: number): number[] {
  return Array.from({ length: count }, (_, column) => vusAt(scenario, ((column + 0.5) * untilMs) / count));
}

/** @param arrivals of the scenario until the plan's end or horizon */
export function forecastOf(scenario: Scenario, plan: LoadPlan, arrivals: number): Forecast {
  const { executor } = scenario;
  if (executor.kind === "trace") return { requests_per_iteration: 1, iterations: null, requests: null };
  const requests_per_iteration = sampleLength(scenario, plan);
  const of = (iterations: number | null) => ({
    requests_per_iteration,
    iterations,
    requests: iterations === null ? null : iterations * requests_per_iteration,
  });
  if (!isArrivalExecutor(executor)) {
    if (executor.kind === "shared-iterations") return of(executor.iterations);
    return of(executor.kind === "per-vu-iterations" ? executor.vus * executor.iterations : null);
  }
  if (executor.arriving === "iterations") return of(arrivals);
  return { requests_per_iteration, iterations: arrivals / requests_per_iteration, requests: arrivals };
}

/** Requests of an iteration on average, going by what its journeys plan. */
function sampleLength(scenario: Scenario, plan: LoadPlan): number {
  const source = new IterationSource(scenario, plan.seed, undefined);
  let steps = 0;
  for (let number = 0; number < SAMPLE; number++) {
    const iteration = source.begin(number);
    let goesOn = iteration !== undefined;
    for (let taken = 0; goesOn && taken < MAX_STEPS; taken++) {
      steps++;
      goesOn = iteration!.answered(new PlannedAnswer(iteration!.next));
    }
  }
  return steps / SAMPLE;
}
