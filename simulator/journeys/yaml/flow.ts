import { z } from "zod";
import { weighted } from "../../../contract/random.ts";
import type { Compiler } from "./compiler.ts";
import { Stop, Unknown } from "./frame.ts";
import type { Evaluate, Frame } from "./frame.ts";
import type { Path } from "../../scenario/problems.ts";
import { END } from "./program.ts";
import { VariableName } from "./scope.ts";
import { block } from "./steps.ts";

/**
 * The steps that decide which steps come next. While a run is planned, what only an answer can decide goes the way of a
 * good answer: a condition holds, a loop goes round once or as often as its limit.
 */

const steps = z.unknown().optional(); // block() says what they must be

const If = z.strictObject({ if: z.unknown(), then: steps, else: steps });

/** `if: condition`, `then: steps`, `else: steps` */
export function ifElse(compiler: Compiler, step: Record<string, unknown>, path: Path): void {
  const shape = compiler.problems.read(If, step, path);
  if (shape === undefined) return;
  const holds = compiler.expression(shape.if, [...path, "if"]);
  const otherwise = compiler.label();
  const after = compiler.label();
  compiler.act((frame, next) => (holds(frame) ? next : otherwise.at));
  block(compiler, shape.then, [...path, "then"]);
  if (shape.else !== undefined) compiler.act(() => after.at);
  compiler.mark(otherwise);
  if (shape.else !== undefined) block(compiler, shape.else, [...path, "else"]);
  compiler.mark(after);
}

const branchWeight = "must be a number above 0";
const Choose = z
  .array(
    z.strictObject(
      { weight: z.number(branchWeight).positive(branchWeight), steps },
      "must be a map such as {weight: 70, steps: [...]}",
    ),
    "must be a list of {weight, steps}",
  )
  .min(1, "must have at least one branch");

/** `choose:` one of several branches by their weights. */
export function choose(compiler: Compiler, value: unknown, path: Path): void {
  const branches = compiler.problems.read(Choose, value, path);
  if (branches === undefined) return;
  const draw = weighted(branches.map((branch) => branch.weight));
  const starts = branches.map(() => compiler.label());
  const after = compiler.label();
  compiler.act(({ session }) => starts[draw(session.rng)]!.at);
  for (const [index, branch] of branches.entries()) {
    compiler.mark(starts[index]!);
    block(compiler, branch.steps, [...path, index, "steps"]);
    compiler.act(() => after.at);
  }
  compiler.mark(after);
}

const times = 'must be a whole number, a range such as "1-3", or an expression';
const Repeat = z.strictObject(
  {
    times: z.union([z.int().min(0), z.string()], times).optional(),
    while: z.unknown().optional(),
    as: VariableName.optional(),
    steps,
  },
  "must be a map such as {times: 1-3, steps: [...]}",
);

/** `repeat:` steps a number of times, or while something holds, or both. */
export function repeat(compiler: Compiler, value: unknown, path: Path): void {
  const { scope, problems } = compiler;
  const shape = problems.read(Repeat, value, path);
  if (shape === undefined) return;
  if (shape.times === undefined && shape.while === undefined) {
    problems.report(path, "must have times: or while:, so that it comes to an end");
  }
  const rounds = roundsOf(compiler, shape.times, [...path, "times"]);
  declareAllIn(compiler, shape.steps);
  const round = shape.as === undefined ? scope.hidden() : scope.declare(shape.as);
  const goesOn =
    shape.while === undefined ? () => true : compiler.expression(shape.while, [...path, "while"]);
  loop(compiler, {
    round,
    rounds,
    enter: (frame) => {
      const holds = goesOn(frame);
      return holds instanceof Unknown ? frame.values[round] === 0 : Boolean(holds);
    },
    body: () => block(compiler, shape.steps, [...path, "steps"]),
  });
}

const limit = "must be a whole number above 0";
const For = z.strictObject(
  {
    each: z.string('must be the name of a list, or an expression such as "${body.items}"'),
    as: VariableName,
    limit: z.int(limit).positive(limit).optional(),
    steps,
  },
  "must be a map such as {each: ids, as: id, steps: [...]}",
);

