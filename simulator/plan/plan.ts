import { FAULT_KINDS } from "../../contract/faults.ts";
import type { Journey, Step } from "../journeys/journey.ts";
import type { Threshold } from "../figures/thresholds.ts";

export const ARRIVALS = ["poisson", "even"] as const;
export type Arrival = (typeof ARRIVALS)[number];

/**
 * What arrives at the rate: iterations, as in k6, or single requests, each taken from a visitor whose think time is
 * over (see journeys/sessions.ts).
 */
export const ARRIVING = ["iterations", "requests"] as const;
export type Arriving = (typeof ARRIVING)[number];

interface ArrivalExecutor {
  readonly arrival: Arrival;
  readonly arriving: Arriving;
  /** Iterations under way at most; what is due beyond them is dropped and counted. */
  readonly max_vus: number;
}

export interface RampStage {
  readonly target: number; // reached at the end of the stage: a rate a second, or virtual users
  readonly duration_ms: number;
}

/** How load arrives. Open model: rates, whatever the server does. Closed model: virtual users, each waiting for its answers. */
export type Executor =
  | ({
      readonly kind: "constant-arrival-rate";
      readonly rate_per_second: number;
      readonly duration_ms: number | undefined; // undefined: without end
    } & ArrivalExecutor)
  | ({
      readonly kind: "ramping-arrival-rate";
      readonly start_rate_per_second: number;
      readonly stages: readonly RampStage[];
    } & ArrivalExecutor)
  | ({
      readonly kind: "daily-curve";
      readonly peak_per_second: number;
      readonly trough_per_second: number;
      readonly peak_at_ms: number; // after midnight in `time_zone`
      readonly time_zone: string; // IANA
      readonly weekend: number; // factor on Saturday and Sunday
      readonly day_ms: number; // how long a day takes: 24 h, or less to see one sooner
      readonly duration_ms: number | undefined;
    } & ArrivalExecutor)
  | { readonly kind: "constant-vus"; readonly vus: number; readonly duration_ms: number | undefined }
  | { readonly kind: "ramping-vus"; readonly start_vus: number; readonly stages: readonly RampStage[] }
  | {
      readonly kind: "shared-iterations" | "per-vu-iterations";
      readonly vus: number;
      readonly iterations: number; // in all, or of each virtual user
      readonly max_duration_ms: number;
    }
  | {
      readonly kind: "trace"; // requests recorded elsewhere, each due at its own time
      readonly requests: () => AsyncIterable<TracedRequest>;
    };

/** A request that is sent again. */
export interface TracedRequest {
  readonly due_ms: number; // after the scenario's start; never less than that of the one before, the first at 0
  readonly step: Step;
}

export interface Scenario {
  readonly name: string;
  readonly executor: Executor;
  readonly start_ms: number; // after the run's start
  readonly graceful_stop_ms: number; // what iterations under way get to end in, when the scenario's time is over
  readonly journeys: readonly Journey[]; // at least one, with their weights
  readonly tags: Readonly<Record<string, string>>;
}

/** The kinds that the API itself brings about, by its fault control; one by the schedule; one by the consumers. */
export const INCIDENT_KINDS = [...FAULT_KINDS, "traffic-spike", "consumer-lag"] as const;
export type IncidentKind = (typeof INCIDENT_KINDS)[number];

/** Something that shall go wrong, and when: the ground truth of the run. */
export interface Incident {
  readonly name: string; // unique in the plan
  readonly kind: IncidentKind;
  readonly at_ms: number; // after the run's start
  readonly duration_ms: number;
  readonly route: string | undefined; // method and template such as `GET /orders/:id`; undefined: every route
  readonly intensity: Intensity;
}

/** What the kinds need; the others are undefined. */
export interface Intensity {
  readonly rate?: number; // error-burst, timeout, reset, slow, rate-limit: share of requests hit in the long run, above 0 and up to 1
  readonly burst_length?: number; // error-burst: mean number of failures in a row
  readonly status?: number; // error-burst: 500-599
  readonly latency_median_ms?: number; // slow: added, lognormal
  readonly latency_sigma?: number;
  readonly factor?: number; // traffic-spike: the rate times this
  readonly delay_ms?: number; // consumer-lag: before each batch
}

/** Everything a run does, known before it begins. */
export interface LoadPlan {
  readonly name: string; // of the scenario file without its extension, or `shop`, `quick` …
  readonly target: string; // http(s) URL; its path comes before every step's
  readonly seed: number;
  readonly scenarios: readonly Scenario[];
  readonly incidents: readonly Incident[];
  readonly thresholds: readonly Threshold[];
  readonly tags: Readonly<Record<string, string>>; // of the whole run
  readonly starts_at: Date; // what the daily curve takes for now
}
