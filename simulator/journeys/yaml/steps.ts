import type { Compiler } from "./compiler.ts";
import { choose, end, forEach, ifElse, repeat } from "./flow.ts";
import { shown } from "../../scenario/problems.ts";
import type { Path } from "../../scenario/problems.ts";
import { METHODS, request } from "./request.ts";
import { pick, set, think } from "./values.ts";

/** Every step, by the key that tells it: appends what it does to the compiler's program. */
const STEPS: Readonly<
  Record<string, (compiler: Compiler, step: Record<string, unknown>, path: Path) => void>
> = {
  ...Object.fromEntries([...METHODS, "request"].map((method) => [method, request])),
  think: alone("think", think),
  set: alone("set", set),
  pick: alone("pick", pick),
  repeat: alone("repeat", repeat),
  for: alone("for", forEach),
  choose: alone("choose", choose),
  if: ifElse,
  end: alone("end", end),
};

/** Compiles a list of steps. */
export function block(compiler: Compiler, definition: unknown, path: Path): void {
  if (!Array.isArray(definition) || definition.length === 0) {
    const rule = "must be a list of at least one step";
    compiler.problems.report(
      path,
      definition === undefined ? `is missing; it ${rule}` : `${shown(definition)} ${rule}`,
    );
    return;
  }
  for (const [index, step] of (definition as unknown[]).entries())
    compileStep(compiler, step, [...path, index]);
}

function compileStep(compiler: Compiler, step: unknown, path: Path): void {
  const { problems } = compiler;
  if (typeof step !== "object" || step === null || Array.isArray(step) || Object.keys(step).length === 0) {
    problems.report(path, `${shown(step)} must be a step such as {get: /products}`);
    return;
  }
  const [kind, second] = Object.keys(step).filter((key) => Object.hasOwn(STEPS, key));
  if (kind === undefined) problems.unknownKey(path, Object.keys(step)[0]!, Object.keys(STEPS));
  else if (second !== undefined)
    problems.report(path, `is two steps in one, ${kind} and ${second}; give each its own "-"`);
  else STEPS[kind]!(compiler, step as Record<string, unknown>, path);
}

/** A step with no other key beside its own. */
function alone(kind: string, compile: (compiler: Compiler, value: unknown, path: Path) => void) {
  return (compiler: Compiler, step: Record<string, unknown>, path: Path): void => {
    for (const key of Object.keys(step)) {
      if (key !== kind) compiler.problems.unknownKey(path, key, [kind]);
    }
    compile(compiler, step[kind], [...path, kind]);
  };
}
