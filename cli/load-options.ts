import type { Command } from "commander";
import { z } from "zod";
import { redact, seedSetting, sqlSettings } from "../contract/config.ts";
import type { Flags } from "../contract/config.ts";
import { RushhourError } from "../contract/errors.ts";
import { durationSetting, rateSetting } from "../contract/units.ts";
import { durationOf } from "../simulator/plan/curve.ts";
import { DEFAULT_TARGET } from "../simulator/plan/load-plan.ts";
import type { PlanSource } from "../simulator/plan/load-plan.ts";
import { ARRIVALS } from "../simulator/plan/plan.ts";
import type { Executor, LoadPlan, RampStage } from "../simulator/plan/plan.ts";
import { readScenarioText } from "../simulator/scenario/scenario-file.ts";
import {
  durationOrZero,
  HTTP_URL_RULE,
  isHttpUrl,
  isTag,
  MAX_VUS,
  rateOrZero,
} from "../simulator/scenario/values.ts";

const DEFAULT_RATE = 50;
const MAX_ITERATIONS = 1_000_000_000;
/** Of shared iterations, as in k6. */
const MAX_DURATION_MS = 600_000;
const TAG_RULE =
  "must be name=value such as build=123, the name of letters, digits and _ and none that requests have (scenario, name …)";

export const targetSetting = z.string().refine(isHttpUrl, HTTP_URL_RULE);

const whole = (max: number) => {
  const rule = `must be a whole number from 1 to ${max}`;
  return z.coerce.number(rule).int(rule).min(1, rule).max(max, rule);
};

const STAGES_RULE = "must be stages such as 30s:100 (virtual users) or 30s:100/s (a rate), parted by commas";
const MIXED_RULE =
  "mixes stages of virtual users (30s:100) and of rates (30s:100/s); a run ramps one of them";

/** `30s:100,1m:0`, or with rates `30s:100/s`; a repeated flag's come as lines. */
const stagesSetting = z.string().transform((list, context) => {
  const stages = list.split(/[,\n]/).map(stageOf);
  const kinds = new Set(stages.map((stage) => stage?.of));
  if (kinds.has(undefined) || stages.length > 1_000) context.addIssue(STAGES_RULE);
  else if (kinds.size > 1) context.addIssue(MIXED_RULE);
  else return { of: stages[0]!.of, stages: stages.map((stage) => stage!.stage) };
  return z.NEVER;
});

function stageOf(text: string): { of: "rate" | "vus"; stage: RampStage } | undefined {
  const [, lasting, written] = /^([^:]+):([^:]+)$/.exec(text.trim()) ?? [];
  const { data: duration_ms } = durationOrZero.safeParse(lasting);
  const of = written?.includes("/") ? "rate" : "vus";
  const { data: target } = rateOrZero.safeParse(written);
  if (duration_ms === undefined || target === undefined) return undefined;
  if (of === "vus" && !(Number.isInteger(target) && target <= MAX_VUS)) return undefined;
  return { of, stage: { target, duration_ms } };
}

const isVariable = (name: string) => /^[A-Za-z_]\w*$/.test(name);

/** `name=value` lines, as one setting. */
const pairsSetting = (rule: string, isPair: (name: string, value: string) => boolean) =>
  z.string().transform((lines, context): Readonly<Record<string, string>> => {
    const pairs = lines
      .split("\n")
      .map((line) => [line.split("=", 1)[0]!, line.replace(/^[^=]*=?/, "")] as const);
    if (pairs.every(([name, value]) => isPair(name, value))) return Object.fromEntries<string>(pairs);
    context.addIssue(rule);
    return z.NEVER;
  });

/** What every load has; see {@link withLoadOptions}. */
export const loadSettings = z.object({
  RUSHHOUR_HOME: sqlSettings.shape.RUSHHOUR_HOME,
  SIMULATOR_SCENARIO: z.string().optional(),
  SIMULATOR_TARGET: targetSetting.optional(),
  SIMULATOR_VUS: whole(MAX_VUS).optional(),
  SIMULATOR_DURATION: durationSetting.optional(),
  SIMULATOR_ITERATIONS: whole(MAX_ITERATIONS).optional(),
  SIMULATOR_STAGES: stagesSetting.optional(),
  SIMULATOR_RATE: rateSetting.optional(),
  SIMULATOR_ARRIVAL: z.enum(ARRIVALS, `must be ${ARRIVALS.join(" or ")}`).optional(),
  SIMULATOR_SEED: seedSetting.optional(),
  SIMULATOR_TAGS: pairsSetting(TAG_RULE, isTag).optional(),
  SIMULATOR_ENV: pairsSetting("must be NAME=value such as RATE=50/s", isVariable).optional(),
  SIMULATOR_AT: z.iso
    .datetime({ offset: true, error: "must be a time with its zone such as 2026-11-27T20:00:00Z" })
    .transform((text) => new Date(text))
    .optional(),
});

