import type { Answer, SessionContext } from "../journey.ts";

/** Computes a value from where an iteration stands. Made once, when the file is read; run for every step. */
export type Evaluate = (frame: Frame) => unknown;

/**
 * What only an answer can tell, while a run is planned and there are no answers. It stands for itself in the planned
 * request, as `{ids}`, and whatever is computed from it is unknown too.
 */
export class Unknown {
  readonly source: string;

  constructor(source: string) {
    this.source = source;
  }

  toString(): string {
    return `{${this.source}}`;
  }

  toJSON(): string {
    return this.toString();
  }
}

/**
 * Thrown where an iteration cannot go on, because what it needs was not answered. Made when the file is read, so that
 * throwing it costs nothing at a target that answers nonsense.
 */
export class Stop extends Error {
  readonly check: string; // counted as failed

  constructor(check: string) {
    super(check);
    this.check = check;
  }
}

/** One iteration: its variables, by slot, and the answer it got last. */
export class Frame {
  readonly session: SessionContext;
  readonly values: unknown[] = [];
  #answer: Answer | undefined;
  #invented = false;
  #json: unknown;
  #parsed = false;

  constructor(session: SessionContext) {
    this.session = session;
  }

  /** @param planned whether the step said itself what a planned answer holds */
  receive(answer: Answer, planned: boolean): void {
    this.#answer = answer;
    this.#invented = this.session.planning && !planned;
    this.#json = undefined;
    this.#parsed = false;
  }

  status(): number | undefined {
    return this.#answer?.status;
  }

  /** The body as JSON, parsed once an answer. */
  json(): unknown {
    if (this.#invented) return new Unknown("body");
    if (!this.#parsed) {
      this.#json = this.#answer?.json();
      this.#parsed = true;
    }
    return this.#json;
  }

  text(): unknown {
    return this.session.planning ? new Unknown("text") : this.#answer?.text();
  }

  /** @param name in lower case */
  header(name: string): unknown {
    return this.session.planning ? new Unknown(`header.${name}`) : this.#answer?.header(name);
  }
}

/** As it stands in a text: texts as they are, lists and objects as JSON. */
export function textOf(value: unknown): string {
  if (typeof value === "string") return value;
  if (value instanceof Unknown) return value.toString();
  return value === undefined ? "undefined" : JSON.stringify(value);
}

/** As it stands inside the braces of what is unknown because of it. */
export function sourceOf(value: unknown): string {
  return value instanceof Unknown ? value.source : textOf(value);
}

/** A draw that decides something about what is unknown, such as which one of a list. */
export function drawnFrom(what: string, draw: number): Unknown {
  return new Unknown(`${what}:${draw.toString(16).padStart(8, "0")}`);
}