/** `for:` each element of a list, the first `limit` of them. */
export function forEach(compiler: Compiler, value: unknown, path: Path): void {
  const { scope, problems } = compiler;
  const shape = problems.read(For, value, path);
  if (shape === undefined) return;
  const source = compiler.expression(shape.each, [...path, "each"]);
  const noList = new Stop(`for each ${shape.each}`);
  const most = shape.limit ?? Infinity;
  const [list, round, element] = [scope.hidden(), scope.hidden(), scope.declare(shape.as)];
  declareAllIn(compiler, shape.steps);
  loop(compiler, {
    round,
    rounds: (frame) => {
      const found = (frame.values[list] = source(frame));
      if (found instanceof Unknown) return shape.limit ?? 1;
      if (!Array.isArray(found)) throw noList;
      return Math.min(found.length, most);
    },
    enter: ({ values }) => {
      const [found, at] = [values[list], values[round] as number];
      values[element] =
        found instanceof Unknown ? new Unknown(`${found.source}[${at}]`) : (found as unknown[])[at];
      return true;
    },
    body: () => block(compiler, shape.steps, [...path, "steps"]),
  });
}

/** `end: true` ends the iteration. */
export function end(compiler: Compiler, value: unknown, path: Path): void {
  compiler.problems.read(z.literal(true, "must be true"), value, path);
  compiler.act(() => END);
}

interface Loop {
  readonly round: number; // slot: counts from 0
  readonly rounds: (frame: Frame) => number; // at most; asked once
  /** Begins a round. @returns false when there shall be none */
  readonly enter: (frame: Frame) => boolean;
  readonly body: () => void;
}

function loop(compiler: Compiler, { round, rounds, enter, body }: Loop): void {
  const most = compiler.scope.hidden();
  compiler.act((frame, next) => {
    frame.values[round] = 0;
    frame.values[most] = rounds(frame);
    return next;
  });
  const head = compiler.label();
  const after = compiler.label();
  compiler.act((frame, next) => {
    const goesOn = (frame.values[round] as number) < (frame.values[most] as number) && enter(frame);
    return goesOn ? next : after.at;
  });
  body();
  compiler.act(({ values }) => {
    values[round] = (values[round] as number) + 1;
    return head.at;
  });
  compiler.mark(after);
}

/** How often to go round: a draw from a range, or what an expression gives. */
function roundsOf(
  compiler: Compiler,
  value: string | number | undefined,
  path: Path,
): (frame: Frame) => number {
  if (value === undefined) return () => Infinity;
  const range = /^\s*(\d{1,9})\s*-\s*(\d{1,9})\s*$/.exec(String(value));
  if (range !== null) {
    const [least, most] = [Number(range[1]), Number(range[2])];
    if (least > most)
      compiler.problems.report(path, `"${value}" must go from the smaller number to the larger`);
    return ({ session }) => least + session.rng.integer(most - least + 1);
  }
  const evaluate: Evaluate = compiler.expression(value, path);
  const noNumber = new Stop(`repeat times ${value}`);
  return (frame) => {
    const rounds = evaluate(frame);
    if (rounds instanceof Unknown) return 1;
    if (typeof rounds !== "number" || !(rounds >= 0)) throw noNumber;
    return rounds;
  };
}

/** Steps of a loop may use what later steps of it set: in the round before. */
function declareAllIn(compiler: Compiler, definition: unknown): void {
  if (typeof definition !== "object" || definition === null) return;
  if (Array.isArray(definition)) {
    for (const item of definition as unknown[]) declareAllIn(compiler, item);
    return;
  }
  for (const [key, value] of Object.entries(definition as Record<string, unknown>)) {
    if (["capture", "pick", "set"].includes(key) && typeof value === "object" && value !== null) {
      for (const name of Object.keys(value)) compiler.scope.declare(name);
    } else if (key === "as" && typeof value === "string") compiler.scope.declare(value);
    else if (["steps", "then", "else", "repeat", "for", "choose"].includes(key))
      declareAllIn(compiler, value);
  }
}
