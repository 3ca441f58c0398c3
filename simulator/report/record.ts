import type { ExitCode } from "../../contract/errors.ts";
import type { LatencySummary } from "../figures/latency.ts";
import type { LatencyHistogram } from "../figures/latency.ts";
import type { RunResult } from "../engine/run.ts";
import { expectedArrivals, isArrivalExecutor } from "../plan/curve.ts";
import type { LoadPlan } from "../plan/plan.ts";
import { outcomeOf } from "./verdict.ts";
import type { Verdict } from "./verdict.ts";

/** What the pipeline's side of a run adds to its record; see the ledger. */
export interface PipelineReport {
  readonly ledger: object;
  readonly balanced: boolean;
  readonly delay_to_row_ms: Readonly<Record<"p50" | "p99" | "max", number>> | null;
  readonly lines: readonly string[]; // for the terminal
}

/** What a record takes beside the result of the run. */
export interface RecordParts {
  readonly digest: string | null;
  readonly command: string;
  readonly pipeline: PipelineReport | null;
  readonly thresholds: readonly ThresholdResult[];
  readonly incidents: readonly IncidentRecord[];
}

/** What is kept of a run: in `<home>/runs/<run_id>.json` and in the column `record` of the table `runs`. One JSON object below 900 KiB. */
export interface RunRecord {
  readonly v: 1;
  readonly run_id: string;
  readonly scenario: string;
  readonly target: string;
  readonly seed: number;
  readonly digest: string | null;
  readonly tags: Readonly<Record<string, string>>;
  readonly command: string; // what to type for the same run again
  readonly started_at: string; // ISO 8601, ms, Z
  readonly ended_at: string;
  readonly elapsed_ms: number; // of the schedule
  readonly exit_code: ExitCode;
  readonly verdict: Verdict;
  readonly reason: string | null; // why the verdict is what it is, for people; null when passed
  readonly counts: {
    readonly offered: number;
    readonly sent: number;
    readonly unsent: number;
    readonly answered: number;
    readonly unanswered: number;
    readonly failed: number; // unanswered, or status 400 and above
    readonly iterations: number; // started
  };
  readonly rates: {
    readonly target: number | null; // arrivals a second that the plan wanted; null with virtual users only
    readonly achieved: number; // arrivals started a second
    readonly requests: number; // sent a second
    readonly unit: "requests" | "iterations"; // what arrives
  };
  readonly statuses: Readonly<Record<string, number>>;
  readonly reasons: Readonly<Record<string, number>>; // of the unanswered
  readonly data: { readonly sent_bytes: number; readonly received_bytes: number };
  readonly service_time_ms: LatencySummary;
  readonly response_time_ms: LatencySummary;
  readonly waiting_ms: LatencySummary;
  readonly schedule_delay_ms: LatencySummary;
  readonly iteration_duration_ms: LatencySummary;
  readonly scenarios: readonly ScenarioFigures[];
  readonly steps: readonly StepFigures[]; // the most frequent 200, most frequent first
  readonly checks: readonly { readonly name: string; readonly passed: number; readonly failed: number }[];
  readonly thresholds: readonly ThresholdResult[];
  readonly incidents: readonly IncidentRecord[];
  readonly events: readonly RunEvent[];
  readonly ledger: object | null; // see ledger/ledger.ts
  readonly balanced: boolean | null;
  readonly delay_to_row_ms: Readonly<Record<"p50" | "p99" | "max", number>> | null;
  readonly series: readonly SeriesPoint[]; // over time, at most 600, each as long as the others but the last
  /** Latency by percentile: HDR spectra of response and service time, [percentile 0-100, ms], at most 120 points each. */
  readonly spectrum: {
    readonly response: readonly (readonly [number, number])[];
    readonly service: readonly (readonly [number, number])[];
  };
}

export interface ScenarioFigures {
  readonly name: string;
  readonly executor: string;
  readonly iterations: number;
  readonly dropped: number;
  readonly requests: number;
  readonly failed: number;
  readonly response_time_ms: LatencySummary;
}