export type LoadSettings = z.output<typeof loadSettings>;

/** What commander makes of the flags. */
export interface LoadOptions {
  readonly vus?: string;
  readonly duration?: string;
  readonly iterations?: string;
  readonly stage?: readonly string[];
  readonly rate?: string;
  readonly arrival?: string;
  readonly seed?: string;
  readonly tag?: readonly string[];
  readonly target?: string;
  readonly env?: readonly string[];
  readonly at?: string;
}

/** The flags of a command that runs a scenario file or, without one, the shop's visitors as the flags say. */
export function withLoadOptions(command: Command): Command {
  return withExecutorOptions(command.argument("[file]", "a scenario (default: the shop's visitors)"))
    .option("--target <url>", `where the API is (default: the file's, ${DEFAULT_TARGET} without)`)
    .option("-e, --env <NAME=value>", "what ${env.NAME} in the file stands for; repeatable", collect)
    .option("--at <time>", "what daily curves take for now, such as 2026-11-27T20:00:00Z");
}

/** The flags that say how one kind of load arrives. */
export function withExecutorOptions(command: Command): Command {
  return command
    .option("--rate <rate>", "requests arriving, such as 50/s or 3000/m (default: 50/s)")
    .option("-d, --duration <duration>", "how long, such as 30s or 1h30m (default: until Ctrl-C)")
    .option("-u, --vus <n>", "virtual users instead of a rate, each waiting for its answers")
    .option("-i, --iterations <n>", "as many iterations, shared by the virtual users")
    .option("-s, --stage <duration:target>", "ramp to 30s:100 users or 30s:100/s; repeatable", collect)
    .option("--arrival <kind>", "poisson: as people come, even: equally spaced (default: poisson)")
    .option("--seed <n>", "decides arrivals, journeys and payloads (default: drawn, and printed)")
    .option("--tag <name=value>", "a tag of the whole run; repeatable", collect);
}

/** The flags by the settings they go before. */
export function loadFlags(options: LoadOptions): Flags {
  return flagsOf(options, {
    SIMULATOR_VUS: "vus",
    SIMULATOR_DURATION: "duration",
    SIMULATOR_ITERATIONS: "iterations",
    SIMULATOR_STAGES: "stage",
    SIMULATOR_RATE: "rate",
    SIMULATOR_ARRIVAL: "arrival",
    SIMULATOR_SEED: "seed",
    SIMULATOR_TAGS: "tag",
    SIMULATOR_TARGET: "target",
    SIMULATOR_ENV: "env",
    SIMULATOR_AT: "at",
  });
}

/** What commander made of flags, by the settings they go before. What was repeated becomes lines. */
export function flagsOf<Options extends object>(
  options: Options,
  names: Readonly<Record<string, keyof Options & string>>,
): Flags {
  return Object.fromEntries(
    Object.entries(names).map(([setting, name]) => {
      const given = options[name] as string | readonly string[] | undefined;
      const value = typeof given === "object" ? given.join("\n") : given;
      return [setting, { flag: flagOf(name), value: value === "" ? undefined : value }];
    }),
  );
}

