import { setTimeout as wait } from "node:timers/promises";

export interface OutageOptions {
  /** Asked before each attempt; once false, the last error is thrown. */
  readonly isAlive: () => boolean;
  /** Called after each failed attempt, with how long the next one waits. */
  readonly onFailure: (error: unknown, delayMs: number) => void;
}

const FIRST_DELAY_MS = 100;
const LONGEST_DELAY_MS = 1_500; // whoever waits is back well within 5 s

/** Repeats `work` until it succeeds, however long that takes: delays double from 0.1 s to 1.5 s, each cut by up to half at random. */
export async function outlast<T>(work: () => Promise<T>, { isAlive, onFailure }: OutageOptions): Promise<T> {
  for (let delayMs = FIRST_DELAY_MS; ; delayMs = Math.min(delayMs * 2, LONGEST_DELAY_MS)) {
    try {
      return await work();
    } catch (error) {
      if (!isAlive()) throw error;
      const jittered = delayMs * (0.5 + Math.random() / 2);
      onFailure(error, jittered);
      await wait(jittered);
      if (!isAlive()) throw error;
    }
  }
}
