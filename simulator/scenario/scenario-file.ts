import { readFileSync } from "node:fs";
import { basename, dirname, extname } from "node:path";
import { z } from "zod";
import { messageOf, RushhourError } from "../../contract/errors.ts";
import { compileJourneys } from "../journeys/yaml/compile.ts";
import { durationOf, isArrivalExecutor } from "../plan/curve.ts";
import type { Executor, LoadPlan, Scenario } from "../plan/plan.ts";
import { parseScenarioDocument } from "./document.ts";
import { readEnvironment, substitute } from "./environment.ts";
import type { Environment } from "./environment.ts";
import { readExecutor } from "./executors.ts";
import { readIncidents } from "./incidents.ts";
import type { IncidentDraft } from "./incidents.ts";
import { chooseJourneys, SHOP } from "./journey-choice.ts";
import type { OwnJourneys } from "./journey-choice.ts";
import { isMap, Problems, shown } from "./problems.ts";
import { readSqlThresholds, readThresholds } from "./threshold-lists.ts";
import { durationOrZero, httpUrl, integer, name, tags } from "./values.ts";

const MAX_SCENARIOS = 100;
const SCENARIOS_RULE = `must be 1 to ${MAX_SCENARIOS} scenarios by name, such as {main: {executor: constant-vus, vus: 10}}`;

/** The parts that are a map or a list of their own are read item by item, so that none hides another's problems. */
const TOP = z.strictObject({
  name: name.optional(),
  target: httpUrl.optional(),
  seed: integer(0, 2 ** 32 - 1).optional(),
  tags: tags.default({}),
  env: z.unknown().optional(),
  scenarios: z.unknown().optional(),
  journeys: z.unknown().optional(),
  data: z.unknown().optional(),
  incidents: z.unknown().optional(),
  thresholds: z.unknown().optional(),
  sqlThresholds: z.unknown().optional(),
});

/** What every scenario has, besides its executor and what that takes. */
const COMMON = z.object({
  startTime: durationOrZero.default(0),
  gracefulStop: durationOrZero.default(30_000),
  tags: tags.default({}),
});
const COMMON_KEYS = ["executor", "journeys", ...Object.keys(COMMON.shape)];

/** What a command or a variable may say about the run; it goes before what the file says. */
export interface ScenarioSettings {
  readonly target: string | undefined;
  readonly seed: number | undefined;
  readonly drawn_seed: number; // when neither that nor the file has one
  readonly tags: Readonly<Record<string, string>>;
  readonly env: Environment;
  readonly starts_at_ms: number;
}

/** @throws RushhourError CONFIG_INVALID when there is no such file or it is not text */
export function readScenarioText(path: string): string {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(readFileSync(path));
  } catch (error) {
    throw new RushhourError(
      "CONFIG_INVALID",
      `the scenario ${path} cannot be read: ${messageOf(error)}; write an example with: rushhour new`,
      { cause: error },
    );
  }
}

/**
 * Makes the plan of a scenario file; the same text and settings always make the same plan.
 * @param path names the file in messages; data and journeys in files are found from its folder
 * @throws RushhourError CONFIG_INVALID with a line for each problem of the file: where, the value, the rule
 */
export async function compileScenario(
  path: string,
  text: string,
  settings: ScenarioSettings,
  defaultTarget: string,
): Promise<LoadPlan> {
  const problems = new Problems();
  const document = parseScenarioDocument(path, text, problems);
  if (!isMap(document.value)) {
    const found = document.value === null ? "is empty; it" : shown(document.value);
    const message = `${found} must be a map with scenarios: in it; write an example with: rushhour new`;
    throw document.failure([...problems.list, { path: [], message }]);
  }
  const { env: defaults, journeys: definitions, data, ...plain } = document.value;
  const env = readEnvironment(defaults, settings.env, text, problems);
  const unset = new Problems();
  const value = substitute(plain, [], env, unset) as Record<string, unknown>;
  const top = problems.read(TOP, value, []);

  const folder = dirname(path);
  const compiled = await compileJourneys(definitions, data, { folder, env }, problems);
  const own = { names: isMap(definitions) ? Object.keys(definitions) : [], compiled };
  if (own.names.includes(SHOP)) {
    const message = `${SHOP} is the built-in mix of the mock shop's visitors; choose another name`;
    problems.reportKey(["journeys", SHOP], message);
  }

  const runTags = { ...top?.tags, ...settings.tags };
  const scenarios = readScenarios(value["scenarios"], own, problems);
  const { incidents = [], thresholds = {}, sqlThresholds = [] } = value;
  const drafts = readIncidents(incidents, problems);
  checkIncidents(drafts, scenarios, incidents, problems);
  const chosen = scenarios.flatMap(({ scenario }) => scenario.journeys.map(({ name }) => name));
  const names = {
    scenario: isMap(value["scenarios"]) ? Object.keys(value["scenarios"]) : [],
    journey: [...new Set([...chosen, ...own.names.filter((name) => !own.compiled.has(name))])],
    tags: [runTags, ...scenarios.map(({ scenario }) => scenario.tags)].flatMap((tags) => Object.keys(tags)),
  };
  const judged = [
    ...readThresholds(thresholds, names, problems),
    ...readSqlThresholds(sqlThresholds, problems),
  ];
  const withoutValue = new Set(unset.list.map(({ path }) => path.join("\n")));
  const others = problems.list.filter(({ path }) => !withoutValue.has(path.join("\n")));
  if (unset.list.length + others.length > 0) throw document.failure([...unset.list, ...others]);
  return {
    name: top?.name ?? basename(path, extname(path)),
    target: settings.target ?? top?.target ?? defaultTarget,
    seed: settings.seed ?? top?.seed ?? settings.drawn_seed,
    scenarios: scenarios.map(({ scenario, executor }) => ({ ...scenario, executor: executor! })),
    incidents: drafts.flatMap(({ incident }) => incident ?? []),
    thresholds: judged,
    tags: runTags,
    starts_at: new Date(settings.starts_at_ms),
  };
}

