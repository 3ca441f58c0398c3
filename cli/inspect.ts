import { Command } from "commander";
import pc from "picocolors";
import { readSettings } from "../contract/config.ts";
import { harmlessValues } from "../contract/harmless.ts";
import { isArrivalExecutor, plannedDuration } from "../simulator/plan/curve.ts";
import { planDigest } from "../simulator/plan/digest.ts";
import { loadPlan } from "../simulator/plan/load-plan.ts";
import type { Executor, Incident, LoadPlan } from "../simulator/plan/plan.ts";
import { arrivalsOver, forecastOf, horizonOf, vusOver } from "../simulator/scenario/forecast.ts";
import type { Forecast } from "../simulator/scenario/forecast.ts";
import { chart, COLUMNS, marks, timeAxis } from "./chart.ts";
import {
  durationWord,
  loadFlags,
  loadSettings,
  planSourceOf,
  rateWord,
  withLoadOptions,
} from "./load-options.ts";
import type { LoadOptions } from "./load-options.ts";

/** `rushhour inspect`: whether a scenario is valid, and what it plans, without sending anything. */
export function inspectCommand(): Command {
  return withLoadOptions(new Command("inspect"))
    .description("Validate a scenario file, and show what it plans: curve, totals, digest")
    .option("--json", "print the plan as JSON")
    .addHelpText(
      "after",
      `
Nothing is sent. Exit code 104 when the file has problems; all of them are named.

Examples:
  rushhour inspect scenario.yaml
  rushhour inspect scenario.yaml --env PEAK=100/s --seed 7 --json
  rushhour inspect -s 30s:100/s -s 1m:0/s`,
    )
    .action(async (file: string | undefined, options: LoadOptions & { json?: boolean }) => {
      const settings = readSettings(loadSettings, process.env, loadFlags(options));
      const outlook = outlookOf(await loadPlan(planSourceOf(file, options, settings)));
      console.log(options.json ? JSON.stringify(outlook, null, 2) : outlookText(harmlessValues(outlook)));
    });
}

/** Going through more requests than that for a digest takes longer than anybody waits; the run's report has it. */
const MAX_DIGESTED = 20_000_000;

/** What a plan comes to: all that is known before the run. Times in ms after its start, rates a second. */
export function outlookOf(plan: LoadPlan) {
  const shown_ms = horizonOf(plan);
  const scenarios = plan.scenarios.map((scenario) => {
    const arrivals = arrivalsOver(scenario, plan, shown_ms, COLUMNS);
    const weights = scenario.journeys.reduce((sum, { weight }) => sum + weight, 0);
    return {
      name: scenario.name,
      start_ms: scenario.start_ms,
      end_ms: plannedDuration({ scenarios: [scenario] }) ?? null,
      graceful_stop_ms: scenario.graceful_stop_ms,
      executor: scenario.executor,
      tags: scenario.tags,
      journeys: scenario.journeys.map(({ name, weight }) => ({ name, share: weight / weights })),
      expected: forecastOf(
        scenario,
        plan,
        arrivals.reduce((sum, count) => sum + count, 0),
      ),
      rates: arrivals.map((count) => count / (shown_ms / COLUMNS / 1_000)),
      vus: vusOver(scenario, shown_ms, COLUMNS),
    };
  });
  return {
    name: plan.name,
    target: plan.target,
    seed: plan.seed,
    tags: plan.tags,
    starts_at: plan.starts_at.toISOString(),
    duration_ms: plannedDuration(plan) ?? null,
    shown_ms, // what `rates`, `vus` and `expected` are about
    digest: plannedRequests(scenarios) > MAX_DIGESTED ? null : planDigest(plan),
    scenarios,
    incidents: plan.incidents,
    thresholds: plan.thresholds,
  };
}

type Outlook = ReturnType<typeof outlookOf>;
type ScenarioOutlook = Outlook["scenarios"][number];

