import type { FaultKind } from "../../contract/faults.ts";
import type { Progress } from "../figures/recorder.ts";
import type { Incident } from "../plan/plan.ts";
import type { RunEvent, ThresholdResult } from "../report/record.ts";

export const MIN_RATE_FACTOR = 0.1;
export const MAX_RATE_FACTOR = 100;

/** A run as it can be watched and changed from outside while it goes on. */
export interface RunControl {
  status(): RunStatus;
  /** Takes effect at once. Names in it are ones of `status()`. */
  change(change: ControlChange): void;
  /**
   * Begins an incident that no plan knew of.
   * @throws RushhourError CONFIG_INVALID when its name was used in this run, SERVER_UNREACHABLE when the target does not take it
   */
  startFault(fault: LiveFault): Promise<FaultStatus>;
  /** Ends a fault that is under way. @returns undefined when there is none of that name */
  endFault(name: string): Promise<FaultStatus | undefined>;
  /** Ends the run in order, with its report. */
  stop(): void;
  /** Tells `listener` of each event of the run's record; the function returned ends that. */
  events(listener: (event: RunEvent) => void): () => void;
}

/** How the load differs from the plan: factors multiply, the run's and the scenario's. */
interface LoadState {
  readonly rate_factor: number; // of planned rates and numbers of virtual users
  readonly paused: boolean; // nothing new is started
}

export interface RunStatus extends LoadState {
  readonly run_id: string;
  readonly scenario: string; // the plan's name
  readonly target: string;
  readonly state: "running" | "stopping";
  readonly progress: Progress;
  readonly scenarios: readonly ScenarioStatus[];
  readonly faults: readonly FaultStatus[]; // under way
  readonly thresholds: readonly ThresholdResult[]; // that can be judged by now
}

export interface ScenarioStatus extends LoadState {
  readonly name: string;
  readonly executor: string;
  readonly weights: Readonly<Record<string, number>>; // of its journeys
}

/** What is left out stays as it is. */
export interface ControlChange {
  /** Only this one; undefined: the run's own factor and pause, and the weights of every scenario with such a journey. */
  readonly scenario?: string | undefined;
  readonly rate_factor?: number | undefined;
  readonly paused?: boolean | undefined;
  readonly weights?: Readonly<Record<string, number>> | undefined; // by journey; 0: no new iterations
}

/** An incident that begins now, at the target. */
export interface LiveFault extends Omit<Incident, "at_ms"> {
  readonly kind: FaultKind;
}

export interface FaultStatus {
  readonly name: string;
  readonly kind: FaultKind;
  readonly route: string | null;
  readonly started_at: string; // ISO 8601, ms, Z
  readonly ends_at: string; // when it ended, once it has
  readonly requests_affected: number | null; // null: not known
}
