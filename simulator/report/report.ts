import pc from "picocolors";
import { EXIT } from "../../contract/errors.ts";
import type { ExitCode } from "../../contract/errors.ts";
import type { LatencySummary } from "../figures/latency.ts";
import type { RunResult } from "../engine/run.ts";

/** How a run ended, by what matters most. */
export type Verdict = "passed" | "scenario_exception" | "ledger_unbalanced" | "generator_behind" | "stopped";

/** What the pipeline's side of a run adds to its report; see the ledger. */
export interface PipelineReport {
  readonly ledger: object; // the fields of the summary's `ledger`
  readonly balanced: boolean;
  readonly delay_to_row_ms: Readonly<Record<"p50" | "p99" | "max", number>> | null;
  readonly lines: readonly string[]; // for the terminal
}

export interface Outcome {
  readonly verdict: Verdict;
  readonly exit_code: ExitCode;
}

/** A generator later than this at its 99th percentile, or that sent less than this share, measured itself. */
const MAX_DELAY_P99_MS = 100;
const MIN_SENT_SHARE = 0.95;

/**
 * Why the figures of a run are not valid, or undefined when they are. The generator fell behind when it handed more
 * than 1 % of the requests to the HTTP client over 100 ms after they were due, or sent less than 95 % of those due,
 * as the cap of requests in flight was reached. A server that is slow within that cap is no reason: its slowness is in
 * the response times.
 */
export function behindSchedule(result: RunResult): string | undefined {
  const { offered, sent, unsent } = result.counts;
  const delay = result.schedule_delay.p99;
  if (offered > 0 && sent < MIN_SENT_SHARE * offered) {
    return `${integer(unsent)} of ${integer(offered)} requests were not sent, as too many were in flight`;
  }
  if (delay > MAX_DELAY_P99_MS) return `p99 of the schedule delay is ${milliseconds(delay)}, above 100 ms`;
  return undefined;
}

/** The first that applies of: scenario exception, ledger, generator behind, stopped by a signal, passed. */
export function outcomeOf(result: RunResult, pipeline: PipelineReport | null): Outcome {
  if (result.scenario_error !== undefined)
    return { verdict: "scenario_exception", exit_code: EXIT.scenarioException };
  if (pipeline?.balanced === false) return { verdict: "ledger_unbalanced", exit_code: EXIT.ledgerUnbalanced };
  if (behindSchedule(result) !== undefined)
    return { verdict: "generator_behind", exit_code: EXIT.generatorBehind };
  if (result.stopped) return { verdict: "stopped", exit_code: EXIT.stoppedBySignal };
  return { verdict: "passed", exit_code: EXIT.ok };
}

/** The object of `--summary-export`; times in ms, rates a second, `ledger` null without a pipeline. */
export function summaryOf(result: RunResult, pipeline: PipelineReport | null) {
  const { verdict, exit_code } = outcomeOf(result, pipeline);
  const { p50, p99, max } = result.schedule_delay;
  return {
    run_id: result.run_id,
    seed: result.seed,
    digest: null, // of the planned requests: not computed yet
    scenario: result.scenario,
    started_at: result.started_at,
    ended_at: result.ended_at,
    exit_code,
    verdict,
    ledger: pipeline?.ledger ?? null,
    http: {
      rate: result.achieved_rate,
      failed_rate: failedRate(result),
      service_time_ms: result.service_time,
      response_time_ms: result.response_time,
    },
    schedule: {
      target_rate: result.target_rate,
      achieved_rate: result.achieved_rate,
      delay_ms: { p50, p99, max },
      dropped_iterations: result.counts.unsent,
    },
    delay_to_row_ms: pipeline?.delay_to_row_ms ?? null,
    thresholds: [],
  };
}

/**
 * The report for a terminal of 80 columns, without the final line feed.
 * @param repeatCommand what to type for the same run again
 */
