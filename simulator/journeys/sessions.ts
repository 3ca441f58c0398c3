import type { Answer, Journey, SessionContext, Step, Steps } from "../journeys/journey.ts";
import { stream, weighted } from "../../contract/random.ts";
import type { Rng } from "../../contract/random.ts";

/** One user on a journey, between two requests. */
export interface Session {
  readonly number: number; // 0, 1, 2 … in the order they started
  readonly journey: string;
  readonly steps: Steps;
  readonly thinkMs: () => number;
  dueMs: number; // when its last step was due
  readyMs: number; // when its next step may come
  next: Step;
}

const MAX_EMPTY_JOURNEYS = 1_000;

/**
 * Decides which request goes out at a due time: the next step of the session that is ready for longest, else the first
 * step of a new session. A session is ready once its last step was answered and its think time, counted in the
 * schedule's time from the due time of that step, has passed. So every due time gets exactly one request, an unanswered
 * step holds up its own session only, and as long as answers come within think times, the seed alone decides
 * the sequence. Sessions that think number at most rate times think time.
 */
export class Sessions {
  readonly #journeys: readonly Journey[];
  readonly #seed: number;
  readonly #chooser: Rng;
  readonly #choose: (rng: Rng) => number;
  readonly #thinking: Session[] = []; // binary heap, earliest ready first
  #started = 0;

  constructor(journeys: readonly Journey[], seed: number) {
    this.#journeys = journeys;
    this.#seed = seed;
    this.#chooser = stream(seed, "journeys");
    this.#choose = weighted(journeys.map((journey) => journey.weight));
  }

  get started(): number {
    return this.#started;
  }

  /** The session whose `next` is the request due at `dueMs`; it is held until `answered` gives it back. */
  take(dueMs: number): Session {
    const waiting = this.#thinking[0];
    const session = waiting !== undefined && waiting.readyMs <= dueMs ? this.#pop() : this.#start();
    session.dueMs = dueMs;
    return session;
  }

  /** Tells the session its answer; it goes on to its next step or ends. Throws what the journey throws. */
  answered(session: Session, answer: Answer): void {
    const following = session.steps.next(answer);
    if (following.done === true) return;
    session.next = following.value;
    session.readyMs = session.dueMs + session.thinkMs();
    this.#push(session);
  }

  #start(): Session {
    for (let tries = 0; tries < MAX_EMPTY_JOURNEYS; tries++) {
      const number = this.#started++;
      const journey = this.#journeys[this.#choose(this.#chooser)]!;
      const { context, thinkMs } = contextOf(stream(this.#seed, `session ${number}`));
      const steps = journey.steps(context);
      const first = steps.next();
      thinkMs(); // nothing came before the first step
      if (first.done === true) continue;
      return { number, journey: journey.name, steps, thinkMs, dueMs: 0, readyMs: 0, next: first.value };
    }
    throw new Error(`${MAX_EMPTY_JOURNEYS} sessions in a row made no request`);
  }

  #push(session: Session): void {
    const heap = this.#thinking;
    let at = heap.length;
    for (;;) {
      const parent = (at - 1) >> 1;
      if (at === 0 || !isBefore(session, heap[parent]!)) break;
      heap[at] = heap[parent]!;
      at = parent;
    }
    heap[at] = session;
  }

  #pop(): Session {
    const heap = this.#thinking;
    const first = heap[0]!;
    const last = heap.pop()!;
    if (heap.length === 0) return first;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child + 1 < heap.length && isBefore(heap[child + 1]!, heap[child]!)) child++;
      if (child >= heap.length || !isBefore(heap[child]!, last)) break;
      heap[at] = heap[child]!;
      at = child;
    }
    heap[at] = last;
    return first;
  }
}

function isBefore(a: Session, b: Session): boolean {
  return a.readyMs < b.readyMs || (a.readyMs === b.readyMs && a.number < b.number);
}

/** A session's context, and how long it asked to think since this was last asked. */
function contextOf(rng: Rng): { context: SessionContext; thinkMs: () => number } {
  let pendingMs = 0;
  const think = (ms: number) => {
    pendingMs += ms;
  };
  const thinkMs = () => {
    const ms = pendingMs;
    pendingMs = 0;
    return ms;
  };
  return { context: { rng, think }, thinkMs };
}
