import type { Answer } from "./journey.ts";
import type { Iteration, IterationSource } from "./iteration.ts";

/** An iteration between two requests. */
export interface Session {
  readonly iteration: Iteration;
  dueMs: number; // when its last step was due
  readyMs: number; // when its next step may come
  readonly startedMs: number; // when its first step was due
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
  readonly #source: IterationSource;
  readonly #first: number;
  readonly #stride: number;
  readonly #thinking: Session[] = []; // binary heap, earliest ready first
  #started = 0;

  /** Its iterations are numbered `first`, `first + stride` … */
  constructor(source: IterationSource, first = 0, stride = 1) {
    this.#source = source;
    this.#first = first;
    this.#stride = stride;
  }

  get started(): number {
    return this.#started;
  }

  /** The session whose iteration's `next` is the request due at `dueMs`; it is held until `answered` gives it back. */
  take(dueMs: number): Session {
    const waiting = this.#thinking[0];
    const session = waiting !== undefined && waiting.readyMs <= dueMs ? this.#pop() : this.#start(dueMs);
    session.dueMs = dueMs;
    return session;
  }

  /** Tells the session its answer. @returns whether it goes on to another step. Throws what the journey throws. */
  answered(session: Session, answer: Answer): boolean {
    if (!session.iteration.answered(answer)) return false;
    session.readyMs = session.dueMs + session.iteration.thinkMs;
    this.#push(session);
    return true;
  }

  #start(dueMs: number): Session {
    for (let tries = 0; tries < MAX_EMPTY_JOURNEYS; tries++) {
      const iteration = this.#source.begin(this.#first + this.#stride * this.#started++);
      if (iteration !== undefined) return { iteration, dueMs, readyMs: dueMs, startedMs: dueMs };
    }
    throw new Error(`${MAX_EMPTY_JOURNEYS} iterations in a row made no request`);
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
  return a.readyMs < b.readyMs || (a.readyMs === b.readyMs && a.iteration.number < b.iteration.number);
}
