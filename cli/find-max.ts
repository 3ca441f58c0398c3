import { Command } from "commander";
import pc from "picocolors";
import { z } from "zod";
import { readSettings, seedSetting } from "../contract/config.ts";
import { EXIT, RushhourError } from "../contract/errors.ts";
import { durationSetting, rateSetting } from "../contract/units.ts";
import { findMax } from "../simulator/engine/find-max.ts";
import type { Trial } from "../simulator/engine/find-max.ts";
import { assertReachable } from "../simulator/engine/http.ts";
import { startRun } from "../simulator/engine/run.ts";
import type { RunResult } from "../simulator/engine/run.ts";
import { metricValues } from "../simulator/figures/metric-values.ts";
import { evaluateThresholds } from "../simulator/figures/threshold-values.ts";
import { parseThreshold } from "../simulator/figures/thresholds.ts";
import type { Threshold } from "../simulator/figures/thresholds.ts";
import { get } from "../simulator/journeys/journey.ts";
import { loadPlan } from "../simulator/plan/load-plan.ts";
import type { PlanSource } from "../simulator/plan/load-plan.ts";
import type { Executor, LoadPlan } from "../simulator/plan/plan.ts";
import { milliseconds, percent } from "../simulator/report/format.ts";
import { showStatus } from "../simulator/report/status-line.ts";
import { behindSchedule } from "../simulator/report/verdict.ts";
import { readScenarioText } from "../simulator/scenario/scenario-file.ts";
import { onShutdownSignal } from "./lifecycle.ts";
import { rateWord, targetSetting } from "./load-options.ts";

const REFINE_RULE = "must be a whole number from 0 to 10";

const findMaxSettings = z.object({
  FIND_MAX_FROM: rateSetting.prefault("50/s"),
  FIND_MAX_STEP: rateSetting.prefault("50/s"),
  FIND_MAX_MAX: rateSetting.prefault("100000/s"),
  FIND_MAX_EACH: durationSetting.prefault("15s"),
  FIND_MAX_REFINE: z.coerce
    .number(REFINE_RULE)
    .int(REFINE_RULE)
    .min(0, REFINE_RULE)
    .max(10, REFINE_RULE)
    .default(2),
  SIMULATOR_TARGET: targetSetting.optional(),
  SIMULATOR_SEED: seedSetting.optional(),
});

/** What a rate must hold unless somebody says otherwise. */
const DEFAULT_THRESHOLDS = ["http_req_failed: rate<0.01", "response_time: p(99)<1s"];

interface FindMaxOptions {
  readonly from?: string;
  readonly step?: string;
  readonly max?: string;
  readonly each?: string;
  readonly refine?: string;
  readonly threshold: readonly string[];
  readonly target?: string;
  readonly seed?: string;
  readonly json?: boolean;
  readonly quiet?: boolean;
}

export function findMaxCommand(): Command {
  return new Command("find-max")
    .description("Step the rate up until a threshold breaks, and say where")
    .argument("[what]", "a URL, or a scenario file with one scenario (default: the shop's visitors)")
    .option("--from <rate>", "the first rate (default: 50/s)")
    .option("--step <rate>", "what is added each time (default: 50/s)")
    .option("--max <rate>", "the last rate (default: 100000/s)")
    .option("--each <duration>", "how long each rate is held (default: 15s)")
    .option("--refine <n>", "how often the last step is halved in the end (default: 2)")
    .option(
      "--threshold <metric: expression>",
      `repeatable (default: the file's, else ${DEFAULT_THRESHOLDS.map((text) => `'${text}'`).join(" and ")})`,
      (text: string, before: readonly string[]) => [...before, text],
      [] as readonly string[],
    )
    .option("--target <url>", "where the API is (default: the file's, http://127.0.0.1:8000 without)")
    .option("--seed <n>", "decides arrivals, journeys and payloads (default: drawn)")
    .option("--json", "print what was measured as JSON")
    .option("-q, --quiet", "show no progress")
    .addHelpText(
      "after",
      `
Exit code 0 when a rate held and a higher one did not, or all held; 99 when not even the first
rate held; 112 when this generator, not the target, was the limit.

Examples:
  rushhour find-max --from 100/s --step 100/s
  rushhour find-max http://127.0.0.1:3000/ --threshold 'response_time: p(99)<250ms' --each 30s
  rushhour find-max scenario.yaml --from 20/s --step 20/s --json`,
    )
    .action(search);
}

