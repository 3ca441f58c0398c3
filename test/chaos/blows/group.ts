import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { setTimeout as wait } from "node:timers/promises";
import type { Kind } from "../schedule.ts";

const EVERY_MS = 2_000;

/** Consumers join the group, and leave it in order or without a word. */
export const groupBlows: Readonly<Record<string, Kind>> = {
  "group-storm": (rng) => {
    const joiners = Array.from({ length: 5 }, () => {
      const signal = rng.pick(["SIGTERM", "SIGKILL"] as const);
      return { staysMs: 500 + rng.integer(6_000), signal };
    });
    const killed = joiners.filter(({ signal }) => signal === "SIGKILL").length;
    return {
      name: `${joiners.length} consumers join and leave, ${killed} killed`,
      hits: [],
      async strike({ env }) {
        const leaving: Promise<void>[] = [];
        for (const { staysMs, signal } of joiners) {
          const consumer = spawn(process.execPath, ["cli/rushhour.js", "consumer", "--port", "0"], {
            ...{ env, stdio: "ignore" },
          });
          leaving.push(leave(consumer, staysMs, signal));
          await wait(EVERY_MS);
        }
        await Promise.all(leaving);
      },
    };
  },
};

async function leave(consumer: ChildProcess, staysMs: number, signal: NodeJS.Signals): Promise<void> {
  const ended = once(consumer, "exit") as Promise<[number | null]>;
  const early = await Promise.race([ended, wait(staysMs)]);
  if (early) throw new Error(`a consumer that joined ended by itself: exit ${early[0]}`);
  consumer.kill(signal);
  const [code] = await ended; // null: it did not listen for signals yet
  if (signal === "SIGTERM" && code !== 0 && code !== null)
    throw new Error(`a consumer that was asked to end: exit ${code}`);
}
