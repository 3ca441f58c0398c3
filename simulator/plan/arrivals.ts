import type { Rng } from "../../contract/random.ts";
import { stream } from "../../contract/random.ts";
import { isArrivalExecutor, rateSegments } from "./curve.ts";
import type { RateSegment } from "./curve.ts";
import type { Arrival, LoadPlan, Scenario } from "./plan.ts";

/** Times to follow, in ms after the scenario's start, rising. */
export interface Schedule {
  /** The next one; Infinity when there is none unless something changes; undefined when it is over. */
  peek(): number | undefined;
  /** Goes on to the one after it. */
  take(): void;
}

/**
 * When arrivals are due. The plan alone decides: no clock and no reply takes part. The rate's integral over time is
 * walked in steps of 1 (even) or of exponential length with mean 1 (a Poisson process whose rate may vary); where it
 * passes a step an arrival is due. Even arrivals begin with the scenario.
 * @see D. Snyder, M. Miller, Random Point Processes in Time and Space, 1991 (time change of a Poisson process)
 */
export class Arrivals implements Schedule {
  readonly #segments: Iterator<RateSegment, unknown, undefined>;
  readonly #gap: () => number;
  readonly #ahead: RateSegment[] = []; // the one at hand and those looked at already
  #passed = 0; // the integral at the begin of the first of them
  #wanted: number; // the integral at the next arrival
  #factor = 1;
  #dueMs: number | undefined;

  constructor(segments: Iterator<RateSegment, unknown, undefined>, arrival: Arrival, rng: Rng) {
    this.#segments = segments;
    this.#gap = arrival === "even" ? () => 1 : () => rng.exponential(1);
    this.#wanted = arrival === "even" ? 0 : this.#gap();
    this.#dueMs = this.#find();
  }

  peek(): number | undefined {
    return this.#dueMs;
  }

  take(): void {
    this.#wanted += this.#gap();
    if (this.#dueMs !== undefined) this.#forget(this.#dueMs);
    this.#dueMs = this.#find();
  }

  /** From `nowMs` on the rate is the planned one times `factor`; 0 pauses. */
  scale(factor: number, nowMs: number): void {
    this.#forget(nowMs);
    const [segment] = this.#ahead;
    if (segment !== undefined && segment.from_ms < nowMs) {
      this.#passed += this.#factor * areaOf(segment, nowMs);
      this.#ahead[0] = { ...segment, from_ms: nowMs, from_rate: rateIn(segment, nowMs) };
    }
    this.#factor = factor;
    this.#dueMs = this.#find();
  }

  /** Segments that ended by `ms` are behind. */
  #forget(ms: number): void {
    for (let [segment] = this.#ahead; segment !== undefined && segment.to_ms <= ms; [segment] = this.#ahead) {
      this.#passed += this.#factor * areaOf(segment, segment.to_ms);
      this.#ahead.shift();
    }
  }

  #find(): number | undefined {
    let passed = this.#passed;
    for (let at = 0; ; at++) {
      const segment = this.#ahead[at] ?? this.#lookAhead();
      if (segment === undefined) return undefined;
      if (this.#factor === 0) return Infinity;
      const dueMs = whereArea(segment, (this.#wanted - passed) / this.#factor);
      if (dueMs < segment.to_ms) return dueMs;
      passed += this.#factor * areaOf(segment, segment.to_ms);
    }
  }

  #lookAhead(): RateSegment | undefined {
    const next = this.#segments.next();
    if (next.done === true) return undefined;
    this.#ahead.push(next.value);
    return next.value;
  }
}

/** The arrivals of a scenario. */
export function arrivalsOf(scenario: Scenario, plan: LoadPlan): Arrivals {
  const arrival = isArrivalExecutor(scenario.executor) ? scenario.executor.arrival : "even";
  return new Arrivals(rateSegments(scenario, plan), arrival, stream(plan.seed, `${scenario.name} arrivals`));
}

/** Every due time of a scenario in ms after its start, as long as nobody changes the rate. */
export function* dueTimes(scenario: Scenario, plan: LoadPlan): Generator<number, void, undefined> {
  const arrivals = arrivalsOf(scenario, plan);
  for (let dueMs = arrivals.peek(); dueMs !== undefined; dueMs = arrivals.peek()) {
    yield dueMs;
    arrivals.take();
  }
}

const slopeOf = ({ from_ms, to_ms, from_rate, to_rate }: RateSegment) =>
  to_ms === Infinity ? 0 : (to_rate - from_rate) / (to_ms - from_ms);

const rateIn = (segment: RateSegment, ms: number) =>
  segment.from_rate + slopeOf(segment) * (ms - segment.from_ms);

/** Arrivals between the segment's begin and `ms`. */
function areaOf(segment: RateSegment, ms: number): number {
  return (((segment.from_rate + rateIn(segment, ms)) / 2) * (ms - segment.from_ms)) / 1_000;
}

/** At which time `area` arrivals have come since the segment's begin; Infinity when never. */
function whereArea(segment: RateSegment, area: number): number {
  const { from_ms, from_rate } = segment;
  const slope = slopeOf(segment);
  const wanted = Math.max(0, area) * 1_000; // below 0 when it was due before the rate changed
  if (slope === 0) return from_rate > 0 ? from_ms + wanted / from_rate : Infinity;
  const square = from_rate ** 2 + 2 * slope * wanted;
  if (square < 0) return Infinity; // a falling rate reaches zero before
  const root = from_rate + Math.sqrt(square);
  return root > 0 ? from_ms + (2 * wanted) / root : from_ms; // the stable form of (-b + sqrt(b² + 2ac)) / a
}
