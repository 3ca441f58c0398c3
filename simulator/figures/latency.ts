import { build, decodeFromCompressedBase64, encodeIntoCompressedBase64 } from "hdr-histogram-js";
import type { Histogram } from "hdr-histogram-js";

/** Percentiles in ms, µs resolution, each within 0.1 %; 0 when nothing was recorded. */
export interface LatencySummary {
  readonly p50: number;
  readonly p90: number;
  readonly p95: number;
  readonly p99: number;
  readonly p99_9: number;
  readonly max: number;
}

/** How long things took: an HDR histogram in µs. Two of them add up without loss, averages of percentiles never do. */
export class LatencyHistogram {
  readonly #us: Histogram;

  /** @param digits 3: within 0.1 %; 2: within 1 %, in a tenth of the memory */
  constructor(digits: 2 | 3 = 3) {
    this.#us = build({ bitBucketSize: 32, numberOfSignificantValueDigits: digits });
  }

  /**
   * What {@link encode} made; its maximum is within 0.1 % then, like the percentiles.
   * @throws Error when `text` is nothing of the kind
   */
  static decode(text: string): LatencyHistogram {
    const histogram = new LatencyHistogram();
    if (text !== "") histogram.#us.add(decodeFromCompressedBase64(text, 32));
    return histogram;
  }

  get count(): number {
    return this.#us.totalCount;
  }

  /** In ms, like all that follow; 0 when nothing was recorded. */
  get min(): number {
    return this.percentile(0);
  }

  get mean(): number {
    return this.#us.mean / 1_000;
  }

  get max(): number {
    return this.#us.maxValue / 1_000;
  }

  /** Records one duration in ms. */
  record(ms: number): void {
    this.#us.recordValue(Math.max(0, Math.round(ms * 1_000)));
  }

  add(other: LatencyHistogram): void {
    this.#us.add(other.#us);
  }

  percentile(percent: number): number {
    // The bucket's upper end may lie above all that was recorded.
    return Math.min(this.#us.getValueAtPercentile(percent), this.#us.maxValue) / 1_000;
  }

  summary(): LatencySummary {
    return {
      p50: this.percentile(50),
      p90: this.percentile(90),
      p95: this.percentile(95),
      p99: this.percentile(99),
      p99_9: this.percentile(99.9),
      max: this.max,
    };
  }

  /**
   * The latency by percentile, [percentile 0-100, ms], rising: `points` of them, equally far apart on the axis
   * 1 / (1 - percentile) in logarithm, as far as so many values can tell percentiles apart, and the maximum last.
   */
  spectrum(points: number): [percentile: number, ms: number][] {
    if (this.count === 0) return [];
    const spectrum = Array.from({ length: points - 1 }, (_, point): [number, number] => {
      const percentile = 100 * (1 - this.count ** (-point / (points - 1)));
      return [percentile, this.percentile(percentile)];
    });
    return [...spectrum, [100, this.max]];
  }

  /** Compressed, in base64, as HDR histograms of every language read it (values in µs); empty when nothing was recorded. */
  encode(): string {
    return this.count === 0 ? "" : encodeIntoCompressedBase64(this.#us);
  }
}
