import type { PublisherStatus } from "../contract/publisher-status.ts";
import type { Destination } from "../contract/record-kind.ts";

type Drop = PublisherStatus["drops"][number];

export interface Drops {
  add(run_id: string, to: Destination, reason: string): void;
  list(): Drop[];
}

/** Runs counted apart at most; what later runs lose is counted under no run. */
const MAX_KEYS = 1_000;

/** Absolute counts of dropped records by run, topic, level and reason. */
export function createDrops(): Drops {
  const counts = new Map<string, { -readonly [K in keyof Drop]: Drop[K] }>();
  return {
    add(run_id, { topic, level }, reason) {
      const isKnown = counts.has(`${run_id}/${topic}/${level}/${reason}`);
      const run = isKnown || counts.size < MAX_KEYS ? run_id : "";
      const key = `${run}/${topic}/${level}/${reason}`;
      const count = counts.get(key);
      if (count) count.dropped++;
      else counts.set(key, { run_id: run, topic, level, reason, dropped: 1 });
    },
    list: () => [...counts.values()].map((count) => ({ ...count })),
  };
}
