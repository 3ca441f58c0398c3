import { databaseBlows } from "./blows/database.ts";
import { networkBlows } from "./blows/network.ts";
import { pointBlows } from "./blows/points.ts";
import { processBlows } from "./blows/processes.ts";
import type { Kind } from "./schedule.ts";

/** Everything that can happen, by name. */
const KINDS: Readonly<Record<string, Kind>> = {
  ...processBlows,
  ...pointBlows,
  ...networkBlows,
  ...databaseBlows,
};

export const KIND_NAMES = Object.keys(KINDS);

/**
 * @param patterns names, or their beginnings: `kill` is every kill
 * @throws Error naming each pattern that is none
 */
export function kindsOf(patterns: readonly string[]): Kind[] {
  const unknown = patterns.filter((pattern) => !KIND_NAMES.some((name) => name.startsWith(pattern)));
  if (unknown.length > 0)
    throw new Error(`no blow begins with ${unknown.join(", ")}: there are ${KIND_NAMES.join(", ")}`);
  return KIND_NAMES.filter((name) => patterns.some((pattern) => name.startsWith(pattern))).map(
    (name) => KINDS[name]!,
  );
}
