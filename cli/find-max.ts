import { Command } from "commander";
import pc from "picocolors";
import { z } from "zod";
import { readSettings, redact, seedSetting } from "../contract/config.ts";
import { EXIT, RushhourError } from "../contract/errors.ts";
import { durationSetting, rateSetting } from "../contract/units.ts";
import { findMax } from "../simulator/engine/find-max.ts";
import type { SearchResult, Trial } from "../simulator/engine/find-max.ts";
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
import {
  collect,
  flagsOf,
  flagWords,
  loadSettings,
  rateWord,
  shellWord,
  targetSetting,
  withoutSecret,
  withoutSecrets,
} from "./load-options.ts";
import { HTTP_URL_RULE, isHttpUrl } from "../simulator/scenario/values.ts";

const REFINE_RULE = "must be a whole number from 0 to 10";

const findMaxSettings = z
  .object({
    FIND_MAX_WHAT: z
      .string()
      .refine((what) => !isUrl(what) || isHttpUrl(what), HTTP_URL_RULE)
      .optional(),
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
    SIMULATOR_ENV: loadSettings.shape.SIMULATOR_ENV,
  })
  .refine((s) => s.FIND_MAX_FROM <= s.FIND_MAX_MAX, {
    path: ["FIND_MAX_MAX"],
    error: "must not be below --from",
  })
  .refine((s) => s.SIMULATOR_TARGET === undefined || !isUrl(s.FIND_MAX_WHAT ?? ""), {
    path: ["SIMULATOR_TARGET"],
    error: "contradicts the URL, which is the target: leave one of them out",
    when: () => true,
  })
  .refine((s) => s.SIMULATOR_ENV === undefined || isFile(s.FIND_MAX_WHAT), {
    path: ["SIMULATOR_ENV"],
    error: "is for a scenario file, and none is given",
    when: () => true,
  });
type Settings = z.output<typeof findMaxSettings>;

const isUrl = (what: string) => /^https?:/i.test(what);
const isFile = (what: string | undefined) => what !== undefined && !isUrl(what);

/** What a rate must hold unless somebody says otherwise. */
const DEFAULT_THRESHOLDS = ["http_req_failed: rate<0.01", "response_time: p(99)<1s"];

