import { numberedStreams, weighted } from "../../contract/random.ts";
import type { Rng } from "../../contract/random.ts";
import type { Scenario } from "../plan/plan.ts";
import type { Answer, Journey, SessionContext, Step, Steps } from "./journey.ts";

/** One user going through a journey once, between two of its requests. */
export class Iteration {
  readonly journey: Journey;
  readonly number: number;
  /** The request it makes next. */
  next!: Step;
  readonly #steps: Steps;
  readonly #context: Context;

  constructor(journey: Journey, context: Context) {
    this.journey = journey;
    this.number = context.iteration;
    this.#context = context;
    this.#steps = journey.steps(context);
  }

  /** Goes to the first request. @returns false when there is none */
  begin(): boolean {
    return this.#goTo(this.#steps.next());
  }

  /** Takes the answer of `next` and goes to the request after it. @returns false when there is none */
  answered(answer: Answer): boolean {
    return this.#goTo(this.#steps.next(answer));
  }

  /** How long it wants to think before its next request, ms. */
  get thinkMs(): number {
    return this.#context.thinkMs;
  }

  /** Ids of a trace, drawn apart from what the journey does. */
  traceparent(): string {
    return this.#context.traceparent();
  }

  #goTo(step: IteratorResult<Step, void>): boolean {
    this.#context.settle();
    if (step.done === true) return false;
    if (!isStep(step.value))
      throw new TypeError(
        `journey "${this.journey.name}" yielded something else than a request such as get("/users")`,
      );
    this.next = step.value;
    return true;
  }
}

/** Journeys may be anybody's JavaScript. */
function isStep(value: unknown): value is Step {
  const { method, path } = (value ?? {}) as Partial<Record<keyof Step, unknown>>;
  return typeof method === "string" && typeof path === "string";
}

/** What planning takes for the answer to a step. */
export class PlannedAnswer implements Answer {
  readonly status = 200;
  readonly #planned: unknown;

  constructor({ planned }: Step) {
    this.#planned = planned;
  }

  header(): undefined {
    return undefined;
  }

  text(): string {
    return this.#planned === undefined ? "" : JSON.stringify(this.#planned);
  }

  json(): unknown {
    return this.#planned;
  }
}

class Context implements SessionContext {
  readonly rng: Rng;
  readonly iteration: number;
  readonly vu: number;
  readonly planning: boolean;
  readonly check: (name: string, passed: boolean) => void;
  readonly #traces: () => Rng;
  #traceRng: Rng | undefined;
  #thought = 0;
  thinkMs = 0;

  constructor(rng: Rng, iteration: number, vu: number, planning: boolean, check: OnCheck, traces: () => Rng) {
    this.rng = rng;
    this.iteration = iteration;
    this.vu = vu;
    this.planning = planning;
    this.check = check;
    this.#traces = traces;
  }

  /** A property, so that a journey may take it out of its session. */
  readonly think = (ms: number): void => {
    this.#thought += ms;
  };

  /** What was thought since the last step stands before the next. */
  settle(): void {
    this.thinkMs = this.#thought;
    this.#thought = 0;
  }

  traceparent(): string {
    return traceparent((this.#traceRng ??= this.#traces()));
  }
}

/** Four hex digits of each 16 bits: formatting numbers would be the dearest part of a request. */
const HEX = Array.from({ length: 2 ** 16 }, (_, n) => n.toString(16).padStart(4, "0"));

/** @see https://www.w3.org/TR/trace-context/#traceparent-header */
export function traceparent(rng: Rng): string {
  return `00-${hex(rng)}${hex(rng)}${hex(rng)}${hex(rng)}-${hex(rng)}${hex(rng)}-01`;
}

function hex(rng: Rng): string {
  const bits = rng.uint32();
  return HEX[bits >>> 16]! + HEX[bits & 0xffff]!;
}

export type OnCheck = (name: string, passed: boolean) => void;

const MAX_VU = 2 ** 20;

/**
 * Begins the iterations of a scenario. What one does depends on the seed, the scenario's name and its number only, so any
 * thread may begin it.
 */
export class IterationSource {
  readonly #journeys: readonly Journey[];
  readonly #streams: (n: number) => Rng;
  readonly #traces: (n: number) => Rng;
  readonly #planning: boolean;
  readonly #onCheck: OnCheck;
  #choose: (rng: Rng) => number;

  constructor(scenario: Scenario, seed: number, onCheck: OnCheck | undefined) {
    this.#journeys = scenario.journeys;
    this.#streams = numberedStreams(seed, `${scenario.name} iterations`);
    this.#traces = numberedStreams(seed, `${scenario.name} traces`);
    this.#planning = onCheck === undefined;
    this.#onCheck = onCheck ?? (() => undefined);
    this.#choose = weighted(scenario.journeys.map(({ weight }) => weight));
  }

  /** Other weights from now on; journeys not named keep theirs. */
  reweigh(weights: Readonly<Record<string, number>>): void {
    this.#choose = weighted(this.#journeys.map(({ name, weight }) => weights[name] ?? weight));
  }

  /**
   * @param number of the iteration: in the scenario, or in the virtual user `vu`
   * @returns undefined when it makes no request
   */
  begin(number: number, vu?: number): Iteration | undefined {
    const key = vu === undefined ? number : vu + MAX_VU * (number + 1);
    const rng = this.#streams(key);
    const journey = this.#journeys[this.#choose(rng)]!;
    const context = new Context(rng, number, vu ?? number, this.#planning, this.#onCheck, () =>
      this.#traces(key),
    );
    const iteration = new Iteration(journey, context);
    return iteration.begin() ? iteration : undefined;
  }
}
