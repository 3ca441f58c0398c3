import type { SessionContext, Step, Steps } from "../journey.ts";
import { Frame, Stop } from "./frame.ts";

/**
 * A journey compiled: its steps in a row, loops and branches as jumps between them. One flat generator runs it however
 * deep the steps are nested in the file.
 */
export type Program = Instruction[];
export type Instruction = Request | Act;

export interface Request {
  readonly kind: "request";
  readonly render: (frame: Frame) => Step;
  /** The step says what a planned answer holds. */
  readonly planned: boolean;
  /** Checks the answer and captures from it. */
  readonly received: (frame: Frame) => void;
}

export interface Act {
  readonly kind: "act";
  /** @returns where to go on: `next`, or elsewhere in the program */
  readonly act: (frame: Frame, next: number) => number;
}

/** Behind every program. */
export const END = Infinity;

const MAX_REQUESTS = 10_000;
const MAX_INSTRUCTIONS = 100_000; // of loops that send nothing

/**
 * Runs one iteration. Where it cannot go on for want of a value, it ends, and that counts as a failed check.
 * @throws Error when it does not come to an end by itself
 */
export function* play(name: string, program: Program, session: SessionContext): Steps {
  const frame = new Frame(session);
  let instructions = 0;
  let requests = 0;
  try {
    for (let at = 0; at < program.length;) {
      if (++instructions > MAX_INSTRUCTIONS || requests > MAX_REQUESTS) throw endless(name);
      const instruction = program[at]!;
      if (instruction.kind === "act") at = instruction.act(frame, at + 1);
      else {
        requests++;
        frame.receive(yield instruction.render(frame), instruction.planned);
        instruction.received(frame);
        at++;
      }
    }
  } catch (error) {
    if (!(error instanceof Stop)) throw error;
    session.check(error.check, false);
  }
}

function endless(name: string): Error {
  return new Error(
    `journey "${name}" went through ${MAX_REQUESTS} requests or ${MAX_INSTRUCTIONS} steps in one iteration; it must come to an end: check its repeat: steps, or bound them with times:`,
  );
}
