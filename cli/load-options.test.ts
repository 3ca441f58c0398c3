import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Command } from "commander";
import { expect, test } from "vitest";
import { readSettings } from "../contract/config.ts";
import { RushhourError } from "../contract/errors.ts";
import { loadPlan } from "../simulator/plan/load-plan.ts";
import type { PlanSource } from "../simulator/plan/load-plan.ts";
import {
  durationWord,
  loadFlags,
  loadSettings,
  planSourceOf,
  rateWord,
  repeatArguments,
  withLoadOptions,
} from "./load-options.ts";
import type { LoadOptions } from "./load-options.ts";

const NOW = new Date("2026-11-27T20:00:00Z");

/** What comes of words on the command line and variables. */
function sourceOf(words: readonly string[], env: Record<string, string> = {}): PlanSource {
  const command = withLoadOptions(new Command("simulate")).exitOverride();
  command.parse(words, { from: "user" });
  const options = command.opts<LoadOptions>();
  return planSourceOf(command.args[0], options, readSettings(loadSettings, env, loadFlags(options)), NOW);
}

const executorOf = (line: string, env: Record<string, string> = {}) => {
  const source = sourceOf(line.split(" ").filter(Boolean), env);
  return source.kind === "scenario" ? undefined : source.executor;
};

function refusal(line: string, env: Record<string, string> = {}): string {
  try {
    sourceOf(line.split(" ").filter(Boolean), env);
  } catch (error) {
    expect(error).toBeInstanceOf(RushhourError);
    expect((error as RushhourError).exitCode).toBe(104);
    return (error as Error).message;
  }
  throw new Error(`${line} was not refused`);
}

function scenarioFile(text: string): string {
  const path = join(mkdtempSync(join(tmpdir(), "rushhour-")), "mall.yaml");
  writeFileSync(path, text);
  return path;
}

const REQUESTS = { arrival: "poisson", arriving: "requests", max_vus: 10_000 };

test("flags mean what they mean in k6, and a rate counts requests", () => {
  expect(executorOf("")).toEqual({
    ...{ kind: "constant-arrival-rate", rate_per_second: 50, duration_ms: undefined },
    ...REQUESTS,
  });
  expect(executorOf("--rate 3000/m -d 1m --arrival even")).toMatchObject({
    ...{ rate_per_second: 50, duration_ms: 60_000, arrival: "even" },
  });
  expect(executorOf("-u 10 -d 30s")).toEqual({ kind: "constant-vus", vus: 10, duration_ms: 30_000 });
  expect(executorOf("-u 10 -i 100")).toEqual({
    ...{ kind: "shared-iterations", vus: 10, iterations: 100, max_duration_ms: 600_000 },
  });
  expect(executorOf("-i 5 -d 1m")).toMatchObject({ vus: 1, iterations: 5, max_duration_ms: 60_000 });
  expect(executorOf("-s 30s:100 -s 0s:0")).toEqual({
    kind: "ramping-vus",
    start_vus: 1,
    stages: [
      { target: 100, duration_ms: 30_000 },
      { target: 0, duration_ms: 0 },
    ],
  });
  expect(executorOf("-u 5 -s 30s:100")).toMatchObject({ kind: "ramping-vus", start_vus: 5 });
  expect(executorOf("-s 30s:6000/m --rate 5/s")).toEqual({
    kind: "ramping-arrival-rate",
    start_rate_per_second: 5,
    stages: [{ target: 100, duration_ms: 30_000 }],
    ...REQUESTS,
  });
});

test("a flag goes before a variable, and a variable before the default", () => {
  const env = { SIMULATOR_RATE: "80/s", SIMULATOR_SEED: "3", SIMULATOR_TARGET: "http://a" };
  expect(executorOf("", env)).toMatchObject({ rate_per_second: 80 });
  expect(executorOf("--rate 90/s", env)).toMatchObject({ rate_per_second: 90 });
  expect(sourceOf(["--seed", "4"], env)).toMatchObject({ seed: 4, target: "http://a" });
  expect(executorOf("", { SIMULATOR_STAGES: "30s:10,1m:0" })).toMatchObject({ kind: "ramping-vus" });
  expect(executorOf("", { SIMULATOR_VUS: "" })).toMatchObject({ kind: "constant-arrival-rate" });
});

