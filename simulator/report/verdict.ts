import { EXIT } from "../../contract/errors.ts";
import type { ExitCode } from "../../contract/errors.ts";
import { integer, milliseconds } from "./format.ts";

/** How a run ended, by what matters most. */
export type Verdict =
  | "passed"
  | "scenario_exception"
  | "ledger_unbalanced"
  | "generator_behind"
  | "stopped"
  | "thresholds_failed";

/** What decides how a run ended. */
export interface Ending {
  readonly scenario_error: string | undefined;
  readonly balanced: boolean | null; // null: without a pipeline
  readonly counts: { readonly offered: number; readonly sent: number; readonly unsent: number };
  readonly delay_p99_ms: number;
  readonly stopped: boolean; // by a signal or by somebody, before the schedule's end
  readonly thresholds: readonly {
    readonly passed: boolean;
    readonly metric: string;
    readonly expression: string;
  }[];
}

export interface Outcome {
  readonly verdict: Verdict;
  readonly exit_code: ExitCode;
  readonly reason: string | null; // for people
}

/** A generator later than this at its 99th percentile, or that sent less than this share, measured itself. */
const MAX_DELAY_P99_MS = 100;
const MIN_SENT_SHARE = 0.95;

/** The first that applies of: scenario exception, ledger, generator behind, stopped, thresholds, passed. */
export function outcomeOf(ending: Ending): Outcome {
  if (ending.scenario_error !== undefined) {
    const reason = `a journey threw: ${ending.scenario_error}`;
    return { verdict: "scenario_exception", exit_code: EXIT.scenarioException, reason };
  }
  if (ending.balanced === false) {
    const reason = "the ledger does not balance";
    return { verdict: "ledger_unbalanced", exit_code: EXIT.ledgerUnbalanced, reason };
  }
  const behind = behindSchedule(ending);
  if (behind !== undefined) {
    const reason = `generator fell behind, figures not valid: ${behind}`;
    return { verdict: "generator_behind", exit_code: EXIT.generatorBehind, reason };
  }
  if (ending.stopped) {
    const reason = "stopped before the end of the schedule";
    return { verdict: "stopped", exit_code: EXIT.stoppedBySignal, reason };
  }
  const failed = ending.thresholds.filter(({ passed }) => !passed);
  if (failed.length > 0) {
    const reason = `${failed.length} of ${ending.thresholds.length} thresholds failed`;
    return { verdict: "thresholds_failed", exit_code: EXIT.thresholdsFailed, reason };
  }
  return { verdict: "passed", exit_code: EXIT.ok, reason: null };
}

/**
 * Why the figures of a run are not valid, or undefined when they are. The generator fell behind when it handed more
 * than 1 % of the requests to the HTTP client over 100 ms after they were due, or sent less than 95 % of those due,
 * as the cap of what may be under way was reached. A server that is slow within that cap is no reason: its slowness is in
 * the response times.
 */
export function behindSchedule({
  counts,
  delay_p99_ms,
}: Pick<Ending, "counts" | "delay_p99_ms">): string | undefined {
  const { offered, sent, unsent } = counts;
  if (offered > 0 && sent < MIN_SENT_SHARE * offered) {
    return `${integer(unsent)} of ${integer(offered)} requests were not sent, as too many were under way`;
  }
  if (delay_p99_ms > MAX_DELAY_P99_MS) {
    return `p99 of the schedule delay is ${milliseconds(delay_p99_ms)}, above 100 ms`;
  }
  return undefined;
}
