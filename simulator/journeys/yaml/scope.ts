import { z } from "zod";
import { didYouMean } from "../../figures/did-you-mean.ts";
import type { DataSet } from "./data.ts";
import type { Scope } from "./expression.ts";
import type { Evaluate } from "./frame.ts";
import { scalarOf } from "./scalar.ts";

/** Names that mean something by themselves. */
const OF_ANSWER = ["status", "body", "text"];
const RESERVED = new Set([
  ...OF_ANSWER,
  "header",
  "env",
  "random",
  "iteration",
  "vu",
  "true",
  "false",
  "null",
]);

const rule = `must be a name of letters, digits and _ that is not one of ${[...RESERVED].join(", ")}`;

export const VariableName = z
  .string(rule)
  .refine((name) => /^[A-Za-z_]\w*$/.test(name) && !RESERVED.has(name), rule);

/**
 * What the names in one journey stand for. Variables have slots in the frame. A name is known from the step on that can
 * set it, so using it before is found when the file is read.
 */
export class JourneyScope implements Scope {
  readonly namespaces: Scope["namespaces"];
  /** The sets whose row the journey uses: only these are drawn, so that another set changes nothing. */
  readonly rows = new Map<DataSet, number>();
  /** How often the body of an answer was referred to so far. */
  bodyReads = 0;
  readonly #data: ReadonlyMap<string, DataSet>;
  readonly #slots = new Map<string, number>();
  readonly #known = new Set<string>();
  #slotCount = 0;

  constructor(data: ReadonlyMap<string, DataSet>, env: Readonly<Record<string, string>>) {
    this.#data = data;
    this.namespaces = {
      env: (key) => {
        if (!Object.hasOwn(env, key)) {
          return {
            problem: `env.${key} is not set${didYouMean(key, Object.keys(env))}; give it with --env ${key}=… or under env:`,
          };
        }
        const value = scalarOf(env[key]!);
        return () => value;
      },
      header: (key) => {
        const name = key.toLowerCase();
        return (frame) => frame.header(name);
      },
    };
  }

  /** The slot of a variable that is known from here on. */
  declare(name: string): number {
    this.#known.add(name);
    let slot = this.#slots.get(name);
    if (slot === undefined) this.#slots.set(name, (slot = this.#slotCount++));
    return slot;
  }

  /** A slot that has no name. */
  hidden(): number {
    return this.#slotCount++;
  }

  variable(name: string): Evaluate | undefined {
    switch (name) {
      case "status":
        return (frame) => frame.status();
      case "body":
        this.bodyReads++;
        return (frame) => frame.json();
      case "text":
        this.bodyReads++;
        return (frame) => frame.text();
      case "iteration":
        return ({ session }) => session.iteration;
      case "vu":
        return ({ session }) => session.vu;
    }
    const slot = this.#known.has(name) ? this.#slots.get(name)! : this.#rowSlot(name);
    if (slot !== undefined) return (frame) => frame.values[slot];
    const rows = this.#data.get(name)?.rows;
    return rows && (() => rows);
  }

  *variables(): Iterable<string> {
    yield* this.#known;
    for (const [name, { as }] of this.#data) yield as ?? name;
    yield* RESERVED;
  }

  #rowSlot(name: string): number | undefined {
    for (const set of this.#data.values()) {
      if (set.as !== name) continue;
      const slot = this.rows.get(set) ?? this.hidden();
      this.rows.set(set, slot);
      return slot;
    }
    return undefined;
  }
}