test.each([
  ["-u 5 --rate 50/s", "--rate and --vus contradict each other"],
  ["-i 5 --rate 50/s", "--rate and --iterations contradict each other"],
  ["-u 5 --arrival even", "--arrival and --vus contradict each other"],
  ["-s 1m:5 -d 1m", "--stage and --duration contradict each other"],
  ["-s 1m:5 -i 5", "--stage and --iterations contradict each other"],
  ["-s 1m:5 --rate 5", "--stage and --rate contradict each other"],
  ["-s 1m:5/s -u 5", "--stage and --vus contradict each other"],
  ["-s 1m:5 -s 1m:5/s", "mixes stages of virtual users"],
  ["-u 10 -i 5", "--iterations=5 must not be fewer than --vus=10"],
  ["--env A=1", "--env is for a scenario file"],
  ["--at 2026-11-27T20:00:00Z", "--at is for a scenario file"],
  ["--at today", "must be a time with its zone"],
  ["-s 1m", "must be stages such as 30s:100"],
  ["-s 1m:5.5", "must be stages such as 30s:100"],
  ["-u 0", "--vus=0 must be a whole number from 1 to 10000"],
  ["--tag team", "must be name=value"],
  ["--tag scenario=a", "none that requests have"],
  ["--target ftp://a", "must be an http or https URL"],
  ["nowhere.yaml", "nowhere.yaml cannot be read"],
])("%s is refused: %s", (line, message) => {
  expect(refusal(line)).toContain(message);
});

test("a variable that contradicts a flag or a file is an error too, never dropped", () => {
  const file = scenarioFile("scenarios: {a: {executor: constant-vus}}\n");
  expect(refusal("--rate 5/s", { SIMULATOR_VUS: "3" })).toContain("--rate and SIMULATOR_VUS contradict");
  const both = refusal(`${file} -d 1m`, { SIMULATOR_VUS: "3" });
  expect(both).toContain(`SIMULATOR_VUS contradicts ${file}`);
  expect(both).toContain(`--duration contradicts ${file}`);
  expect(refusal("-u 3", { SIMULATOR_SCENARIO: file })).toContain(`--vus contradicts ${file}`);
});

test("a file, its variables, tags and the time become one piece of data that makes the same plan anywhere", async () => {
  const file = scenarioFile(`seed: 9
scenarios: {a: {executor: daily-curve, peak: "\${env.PEAK}", trough: 1, peakAt: "20:00", duration: 1h}}
`);
  const words = [file, "-e", "PEAK=30/s", "--tag", "build=7", "--at", "2026-11-27T21:00:00+01:00"];
  const source = structuredClone(sourceOf(words));
  const plan = await loadPlan(source);
  expect(plan).toMatchObject({ seed: 9, tags: { build: "7" }, starts_at: NOW });
  expect(plan.scenarios[0]!.executor).toMatchObject({ peak_per_second: 30 });
  const again = repeatArguments(source, plan);
  expect(again).toEqual([
    ...[file, "--tag", "build=7", "--env", "PEAK=30/s", "--seed", "9", "--at", "2026-11-27T20:00:00.000Z"],
  ]);
  expect(await loadPlan(sourceOf(again))).toMatchObject({ seed: 9, starts_at: NOW, tags: { build: "7" } });
});

test("without a seed one is drawn once, so every thread has the same", async () => {
  const source = sourceOf([]);
  const [one, other] = await Promise.all([loadPlan(source), loadPlan(structuredClone(source))]);
  expect(one.seed).toBe(other.seed);
  expect(one).toMatchObject({ name: "shop", target: "http://127.0.0.1:8000", scenarios: [{ name: "shop" }] });
});

test.each([
  "--rate 100/h --duration 1h30m --arrival even",
  "--rate 5/s --stage 30s:100/s --stage 0s:0/s",
  "--vus 3 --duration 10s",
  "--vus 2 --stage 1m:10",
  "--vus 2 --iterations 10 --duration 10m",
])("the words for the same run again make the same load: %s", async (line) => {
  const source = sourceOf(`${line} --seed 1 --target http://a:1`.split(" "));
  const again = repeatArguments(source, await loadPlan(source));
  expect(again.join(" ")).toBe(`${line} --target http://a:1 --seed 1`);
});

test("a run without end is repeated for as long as it went on, and secrets are left out", async () => {
  const source = sourceOf([]);
  const plan = { ...(await loadPlan(source)), seed: 1 };
  expect(repeatArguments(source, plan, 93_500.2)).toEqual([
    ...["--rate", "50/s", "--duration", "1m33s501ms", "--seed", "1"],
  ]);
  const file = scenarioFile("scenarios: {a: {executor: constant-vus}} # env.API_TOKEN\n");
  const given = sourceOf([file, "-e", "API_TOKEN=abc", "--target", "http://me:word@a"]);
  expect(repeatArguments(given, await loadPlan(given)).join(" ")).not.toMatch(/abc|word/);
});

test("durations and rates are written as they are read", () => {
  expect([0, 1, 1_500, 90_000, 5_400_000, 86_400_000].map(durationWord)).toEqual([
    ...["0s", "1ms", "1s500ms", "1m30s", "1h30m", "1d"],
  ]);
  expect([50, 0, 0.5, 1 / 60, 100 / 3_600, 2.5, 1e6 / 7].map(rateWord)).toEqual([
    ...["50/s", "0/s", "30/m", "1/m", "100/h", "150/m", `${1e6 / 7}/s`],
  ]);
});