interface Measured extends Trial {
  readonly result: RunResult;
  readonly broken: readonly string[]; // thresholds, with the value measured
  readonly behind: string | undefined; // why the generator's figures are not valid
}

async function search(what: string | undefined, options: FindMaxOptions): Promise<void> {
  const settings = readSettings(findMaxSettings, process.env, {
    FIND_MAX_FROM: { flag: "--from", value: options.from },
    FIND_MAX_STEP: { flag: "--step", value: options.step },
    FIND_MAX_MAX: { flag: "--max", value: options.max },
    FIND_MAX_EACH: { flag: "--each", value: options.each },
    FIND_MAX_REFINE: { flag: "--refine", value: options.refine },
    SIMULATOR_TARGET: { flag: "--target", value: options.target },
    SIMULATOR_SEED: { flag: "--seed", value: options.seed },
  });
  const plan = await loadPlan(sourceOf(what, settings));
  const [scenario] = plan.scenarios;
  if (scenario === undefined || plan.scenarios.length > 1) {
    const message = `${String(what)} has ${plan.scenarios.length} scenarios: find-max steps the rate of one; leave one in it`;
    throw new RushhourError("CONFIG_INVALID", message);
  }
  const thresholds = thresholdsOf(plan, options.threshold);
  await assertReachable(plan.target);
  if (!options.quiet) process.stderr.write(`${HEAD}\n`);

  let stopping: (() => void) | undefined;
  const forget = onShutdownSignal(() => {
    if (stopping === undefined) process.exit(EXIT.stoppedBySignal);
    stopping();
  });
  const attempt = async (rate_per_second: number): Promise<Measured> => {
    const executor = constantRate(scenario.executor, rate_per_second, settings.FIND_MAX_EACH);
    const trialPlan = {
      ...plan,
      thresholds,
      incidents: [],
      scenarios: [{ ...scenario, start_ms: 0, executor }],
    };
    const run = await startRun(trialPlan, { home: undefined, drain_ms: DRAIN_MS });
    stopping = () => run.stop();
    const hide = options.quiet ? undefined : showStatus(run, process.stderr);
    const result = await run.done.finally(() => hide?.());
    if (result.stopped) throw new RushhourError("STOPPED", "stopped before the maximum was found");
    if (result.scenario_error !== undefined) throw new Error(`a journey threw: ${result.scenario_error}`);
    const measured = await judgeTrial(rate_per_second, result, thresholds);
    if (!options.quiet) process.stderr.write(`${lineOf(measured)}\n`);
    return measured;
  };
  const found = await findMax(
    {
      from_per_second: settings.FIND_MAX_FROM,
      step_per_second: settings.FIND_MAX_STEP,
      max_per_second: settings.FIND_MAX_MAX,
      refinements: settings.FIND_MAX_REFINE,
    },
    attempt,
  ).finally(forget);

  const { held, broke, trials } = found;
  console.log(options.json ? JSON.stringify(asJson(trials), null, 2) : conclusion(held, broke));
  if (broke?.behind !== undefined) process.exitCode = EXIT.generatorBehind;
  else if (held === undefined) process.exitCode = EXIT.thresholdsFailed;
}

const DRAIN_MS = 10_000;

function sourceOf(what: string | undefined, settings: z.output<typeof findMaxSettings>): PlanSource {
  const run = {
    seed: settings.SIMULATOR_SEED,
    drawn_seed: Math.floor(Math.random() * 2 ** 32),
    ...{ target: settings.SIMULATOR_TARGET, tags: {}, starts_at_ms: Date.now() },
  };
  const executor = constantRate(undefined, settings.FIND_MAX_FROM, settings.FIND_MAX_EACH);
  if (what === undefined) return { kind: "shop", executor, ...run };
  if (!/^https?:/.test(what)) {
    return { kind: "scenario", path: what, text: readScenarioText(what), env: {}, ...run };
  }
  const { origin, pathname, search: query } = new URL(what);
  return { kind: "quick", executor, step: get(pathname + query), ...run, target: run.target ?? origin };
}

