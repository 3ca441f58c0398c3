import type { RunEvent } from "../report/record.ts";

/** What was changed while a run went on. */
export class RunEvents {
  readonly #events: RunEvent[] = [];
  readonly #listeners = new Set<(event: RunEvent) => void>();

  get all(): readonly RunEvent[] {
    return this.#events;
  }

  /** @param atMs after the run's start */
  add(atMs: number, text: string): void {
    const event = { at_ms: Math.round(atMs), text };
    this.#events.push(event);
    for (const listener of this.#listeners) listener(event);
  }

  /** Tells `listener` of each from now on; the function returned ends that. */
  listen(listener: (event: RunEvent) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }
}