/** A scenario as far as it could be read. */
interface Draft {
  readonly scenario: Omit<Scenario, "executor">;
  readonly executor: Executor | undefined;
  readonly length_ms: number | undefined; // undefined: without end, or not known
}

function readScenarios(value: unknown, own: OwnJourneys, problems: Problems): Draft[] {
  if (!isMap(value) || Object.keys(value).length === 0 || Object.keys(value).length > MAX_SCENARIOS) {
    const what = value === undefined ? "is missing; it" : shown(value);
    problems.report(["scenarios"], `${what} ${SCENARIOS_RULE}`);
    return [];
  }
  return Object.entries(value).map(([key, scenario]) => readScenario(key, scenario, own, problems));
}

function readScenario(key: string, value: unknown, own: OwnJourneys, problems: Problems): Draft {
  const path = ["scenarios", key];
  if (!/^[\w .-]{1,64}$/.test(key)) {
    const message = "must be a name of 1 to 64 letters, digits, spaces and . _ -";
    problems.reportKey(path, message);
  }
  if (!isMap(value)) {
    const message = `${shown(value)} must be a scenario such as {executor: constant-vus, vus: 10}`;
    problems.report(path, message);
  }
  const { executor: kind, journeys: choice, ...others } = isMap(value) ? value : {};
  const { startTime, gracefulStop, tags, ...values } = others;
  const common = problems.read(COMMON, { startTime, gracefulStop, tags }, path);
  const executor = isMap(value) ? readExecutor(kind, values, path, COMMON_KEYS, problems) : undefined;
  return {
    scenario: {
      name: key,
      start_ms: common?.startTime ?? 0,
      graceful_stop_ms: common?.gracefulStop ?? 0,
      journeys: isMap(value) ? chooseJourneys(choice, [...path, "journeys"], own, problems) : [],
      tags: common?.tags ?? {},
    },
    executor,
    length_ms: executor === undefined ? writtenLength(values) : durationOf(executor),
  };
}

/** How long a scenario lasts of which only that can be read; undefined when it cannot. */
function writtenLength(values: Readonly<Record<string, unknown>>): number | undefined {
  const stages = z.array(z.object({ duration: durationOrZero })).safeParse(values["stages"]).data;
  return (
    stages?.reduce((sum, stage) => sum + stage.duration, 0) ??
    durationOrZero.safeParse(values["duration"] ?? values["maxDuration"]).data
  );
}

/** What only shows when the scenarios are known. */
function checkIncidents(
  incidents: readonly IncidentDraft[],
  scenarios: readonly Draft[],
  written: unknown,
  problems: Problems,
): void {
  const endMs = Math.max(
    ...scenarios.map(({ scenario, length_ms = Infinity }) => scenario.start_ms + length_ms),
  );
  const arrivals = scenarios.some(({ executor }) => executor === undefined || isArrivalExecutor(executor));
  for (const [index, { kind, at_ms }] of incidents.entries()) {
    if (at_ms !== undefined && at_ms >= endMs) {
      const at = shown((written as Record<string, unknown>[])[index]!["at"]);
      const message = `${at} is not before the end: the last scenario stops after ${endMs / 1_000} s`;
      problems.report(["incidents", index, "at"], message);
    }
    if (kind === "traffic-spike" && !arrivals) {
      const message = `${kind} raises rates, and every scenario has virtual users: give one an arrival executor`;
      problems.report(["incidents", index, "kind"], message);
    }
  }
}
