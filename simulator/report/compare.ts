import { intervalOf, resampledEstimates } from "./bootstrap.ts";
import { cut } from "./format.ts";
import type { Estimates, Interval } from "./bootstrap.ts";
import type { Ledger } from "../ledger/ledger.ts";
import { failedShare } from "./record.ts";
import type { RunRecord, StepFigures } from "./record.ts";

export interface CompareOptions {
  /** A change up to this share is none: 0.05 is 5 %. */
  readonly tolerance: number;
  /** Judges figures that have no interval too, by their values alone. */
  readonly strict: boolean;
}

export type Judgement = "regression" | "improvement" | "no_difference" | "not_judged";

/** A figure in both runs; null where a run does not have it. */
interface Figure {
  readonly name: string;
  readonly unit: "ms" | "per_second" | "share" | "count";
  readonly better: "lower" | "higher";
  readonly a: number | null;
  readonly b: number | null;
}

export interface ComparedFigure extends Figure {
  readonly ratio: number | null; // B to A; Infinity when something came of nothing
  readonly interval: Interval | null; // of the ratio; null when it is not known how the figure varied
  readonly judgement: Judgement;
}

export interface Comparison {
  readonly a: string; // id of the base …
  readonly b: string; // … and of the candidate
  readonly tolerance: number;
  readonly differences: readonly string[]; // what makes them runs of different loads; empty when they are of the same
  readonly invalid: readonly string[]; // why the figures of a run are not to be trusted; empty when they are
  readonly too_short: string | null; // why there are no intervals; null when there are
  readonly figures: readonly ComparedFigure[]; // those that a run has
  readonly steps: readonly ComparedFigure[]; // p95 of response time of each step that both have
  readonly verdict: "regression" | "no_regression" | "not_judged";
}

/** With fewer points in time noise cannot be told from change. */
const MIN_POINTS = 8;

/**
 * Compares run `b`, the candidate, with run `a`, the base. Rates, shares and percentiles of response time come with
 * the 95 % interval of their ratio B to A (see bootstrap.ts). A figure regressed when the whole interval lies beyond
 * the tolerance on the bad side, and improved when it lies beyond it on the good side; otherwise no difference was
 * shown, which does not prove that there is none. Missing and duplicate rows are counted, not estimated: one more is a
 * regression. Of service time, delay to row and steps only the values for the whole run are known: they are judged
 * when `strict`.
 * @throws RushhourError CONFIG_INVALID when a histogram in a series cannot be read
 */
export function compareRuns(a: RunRecord, b: RunRecord, options: CompareOptions): Comparison {
  const too_short = tooShort(a, b);
  const [resampledA, resampledB] =
    too_short === null ? [resampledEstimates(a), resampledEstimates(b)] : [[], []];
  const judged = (figure: Figure, estimate?: keyof Estimates): ComparedFigure => {
    const ratio = figure.a === null || figure.b === null ? null : ratioOf(figure.a, figure.b);
    const ratios = estimate
      ? resampledA.map((one, i) => ratioOf(one[estimate], resampledB[i]![estimate]))
      : [];
    const interval = ratio === null || ratios.length === 0 ? null : intervalOf(ratios);
    const evidence = interval ?? (options.strict && ratio !== null ? ([ratio, ratio] as const) : null);
    return { ...figure, ratio, interval, judgement: judge(evidence, figure.better, options.tolerance) };
  };

  const figures = [
    judged(figure("requests sent", "per_second", "higher", a.rates.requests, b.rates.requests), "sent"),
    judged(figure("failed", "share", "lower", failedShare(a), failedShare(b)), "failed"),
    judged(figure("dropped iterations", "per_second", "lower", droppedRate(a), droppedRate(b)), "dropped"),
    ...PERCENTILES.map((p) =>
      judged(
        latency(`response time ${p}`, measured(a.response_time_ms, p), measured(b.response_time_ms, p)),
        p,
      ),
    ),
    ...PERCENTILES.map((p) =>
      judged(latency(`service time ${p}`, measured(a.service_time_ms, p), measured(b.service_time_ms, p))),
    ),
    ...(["p50", "p99"] as const).map((p) =>
      judged(latency(`delay to row ${p}`, a.delay_to_row_ms?.[p] ?? null, b.delay_to_row_ms?.[p] ?? null)),
    ),
    ...(["missing", "duplicates"] as const).map((name) =>
      counted(figure(name, "count", "lower", ledgerOf(a)?.[name] ?? null, ledgerOf(b)?.[name] ?? null)),
    ),
  ];
  const steps = a.steps.flatMap((step) => {
    const twin = b.steps.find((other) => isSameStep(step, other));
    const name = `${step.scenario} / ${step.journey}: ${step.name}`;
    return twin
      ? [
          judged(
            latency(name, measured(step.response_time_ms, "p95"), measured(twin.response_time_ms, "p95")),
          ),
        ]
      : [];
  });
  return {
    ...{ a: a.run_id, b: b.run_id, tolerance: options.tolerance },
    ...{ differences: differences(a, b), invalid: invalid(a, b), too_short, steps },
    figures: figures.filter((one) => one.a !== null || one.b !== null),
    verdict: verdictOf([...figures, ...steps]),
  };
}

