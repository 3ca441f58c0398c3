import { z } from "zod";
import { messageOf } from "../../../contract/errors.ts";
import { parseDuration } from "../../../contract/units.ts";
import type { Compiler } from "./compiler.ts";
import { drawnFrom, Stop, Unknown } from "./frame.ts";
import type { Evaluate, Frame } from "./frame.ts";
import { zipfRank } from "./functions.ts";
import { shown } from "../../scenario/problems.ts";
import type { Path } from "../../scenario/problems.ts";
import { VariableName } from "./scope.ts";
import { jsonTemplate } from "./template.ts";

/** The steps that decide values: think times and variables. */

const duration = z.string("must be a duration such as 800ms").transform((text, context) => {
  try {
    return parseDuration(text);
  } catch (error) {
    context.addIssue(messageOf(error));
    return z.NEVER;
  }
});
const spread = "must be a number from 0 to 5";
const Always = duration;
const Lognormal = z.strictObject({
  median: duration,
  sigma: z.number(spread).min(0, spread).max(5, spread).default(0.5),
});
const Between = z.strictObject({ min: duration, max: duration });
const Exponential = z.strictObject({ mean: duration });

/** `think:` a time, or one from a distribution. */
export function think(compiler: Compiler, value: unknown, path: Path): void {
  const thinkMs = thinkTime(compiler, value, path);
  if (thinkMs === undefined) return;
  compiler.act((frame, next) => {
    frame.session.think(thinkMs(frame));
    return next;
  });
}

function thinkTime(
  { problems }: Compiler,
  value: unknown,
  path: Path,
): ((frame: Frame) => number) | undefined {
  const keys = typeof value === "object" && value !== null ? value : {};
  if ("median" in keys) {
    const shape = problems.read(Lognormal, value, path);
    return shape && (({ session }) => session.rng.lognormal(shape.median, shape.sigma));
  }
  if ("mean" in keys) {
    const shape = problems.read(Exponential, value, path);
    return shape && (({ session }) => session.rng.exponential(shape.mean));
  }
  if ("min" in keys || "max" in keys) {
    const shape = problems.read(Between, value, path);
    if (shape === undefined) return undefined;
    if (shape.min > shape.max) problems.report(path, "must have a min that is not above its max");
    return ({ session }) => shape.min + session.rng.float() * (shape.max - shape.min);
  }
  if (typeof value !== "string") {
    problems.report(
      path,
      `${shown(value)} must be a duration such as 1s, {median, sigma}, {min, max} or {mean}`,
    );
    return undefined;
  }
  const ms = problems.read(Always, value, path);
  return ms === undefined ? undefined : () => ms;
}

const Values = z.record(VariableName, z.unknown(), "must be a map of names to values");

/** `set:` variables, one after the other. */
export function set(compiler: Compiler, value: unknown, path: Path): void {
  for (const [name, definition] of Object.entries(compiler.problems.read(Values, value, path) ?? {})) {
    const evaluate = json(compiler, definition, [...path, name]);
    const slot = compiler.scope.declare(name);
    compiler.act((frame, next) => {
      frame.values[slot] = evaluate(frame);
      return next;
    });
  }
}

/** A value with expressions in its texts. */
export function json(compiler: Compiler, value: unknown, path: Path): Evaluate {
  return jsonTemplate(value, (text, at) => compiler.template(text, at), path);
}

const orders = "must be random, zipf, first, last, sequential, or {zipf: exponent}";
const exponent = "must be a number above 0";
const Pick = z.strictObject(
  {
    from: z.unknown().optional(),
    by: z
      .union(
        [
          z.enum(["random", "zipf", "first", "last", "sequential"]),
          z.strictObject({ zipf: z.number(exponent).positive(exponent) }),
        ],
        orders,
      )
      .default("random"),
  },
  "must be a map such as {from: ids, by: zipf}",
);
type By = z.output<typeof Pick>["by"];

/** `pick:` one element of a list for each variable. */
export function pick(compiler: Compiler, value: unknown, path: Path): void {
  const { scope, problems } = compiler;
  for (const [name, definition] of Object.entries(problems.read(Values, value, path) ?? {})) {
    const shape = problems.read(Pick, definition, [...path, name]);
    const list = shape && listFrom(compiler, shape.from, new Stop(`pick ${name}`), [...path, name, "from"]);
    const slot = scope.declare(name);
    if (list === undefined) continue;
    const choose = choiceBy(shape!.by, scope.hidden());
    compiler.act((frame, next) => {
      const from = list(frame);
      frame.values[slot] =
        from instanceof Unknown ? choose.unknown(frame, from) : from.at(choose.index(frame, from.length));
      return next;
    });
  }
}

/** What is picked from. */
interface List {
  readonly length: number;
  at(index: number): unknown;
}

const bounds = "must be two whole numbers, the smaller first, such as [1, 100]";
const Range = z.strictObject({
  range: z
    .tuple([z.int(bounds), z.int(bounds)], bounds)
    .refine(([least, most]) => least <= most && most - least < 1e6, `${bounds}, a million apart at most`),
});

/** A list by its name or expression, written out, or a range of numbers. @throws Stop `none`, when run, if it is none or empty */
function listFrom(
  compiler: Compiler,
  from: unknown,
  none: Stop,
  path: Path,
): ((frame: Frame) => List | Unknown) | undefined {
  if (typeof from === "object" && from !== null && "range" in from) {
    const range = compiler.problems.read(Range, from, path)?.range;
    if (range === undefined) return undefined;
    const [least, most] = range;
    const list = { length: most - least + 1, at: (index: number) => least + index };
    return () => list;
  }
  if (typeof from !== "string" && !Array.isArray(from)) {
    compiler.problems.report(path, `${shown(from)} must be the name of a list, a list, or {range: [1, 100]}`);
    return undefined;
  }
  const evaluate = typeof from === "string" ? compiler.expression(from, path) : json(compiler, from, path);
  return (frame) => {
    const list = evaluate(frame);
    if (list instanceof Unknown) return list;
    if (!Array.isArray(list) || list.length === 0) throw none;
    return list as unknown[];
  };
}

/** Which element: of a list, or of one that is unknown in planning. Both draw alike. */
interface Choice {
  index(frame: Frame, length: number): number;
  unknown(frame: Frame, list: Unknown): Unknown;
}

/** @param uses slot that counts the picks of an iteration */
function choiceBy(by: By, uses: number): Choice {
  if (by === "first" || by === "last") {
    return {
      index: () => (by === "first" ? 0 : -1),
      unknown: (_, list) => new Unknown(`${list.source}:${by}`),
    };
  }
  if (by === "sequential") {
    const next = ({ session, values }: Frame) => {
      const used = (values[uses] as number | undefined) ?? 0;
      values[uses] = used + 1;
      return session.iteration + used;
    };
    return {
      index: (frame, length) => next(frame) % length,
      unknown: (frame, list) => new Unknown(`${list.source}:${next(frame)}`),
    };
  }
  const unknown = ({ session }: Frame, list: Unknown) => drawnFrom(list.source, session.rng.uint32());
  if (by === "random") return { index: ({ session }, length) => session.rng.integer(length), unknown };
  const steepness = by === "zipf" ? 1 : by.zipf;
  return { index: ({ session }, length) => zipfRank(session.rng, length, steepness), unknown };
}
