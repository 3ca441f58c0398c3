import { stream } from "../../contract/random.ts";

export const TARGETS = ["api", "consumer", "kafka", "mariadb"] as const;
export type Target = (typeof TARGETS)[number];

/** Something that happens to a process. */
export interface Blow {
  readonly atMs: number; // since the load began
  readonly target: Target;
  /** Killed at once; asked to end; frozen for so long, as by a long pause of the machine. */
  readonly how: "SIGKILL" | "SIGTERM" | { readonly frozenMs: number };
}

/** Before the first blow and behind the last one the pipeline is left alone; a Kafka needs some seconds to be back. */
const CALM_FIRST_MS = 2_000;
const CALM_LAST_MS = 12_000;
/** A process is not hit again before: its supervisor gives up what fails five times within half a minute each. */
const REST_MS = 8_000;

/**
 * Which processes are hit when: decided by the seed alone.
 * @param meanMs between two blows, about
 */
export function blowsOf(
  seed: number,
  durationMs: number,
  meanMs: number,
  targets: readonly Target[] = TARGETS,
): Blow[] {
  const rng = stream(seed, "chaos");
  const blows: Blow[] = [];
  const last = new Map<Target, number>();
  for (let atMs = CALM_FIRST_MS; atMs < durationMs - CALM_LAST_MS; atMs += meanMs * (0.5 + rng.float())) {
    const rested = targets.filter((target) => atMs - (last.get(target) ?? -Infinity) >= REST_MS);
    if (rested.length === 0) continue;
    const target = rng.pick(rested);
    last.set(target, atMs);
    const kind = rng.float();
    const how = kind < 0.6 ? "SIGKILL" : kind < 0.8 ? "SIGTERM" : { frozenMs: 500 + rng.integer(4_000) };
    blows.push({ atMs: Math.round(atMs), target, how });
  }
  return blows;
}

export const nameOf = ({ target, how }: Blow): string =>
  typeof how === "string" ? `${how} ${target}` : `freeze ${target} for ${how.frozenMs} ms`;