const PERCENTILES = ["p50", "p90", "p95", "p99"] as const;

function figure(
  name: string,
  unit: Figure["unit"],
  better: Figure["better"],
  a: number | null,
  b: number | null,
): Figure {
  return { name, unit, better, a, b };
}

function latency(name: string, a: number | null, b: number | null): Figure {
  return figure(name, "ms", "lower", a, b);
}

/** A summary of nothing is all zeros; nothing is not fast. */
function measured<P extends string>(
  summary: Readonly<Record<P | "max", number>>,
  percentile: P,
): number | null {
  return summary.max === 0 ? null : summary[percentile];
}

/** What is counted exactly needs no tolerance. */
function counted(figure: Figure): ComparedFigure {
  const { a, b, better } = figure;
  if (a === null || b === null) return { ...figure, ratio: null, interval: null, judgement: "not_judged" };
  const ratio = ratioOf(a, b);
  return { ...figure, ratio, interval: null, judgement: judge([ratio, ratio], better, 0) };
}

function judge(ratio: Interval | null, better: Figure["better"], tolerance: number): Judgement {
  if (ratio === null) return "not_judged";
  const isHigher = ratio[0] > 1 + tolerance;
  const isLower = ratio[1] < 1 - tolerance;
  if (!isHigher && !isLower) return "no_difference";
  return isHigher === (better === "higher") ? "improvement" : "regression";
}

/** One figure that regressed is enough; what is counted alone does not make it a pass. */
function verdictOf(figures: readonly ComparedFigure[]): Comparison["verdict"] {
  if (figures.some(({ judgement }) => judgement === "regression")) return "regression";
  const isJudged = figures.some(({ unit, judgement }) => unit !== "count" && judgement !== "not_judged");
  return isJudged ? "no_regression" : "not_judged";
}

/** Nothing that stayed nothing is unchanged; something that came of nothing is infinitely more. */
function ratioOf(a: number, b: number): number {
  return a === b ? 1 : b / a;
}

function differences(a: RunRecord, b: RunRecord): string[] {
  return (["scenario", "target", "seed", "digest"] as const)
    .filter((field) => a[field] !== b[field])
    .map((field) => `${field} ${shown(a[field])} and ${shown(b[field])}`);
}

/** As much of a value as tells it from another; a digest is long. */
function shown(value: string | number | null): string {
  return cut(String(value ?? "unknown"), 24);
}

/** What a generator that fell behind measured is itself. */
function invalid(a: RunRecord, b: RunRecord): string[] {
  return [a, b].flatMap(({ verdict, reason }, i) =>
    verdict === "generator_behind" ? [`${"AB"[i]!}: ${reason ?? verdict}`] : [],
  );
}

function tooShort(a: RunRecord, b: RunRecord): string | null {
  if (Math.min(a.series.length, b.series.length) >= MIN_POINTS) return null;
  return `A has ${a.series.length} and B ${b.series.length} points in time; noise can be told from change with ${MIN_POINTS} or more, so make longer runs`;
}

function droppedRate({ scenarios, elapsed_ms }: RunRecord): number {
  return (scenarios.reduce((sum, { dropped }) => sum + dropped, 0) * 1_000) / Math.max(1, elapsed_ms);
}

function ledgerOf({ ledger }: RunRecord): Ledger | null {
  return ledger as Ledger | null;
}

function isSameStep(a: StepFigures, b: StepFigures): boolean {
  return a.scenario === b.scenario && a.journey === b.journey && a.name === b.name;
}
