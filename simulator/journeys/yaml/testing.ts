/** For tests: journeys from YAML, gone through by hand. */
import { parse } from "yaml";
import { stream } from "../../../contract/random.ts";
import type { Answer, Journey, Step } from "../journey.ts";
import { Problems } from "../../scenario/problems.ts";
import { compileJourneys } from "./compile.ts";

export interface Reply {
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly json?: unknown;
  readonly text?: string;
}

export interface Visit {
  readonly steps: Step[];
  readonly thoughtMs: number[];
  readonly checks: [name: string, passed: boolean][];
  readonly drawn: number; // how often random bits were asked for
}

/** Compiles the sections `journeys:` and `data:` of a scenario. */
export async function compileYaml(
  yaml: string,
  options: { folder?: string; env?: Record<string, string> } = {},
) {
  const { journeys, data } = parse(yaml) as { journeys?: unknown; data?: unknown };
  const { folder = ".", env = {} } = options;
  const problems = new Problems();
  const compiled = await compileJourneys(journeys, data, { folder, env }, problems);
  return { journeys: compiled, problems: problems.list };
}

/** The one journey `j` that has these steps. @throws Error naming what is wrong with them */
export async function journeyOf(
  steps: string,
  options: { folder?: string; env?: Record<string, string>; more?: string } = {},
) {
  const indented = steps.trimEnd().replace(/^/gm, "      ");
  const { journeys, problems } = await compileYaml(
    `journeys:\n  j:\n    steps:\n${indented}\n${options.more ?? ""}`,
    options,
  );
  if (problems.length > 0)
    throw new Error(problems.map(({ path, message }) => `${path.join(".")}: ${message}`).join("\n"));
  return journeys.get("j")!;
}

export function answerOf({ status = 200, headers = {}, json, text }: Reply): Answer {
  return {
    status,
    header: (name) => headers[name],
    text: () => text ?? (json === undefined ? "" : JSON.stringify(json)),
    json: () => json,
  };
}

/** One iteration of `journey`, each request answered at once by `reply`; planned when there is none. */
export function visit(
  journey: Journey,
  reply?: (step: Step) => Reply,
  at: { seed?: number; iteration?: number; vu?: number } = {},
): Visit {
  const { seed = 1, iteration = 0, vu = iteration } = at;
  const { rng, drawn } = counting(seed, iteration);
  const steps: Step[] = [];
  const thoughtMs: number[] = [];
  const checks: [string, boolean][] = [];
  const going = journey.steps({
    rng,
    iteration,
    vu,
    planning: reply === undefined,
    think: (ms) => void thoughtMs.push(ms),
    check: (name, passed) => void checks.push([name, passed]),
  });
  for (let next = going.next(); next.done !== true;) {
    steps.push(next.value);
    next = going.next(answerOf(reply?.(next.value) ?? { json: next.value.planned }));
  }
  return { steps, thoughtMs, checks, drawn: drawn() };
}

/** The stream of an iteration, and how many of its bits were used: found by where it stands. */
function counting(seed: number, iteration: number) {
  const name = `iteration ${iteration}`;
  const rng = stream(seed, name);
  const drawn = () => {
    const after = Array.from({ length: 4 }, () => rng.uint32()).join();
    const again = stream(seed, name);
    const window = Array.from({ length: 4 }, () => again.uint32());
    for (let count = 0; count < 100_000; count++) {
      if (window.join() === after) return count;
      window.shift();
      window.push(again.uint32());
    }
    throw new Error("more than 100000 draws");
  };
  return { rng, drawn };
}
