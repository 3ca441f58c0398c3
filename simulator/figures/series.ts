import { LatencyHistogram } from "./latency.ts";

/** What happened in an interval; sums, not rates. */
export interface Interval {
  sent: number;
  ended: number;
  failed: number;
  dropped: number;
  vus: number; // the most at once
  readonly response: LatencyHistogram;
}

const MAX_INTERVALS = 600;

/**
 * A run over time, in intervals of a second; when there are 600, two neighbours become one and the width doubles, so
 * that a run of a day takes no more memory than one of ten minutes.
 */
export class Series {
  #widthS = 1;
  #intervals: Interval[] = [];

  get width_s(): number {
    return this.#widthS;
  }

  get intervals(): readonly Interval[] {
    return this.#intervals;
  }

  /** The interval of a time after the run's start. */
  at(ms: number): Interval {
    let index = Math.max(0, Math.floor(ms / 1_000 / this.#widthS));
    while (index >= MAX_INTERVALS) {
      this.#halve();
      index = Math.floor(ms / 1_000 / this.#widthS);
    }
    while (this.#intervals.length <= index) this.#intervals.push(emptyInterval());
    return this.#intervals[index]!;
  }

  /** The last intervals that together are `ms` long, or the last two. */
  recent(nowMs: number, ms: number): { readonly sum: Interval; readonly ms: number } {
    const count = Math.max(2, Math.ceil(ms / 1_000 / this.#widthS));
    const last = Math.floor(nowMs / 1_000 / this.#widthS);
    const first = Math.max(0, last - count + 1);
    const sum = this.#intervals.slice(first, last + 1).reduce(added, emptyInterval());
    return { sum, ms: Math.max(1, nowMs - first * this.#widthS * 1_000) };
  }

  #halve(): void {
    const halved: Interval[] = [];
    for (let at = 0; at < this.#intervals.length; at += 2) {
      const [first, second] = [this.#intervals[at]!, this.#intervals[at + 1]];
      halved.push(second === undefined ? first : added(first, second));
    }
    this.#intervals = halved;
    this.#widthS *= 2;
  }
}

function emptyInterval(): Interval {
  return { sent: 0, ended: 0, failed: 0, dropped: 0, vus: 0, response: new LatencyHistogram(2) };
}

/** `into` with `other` added. */
function added(into: Interval, other: Interval): Interval {
  into.sent += other.sent;
  into.ended += other.ended;
  into.failed += other.failed;
  into.dropped += other.dropped;
  into.vus = Math.max(into.vus, other.vus);
  into.response.add(other.response);
  return into;
}
