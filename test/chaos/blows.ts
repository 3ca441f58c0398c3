import { clockBlows, whyNoClocks } from "./blows/clock.ts";
import { databaseBlows } from "./blows/database.ts";
import { diskBlows, whyNoDisks } from "./blows/disk.ts";
import { groupBlows } from "./blows/group.ts";
import { networkBlows } from "./blows/network.ts";
import { pointBlows } from "./blows/points.ts";
import { poisonBlows } from "./blows/poison.ts";
import { processBlows } from "./blows/processes.ts";
import type { Kind } from "./schedule.ts";

/** Everything that can happen, by name. */
const KINDS: Readonly<Record<string, Kind>> = {
  ...processBlows,
  ...pointBlows,
  ...networkBlows,
  ...databaseBlows,
  ...diskBlows,
  ...clockBlows,
  ...groupBlows,
  ...poisonBlows,
};

/** What not every machine can do, by the beginning of the names. */
const LIMITS: Readonly<Record<string, () => string | undefined>> = {
  "disk-": whyNoDisks,
  "clock-": whyNoClocks,
};

export const KIND_NAMES = Object.keys(KINDS);

/**
 * Says which kinds are left out, because this machine cannot do them.
 * @param patterns names, or their beginnings: `kill` is every kill
 * @throws Error naming each pattern that is none, or when nothing is left
 */
export function kindsOf(patterns: readonly string[]): Kind[] {
  const unknown = patterns.filter((pattern) => !KIND_NAMES.some((name) => name.startsWith(pattern)));
  if (unknown.length > 0)
    throw new Error(`no blow begins with ${unknown.join(", ")}: there are ${KIND_NAMES.join(", ")}`);
  let names = KIND_NAMES.filter((name) => patterns.some((pattern) => name.startsWith(pattern)));
  for (const [beginning, why] of Object.entries(LIMITS)) {
    const limited = names.filter((name) => name.startsWith(beginning));
    const reason = limited.length > 0 ? why() : undefined;
    if (reason === undefined) continue;
    console.error(`LEFT OUT: ${limited.join(", ")}: ${reason}`);
    names = names.filter((name) => !limited.includes(name));
  }
  if (names.length === 0) throw new Error("none of these blows can be had on this machine");
  return names.map((name) => KINDS[name]!);
}