export interface StepFigures {
  readonly scenario: string;
  readonly journey: string;
  readonly name: string;
  readonly requests: number;
  readonly failed: number;
  readonly response_time_ms: Pick<LatencySummary, "p50" | "p95" | "p99" | "max">;
}

export interface ThresholdResult {
  readonly metric: string; // as written, with its tags; for SQL its name
  readonly expression: string;
  readonly value: number | null; // null: nothing was measured
  readonly passed: boolean;
  readonly aborted: boolean; // it ended the run
  readonly reason: string | null; // why there is no value, for people; null when there is one
}

/** An incident as it happened. */
export interface IncidentRecord {
  readonly incident_id: string; // UUIDv5 of run and name
  readonly name: string;
  readonly kind: string;
  readonly route: string | null;
  readonly started_at: string;
  readonly planned_end_at: string;
  readonly ended_at: string | null; // null: not ended in order
  readonly intensity: Readonly<Record<string, number>>;
  readonly requests_affected: number | null; // null: not known
  readonly origin: "scenario" | "control";
}

/** What people changed while the run went on, or what the run itself decided. */
export interface RunEvent {
  readonly at_ms: number; // after the run's start
  readonly text: string; // for people: `rate x1.5`, `paused`, `threshold … aborted the run`
}

/** One interval of the run. */
export interface SeriesPoint {
  readonly at_s: number; // of its start, after the run's start
  readonly width_s: number;
  readonly planned: number | null; // arrivals a second the plan wanted in it
  readonly sent: number; // a second
  readonly ended: number; // a second
  readonly failed: number; // a second
  readonly dropped: number; // a second
  readonly vus: number;
  readonly p50: number | null; // of response time, ms; null when nothing ended
  readonly p95: number | null;
  readonly p99: number | null;
  readonly max: number | null;
  readonly histogram: string; // of response time in µs: HDR, compressed, base64; empty when nothing ended
}

const MAX_STEPS = 200;
const SPECTRUM_POINTS = 120;

/** Everything that is kept of a run that ended. */
export function recordOf(result: RunResult, parts: RecordParts): RunRecord {
  const { plan, figures, elapsed_ms } = result;
  const { counts, iterations } = figures;
  const aborted = parts.thresholds.some((threshold) => threshold.aborted);
  const outcome = outcomeOf({
    scenario_error: result.scenario_error,
    balanced: parts.pipeline?.balanced ?? null,
    counts,
    delay_p99_ms: figures.delay.percentile(99),
    stopped: result.stopped && !aborted,
    thresholds: parts.thresholds,
  });
  return {
    v: 1,
    run_id: result.run_id,
    scenario: plan.name,
    target: plan.target,
    seed: plan.seed,
    digest: parts.digest,
    tags: plan.tags,
    command: parts.command,
    started_at: result.started_at.toISOString(),
    ended_at: result.ended_at.toISOString(),
    elapsed_ms,
    ...outcome,
    counts: {
      ...{ offered: counts.offered, sent: counts.sent, unsent: counts.unsent },
      ...{ answered: counts.answered, unanswered: counts.unanswered },
      failed: figures.failed,
      iterations: iterations.started,
    },
    rates: ratesOf(result),
    statuses: { ...figures.statuses },
    reasons: { ...figures.reasons },
    data: { ...figures.data },
    service_time_ms: figures.service.summary(),
    response_time_ms: figures.response.summary(),
    waiting_ms: figures.waiting.summary(),
    schedule_delay_ms: figures.delay.summary(),
    iteration_duration_ms: figures.iterationDuration.summary(),
    scenarios: scenarioFigures(result),
    steps: figures.steps.slice(0, MAX_STEPS).map(({ key, requests, failed, response }) => ({
      ...{ scenario: key.scenario, journey: key.journey, name: key.name, requests, failed },
      response_time_ms: shortSummary(response),
    })),
    checks: [...figures.checks.values()],
    thresholds: parts.thresholds,
    incidents: parts.incidents,
    events: result.events,
    ledger: parts.pipeline?.ledger ?? null,
    balanced: parts.pipeline?.balanced ?? null,
    delay_to_row_ms: parts.pipeline?.delay_to_row_ms ?? null,
    series: seriesOf(result),
    spectrum: {
      response: figures.response.spectrum(SPECTRUM_POINTS),
      service: figures.service.spectrum(SPECTRUM_POINTS),
    },
  };
}

