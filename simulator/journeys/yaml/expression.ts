import { didYouMean } from "../../figures/did-you-mean.ts";
import { sourceOf, textOf, Unknown } from "./frame.ts";
import type { Evaluate } from "./frame.ts";
import { callOf, FUNCTIONS } from "./functions.ts";

/**
 * Expressions, as in `${page * 20}`: JavaScript's literals, operators and precedence, without its traps. `==` compares type
 * and value; a member of nothing is nothing; arithmetic on what is no number gives nothing. Nothing of JavaScript itself
 * can be reached: only own properties are read, only {@link FUNCTIONS} are called.
 */

/** What the names of an expression stand for. */
export interface Scope {
  /** A variable; undefined when no such name can have a value here. */
  variable(name: string): Evaluate | undefined;
  /** What has members only, such as `env`: the value of one of them, or what is wrong with it. */
  readonly namespaces: Readonly<Record<string, (key: string) => Evaluate | { readonly problem: string }>>;
  /** All variables, to suggest one. */
  variables(): Iterable<string>;
}

/** The one error of the parser: what is wrong and where. */
export class ExpressionError extends Error {
  readonly at: number; // offset in the text

  constructor(message: string, at: number) {
    super(message);
    this.at = at;
  }
}

/** Bounds the depth of what is compiled, so that neither parsing nor running it can exhaust the stack. */
const MAX_LENGTH = 1_000;
const MAX_DEPTH = 50;

/**
 * Compiles a whole text.
 * @throws ExpressionError
 */
export function parseExpression(text: string, scope: Scope): Evaluate {
  return new Parser(text, 0, scope).whole();
}

/**
 * Compiles what stands between `from` and the brace that closes it.
 * @returns the expression and the offset behind the brace
 * @throws ExpressionError
 */
export function parseBraced(text: string, from: number, scope: Scope): { evaluate: Evaluate; end: number } {
  return new Parser(text, from, scope).braced();
}

