import { numberedStreams, stream } from "../../contract/random.ts";
import { DAY_MS, MINUTE_MS, type Incidents } from "./incidents.ts";

/** When requests arrive, one after the other and without end. */
export interface Arrivals {
  /** Unix ms of the next one, not before the last. */
  readonly nextMs: number;
  advance(): void;
}

export interface ArrivalOptions {
  readonly seed: number;
  readonly fromMs: number; // Unix ms
  readonly meanPerSecond: number; // over a week without spikes
  readonly incidents: Incidents;
}

/**
 * Arrivals along the curve of the day and the week. The n-th comes where the curve's integral is n and a random part of
 * one, so that they are in order, as many as the curve says, and the seed decides each.
 */
export function createArrivals({ seed, fromMs, meanPerSecond, incidents }: ArrivalOptions): Arrivals {
  const rng = stream(seed, `arrivals/${fromMs}`);
  const weightOf = traffic(seed, incidents);
  let n = 0;
  let sliceMs = fromMs; // the stretch up to the end of this minute, over which the rate is constant
  let before = 0; // arrivals expected before it
  let perMs = (weightOf(minuteOf(fromMs)) * meanPerSecond) / 1_000;
  let endMs = (minuteOf(fromMs) + 1) * MINUTE_MS;
  let nextMs = 0;

  function advance(): void {
    const target = n++ + rng.float();
    let within = before + (endMs - sliceMs) * perMs;
    while (within <= target) {
      before = within;
      sliceMs = endMs;
      endMs += MINUTE_MS;
      perMs = (weightOf(minuteOf(sliceMs)) * meanPerSecond) / 1_000;
      within = before + MINUTE_MS * perMs;
    }
    nextMs = Math.floor(sliceMs + (target - before) / perMs);
  }

  advance();
  return {
    get nextMs() {
      return nextMs;
    },
    advance,
  };
}

/** The mean rate that brings `count` arrivals between two times. */
export function meanRateFor(
  count: number,
  toMs: number,
  { seed, fromMs, incidents }: Omit<ArrivalOptions, "meanPerSecond">,
): number {
  const weightOf = traffic(seed, incidents);
  let weightedMs = 0;
  for (let atMs = fromMs; atMs < toMs;) {
    const endMs = Math.min(toMs, (minuteOf(atMs) + 1) * MINUTE_MS);
    weightedMs += (endMs - atMs) * weightOf(minuteOf(atMs));
    atMs = endMs;
  }
  return (count / weightedMs) * 1_000;
}

const minuteOf = (unixMs: number) => Math.floor(unixMs / MINUTE_MS);

const PEAK_MS = 19 * 3_600_000; // of the day, UTC
const TROUGH = 0.2; // of the peak
const WEEKEND = 0.75;
const RESTLESSNESS = 0.08; // standard deviation of a minute around the curve, on the log scale
const MEAN = ((1 + TROUGH) / 2) * ((5 + 2 * WEEKEND) / 7);

/** Traffic of a minute (since 1970) relative to the mean: the curve of the day, weekends, a little noise, spikes. */
function traffic(seed: number, incidents: Incidents): (minute: number) => number {
  const noiseOf = numberedStreams(seed, "restlessness");
  return (minute) => {
    const atMs = minute * MINUTE_MS;
    const angle = (2 * Math.PI * ((atMs % DAY_MS) - PEAK_MS)) / DAY_MS;
    const curve = TROUGH + ((1 - TROUGH) * (1 + Math.cos(angle))) / 2;
    const day = new Date(atMs).getUTCDay();
    const week = day === 0 || day === 6 ? WEEKEND : 1;
    const incident = incidents.at(atMs);
    const spike = incident?.kind === "traffic-spike" ? incident.intensity["factor"]! : 1;
    return ((curve * week) / MEAN) * noiseOf(minute).lognormal(1, RESTLESSNESS) * spike;
  };
}