/** `dryRun` is --dry-run. */
export function flagOf(name: string): string {
  return `--${name.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
}

/** Options as the words that were typed for them. */
export function flagWords(
  options: Readonly<Record<string, string | readonly string[] | undefined>>,
): string[] {
  return Object.entries(options).flatMap(([name, given = []]) =>
    [given].flat().flatMap((value) => [flagOf(name), value]),
  );
}

/** For flags that may be repeated. */
export function collect(value: string, before: readonly string[] = []): string[] {
  return [...before, value];
}

type Key = keyof LoadSettings;

/** What says how load arrives, and so stands in a scenario file or on the command line, never in both. */
const LOAD_KEYS = [
  "SIMULATOR_VUS",
  "SIMULATOR_DURATION",
  "SIMULATOR_ITERATIONS",
  "SIMULATOR_STAGES",
  "SIMULATOR_RATE",
  "SIMULATOR_ARRIVAL",
] as const satisfies readonly Key[];

/**
 * Where the plan comes from that flags, variables and the file ask for.
 * @param file as on the command line; SIMULATOR_SCENARIO stands in for it
 * @throws RushhourError CONFIG_INVALID when the file cannot be read, or two settings contradict each other
 */
export function planSourceOf(
  file: string | undefined,
  options: LoadOptions,
  settings: LoadSettings,
  now = new Date(),
): PlanSource {
  const path = file ?? settings.SIMULATOR_SCENARIO;
  const run = runSettingsOf(settings, now);
  if (path === undefined) {
    refuse(
      given(["SIMULATOR_ENV", "SIMULATOR_AT"], settings).map(
        (key) => `${nameOf(key, options)} is for a scenario file, and none is given`,
      ),
    );
    return { kind: "shop", executor: executorOf(options, settings), ...run };
  }
  refuse(
    given(LOAD_KEYS, settings).map(
      (key) =>
        `${nameOf(key, options)} contradicts ${path}, which says itself how load arrives: leave it out, ` +
        "or let the file take it from --env",
    ),
  );
  const text = readScenarioText(path);
  return { kind: "scenario", path, text, env: settings.SIMULATOR_ENV ?? {}, ...run };
}

/** What flags and variables say of a run besides how load arrives. */
export function runSettingsOf(settings: LoadSettings, now = new Date()) {
  return {
    target: settings.SIMULATOR_TARGET,
    seed: settings.SIMULATOR_SEED,
    drawn_seed: Math.floor(Math.random() * 2 ** 32),
    tags: settings.SIMULATOR_TAGS ?? {},
    starts_at_ms: (settings.SIMULATOR_AT ?? now).getTime(),
  };
}

const RATE_OR_USERS = "requests arrive at a rate, or virtual users make them";
const CONTRADICTIONS: readonly (readonly [Key, Key, string])[] = [
  ["SIMULATOR_RATE", "SIMULATOR_VUS", RATE_OR_USERS],
  ["SIMULATOR_RATE", "SIMULATOR_ITERATIONS", RATE_OR_USERS],
  ["SIMULATOR_ARRIVAL", "SIMULATOR_VUS", "only what comes at a rate arrives"],
  ["SIMULATOR_ARRIVAL", "SIMULATOR_ITERATIONS", "only what comes at a rate arrives"],
  ["SIMULATOR_STAGES", "SIMULATOR_DURATION", "stages have durations of their own"],
  ["SIMULATOR_STAGES", "SIMULATOR_ITERATIONS", "stages end by time"],
];
const OF_USER_STAGES: typeof CONTRADICTIONS = [
  ["SIMULATOR_STAGES", "SIMULATOR_RATE", "these stages ramp virtual users; 30s:100/s ramps a rate"],
  ["SIMULATOR_STAGES", "SIMULATOR_ARRIVAL", "these stages ramp virtual users; 30s:100/s ramps a rate"],
];
const OF_RATE_STAGES: typeof CONTRADICTIONS = [
  ["SIMULATOR_STAGES", "SIMULATOR_VUS", "these stages ramp a rate; 30s:100 ramps virtual users"],
];

/**
 * How load arrives by flags and variables: as in k6, or at a rate of requests.
 * @throws RushhourError CONFIG_INVALID naming every two that contradict each other
 */
export function executorOf(options: LoadOptions, settings: LoadSettings): Executor {
  const {
    SIMULATOR_VUS: vus,
    SIMULATOR_ITERATIONS: iterations,
    SIMULATOR_DURATION: duration_ms,
    SIMULATOR_STAGES: ramp,
    SIMULATOR_RATE: rate,
    SIMULATOR_ARRIVAL: arrival = "poisson",
  } = settings;
  const ofStages = { vus: OF_USER_STAGES, rate: OF_RATE_STAGES, none: [] }[ramp?.of ?? "none"];
  const problems = [...CONTRADICTIONS, ...ofStages]
    .filter(([one, other]) => given([one, other], settings).length === 2)
    .map(
      ([one, other, why]) =>
        `${nameOf(one, options)} and ${nameOf(other, options)} contradict each other: ${why}`,
    );
  if (iterations !== undefined && iterations < (vus ?? 1)) {
    const [shared, users] = [nameOf("SIMULATOR_ITERATIONS", options), nameOf("SIMULATOR_VUS", options)];
    problems.push(`${shared}=${iterations} must not be fewer than ${users}=${vus ?? 1}, which share them`);
  }
  refuse(problems);

  const requests = { arrival, arriving: "requests", max_vus: MAX_VUS } as const;
  if (ramp?.of === "vus") return { kind: "ramping-vus", start_vus: vus ?? 1, stages: ramp.stages };
  if (ramp?.of === "rate") {
    const start_rate_per_second = rate ?? 0;
    return { kind: "ramping-arrival-rate", start_rate_per_second, stages: ramp.stages, ...requests };
  }
  if (iterations !== undefined) {
    const max_duration_ms = duration_ms ?? MAX_DURATION_MS;
    return { kind: "shared-iterations", vus: vus ?? 1, iterations, max_duration_ms };
  }
  if (vus !== undefined) return { kind: "constant-vus", vus, duration_ms };
  return { kind: "constant-arrival-rate", rate_per_second: rate ?? DEFAULT_RATE, duration_ms, ...requests };
}

/**
 * The words that, behind the command, make the same run again; what stands for a secret is left out.
 * @param elapsedMs how long a run without end went on, which is then its duration
 */
export function repeatArguments(
  source: PlanSource,
  plan: Pick<LoadPlan, "seed" | "scenarios">,
  elapsedMs?: number,
): string[] {
  const words = source.kind === "scenario" ? [source.path] : executorWords(source.executor, elapsedMs);
  if (source.target !== undefined && (source.kind === "scenario" || source.kind === "shop")) {
    words.push("--target", redact(source.target));
  }
  for (const [name, value] of Object.entries(source.tags)) words.push("--tag", `${name}=${value}`);
  for (const [name, value] of Object.entries(source.kind === "scenario" ? source.env : {})) {
    words.push("--env", withoutSecret(`${name}=${value}`));
  }
  words.push("--seed", String(plan.seed));
  if (plan.scenarios.some(({ executor }) => executor.kind === "daily-curve")) {
    words.push("--at", new Date(source.starts_at_ms).toISOString());
  }
  return words;
}

/** `name=value`, the value as `***` where its name says that it may be a credential. */
export function withoutSecret(pair: string): string {
  const [name = ""] = pair.split("=", 1);
  return /auth|cookie|credential|key|pass|secret|session|signature|token/i.test(name) ? `${name}=***` : pair;
}

/** A URL or file without its password, and without what its query calls a key or the like. */
export function withoutSecrets(address: string): string {
  return redact(address).replaceAll(/(?<=[?&])[^&#]+/g, withoutSecret);
}

function executorWords(executor: Executor, elapsedMs: number | undefined): string[] {
  const lasting = durationOf(executor) ?? (elapsedMs === undefined ? undefined : Math.ceil(elapsedMs));
  const duration = lasting === undefined ? [] : ["--duration", durationWord(lasting)];
  const arrival = "arrival" in executor && executor.arrival === "even" ? ["--arrival", "even"] : [];
  switch (executor.kind) {
    case "constant-arrival-rate":
      return ["--rate", rateWord(executor.rate_per_second), ...duration, ...arrival];
    case "ramping-arrival-rate": {
      const start = executor.start_rate_per_second;
      return [
        ...(start > 0 ? ["--rate", rateWord(start)] : []),
        ...stageWords(executor.stages, rateWord),
        ...arrival,
      ];
    }
    case "constant-vus":
      return ["--vus", String(executor.vus), ...duration];
    case "ramping-vus":
      return ["--vus", String(executor.start_vus), ...stageWords(executor.stages, String)];
    case "shared-iterations":
      return ["--vus", String(executor.vus), "--iterations", String(executor.iterations), ...duration];
    case "daily-curve":
    case "per-vu-iterations":
    case "trace":
      return []; // no flags make these
  }
}

function stageWords(stages: readonly RampStage[], wordOf: (target: number) => string): string[] {
  return stages.flatMap(({ duration_ms, target }) => [
    "--stage",
    `${durationWord(duration_ms)}:${wordOf(target)}`,
  ]);
}

const UNITS = [
  ["d", 86_400_000],
  ["h", 3_600_000],
  ["m", 60_000],
  ["s", 1_000],
] as const;

/** A duration as people write it: `1h30m`, `1s500ms`. */
export function durationWord(ms: number): string {
  let left = ms;
  let word = "";
  for (const [unit, unitMs] of UNITS) {
    const count = Math.floor(left / unitMs);
    if (count > 0) word += `${count}${unit}`;
    left -= count * unitMs;
  }
  if (left > 0) word += `${left}ms`;
  return word || "0s";
}

/** A rate that reads back as the same number: `50/s`, `100/h`. */
export function rateWord(perSecond: number): string {
  const words = [`${perSecond}/s`, `${Math.round(perSecond * 60)}/m`, `${Math.round(perSecond * 3_600)}/h`];
  return (
    (perSecond === 0 || Number.isInteger(perSecond)
      ? undefined
      : words.slice(1).find((word) => readsAs(word, perSecond))) ?? words[0]!
  );
}

function readsAs(word: string, perSecond: number): boolean {
  return rateSetting.safeParse(word).data === perSecond;
}

/** A word as a shell takes it. */
export function shellWord(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", String.raw`'\''`)}'`;
}

function given<K extends Key>(keys: readonly K[], settings: LoadSettings): K[] {
  return keys.filter((key) => settings[key] !== undefined);
}

/** How somebody gave a setting: the flag, or the variable. */
function nameOf(key: Key, options: LoadOptions): string {
  const flag = loadFlags(options)[key];
  return flag?.value === undefined ? key : flag.flag;
}

function refuse(problems: readonly string[]): void {
  if (problems.length === 0) return;
  throw new RushhourError("CONFIG_INVALID", ["invalid configuration:", ...problems].join("\n  "));
}
