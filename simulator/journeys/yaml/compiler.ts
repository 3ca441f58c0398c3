import { ExpressionError, parseExpression } from "./expression.ts";
import type { Evaluate } from "./frame.ts";
import { shown } from "../../scenario/problems.ts";
import type { Path, Problems } from "../../scenario/problems.ts";
import type { Act, Program } from "./program.ts";
import type { Headers } from "./request.ts";
import type { JourneyScope } from "./scope.ts";
import { constantText, parseTemplate } from "./template.ts";
import type { Template } from "./template.ts";

/** A place in the program that is not known yet. */
export interface Label {
  at: number;
}

/**
 * What compiling a journey's steps needs: the program so far, the names known so far, and a place for all that is wrong.
 * Going on after a problem, it finds them all.
 */
export class Compiler {
  readonly program: Program = [];
  readonly scope: JourneyScope;
  readonly problems: Problems;
  /** How many texts with values in them were read so far. */
  computed = 0;
  /** Of every request of the journey. */
  headers: Headers = new Map();
  hasComputedHeaders = false;
  /** How many reads of a body happen as soon as its answer is there. */
  readsAtOnce = 0;

  constructor(scope: JourneyScope, problems: Problems) {
    this.scope = scope;
    this.problems = problems;
  }

  /** Whether other steps read the body of the answer before them, so that every answer's is to be kept. */
  get keepsBodies(): boolean {
    return this.scope.bodyReads > this.readsAtOnce;
  }

  /** Appends what is done between requests. */
  act(act: Act["act"]): void {
    this.program.push({ kind: "act", act });
  }

  label(): Label {
    return { at: this.program.length };
  }

  mark(label: Label): void {
    label.at = this.program.length;
  }

  template(text: string, path: Path): Template {
    const template = this.#parsed(() => parseTemplate(text, this.scope), text, path) ?? [];
    if (constantText(template) === undefined) this.computed++;
    return template;
  }

  /** An expression, with or without `${}` around it, or a number or truth value. */
  expression(value: unknown, path: Path): Evaluate {
    if (typeof value === "boolean" || typeof value === "number") return () => value;
    if (typeof value !== "string") {
      this.problems.report(path, `${shown(value)} must be an expression such as "\${status == 200}"`);
      return () => undefined;
    }
    if (!value.trimStart().startsWith("${")) {
      return this.#parsed(() => parseExpression(value, this.scope), value, path) ?? (() => undefined);
    }
    const [only, ...more] = this.template(value.trim(), path);
    if (typeof only === "object" && more.length === 0) return only.evaluate;
    if (only !== undefined)
      this.problems.report(path, `"${value}" must be one expression, such as "\${status == 200}"`);
    return () => undefined;
  }

  #parsed<T>(parse: () => T, text: string, path: Path): T | undefined {
    try {
      return parse();
    } catch (error) {
      if (!(error instanceof ExpressionError)) throw error;
      this.problems.report(path, `"${text}": ${error.message} (character ${error.at + 1})`);
      return undefined;
    }
  }
}
