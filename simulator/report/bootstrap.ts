import { decodeFromCompressedBase64, JsHistogram } from "hdr-histogram-js";
import { messageOf, RushhourError } from "../../contract/errors.ts";
import { stream } from "../../contract/random.ts";
import type { RunRecord } from "./record.ts";

/** What a run would have said, had its intervals come otherwise. Percentiles are of response time, in ms. */
export interface Estimates {
  readonly sent: number; // requests a second
  readonly failed: number; // share of those that ended
  readonly dropped: number; // arrivals a second
  readonly p50: number;
  readonly p90: number;
  readonly p95: number;
  readonly p99: number;
}

/** Two numbers between which a figure lies with 95 % confidence. */
export type Interval = readonly [low: number, high: number];

const RESAMPLES = 400;
const SEED = 1; // the same intervals each time the same runs are compared

/**
 * Estimates the figures of a run 400 times, each time from other intervals of its series: the block bootstrap.
 * @throws RushhourError CONFIG_INVALID when a histogram cannot be read
 */
export function resampledEstimates(run: RunRecord): Estimates[] {
  const { values, columns } = histogramTable(run);
  const merged = new Float64Array(values.length); // one for all resamples
  return blockResamples(run.series.length).map((times) => {
    const total = { seconds: 0, sent: 0, ended: 0, failed: 0, dropped: 0, recorded: 0 };
    merged.fill(0);
    for (const [i, point] of run.series.entries()) {
      const copies = times[i]!;
      if (copies === 0) continue;
      const weight = copies * point.width_s;
      total.seconds += weight;
      total.sent += weight * point.sent;
      total.ended += weight * point.ended;
      total.failed += weight * point.failed;
      total.dropped += weight * point.dropped;
      const { ranks, counts } = columns[i]!;
      for (let j = 0; j < ranks.length; j++) {
        merged[ranks[j]!]! += copies * counts[j]!;
        total.recorded += copies * counts[j]!;
      }
    }
    return {
      sent: total.sent / total.seconds,
      failed: total.ended === 0 ? 0 : total.failed / total.ended,
      dropped: total.dropped / total.seconds,
      ...percentilesOf(values, merged, total.recorded),
    };
  });
}

/** The middle 95 % of what the resamples gave. */
export function intervalOf(resampled: readonly number[]): Interval {
  const sorted = resampled.toSorted((a, b) => a - b);
  const tail = Math.floor(sorted.length * 0.025);
  return [sorted[tail]!, sorted[sorted.length - 1 - tail]!];
}

/**
 * Which intervals make up each resample. What happens in one depends on those before it (a queue that built up, a
 * garbage collection), so blocks of neighbours are drawn, with replacement; intervals drawn one by one would take
 * such a run for less noisy than it is. Blocks are n^(1/3) intervals long, and those at the end go on at the
 * beginning, so that each interval is as likely. A resample is one block shorter than the run, which makes up for the
 * blocks of a short run varying too little.
 *
 * Runs are resampled at the same places, so a load that rises and falls in both adds no noise to their ratio.
 *
 * @returns for each resample how often each of the `length` intervals is in it
 * @see H. R. Künsch, The Jackknife and the Bootstrap for General Stationary Observations, Annals of Statistics 17 (1989)
 * @see D. N. Politis, J. P. Romano, A Circular Block-Resampling Procedure for Stationary Data (1992)
 * @see P. Hall, J. L. Horowitz, B.-Y. Jing, On Blocking Rules for the Bootstrap with Dependent Data, Biometrika 82 (1995)
 */
function blockResamples(length: number): Uint16Array[] {
  const block = Math.round(Math.cbrt(length));
  return Array.from({ length: RESAMPLES }, (_, resample) => {
    const rng = stream(SEED, `resample/${resample}`);
    const times = new Uint16Array(length);
    for (let drawn = 0; drawn < length - 2 * block; drawn += block) {
      const start = rng.integer(length);
      for (let i = 0; i < block; i++) times[(start + i) % length]!++;
    }
    return times;
  });
}

/** The histograms of a series, side by side. */
interface HistogramTable {
  readonly values: readonly number[]; // ms, ascending: all that occur in any of them
  readonly columns: readonly { readonly ranks: Uint32Array; readonly counts: Float64Array }[]; // ranks in `values`
}

function histogramTable(run: RunRecord): HistogramTable {
  const columns = run.series.map(({ histogram, at_s }) =>
    histogram === "" ? [] : recordedIn(histogram, `run ${run.run_id} at ${at_s} s`),
  );
  const values = [...new Set(columns.flatMap((column) => column.map(([ms]) => ms)))].sort((a, b) => a - b);
  const rankOf = new Map(values.map((ms, rank) => [ms, rank]));
  return {
    values,
    columns: columns.map((column) => ({
      ranks: Uint32Array.from(column, ([ms]) => rankOf.get(ms)!),
      counts: Float64Array.from(column, ([, count]) => count),
    })),
  };
}

/** Values in ms and how often each was recorded. */
function recordedIn(encoded: string, where: string): [ms: number, count: number][] {
  const recorded: [number, number][] = [];
  const histogram = decoded(encoded, where);
  for (let index = 0; index < histogram.countsArrayLength; index++) {
    const count = histogram.getCountAtIndex(index);
    if (count === 0) continue;
    recorded.push([histogram.highestEquivalentValue(histogram.valueFromIndex(index)) / 1_000, count]);
  }
  return recorded;
}

function decoded(encoded: string, where: string): JsHistogram {
  try {
    const histogram = decodeFromCompressedBase64(encoded);
    if (histogram instanceof JsHistogram) return histogram; // the kind that tells its buckets, not WebAssembly's
    throw new Error("it is not the kind expected");
  } catch (error) {
    throw new RushhourError(
      "CONFIG_INVALID",
      `the histogram of ${where} cannot be read: ${messageOf(error)}; its record was changed or cut: repeat the run`,
      { cause: error },
    );
  }
}

function percentilesOf(
  values: readonly number[],
  merged: Float64Array,
  recorded: number,
): Pick<Estimates, "p50" | "p90" | "p95" | "p99"> {
  let rank = -1;
  let seen = 0;
  const upTo = (share: number): number => {
    while (seen < share * recorded) seen += merged[++rank]!;
    return values[rank] ?? 0;
  };
  return { p50: upTo(0.5), p90: upTo(0.9), p95: upTo(0.95), p99: upTo(0.99) }; // each goes on where the last one ended
}
