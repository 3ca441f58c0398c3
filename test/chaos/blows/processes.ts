import { setTimeout as wait } from "node:timers/promises";
import type { Kind } from "../schedule.ts";
import { PROCESSES } from "../stage.ts";

/** Killed at once; asked to end; frozen, as by a long pause of the machine. */
export const processBlows: Readonly<Record<string, Kind>> = Object.fromEntries(
  PROCESSES.flatMap((process): [string, Kind][] => [
    [
      `kill-${process}`,
      () => ({ name: `kill ${process}`, hits: [process], strike: ({ kill }) => kill(process) }),
    ],
    [
      `end-${process}`,
      () => ({ name: `end ${process}`, hits: [process], strike: ({ kill }) => kill(process, "SIGTERM") }),
    ],
    [
      `freeze-${process}`,
      (rng) => {
        const frozenMs = 500 + rng.integer(4_000);
        return {
          name: `freeze ${process} for ${frozenMs} ms`,
          hits: [process],
          async strike({ freeze }) {
            const thaw = freeze(process);
            await wait(frozenMs);
            thaw?.();
          },
        };
      },
    ],
  ]),
);
