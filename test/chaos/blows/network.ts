import { setTimeout as wait } from "node:timers/promises";
import type { Kind } from "../schedule.ts";

const CUT_EVERY_MS = 300;

/** Between the roles and a server: it is far away; connections are cut, again and again; nothing comes through and nobody is told. */
export const networkBlows: Readonly<Record<string, Kind>> = Object.fromEntries(
  (["database", "kafka"] as const).flatMap((server): [string, Kind][] => [
    [
      `network-slow-${server}`,
      (rng) => {
        const [delayMs, forMs] = [50 + rng.integer(250), 2_000 + rng.integer(4_000)];
        return {
          name: `${server} ${delayMs} ms away for ${forMs} ms`,
          hits: [],
          async strike({ proxies }) {
            proxies[server].slow(delayMs);
            await wait(forMs);
            proxies[server].slow(0);
          },
        };
      },
    ],
    [
      `network-cut-${server}`,
      (rng) => {
        const times = 3 + rng.integer(12);
        return {
          name: `connections to ${server} cut ${times} times`,
          hits: [],
          async strike({ proxies }) {
            for (let n = 0; n < times; n++) {
              if (n > 0) await wait(CUT_EVERY_MS);
              proxies[server].cut();
            }
          },
        };
      },
    ],
    [
      `network-silent-${server}`,
      (rng) => {
        const silentMs = 3_000 + rng.integer(5_000);
        const outcome = rng.pick(["goOn", "reset", "stayDead"] as const);
        const then = { goOn: "goes on", reset: "resets", stayDead: "stays so on old connections" }[outcome];
        return {
          name: `${server} silent for ${silentMs} ms, ${then}`,
          hits: [],
          async strike({ proxies }) {
            const silence = proxies[server].silence();
            await wait(silentMs);
            silence[outcome]();
          },
        };
      },
    ],
  ]),
);
