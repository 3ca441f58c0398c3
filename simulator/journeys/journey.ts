import type { Rng } from "../../contract/random.ts";

/** One request of a journey. */
export interface Step {
  readonly method: string;
  readonly path: string; // with its query, below the target's own path
  readonly headers?: Readonly<Record<string, string>>; // lower-case names; before the simulator's own
  readonly body?: string;
  readonly capture?: boolean; // keep the response's body for `answer.json()`
}

/** What came back for a step. */
export interface Answer {
  readonly status: number;
  /** The body of a step with `capture`; undefined when it is not JSON. */
  json(): unknown;
}

/** What a journey gets from the run. */
export interface SessionContext {
  /** Of this session alone, so that what it does depends on the seed and its number only. */
  readonly rng: Rng;
  /** Lets at least `ms` of the schedule's time pass between the last step and the next. */
  think(ms: number): void;
}

/** The steps of one session: yields a request, gets its answer, decides what comes next. */
export type Steps<Result = void> = Generator<Step, Result, Answer>;

/**
 * A kind of user. `weight` is its share of the sessions started. A session whose request is not answered ends there,
 * so `steps` only ever sees answers; its local variables are the session's state.
 */
export interface Journey {
  readonly name: string;
  readonly weight: number;
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
