import type { z } from "zod";
import { didYouMean } from "../figures/did-you-mean.ts";

/** Where something stands in a scenario file: keys and indexes from its top, such as `["scenarios", "main", "stages", 0]`. */
export type Path = readonly (string | number)[];

/** Something in the file that breaks a rule. */
export interface Problem {
  readonly path: Path;
  readonly message: string; // the value received, the rule, the way out
  readonly of?: "key"; // the key is what is wrong, not its value
  readonly offset?: number; // in the text, where the path does not tell it
}

/** What k6, Artillery, Locust and people call a key that we have. */
const CALLED_ELSEWHERE: Readonly<Record<string, string>> = {
  sleep: "think",
  wait: "think",
  pause: "think",
  loop: "repeat",
  foreach: "for",
  flow: "steps",
  expect: "check",
  checks: "check",
  extract: "capture",
  url: "get",
  formData: "form",
  peakTime: "peakAt",
  timeZone: "tz",
  timezone: "tz",
  weekendFactor: "weekend",
};

/** Keys that people bring along from k6 and Artillery, and what does the same here. */
const INSTEAD: Readonly<Record<string, string>> = {
  sleep: "think is a step of its own, such as {think: 1s}",
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

/** Everything that is wrong with a file, so that it can be said at once. */
export class Problems {
  readonly list: Problem[] = [];

  report(path: Path, message: string): void {
    this.list.push({ path, message });
  }

  /** The last key of `path` is what is wrong. */
  reportKey(path: Path, message: string): void {
    this.list.push({ path, message, of: "key" });
  }

  /** @param known the keys that may stand at `path` */
  unknownKey(path: Path, key: string, known: readonly string[]): void {
    const hint = hintFor(key, path, known);
    this.reportKey([...path, key], `unknown key${hint}; known here: ${known.join(", ")}`);
  }

  /**
   * Reads `value` by `schema`. What is wrong in a map is reported and left out, so that the rest can be looked at too.
   * @returns undefined when it cannot do without
   */
  read<S extends z.ZodType>(schema: S, value: unknown, path: Path): z.output<S> | undefined {
    const { data, error } = schema.safeParse(value);
    if (error === undefined) return data;
    const wrong = new Set<PropertyKey>();
    for (const issue of error.issues) {
      const inside = issue.path as (string | number)[];
      const place = [...path, ...inside];
      const wrongKeys = issue.code === "unrecognized_keys" && inside.length === 0 ? issue.keys : [inside[0]!];
      for (const key of wrongKeys) wrong.add(key);
      if (issue.code === "unrecognized_keys") {
        for (const key of issue.keys) this.unknownKey(place, key, keysAt(schema, inside));
      } else if (issue.code === "invalid_key") {
        this.reportKey(place, `${shown(inside.at(-1))} ${issue.issues[0]?.message ?? issue.message}`);
      } else {
        const found = valueAt(value, inside);
        this.report(place, `${found === undefined ? "is missing; it" : shown(found)} ${issue.message}`);
      }
    }
    if (!isMap(value)) return undefined;
    return schema.safeParse(Object.fromEntries(Object.entries(value).filter(([key]) => !wrong.has(key))))
      .data;
  }
}

function hintFor(key: string, path: Path, known: readonly string[]): string {
  const ours = CALLED_ELSEWHERE[key];
  if (ours !== undefined && known.includes(ours)) return ` (did you mean ${ours}?)`;
  if (INSTEAD[key] !== undefined) return `: ${INSTEAD[key]}`;
  if (path.length === 0 && OF_A_SCENARIO.includes(key)) {
    return ": it belongs to a scenario, such as scenarios: {main: {executor: constant-vus, vus: 10}}";
  }
  return didYouMean(key, known);
}

/** A value as it may stand in a message: as JSON, cut when long. */
export function shown(value: unknown): string {
  if (value === null || value === undefined) return "(nothing)";
  if (typeof value === "number") return String(value); // JSON has no .inf
  const text = JSON.stringify(value);
  return text.length > 60 ? `${text.slice(0, 57)}…` : text;
}

export function isMap(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function valueAt(whole: unknown, path: Path): unknown {
  return path.reduce((value, key) => (value as Record<string | number, unknown> | undefined)?.[key], whole);
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
