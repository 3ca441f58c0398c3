import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import type { Kind } from "../schedule.ts";
import type { Prepare } from "../stage.ts";

/** Debian's package, unpacked beside the engines where it is not installed: fetching and unpacking need no root. */
const UNPACKED = resolve(".rushhour/engines/libfaketime");
const INSTALLED = "/usr/lib";
const FILE = /faketime\/libfaketime\.so\.1$/;

const ROLES = ["api", "consumer"] as const;
const STEPS = { "1 h ahead": "+3600", "1 h behind": "-3600", "2 days ahead": "+172800" } as const;

function library(): string | undefined {
  for (const folder of [join(UNPACKED, INSTALLED), INSTALLED]) {
    for (const platform of existsSync(folder) ? readdirSync(folder) : []) {
      const path = join(folder, platform, "faketime/libfaketime.so.1");
      if (FILE.test(path) && existsSync(path)) return path;
    }
  }
  return undefined;
}

function fetchLibrary(): void {
  mkdirSync(resolve(UNPACKED, ".."), { recursive: true });
  const draft = mkdtempSync(`${UNPACKED}-`);
  spawnSync("apt-get", ["download", "libfaketime"], { cwd: draft });
  const [deb] = readdirSync(draft).filter((name) => name.endsWith(".deb"));
  const isWhole = deb !== undefined && spawnSync("dpkg-deb", ["-x", deb, "."], { cwd: draft }).status === 0;
  if (isWhole && !existsSync(UNPACKED)) renameSync(draft, UNPACKED);
  rmSync(draft, { recursive: true, force: true });
}

/** Why these blows cannot be had on this machine. */
export function whyNoClocks(): string | undefined {
  if (process.platform !== "linux") return "libfaketime is only taken from Debian's packages";
  if (library() === undefined) fetchLibrary();
  return library() === undefined ? "libfaketime is not installed and apt-get cannot fetch it" : undefined;
}

/** Written whole, because it is read at each look at the clock. */
function setClock(folder: string, role: (typeof ROLES)[number], step: string): void {
  const path = join(folder, `clock-${role}`);
  writeFileSync(`${path}.new`, step);
  renameSync(`${path}.new`, path);
}

const fakeClocks: Prepare = ({ home }) => {
  for (const role of ROLES) setClock(home, role, "+0");
  return { preload: "clock", env: { CHAOS_FOLDER: home, CHAOS_CLOCK_LIBRARY: library()! } };
};

/** The clock of one process jumps, and some seconds later back. */
export const clockBlows: Readonly<Record<string, Kind>> = Object.fromEntries(
  ROLES.map((role): [string, Kind] => [
    `clock-${role}`,
    Object.assign<Kind, { prepare: Prepare }>(
      (rng) => {
        const step = rng.pick(Object.keys(STEPS) as (keyof typeof STEPS)[]);
        const wrongMs = 1_500 + rng.integer(5_000);
        return {
          name: `clock of ${role} ${step} for ${wrongMs} ms`,
          hits: [],
          async strike({ home, database }) {
            setClock(home, role, STEPS[step]);
            await wait(wrongMs);
            setClock(home, role, "+0");
            await resumeTopics(database.ask);
          },
        };
      },
      { prepare: fakeClocks },
    ),
  ]),
);

/** More than an hour ahead everything becomes a dead letter, which pauses a topic until somebody has looked: `dead-letters resume`. */
async function resumeTopics(ask: (sql: string) => Promise<unknown>): Promise<void> {
  await wait(1_500); // what was sent until now is looked at
  await ask("UPDATE topic_pauses SET resumed_at = UTC_TIMESTAMP(3) WHERE resumed_at IS NULL");
}
