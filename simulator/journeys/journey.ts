import type { Rng } from "../../contract/random.ts";

/** One request of a journey. */
export interface Step {
  readonly method: string;
  readonly path: string; // with its query, below the target's own path
  /** Under which its figures are kept, such as `GET /orders/:id`; few in number. Default: method and path without query. */
  readonly name?: string;
  readonly headers?: Readonly<Record<string, string>>; // lower-case names; before the simulator's own
  readonly body?: string;
  readonly capture?: boolean; // keep the response's body for `answer.json()` and `answer.text()`
  /** The JSON body that planning takes for the answer (see plan/digest.ts); the run itself never looks at it. */
  readonly planned?: unknown;
}

/** What came back for a step. */
export interface Answer {
  readonly status: number;
  /** A header by its lower-case name; several of one name are joined by ", ". */
  header(name: string): string | undefined;
  /** The body has more than 1 MiB, so it was not kept. */
  readonly too_large?: boolean;
  /** The body of a step with `capture`; empty without, and when it is too large. */
  text(): string;
  /** The same as JSON; undefined when it is not JSON. */
  json(): unknown;
}

/** What a journey gets from the run. */
export interface SessionContext {
  /** Of this iteration alone, so that what it does depends on the seed and its number only. */
  readonly rng: Rng;
  /** Counts from 0 in its scenario; with virtual users in its virtual user. */
  readonly iteration: number;
  /** Who goes on it: with virtual users the number of that user from 0, else as `iteration`. */
  readonly vu: number;
  /**
   * Whether this is only planned: no request is sent, each answer has status 200 and the body that the step itself
   * gave as `planned`. What is drawn from `rng` should not depend on it.
   */
  readonly planning: boolean;
  /** Lets at least `ms` pass between the last step and the next. */
  think(ms: number): void;
  /** Counts whether something holds, for the metric `checks` and the report. Changes nothing else. */
  check(name: string, passed: boolean): void;
}

/** The steps of one iteration: yields a request, gets its answer, decides what comes next. */
export type Steps<Result = void> = Generator<Step, Result, Answer>;

/**
 * A kind of user. `weight` is its share of the iterations started. An iteration whose request is not answered ends
 * there, so `steps` only ever sees answers; its local variables are the iteration's state.
 */
export interface Journey {
  readonly name: string;
  readonly weight: number; // above 0
  readonly steps: (session: SessionContext) => Steps;
}

export function get(path: string, options: Partial<Step> = {}): Step {
  return { ...options, method: "GET", path };
}

/** A POST of `body` as JSON. */
export function post(path: string, body: unknown, options: Partial<Step> = {}): Step {
  const headers = { "content-type": "application/json", ...options.headers };
  return { ...options, method: "POST", path, body: JSON.stringify(body), headers };
}
