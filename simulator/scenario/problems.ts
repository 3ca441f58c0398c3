import type { z } from "zod";
import { didYouMean } from "../figures/did-you-mean.ts";

/** Where a value lies in the file: keys and indexes from its top. */
export type Path = readonly (string | number)[];

/** Something in the file that breaks a rule. */
export interface Problem {
  readonly path: Path;
  readonly message: string; // the value and the rule
  readonly of?: "key"; // the key is what is wrong, not its value
}

/**
 * Reads `value` by `schema`.
 * @param problems takes what is wrong with it
 * @returns undefined when something is
 */
export function read<S extends z.ZodType>(
  schema: S,
  value: unknown,
  path: Path,
  problems: Problem[],
): z.output<S> | undefined {
  const { data, error } = schema.safeParse(value);
  for (const issue of error?.issues ?? []) {
    const within = [...path, ...(issue.path as (string | number)[])];
    if (issue.code === "unrecognized_keys") {
      problems.push(...issue.keys.map((key) => unknownKey(key, within, keysAt(schema, issue.path))));
      continue;
    }
    const found = issue.path.reduce<unknown>((at, key) => (at as Record<PropertyKey, unknown>)[key], value);
    problems.push({
      path: within,
      message: found === undefined ? `is missing; it ${issue.message}` : `${shown(found)} ${issue.message}`,
    });
  }
  return data;
}

/** Keys that people bring along from k6 and Artillery, and what stands for them here. */
const HINTS: Readonly<Record<string, string>> = {
  flow: "journeys says what users do",
  exec: "journeys says what users do",
  timeUnit: "a rate has its own unit, such as 50/s or 3000/m",
  preAllocatedVUs: "virtual users are made when they are due; maxVUs bounds them",
  gracefulRampDown: "gracefulStop holds for every user that has to go",
  options: "what k6 has in options stands at the top of the file",
  config: "what Artillery has in config stands at the top of the file",
  phases: "Artillery's phases are the stages of a scenario: stages: [{target: 50/s, duration: 1m}]",
  arrivalRate: "a scenario with the executor constant-arrival-rate has a rate",
  rampTo: "a scenario with the executor ramping-arrival-rate has stages",
  maxVusers: "maxVUs bounds the virtual users",
  ensure: "thresholds judges the run",
  payload: "data reads CSV and JSONL files",
  weight: "weights stand where journeys are chosen, such as journeys: {browse: 3, buy: 1}",
};
const OF_A_SCENARIO = ["executor", "vus", "duration", "iterations", "rate", "stages"];

/** @param known the keys that may stand at `path` */
export function unknownKey(key: string, path: Path, known: readonly string[]): Problem {
  const hint =
    HINTS[key] ??
    (path.length === 0 && OF_A_SCENARIO.includes(key)
      ? "it belongs to a scenario, such as scenarios: {main: {executor: constant-vus, vus: 10}}"
      : undefined);
  const message = hint === undefined ? didYouMean(key, known) : `: ${hint}`;
  return {
    path: [...path, key],
    of: "key",
    message: `unknown key${message}; known here: ${known.join(", ")}`,
  };
}

/** The value as it may stand in a message. */
export function shown(value: unknown): string {
  if (value === null || value === undefined) return "(nothing)";
  const text = JSON.stringify(value);
  return text.length > 60 ? `${text.slice(0, 57)}…` : text;
}

export function isMap(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** The keys of the object at `path` in a schema, whatever is made of it afterwards. */
function keysAt(schema: z.ZodType, path: readonly PropertyKey[]): string[] {
  const {
    shape,
    element,
    innerType,
    in: input,
  } = schema.def as unknown as Partial<Record<string, z.ZodType>>;
  const inner = innerType ?? input;
  if (inner !== undefined) return keysAt(inner, path);
  const [head, ...rest] = path;
  if (head === undefined) return Object.keys(shape ?? {});
  const next = element ?? (shape as unknown as Record<PropertyKey, z.ZodType> | undefined)?.[head];
  return next === undefined ? [] : keysAt(next, rest);
}