/** The same for a terminal of 80 columns. */
export function outlookText(outlook: Outlook, colors: ReturnType<typeof pc.createColors> = pc): string {
  const { scenarios, incidents, thresholds, shown_ms } = outlook;
  const heading = (text: string) => ["", colors.bold(text)];
  return [
    `${colors.bold(outlook.name)} at ${outlook.target}, ${lengthOf(outlook)}`,
    ...heading("SCENARIOS"),
    ...scenarios.flatMap(scenarioLines),
    ...charts(scenarios, shown_ms).flatMap(({ title, values }) => [
      ...heading(title.toUpperCase()),
      ...chart(values).map((line) => colors.cyan(line)),
      ...timeAxis(shown_ms),
      ...marks(spansOf(incidents), shown_ms).map((line) => colors.red(line)),
    ]),
    ...(incidents.length > 0 ? [...heading("INCIDENTS"), ...incidents.flatMap(incidentLines)] : []),
    ...(thresholds.length > 0 ? [...heading("THRESHOLDS"), ...thresholds.flatMap(thresholdLines)] : []),
    ...heading("TOTAL"),
    ...totalLines(outlook),
  ].join("\n");
}

function lengthOf({ duration_ms, shown_ms }: Outlook): string {
  return duration_ms === null
    ? `without end; this shows ${durationWord(shown_ms)}`
    : durationWord(duration_ms);
}

function scenarioLines({
  name,
  executor,
  start_ms,
  end_ms,
  journeys,
  expected,
  tags,
}: ScenarioOutlook): string[] {
  const end = end_ms === null ? "without end" : `until ${durationWord(end_ms)}`;
  const atMost = "max_duration_ms" in executor ? " at the latest" : "";
  const tagged = Object.entries(tags).map(([tag, value]) => `${tag}=${value}`);
  return [
    ...wrapped(`  ${name}  `, `${executor.kind}: ${describe(executor)}`),
    ...wrapped("    time      ", `from ${durationWord(start_ms)} ${end}${atMost}`),
    ...wrapped("    journeys  ", journeys.map(({ name, share }) => `${name} ${percent(share)}`).join(", ")),
    ...wrapped("    expected  ", expectation(expected)),
    ...(tagged.length > 0 ? wrapped("    tags      ", tagged.join(", ")) : []),
  ];
}

function expectation({ iterations, requests, requests_per_iteration }: ScenarioOutlook["expected"]): string {
  const each = `${requests_per_iteration.toFixed(1)} requests each`;
  return iterations === null || requests === null
    ? `as many iterations as the answers allow, ${each}`
    : `${about(iterations)} iterations, ${about(requests)} requests (${each})`;
}

function describe(executor: Executor): string {
  switch (executor.kind) {
    case "constant-arrival-rate":
      return `${rateWord(executor.rate_per_second)}, ${arrivalWords(executor)}`;
    case "ramping-arrival-rate": {
      const way = [executor.start_rate_per_second, ...executor.stages.map(({ target }) => target)];
      return `${way.map(rateWord).join(" → ")}, ${arrivalWords(executor)}`;
    }
    case "daily-curve": {
      const {
        peak_per_second: peak,
        trough_per_second: trough,
        peak_at_ms,
        time_zone,
        weekend,
        day_ms,
      } = executor;
      const peakAt = new Date(peak_at_ms).toISOString().slice(11, 16);
      const factor = weekend === 1 ? "" : `, weekend × ${weekend}`;
      const day = day_ms === 86_400_000 ? "" : `, a day in ${durationWord(day_ms)}`;
      return `${rateWord(trough)} to ${rateWord(peak)} at ${peakAt} ${time_zone}${factor}${day}, ${arrivalWords(executor)}`;
    }
    case "constant-vus":
      return `${executor.vus} at once`;
    case "ramping-vus": {
      const way = [executor.start_vus, ...executor.stages.map(({ target }) => target)];
      return way.join(" → ");
    }
    case "shared-iterations":
      return `${about(executor.iterations)} in all, vus ${executor.vus}`;
    case "per-vu-iterations":
      return `${about(executor.iterations)} of each, vus ${executor.vus}`;
    case "trace":
      return "recorded requests";
  }
}

function arrivalWords({ arriving, arrival }: Extract<Executor, { arrival: unknown }>): string {
  return `${arriving} arriving ${arrival === "poisson" ? "as people come" : "evenly"}`;
}