const TOKEN =
  /\s*(?:(?<number>\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)|(?<text>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')|(?<name>[A-Za-z_]\w*)|(?<operator>[=!]==?|[<>]=?|&&|\|\||\?\?|[-+*/%!=?:.,()[\]{}]))/sy;

interface Token {
  readonly kind: "number" | "text" | "name" | "operator" | "end";
  readonly text: string;
  readonly at: number;
}

type Binary = (left: Evaluate, right: Evaluate) => Evaluate;

/** How tightly it binds, and what it does. */
const BINARY: ReadonlyMap<string, readonly [number, Binary]> = new Map([
  ["??", [1, (left, right) => (frame) => left(frame) ?? right(frame)]],
  ["||", [2, (left, right) => (frame) => left(frame) || right(frame)]],
  ["&&", [3, (left, right) => (frame) => left(frame) && right(frame)]],
  ["==", [4, known("==", (a, b) => a === b)]],
  ["!=", [4, known("!=", (a, b) => a !== b)]],
  [
    "<",
    [
      5,
      known(
        "<",
        ordered((order) => order < 0),
      ),
    ],
  ],
  [
    "<=",
    [
      5,
      known(
        "<=",
        ordered((order) => order <= 0),
      ),
    ],
  ],
  [
    ">",
    [
      5,
      known(
        ">",
        ordered((order) => order > 0),
      ),
    ],
  ],
  [
    ">=",
    [
      5,
      known(
        ">=",
        ordered((order) => order >= 0),
      ),
    ],
  ],
  ["+", [6, known("+", plus)]],
  [
    "-",
    [
      6,
      known(
        "-",
        arithmetic((a, b) => a - b),
      ),
    ],
  ],
  [
    "*",
    [
      7,
      known(
        "*",
        arithmetic((a, b) => a * b),
      ),
    ],
  ],
  [
    "/",
    [
      7,
      known(
        "/",
        arithmetic((a, b) => a / b),
      ),
    ],
  ],
  [
    "%",
    [
      7,
      known(
        "%",
        arithmetic((a, b) => a % b),
      ),
    ],
  ],
] satisfies [string, [number, Binary]][]);

const LITERALS: ReadonlyMap<string, unknown> = new Map<string, unknown>([
  ["true", true],
  ["false", false],
  ["null", null],
]);

/** A Pratt parser: each operator knows how tightly it binds. */
class Parser {
  readonly #text: string;
  readonly #scope: Scope;
  readonly #from: number;
  #token!: Token;
  #end: number; // of the token
  #depth = 0;

  constructor(text: string, from: number, scope: Scope) {
    this.#text = text;
    this.#scope = scope;
    this.#from = this.#end = from;
    this.#advance();
  }

  whole(): Evaluate {
    const evaluate = this.#expression();
    if (this.#token.kind !== "end") throw this.#unexpected("an operator or the end");
    return evaluate;
  }

  braced(): { evaluate: Evaluate; end: number } {
    const evaluate = this.#expression();
    if (!this.#is("}")) throw this.#unexpected('an operator or "}"');
    return { evaluate, end: this.#end };
  }

  /** A choice `a ? b : c`, or what binds tighter. */
  #expression(): Evaluate {
    if (++this.#depth > MAX_DEPTH) throw this.#error(`is nested deeper than ${MAX_DEPTH} levels`);
    const condition = this.#binary(0);
    let evaluate = condition;
    if (this.#skip("?")) {
      const then = this.#expression();
      this.#expect(":");
      const otherwise = this.#expression();
      evaluate = (frame) => (condition(frame) ? then(frame) : otherwise(frame));
    }
    this.#depth--;
    return evaluate;
  }

  #binary(least: number): Evaluate {
    let left = this.#unary();
    for (;;) {
      const [power, combine] = (this.#token.kind === "operator" && BINARY.get(this.#token.text)) || [0];
      if (combine === undefined || power <= least) return left;
      this.#advance();
      left = combine(left, this.#binary(power));
    }
  }

  #unary(): Evaluate {
    const operators: string[] = [];
    while (this.#is("!") || this.#is("-")) {
      operators.push(this.#token.text);
      this.#advance();
    }
    if (operators.length > MAX_DEPTH) throw this.#error(`is nested deeper than ${MAX_DEPTH} levels`);
    return operators.reduceRight(
      (operand, operator) => (operator === "!" ? not(operand) : negative(operand)),
      this.#postfix(),
    );
  }

  #postfix(): Evaluate {
    let evaluate = this.#primary();
    for (;;) {
      if (this.#skip(".")) evaluate = member(evaluate, this.#name());
      else if (this.#skip("[")) {
        evaluate = element(evaluate, this.#expression());
        this.#expect("]");
      } else return evaluate;
    }
  }

  #primary(): Evaluate {
    const { kind, text, at } = this.#token;
    if (kind === "number") {
      this.#advance();
      return constant(Number(text));
    }
    if (kind === "text") {
      this.#advance();
      return constant(unquoted(text));
    }
    if (kind === "name") return this.#named(this.#name(), at);
    if (this.#skip("(")) {
      const inner = this.#expression();
      this.#expect(")");
      return inner;
    }
    if (this.#skip("[")) {
      const items = this.#list("]");
      return (frame) => items.map((item) => item(frame));
    }
    throw this.#unexpected("a value");
  }

  /** A literal, a function called, a member of a namespace, or a variable. */
  #named(name: string, at: number): Evaluate {
    if (LITERALS.has(name)) return constant(LITERALS.get(name));
    if (this.#skip("(")) return this.#call(name, at);
    if (name === "random" && this.#skip(".")) {
      const called = `random.${this.#name()}`;
      this.#expect("(");
      return this.#call(called, at);
    }
    if (Object.hasOwn(this.#scope.namespaces, name)) return this.#ofNamespace(name, at);
    const variable = this.#scope.variable(name);
    if (variable !== undefined) return variable;
    const hint = didYouMean(name, [...this.#scope.variables(), ...LITERALS.keys(), ...FUNCTIONS.keys()]);
    throw this.#error(`there is no variable "${name}" here${hint}`, at);
  }

  #ofNamespace(name: string, at: number): Evaluate {
    let key: string;
    if (this.#skip("[")) {
      if (this.#token.kind !== "text") throw this.#unexpected("a name in quotes");
      key = unquoted(this.#token.text);
      this.#advance();
      this.#expect("]");
    } else {
      this.#expect(".");
      key = this.#name();
    }
    const evaluate = this.#scope.namespaces[name]!(key);
    if (typeof evaluate === "function") return evaluate;
    throw this.#error(evaluate.problem, at);
  }

  #call(name: string, at: number): Evaluate {
    const args = this.#list(")");
    const called = FUNCTIONS.get(name);
    if (called === undefined) {
      throw this.#error(`there is no function "${name}"${didYouMean(name, FUNCTIONS.keys())}`, at);
    }
    const [least, most] = called.arity;
    if (args.length < least || args.length > most) {
      const rule = least === most ? `${least}` : `${least} to ${most}`;
      throw this.#error(`${name} takes ${rule} values, not ${args.length}`, at);
    }
    return callOf(name, called, args);
  }

  #list(close: string): Evaluate[] {
    const items: Evaluate[] = [];
    if (this.#skip(close)) return items;
    do items.push(this.#expression());
    while (this.#skip(","));
    this.#expect(close);
    return items;
  }

  #name(): string {
    if (this.#token.kind !== "name") throw this.#unexpected("a name");
    const { text } = this.#token;
    this.#advance();
    return text;
  }

  #is(operator: string): boolean {
    return this.#token.kind === "operator" && this.#token.text === operator;
  }

  #skip(operator: string): boolean {
    const found = this.#is(operator);
    if (found) this.#advance();
    return found;
  }

  #expect(operator: string): void {
    if (!this.#skip(operator)) throw this.#unexpected(`"${operator}"`);
  }

  #advance(): void {
    TOKEN.lastIndex = this.#end;
    const match = TOKEN.exec(this.#text);
    if (match === null) {
      const at = this.#end + /^\s*/.exec(this.#text.slice(this.#end))![0].length;
      this.#token = { kind: "end", text: "", at };
      if (at < this.#text.length) throw this.#unexpected("a value or an operator");
      return;
    }
    this.#end = TOKEN.lastIndex;
    if (this.#end - this.#from > MAX_LENGTH) throw this.#error(`is longer than ${MAX_LENGTH} characters`);
    const kinds = Object.entries(match.groups!) as [Token["kind"], string | undefined][];
    const [kind, text = ""] = kinds.find(([, part]) => part !== undefined)!;
    this.#token = { kind, text, at: this.#end - text.length };
    if (text === "===" || text === "!==") {
      throw this.#error(`knows no "${text}"; write "${text.slice(0, 2)}", which compares type and value`);
    }
    if (text === "=") throw this.#error('cannot assign; to compare write "=="');
  }

  #unexpected(wanted: string): ExpressionError {
    const { at } = this.#token;
    const found = at < this.#text.length ? `"${this.#text.slice(at, at + 10)}"` : "the end";
    return this.#error(`has ${found} where ${wanted} must stand`);
  }

  #error(message: string, at = this.#token.at): ExpressionError {
    return new ExpressionError(message, at);
  }
}

const constant = (value: unknown) => () => value;

const not =
  (operand: Evaluate): Evaluate =>
  (frame) => {
    const value = operand(frame);
    return value instanceof Unknown ? new Unknown(`!${value.source}`) : !value;
  };

const negative = (operand: Evaluate): Evaluate =>
  known(
    "-",
    arithmetic((zero, value) => zero - value),
  )(constant(0), operand);

/** An operator that needs both its values; unknown when one of them is. */
function known(symbol: string, apply: (left: unknown, right: unknown) => unknown): Binary {
  return (left, right) => (frame) => {
    const a = left(frame);
    const b = right(frame);
    if (a instanceof Unknown || b instanceof Unknown) {
      return new Unknown(`${sourceOf(a)}${symbol}${sourceOf(b)}`);
    }
    return apply(a, b);
  };
}

function arithmetic(apply: (left: number, right: number) => number) {
  return (left: unknown, right: unknown): number | undefined => {
    if (typeof left !== "number" || typeof right !== "number") return undefined;
    const result = apply(left, right);
    return Number.isFinite(result) ? result : undefined;
  };
}

const sum = arithmetic((a, b) => a + b);

/** Adds numbers; joins texts, and texts with what is not nothing. */
function plus(left: unknown, right: unknown): unknown {
  if (typeof left !== "string" && typeof right !== "string") return sum(left, right);
  return left === undefined || right === undefined ? undefined : textOf(left) + textOf(right);
}

/** Numbers and texts are ordered among themselves; with anything else no comparison holds. */
function ordered(holds: (order: number) => boolean) {
  return (left: unknown, right: unknown): boolean => {
    if (typeof left === "number" && typeof right === "number") return holds(left - right);
    if (typeof left !== "string" || typeof right !== "string") return false;
    return holds(left === right ? 0 : left < right ? -1 : 1);
  };
}

const member = (of: Evaluate, key: string): Evaluate => {
  return (frame) => valueIn(of(frame), key);
};

const element =
  (of: Evaluate, key: Evaluate): Evaluate =>
  (frame) => {
    const value = of(frame);
    const at = key(frame);
    if (at instanceof Unknown) return new Unknown(`${sourceOf(value)}[${at.source}]`);
    if (value instanceof Unknown) return new Unknown(`${value.source}[${textOf(at)}]`);
    return typeof at === "number" || typeof at === "string" ? valueIn(value, at) : undefined;
  };

/** An own property, or an element of a list or text, from its end when below 0. */
function valueIn(value: unknown, key: string | number): unknown {
  if (value instanceof Unknown) return new Unknown(`${value.source}.${key}`);
  if (typeof value === "string" || Array.isArray(value)) {
    if (key === "length") return value.length;
    return typeof key === "number" ? (value.at(key) as unknown) : undefined;
  }
  if (typeof value !== "object" || value === null || !Object.hasOwn(value, key)) return undefined;
  return (value as Record<string, unknown>)[key];
}

const ESCAPES: Readonly<Record<string, string>> = { n: "\n", r: "\r", t: "\t" };

function unquoted(text: string): string {
  return text
    .slice(1, -1)
    .replace(/\\(?:u([0-9a-fA-F]{4})|(.))/gs, (_, code?: string, escaped?: string) =>
      code === undefined ? (ESCAPES[escaped!] ?? escaped!) : String.fromCharCode(parseInt(code, 16)),
    );
}
