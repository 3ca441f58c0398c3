import { stream } from "../../contract/random.ts";

export const ARRIVALS = ["poisson", "even"] as const;
export type Arrival = (typeof ARRIVALS)[number];

/** A constant arrival rate: requests come at this rate whatever the server does (open model). */
export interface ArrivalPlan {
  readonly rate_per_second: number;
  readonly arrival: Arrival;
  readonly duration_ms?: number | undefined; // undefined: without end
  readonly seed: number;
}

/**
 * When each request is due, in ms after the start, rising, below the duration. The plan alone decides: no clock and no
 * reply takes part. Even arrivals start at 0; Poisson arrivals have exponential gaps, so their count varies.
 */
export function* dueTimes(plan: ArrivalPlan): Generator<number, void, undefined> {
  const gapMs = 1_000 / plan.rate_per_second;
  const endMs = plan.duration_ms ?? Infinity;
  if (plan.arrival === "even") {
    for (let n = 0; n * gapMs < endMs; n++) yield n * gapMs;
    return;
  }
  const rng = stream(plan.seed, "arrivals");
  for (let dueMs = rng.exponential(gapMs); dueMs < endMs; dueMs += rng.exponential(gapMs)) yield dueMs;
}
