import type { Step } from "../journeys/journey.ts";
import type { Answer } from "../journeys/journey.ts";
import type { Iteration } from "../journeys/iteration.ts";
import type { LoadPlan, Scenario } from "../plan/plan.ts";
import type { IterationSource } from "../journeys/iteration.ts";
import type { LiveCounts } from "./batch.ts";

/** What a change of load while it runs may be; for one scenario, or for all. */
export interface LoadChange {
  readonly scenario?: string | undefined;
  readonly factor?: number | undefined; // the planned rate or number of virtual users times this; 0 pauses
  readonly weights?: Readonly<Record<string, number>> | undefined; // of journeys, by name
}

/** Brings the load of one scenario about, as its executor says. */
export interface Driver {
  /** Load times this from now on. */
  scale(factor: number): void;
  /** Starts nothing new. May be called twice. */
  stop(): void;
  /** Nothing goes on any more: iterations under way end with their request in flight. */
  cut(): void;
  /** Resolves when nothing new will start: the scenario's time is over, its iterations are used up, or it was stopped. */
  readonly started: Promise<unknown>;
  /** Resolves when its last iteration has ended, too. */
  readonly done: Promise<unknown>;
}

/** What a driver works with. Times are `performance.now()` ms. */
export interface DriverContext {
  readonly scenario: Scenario;
  readonly plan: LoadPlan;
  readonly shard: { readonly index: number; readonly count: number };
  readonly startMs: number; // of the scenario
  readonly source: IterationSource;
  readonly counts: LiveCounts;
  /** Sends a request that is or was due; `done` hears the answer, or undefined when there is none. */
  request(
    iteration: RequestOf,
    step: Step,
    dueAtMs: number,
    done: (answer: Answer | undefined) => void,
  ): void;
  /** Does what may throw because of a journey; that ends the run. */
  attempt<T>(work: () => T): T | undefined;
}

export type RequestOf = Pick<Iteration, "number" | "traceparent"> & {
  readonly journey: { readonly name: string };
};
