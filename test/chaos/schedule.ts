import { stream, type Rng } from "../../contract/random.ts";
import type { Prepare, ProcessName, Stage } from "./stage.ts";

/** Something that happens to the pipeline. */
export interface Blow {
  readonly name: string;
  /** Processes that die of it: they are given time before they are hit again. */
  readonly hits: readonly ProcessName[];
  /** Returns when the trouble itself is over and what died serves again: from then on the pipeline has to recover. */
  readonly strike: (stage: Stage) => Promise<void>;
}

/** Makes a blow; what it leaves open (how long, where) the generator decides. */
export interface Kind {
  (rng: Rng): Blow;
  /** What it needs before anything is started. */
  readonly prepare?: Prepare;
}

export interface ScheduledBlow extends Blow {
  readonly atMs: number; // since the load began
}

/** Before the first blow and behind the last one the pipeline is left alone; a Kafka needs some seconds to be back. */
const CALM_FIRST_MS = 2_000;
export const CALM_LAST_MS = 12_000;
/** A process is not hit again before: its supervisor gives up what fails five times before it has served 5 s. */
const REST_MS = 8_000;

/**
 * What happens when: decided by the seed alone.
 * @param meanMs between two blows, about
 */
export function blowsOf(
  seed: number,
  durationMs: number,
  meanMs: number,
  kinds: readonly Kind[],
): ScheduledBlow[] {
  const rng = stream(seed, "chaos");
  const blows: ScheduledBlow[] = [];
  const lastMs = new Map<ProcessName, number>();
  for (let atMs = CALM_FIRST_MS; atMs < durationMs - CALM_LAST_MS; atMs += meanMs * (0.5 + rng.float())) {
    const rested = kinds
      .map((kind) => kind(rng))
      .filter(({ hits }) => hits.every((name) => atMs - (lastMs.get(name) ?? -Infinity) >= REST_MS));
    if (rested.length === 0) continue;
    const blow = rng.pick(rested);
    for (const name of blow.hits) lastMs.set(name, atMs);
    blows.push({ ...blow, atMs: Math.round(atMs) });
  }
  return blows;
}