/** One chart for each thing that is counted: rates of iterations and of requests cannot be added. */
function charts(scenarios: readonly ScenarioOutlook[], shownMs: number) {
  const sum = (of: readonly (readonly number[])[]) =>
    Array.from({ length: COLUMNS }, (_, column) => of.reduce((total, values) => total + values[column]!, 0));
  const arriving = (what: string) =>
    sum(
      scenarios
        .filter(({ executor }) => isArrivalExecutor(executor) && executor.arriving === what)
        .map(({ rates }) => rates),
    );
  return [
    { title: "requests arriving a second", values: arriving("requests") },
    { title: "iterations arriving a second", values: arriving("iterations") },
    { title: "virtual users", values: sum(scenarios.map(({ vus }) => vus)) },
  ].filter(({ values }) => shownMs > 0 && values.some((value) => value > 0));
}

const LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ";
const letterOf = (index: number) => LETTERS[index % LETTERS.length]!;

function spansOf(incidents: readonly Incident[]) {
  return incidents.map(({ at_ms, duration_ms }, index) => ({
    ...{ from_ms: at_ms, to_ms: at_ms + duration_ms, letter: letterOf(index) },
  }));
}

function incidentLines(
  { name, kind, at_ms, duration_ms, route, intensity }: Incident,
  index: number,
): string[] {
  const strength = Object.entries(intensity).map(([key, value]) => `${key} ${value}`);
  const what = [...(name === kind ? [] : [kind]), ...(route === undefined ? [] : [route]), ...strength].join(
    ", ",
  );
  const when = `+${durationWord(at_ms)} for ${durationWord(duration_ms)}`;
  return wrapped(`  ${letterOf(index)}  `, `${name}: ${when}, ${what}`);
}

function thresholdLines({
  of,
  expression,
  abort_on_fail,
  delay_abort_ms,
}: LoadPlan["thresholds"][number]): string[] {
  const ends = !abort_on_fail
    ? ""
    : delay_abort_ms > 0
      ? `, else it ends after ${durationWord(delay_abort_ms)}`
      : ", else it ends";
  const tags = "metric" in of ? Object.entries(of.tags).map(([key, value]) => `${key}:${value}`) : [];
  const judged =
    "metric" in of ? `${of.metric}${tags.length > 0 ? `{${tags.join(",")}}` : ""}` : `${of.name} (SQL)`;
  return wrapped("  ", `${judged}  ${expression}${ends}`);
}

function totalLines({ scenarios, seed, digest, duration_ms }: Outlook): string[] {
  const requests = plannedRequests(scenarios);
  const some = scenarios.some(({ expected }) => expected.requests !== null);
  const more = scenarios.some(({ expected }) => expected.requests === null);
  const unknown =
    duration_ms === null
      ? "none: the plan has no end"
      : `none above ${about(MAX_DIGESTED)} requests; a run prints it`;
  return [
    ...(some ? [`  requests  ${about(requests)}${more ? " and what virtual users make" : ""}`] : []),
    `  seed      ${seed}`,
    `  digest    ${digest ?? unknown}`,
  ];
}

/** Those whose number the plan decides. */
function plannedRequests(scenarios: readonly { readonly expected: Forecast }[]): number {
  return scenarios.reduce((sum, { expected }) => sum + (expected.requests ?? 0), 0);
}

function about(count: number): string {
  return Math.round(count).toLocaleString("en");
}

function percent(share: number): string {
  return `${(share * 100).toFixed(share < 0.1 ? 1 : 0)} %`;
}

/** A head that is longer stands alone on its line. */
const LONGEST_HEAD = 30;

/** Words behind `head`, on as many lines of 80 columns as they need. */
function wrapped(head: string, text: string): string[] {
  if (head.length > LONGEST_HEAD) return [head.trimEnd(), ...wrapped("    ", text)];
  const room = 80 - head.length;
  const lines = [""];
  for (const word of text.split(" ")) {
    const line = lines.at(-1)!;
    if (line === "") lines[lines.length - 1] = word;
    else if (line.length + 1 + word.length <= room) lines[lines.length - 1] = `${line} ${word}`;
    else lines.push(word);
  }
  return lines.map((line, index) => `${index === 0 ? head : " ".repeat(head.length)}${line}`);
}