function ratesOf({ plan, figures, elapsed_ms }: RunResult): RunRecord["rates"] {
  const seconds = Math.max(1, elapsed_ms) / 1_000;
  const open = plan.scenarios.flatMap(({ executor, ...scenario }) =>
    isArrivalExecutor(executor) ? [{ ...scenario, executor }] : [],
  );
  const planned = open.reduce((sum, scenario) => sum + expectedArrivals(scenario, 0, elapsed_ms, plan), 0);
  const counted = open.length === 0 ? plan.scenarios : open; // users start what they like: no plan to compare with
  const started = counted.reduce((sum, { name }) => {
    const { arrived, dropped } = figures.scenarios.get(name)!;
    return sum + arrived - dropped;
  }, 0);
  const isRequests = open.every(({ executor }) => executor.arriving === "requests") && open.length > 0;
  return {
    target: open.length === 0 ? null : planned / seconds,
    achieved: started / seconds,
    requests: figures.counts.sent / seconds,
    unit: isRequests ? "requests" : "iterations",
  };
}

function scenarioFigures({ plan, figures }: RunResult): ScenarioFigures[] {
  return plan.scenarios.map(({ name, executor }) => {
    const totals = figures.scenarios.get(name)!;
    return {
      ...{ name, executor: executor.kind, iterations: totals.started, dropped: totals.dropped },
      ...{ requests: totals.requests, failed: totals.failed },
      response_time_ms: totals.response.summary(),
    };
  });
}

function seriesOf({ plan, figures }: RunResult): SeriesPoint[] {
  const width_s = figures.series.width_s;
  return figures.series.intervals.map((interval, index): SeriesPoint => {
    const at_s = index * width_s;
    const { response, vus } = interval;
    const hasEnded = response.count > 0;
    return {
      ...{ at_s, width_s, vus },
      planned: plannedIn(plan, at_s * 1_000, (at_s + width_s) * 1_000),
      sent: interval.sent / width_s,
      ended: interval.ended / width_s,
      failed: interval.failed / width_s,
      dropped: interval.dropped / width_s,
      p50: hasEnded ? response.percentile(50) : null,
      p95: hasEnded ? response.percentile(95) : null,
      p99: hasEnded ? response.percentile(99) : null,
      max: hasEnded ? response.max : null,
      histogram: response.encode(),
    };
  });
}

/** Of the requests that ended, 0-1. */
export function failedShare({ counts }: RunRecord): number {
  const ended = counts.answered + counts.unanswered;
  return ended === 0 ? 0 : counts.failed / ended;
}

/** What was done to the run while it went on; that incidents began and ended, they say themselves. */
export function changesOf({
  events,
  incidents,
}: Pick<RunRecord, "events" | "incidents">): readonly RunEvent[] {
  const said = new Set(incidents.flatMap(({ name }) => [`incident ${name} began`, `incident ${name} ended`]));
  return events.filter(({ text }) => !said.has(text));
}

/** Arrivals a second that the plan wants between two times; null for virtual users, who decide themselves. */
function plannedIn(plan: LoadPlan, fromMs: number, toMs: number): number | null {
  if (!plan.scenarios.some(({ executor }) => isArrivalExecutor(executor))) return null;
  const arrivals = plan.scenarios.reduce(
    (sum, scenario) => sum + expectedArrivals(scenario, fromMs, toMs, plan),
    0,
  );
  return arrivals / ((toMs - fromMs) / 1_000);
}

function shortSummary(histogram: LatencyHistogram): StepFigures["response_time_ms"] {
  const { p50, p95, p99, max } = histogram.summary();
  return { p50, p95, p99, max };
}
