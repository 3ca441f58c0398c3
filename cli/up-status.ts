import pc from "picocolors";
import type { SupervisedProcess } from "../engines/supervisor.ts";
import type { Progress } from "../simulator/figures/recorder.ts";
import { milliseconds } from "../simulator/report/format.ts";
import type { PipelineState } from "./pipeline.ts";

export interface UpState {
  readonly progress: Progress;
  /** Undefined until it is known; a text says why it is not known now. */
  readonly pipeline: PipelineState | string | undefined;
  readonly storedBefore: number;
  readonly processes: readonly SupervisedProcess[];
}

/** The live status of `rushhour up`, for 80 columns. */
export function upStatus(state: UpState): string[] {
  const { progress, pipeline } = state;
  const n = (count: number) => count.toLocaleString("en");
  const known = typeof pipeline === "object" ? pipeline : undefined;
  const errors = `${(progress.error_rate * 100).toFixed(1)} %`;
  const { p50, p95, p99 } = progress.recent;
  return [
    `${pc.bold("running")}  ${clock(progress.elapsed_ms)}   ${progress.rate_per_second.toFixed(0)} requests/s`,
    `  offered ${n(progress.offered)}   answered ${n(progress.answered)}   stored ${known ? n(known.stored - state.storedBefore) : "?"}   lag ${known ? n(known.lag) : "?"}`,
    `  errors ${progress.error_rate > 0.1 ? pc.red(errors) : errors}   p50 ${milliseconds(p50)}   p95 ${milliseconds(p95)}   p99 ${milliseconds(p99)}`,
    `  row after ${known?.delayMs ? `${milliseconds(known.delayMs.p50)} (p99 ${milliseconds(known.delayMs.p99)})` : "?"}${typeof pipeline === "string" ? pc.yellow(`   ${pipeline}`) : ""}`,
    `  ${state.processes.map(processState).join("   ")}`,
  ];
}

function processState({ name, state, restarts, lastExit }: SupervisedProcess): string {
  if (state === "running")
    return `${name} ${pc.green("running")}${restarts > 0 ? pc.yellow(` (restarted ${restarts}x)`) : ""}`;
  return `${name} ${pc.yellow(state)}${lastExit === undefined ? "" : pc.yellow(` (${lastExit})`)}`;
}

function clock(ms: number): string {
  const seconds = Math.floor(ms / 1_000);
  return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;
}
