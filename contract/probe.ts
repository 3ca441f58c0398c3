import { setTimeout as wait } from "node:timers/promises";
import { messageOf } from "./errors.ts";
import type { Logger } from "./logger.ts";
import type { DependencyState } from "./status.ts";

export interface ProbeOptions {
  readonly name: string; // of what is asked, in log and reasons: "Kafka"
  /** One question. May stay without an answer for as long as the other side is frozen. */
  readonly ask: () => Promise<unknown>;
  /** Gives up the connection; called at the end, and once more when the last question has been answered or given up. */
  readonly release: () => void;
  readonly logger: Logger;
}

export interface Probe {
  /** As of the last answer, or of its absence; never waits for one. */
  readonly state: () => DependencyState;
  close(): void;
}

/** Together with the next they bound how late an outage is noticed: by a process with nothing to do as well, and within 2 s. */
const ASK_EVERY_MS = 500;
const SILENT_AFTER_MS = 1_000;

/**
 * Asks a server again and again whether it is there. One question at a time: what has no answer for long makes the server
 * count as away, and is left to be answered, for that is how the return of a frozen server shows at once.
 */
export function startProbe({ name, ask, release, logger }: ProbeOptions): Probe {
  const closing = new AbortController();
  const pause = () => wait(ASK_EVERY_MS, undefined, { signal: closing.signal }).catch(() => undefined);
  let state: DependencyState = { ready: false, reason: "not connected yet" };
  let wasThere = false;

  function become(next: DependencyState): void {
    if (closing.signal.aborted) return;
    if (state.ready && !next.ready) logger.warn({ reason: next.reason }, `${name} is away`);
    if (!state.ready && next.ready && wasThere) logger.info(`${name} is there again`);
    wasThere ||= next.ready;
    state = next;
  }

  async function run(): Promise<void> {
    while (!closing.signal.aborted) {
      const silence = setTimeout(
        () => become({ ready: false, reason: `${name} does not answer` }),
        SILENT_AFTER_MS,
      ).unref();
      await ask().then(
        () => become({ ready: true }),
        (error: unknown) => become({ ready: false, reason: messageOf(error) }),
      );
      clearTimeout(silence);
      await pause();
    }
    release(); // a question that was under way may have connected again
  }

  void run();
  return {
    state: () => state,
    close() {
      closing.abort();
      release();
    },
  };
}