/** Arrives as the scenario's own load did, requests where it was virtual users. */
function constantRate(like: Executor | undefined, rate_per_second: number, duration_ms: number): Executor {
  const arriving = like !== undefined && "arriving" in like ? like.arriving : "requests";
  const arrival = like !== undefined && "arrival" in like ? like.arrival : "poisson";
  const kind = "constant-arrival-rate";
  return { kind, rate_per_second, duration_ms, arrival, arriving, max_vus: 10_000 };
}

/** @throws RushhourError CONFIG_INVALID */
function thresholdsOf(plan: LoadPlan, given: readonly string[]): readonly Threshold[] {
  if (given.length === 0 && plan.thresholds.length > 0) return plan.thresholds;
  return (given.length > 0 ? given : DEFAULT_THRESHOLDS).map((text) => {
    const [, selector, expression] = /^(.*):\s*([^:]+)$/s.exec(text) ?? [];
    if (selector === undefined || expression === undefined) {
      const rule = "must be a metric and an expression such as 'response_time: p(99)<250ms'";
      throw new RushhourError("CONFIG_INVALID", `--threshold=${text} ${rule}`);
    }
    return parseThreshold(selector, expression);
  });
}

async function judgeTrial(
  rate_per_second: number,
  result: RunResult,
  thresholds: readonly Threshold[],
): Promise<Measured> {
  const { figures, elapsed_ms, run_id } = result;
  const judged = await evaluateThresholds(
    thresholds,
    metricValues(figures, () => elapsed_ms),
    { run_id },
  );
  const broken = judged
    .filter(({ passed }) => !passed)
    .map(
      ({ metric, expression, value }) =>
        `${metric} ${expression}: ${value === null ? "no data" : round(value)}`,
    );
  const behind = behindSchedule({ counts: figures.counts, delay_p99_ms: figures.delay.percentile(99) });
  return { rate_per_second, result, broken, behind, held: broken.length === 0 && behind === undefined };
}

const HEAD = `${"rate".padStart(10)}${"sent/s".padStart(10)}${"p50".padStart(10)}${"p99".padStart(10)}${"failed".padStart(10)}`;

function lineOf({ rate_per_second, result, broken, behind, held }: Measured): string {
  const { figures, elapsed_ms } = result;
  const cells = [
    rateWord(round(rate_per_second)),
    (figures.counts.sent / (elapsed_ms / 1_000)).toFixed(1),
    milliseconds(figures.response.percentile(50)),
    milliseconds(figures.response.percentile(99)),
    percent(failedShare(result)),
  ];
  const why = held
    ? pc.green("  holds")
    : pc.red(`\n           ${[...broken, ...(behind ? [behind] : [])].join("\n           ")}`);
  return cells.map((cell) => cell.padStart(10)).join("") + why;
}

function conclusion(held: Measured | undefined, broke: Measured | undefined): string {
  const rateOf = (measured: Measured) => pc.bold(rateWord(round(measured.rate_per_second)));
  if (broke === undefined) return `every rate held, up to ${rateOf(held!)}; raise --max to go on`;
  const why = [
    ...broke.broken,
    ...(broke.behind === undefined ? [] : [`this generator fell behind: ${broke.behind}`]),
  ];
  return [
    held === undefined ? "not even the first rate held" : `${rateOf(held)} held`,
    `${rateOf(broke)} did not:`,
    ...why.map((text) => `  ${text}`),
  ].join("\n");
}

function asJson(trials: readonly Measured[]) {
  return trials.map(({ rate_per_second, result, held, broken, behind }) => ({
    ...{ rate_per_second, held, broken, behind: behind ?? null },
    sent_per_second: result.figures.counts.sent / (result.elapsed_ms / 1_000),
    failed_share: failedShare(result),
    response_time_ms: result.figures.response.summary(),
    service_time_ms: result.figures.service.summary(),
  }));
}

function failedShare({ figures }: RunResult): number {
  return figures.failed / Math.max(1, figures.counts.answered + figures.counts.unanswered);
}

function round(value: number): number {
  return Number(value.toPrecision(4));
}