export function reportText(
  result: RunResult,
  pipeline: PipelineReport | null,
  repeatCommand: string,
  colors: Colors = pc,
): string {
  const behind = behindSchedule(result);
  return [
    ...httpSection(result, colors),
    "",
    ...scheduleSection(result, colors),
    ...(pipeline === null
      ? []
      : ["", heading("LEDGER", colors), ...pipeline.lines.map((text) => `  ${text}`)]),
    "",
    ...(result.scenario_error === undefined ? [] : [colors.red(`a journey threw: ${result.scenario_error}`)]),
    ...(behind === undefined ? [] : [colors.red("generator fell behind, figures not valid:"), `  ${behind}`]),
    ...(result.stopped ? [colors.yellow("stopped before the end of the schedule")] : []),
    `run ${result.run_id}  seed ${result.seed}`,
    `again: ${repeatCommand}`,
  ].join("\n");
}

type Colors = ReturnType<typeof pc.createColors>;

function httpSection(result: RunResult, colors: Colors): string[] {
  const { sent, answered, unanswered } = result.counts;
  const failed = `${percent(failedRate(result))}  ${integer(result.failed)} of ${integer(answered + unanswered)}`;
  return [
    heading("HTTP", colors),
    entry("requests", `${integer(sent)}  ${perSecond(result.achieved_rate)}`),
    entry("answered", [integer(answered), ...tallied(result.statuses)].join("  ")),
    ...(unanswered > 0
      ? [entry("unanswered", colors.red([integer(unanswered), ...tallied(result.reasons)].join("  ")))]
      : []),
    entry("failed", result.failed > 0 ? colors.yellow(failed) : failed),
    latencyRow("", ["p50", "p90", "p95", "p99", "p99.9", "max"]),
    latencyRow("response time", latencyCells(result.response_time)),
    latencyRow("service time", latencyCells(result.service_time)),
    colors.dim("  response time runs from the scheduled start, service time from the send"),
  ];
}

function scheduleSection(result: RunResult, colors: Colors): string[] {
  const { offered, unsent } = result.counts;
  const { p50, p99, max } = result.schedule_delay;
  const dropped = integer(unsent);
  return [
    heading("SCHEDULE", colors),
    entry("duration", `${(result.elapsed_ms / 1_000).toFixed(1)} s`),
    entry("offered", `${integer(offered)}  in ${integer(result.sessions)} sessions`),
    entry("rate", `${perSecond(result.achieved_rate)} of ${perSecond(result.target_rate)}`),
    entry("delay", `p50 ${milliseconds(p50)}  p99 ${milliseconds(p99)}  max ${milliseconds(max)}`),
    entry("dropped_iterations", unsent > 0 ? colors.red(dropped) : dropped),
  ];
}

function heading(text: string, colors: Colors): string {
  return colors.bold(text);
}

function entry(name: string, value: string): string {
  return `  ${`${name} `.padEnd(22, ".")} ${value}`;
}

function latencyRow(name: string, cells: readonly string[]): string {
  return `  ${name.padEnd(14)}${cells.map((cell) => cell.padStart(10)).join("")}`;
}

function latencyCells(latency: LatencySummary): string[] {
  return [latency.p50, latency.p90, latency.p95, latency.p99, latency.p99_9, latency.max].map(milliseconds);
}

/** The most frequent first, as many as fit a line. */
function tallied(counts: Readonly<Record<string, number>>): string[] {
  const all = Object.entries(counts).sort(([, a], [, b]) => b - a);
  const shown = all.slice(0, 4).map(([name, count]) => `${name}: ${integer(count)}`);
  return all.length > shown.length ? [...shown, "…"] : shown;
}

function failedRate(result: RunResult): number {
  const ended = result.counts.answered + result.counts.unanswered;
  return ended === 0 ? 0 : result.failed / ended;
}

/** `950 µs`, `12.3 ms`, `1.25 s`: at most nine characters up to 27 hours. */
export function milliseconds(ms: number): string {
  if (ms < 0.9995) return `${Math.round(ms * 1_000)} µs`;
  if (ms < 999.5) return `${ms.toPrecision(3)} ms`;
  return `${(ms / 1_000).toFixed(2)} s`;
}

function integer(value: number): string {
  return value.toLocaleString("en");
}

function perSecond(rate: number): string {
  return `${rate.toFixed(1)}/s`;
}

function percent(share: number): string {
  return `${(share * 100).toFixed(2)} %`;
}
