import { z } from "zod";
import { didYouMean } from "../../figures/did-you-mean.ts";

/** Where something stands in a scenario file, such as `["journeys", "buyer", "steps", 0, "get"]`. */
export type Path = readonly (string | number)[];

export interface Problem {
  readonly path: (string | number)[];
  readonly message: string; // the value received, the rule, the way out
}

/** What other tools call it. */
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
};

/** Everything that is wrong with a file, so that it can be said at once. */
export class Problems {
  readonly list: Problem[] = [];

  report(path: Path, message: string): void {
    this.list.push({ path: [...path], message });
  }

  unknownKey(path: Path, key: string, known: readonly string[]): void {
    const elsewhere = CALLED_ELSEWHERE[key];
    const hint =
      elsewhere !== undefined && known.includes(elsewhere)
        ? ` (did you mean ${elsewhere}?)`
        : didYouMean(key, known);
    this.report([...path, key], `unknown key "${key}"${hint}; known here: ${known.join(", ")}`);
  }

  /**
   * `value` in the shape of `schema`. What is wrong in it is reported and left out, so that the rest can be looked at too;
   * undefined when it cannot do without.
   */
  shaped<S extends z.ZodType>(schema: S, value: unknown, path: Path): z.output<S> | undefined {
    const parsed = schema.safeParse(value);
    if (parsed.success) return parsed.data;
    const wrong = new Set<string>();
    for (const issue of parsed.error.issues) {
      const inside = issue.path as (string | number)[];
      if (issue.code === "unrecognized_keys" && schema instanceof z.ZodObject && inside.length === 0) {
        for (const key of issue.keys) {
          this.unknownKey(path, key, Object.keys(schema.shape));
          wrong.add(key);
        }
        continue;
      }
      wrong.add(String(inside[0]));
      const place = [...path, ...inside];
      if (issue.code === "unrecognized_keys")
        this.report(place, `has the unknown key "${issue.keys.join('", "')}"`);
      else if (issue.code === "invalid_key") {
        this.report(place, `"${String(inside.at(-1))}" ${issue.issues[0]?.message ?? issue.message}`);
      } else this.report(place, broken(valueAt(value, inside), issue.message));
    }
    return isMap(value) ? schema.safeParse(without(value, wrong)).data : undefined;
  }
}

function isMap(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function without(map: Readonly<Record<string, unknown>>, keys: ReadonlySet<string>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(map).filter(([key]) => !keys.has(key)));
}

function valueAt(whole: unknown, path: Path): unknown {
  return path.reduce((value, key) => (value as Record<string | number, unknown> | undefined)?.[key], whole);
}

function broken(value: unknown, rule: string): string {
  return value === undefined ? `is missing; it ${rule}` : `${shown(value)} ${rule}`;
}

/** A value as a message shows it: as JSON, cut when long. */
export function shown(value: unknown): string {
  const text = (JSON.stringify(value) as string | undefined) ?? String(value);
  return text.length > 60 ? `${text.slice(0, 57)}…` : text;
}
