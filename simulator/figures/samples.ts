/**
 * What a shard tells the recorder, many requests at a time: the columns of a table with a row for each request that
 * ended. Plain numbers and strings, so that a batch goes from thread to thread as it is.
 */
export interface SampleBatch {
  readonly count: number;
  /** Which step it was: an index into all `steps` this shard has named so far. */
  readonly step: Uint32Array;
  readonly status: Uint16Array; // 0: unanswered
  readonly ended_ms: Float64Array; // after the run's start
  readonly response_ms: Float32Array; // from the scheduled start; NaN when it has no latency (refused, reset)
  readonly service_ms: Float32Array; // from the send; NaN likewise
  readonly waiting_ms: Float32Array; // from the send to the first byte; NaN likewise
  readonly sent_bytes: Uint32Array; // of bodies
  readonly received_bytes: Float64Array;
  /** Schedule delays of the requests handed to the HTTP client since the last batch; they may not have ended yet. */
  readonly delay_ms: Float32Array;
  /** Steps named for the first time, in the order of their indexes. */
  readonly steps: readonly StepKey[];
  /** Tally lines of those that ended, in their order (see ledger/tally.ts). */
  readonly tally: string;
  readonly reasons: Readonly<Record<string, number>>; // of the unanswered
  readonly without_id: number; // answered without a usable x-request-id
  readonly iterations: readonly ScenarioCounts[];
  readonly checks: readonly CheckCounts[];
  /** Only when asked for: the requests one by one, for logs and `--out`. */
  readonly details: readonly EndedRequest[] | undefined;
}

/** Whose figures belong together. */
export interface StepKey {
  readonly scenario: string;
  readonly journey: string;
  readonly name: string;
  readonly method: string;
}

/** What changed in a scenario since the last batch. */
export interface ScenarioCounts {
  readonly scenario: string;
  readonly arrived: number; // due: started or dropped; iterations, or requests where these arrive
  readonly dropped: number; // not started, as too many were under way
  readonly sent: number; // requests
  readonly started: number; // iterations
  readonly durations_ms: readonly number[]; // of the iterations that ended
  readonly vus: number; // iterations under way now
}

export interface CheckCounts {
  readonly scenario: string;
  readonly name: string;
  readonly passed: number;
  readonly failed: number;
}

export interface EndedRequest {
  readonly at_ms: number; // Unix ms of its end
  readonly scenario: string;
  readonly journey: string;
  readonly iteration: number;
  readonly name: string;
  readonly method: string;
  readonly path: string;
  readonly status: number | undefined; // undefined: unanswered
  readonly reason: string | undefined; // why unanswered
  readonly response_ms: number;
  readonly service_ms: number | undefined;
  readonly delay_ms: number;
  readonly request_id: string | undefined;
}