interface FindMaxOptions {
  readonly from?: string;
  readonly step?: string;
  readonly max?: string;
  readonly each?: string;
  readonly refine?: string;
  readonly threshold?: readonly string[];
  readonly target?: string;
  readonly env?: readonly string[];
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
      collect,
    )
    .option("--target <url>", "where the API is (default: the file's, http://127.0.0.1:8000 without)")
    .option("-e, --env <NAME=value>", "what ${env.NAME} in the file stands for; repeatable", collect)
    .option("--seed <n>", "decides arrivals, journeys and payloads (default: drawn)")
    .option("--json", "print what was measured as JSON")
    .option("-q, --quiet", "show no progress")
    .addHelpText(
      "after",
      `
Exit code 0 when a rate held and a higher one did not, or all held; 99 when not even the first
rate held; 105 when stopped by a signal, with what is known by then; 112 when this generator, not
the target, was the limit.

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
    ...flagsOf(options, FLAGS),
    FIND_MAX_WHAT: { flag: "WHAT", value: what },
  });
  const plan = await loadPlan(sourceOf(settings));
  if (plan.scenarios.length > 1) {
    const message = `${String(what)} has ${plan.scenarios.length} scenarios: find-max steps the rate of one; leave one in it`;
    throw new RushhourError("CONFIG_INVALID", message);
  }
  const thresholds = thresholdsOf(plan, options.threshold ?? []);
  await assertReachable(plan.target);
  const say = (line: string) => options.quiet || process.stderr.write(`${line}\n`);
  say(HEAD);

  const trials: Measured[] = [];
  const stopped = stopRequest();
  const attempt = async (rate_per_second: number): Promise<Measured> => {
    stopped.signal.throwIfAborted();
    const trialPlan = trialOf({ ...plan, thresholds }, rate_per_second, settings.FIND_MAX_EACH);
    const run = await startRun(trialPlan, { home: undefined, drain_ms: DRAIN_MS });
    const stop = () => run.stop();
    stopped.signal.addEventListener("abort", stop);
    const hide = options.quiet ? undefined : showStatus(run, process.stderr);
    const result = await run.done.finally(() => {
      hide?.();
      stopped.signal.removeEventListener("abort", stop);
    });
    stopped.signal.throwIfAborted();
    if (result.scenario_error !== undefined) throw new Error(`a journey threw: ${result.scenario_error}`);
    const measured = await judgeTrial(rate_per_second, result, thresholds);
    trials.push(measured);
    say(lineOf(measured));
    return measured;
  };
  const found = await findMax(searchOf(settings), attempt)
    .catch((error: unknown) => {
      if (!stopped.signal.aborted) throw error;
      return boundsOf(trials);
    })
    .finally(stopped.forget);

  const isStopped = stopped.signal.aborted;
  const again = commandOf(what, plan.seed, options);
  console.log(
    options.json
      ? JSON.stringify(asJson(plan, trials, found, again), null, 2)
      : [...conclusion(found, isStopped), "", `again: ${again}`].join("\n"),
  );
  process.exitCode = exitCodeOf(found, isStopped);
}

/** The settings by their flags. */
const FLAGS = {
  FIND_MAX_FROM: "from",
  FIND_MAX_STEP: "step",
  FIND_MAX_MAX: "max",
  FIND_MAX_EACH: "each",
  FIND_MAX_REFINE: "refine",
  SIMULATOR_TARGET: "target",
  SIMULATOR_SEED: "seed",
  SIMULATOR_ENV: "env",
} as const;

/** Aborts at the first signal; a second one ends the process. */
function stopRequest() {
  const controller = new AbortController();
  const forget = onShutdownSignal((_signal, forceful) => {
    if (forceful) process.exit(EXIT.stoppedBySignal);
    controller.abort();
  });
  return { signal: controller.signal, forget };
}

/** The highest rate that held, and the lowest that did not. */
type Bounds = Pick<SearchResult<Measured>, "held" | "broke">;

function boundsOf(trials: readonly Measured[]): Bounds {
  return { held: trials.findLast(({ held }) => held), broke: trials.findLast(({ held }) => !held) };
}

function searchOf(settings: Settings) {
  return {
    from_per_second: settings.FIND_MAX_FROM,
    step_per_second: settings.FIND_MAX_STEP,
    max_per_second: settings.FIND_MAX_MAX,
    refinements: settings.FIND_MAX_REFINE,
  };
}

function exitCodeOf({ held, broke }: Bounds, isStopped: boolean): number {
  if (broke?.behind !== undefined) return EXIT.generatorBehind;
  if (isStopped) return EXIT.stoppedBySignal;
  return held === undefined ? EXIT.thresholdsFailed : EXIT.ok;
}

const DRAIN_MS = 10_000;

function sourceOf(settings: Settings): PlanSource {
  const { FIND_MAX_WHAT: what, SIMULATOR_TARGET: target, SIMULATOR_ENV: env = {} } = settings;
  const run = {
    seed: settings.SIMULATOR_SEED,
    drawn_seed: Math.floor(Math.random() * 2 ** 32),
    ...{ target, tags: {}, starts_at_ms: Date.now() },
  };
  const executor = constantRate(undefined, settings.FIND_MAX_FROM, settings.FIND_MAX_EACH);
  if (what === undefined) return { kind: "shop", executor, ...run };
  if (!isUrl(what)) return { kind: "scenario", path: what, text: readScenarioText(what), env, ...run };
  const { origin, pathname, search: query } = new URL(what);
  return { kind: "quick", executor, step: get(pathname + query), ...run, target: origin };
}

/** The plan's one scenario by itself, at a rate. */
function trialOf(plan: LoadPlan, rate_per_second: number, duration_ms: number): LoadPlan {
  const scenario = plan.scenarios[0]!;
  const executor = constantRate(scenario.executor, rate_per_second, duration_ms);
  return { ...plan, incidents: [], scenarios: [{ ...scenario, start_ms: 0, executor }] };
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

function lineOf(measured: Measured): string {
  const { rate_per_second, result } = measured;
  const { figures, elapsed_ms } = result;
  const cells = [
    rateWord(round(rate_per_second)),
    (figures.counts.sent / (elapsed_ms / 1_000)).toFixed(1),
    milliseconds(figures.response.percentile(50)),
    milliseconds(figures.response.percentile(99)),
    percent(failedShare(result)),
  ];
  const why = measured.held
    ? pc.green("  holds")
    : pc.red(["", ...reasonsOf(measured)].join(`\n${" ".repeat(11)}`));
  return cells.map((cell) => cell.padStart(10)).join("") + why;
}

function conclusion({ held, broke }: Bounds, isStopped: boolean): string[] {
  const rateOf = ({ rate_per_second }: Measured) => pc.bold(rateWord(round(rate_per_second)));
  const known = held === undefined ? [] : [`${rateOf(held)} held`];
  if (isStopped) known.unshift("stopped before the maximum was found");
  else if (broke === undefined) return [`every rate held, up to ${rateOf(held!)}; raise --max to go on`];
  else if (held === undefined) known.push("not even the first rate held");
  if (broke === undefined) return known;
  return [...known, `${rateOf(broke)} did not:`, ...reasonsOf(broke).map((text) => `  ${text}`)];
}

function reasonsOf({ broken, behind }: Measured): string[] {
  return [...broken, ...(behind === undefined ? [] : [`this generator fell behind: ${behind}`])];
}

/** The words that make the same search again. */
function commandOf(what: string | undefined, seed: number, options: FindMaxOptions): string {
  const { from, step, max, each, refine, threshold, target, env } = options;
  return [
    ...["rushhour", "find-max", ...(what === undefined ? [] : [withoutSecrets(what)])],
    ...flagWords({
      from,
      step,
      max,
      each,
      refine,
      threshold,
      target: target && redact(target),
      env: env?.map(withoutSecret),
    }),
    ...["--seed", String(seed)],
  ]
    .map(shellWord)
    .join(" ");
}

function asJson(
  { target, seed }: LoadPlan,
  trials: readonly Measured[],
  { held, broke }: Bounds,
  command: string,
) {
  return {
    ...{ target, seed, command },
    held_per_second: held?.rate_per_second ?? null, // null: not even the first
    broke_per_second: broke?.rate_per_second ?? null, // null: none that was tried
    trials: trials.map(({ rate_per_second, result, held, broken, behind }) => ({
      ...{ rate_per_second, held, broken, behind: behind ?? null },
      sent_per_second: result.figures.counts.sent / (result.elapsed_ms / 1_000),
      failed_share: failedShare(result),
      response_time_ms: result.figures.response.summary(),
      service_time_ms: result.figures.service.summary(),
    })),
  };
}

function failedShare({ figures }: RunResult): number {
  return figures.failed / Math.max(1, figures.counts.answered + figures.counts.unanswered);
}

function round(value: number): number {
  return Number(value.toPrecision(4));
}
