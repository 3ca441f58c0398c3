import { build } from "hdr-histogram-js";
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
  readonly #us: Histogram = build({ bitBucketSize: 32, numberOfSignificantValueDigits: 3 });

  get count(): number {
    return this.#us.totalCount;
  }

  /** Records one duration in ms. */
  record(ms: number): void {
    this.#us.recordValue(Math.max(0, Math.round(ms * 1_000)));
  }

  add(other: LatencyHistogram): void {
    this.#us.add(other.#us);
  }

  percentile(percent: number): number {
    return this.#us.getValueAtPercentile(percent) / 1_000;
  }

  summary(): LatencySummary {
    return {
      p50: this.percentile(50),
      p90: this.percentile(90),
      p95: this.percentile(95),
      p99: this.percentile(99),
      p99_9: this.percentile(99.9),
      max: this.#us.maxValue / 1_000,
    };
  }
}
