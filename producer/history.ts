import type { Feed } from "./feed.ts";
import type { Publisher } from "./publisher.ts";
import { createSyntheticLogs, publishSynthetic } from "./synthetic.ts";
import { createArrivals, meanRateFor } from "./synthetic/arrivals.ts";
import { createIncidents, MINUTE_MS, type Incident } from "./synthetic/incidents.ts";

export interface HistoryOptions {
  readonly seed: number;
  readonly fromMs: number; // Unix ms
  readonly toMs: number;
  /** How much there is: so many records from `fromMs` to `toMs`, or a mean rate. */
  readonly volume: { readonly count: number } | { readonly meanPerSecond: number };
  /** Whether it goes on behind `toMs`, at the same curve, and until when (Unix ms). */
  readonly liveUntilMs?: number;
  /** Told of each incident when it begins and, with the time, when it has ended; `requests_affected` is final then. */
  readonly onIncident: (incident: Incident, runId: string, endMs: number | undefined) => void;
}

export interface History extends Feed {
  readonly written: number; // request logs so far
  readonly atMs: number; // time of the last record, Unix ms
  /** Records from `fromMs` to `toMs`, about; exact for a count. */
  readonly planned: number;
  /** Ends an incident that is still on. */
  end(): void;
}

/**
 * Request logs along the curve of days and weeks, in the order of time, with incidents. What lies in the past is due at once; what
 * lies ahead is due at its time. So a history that has reached now goes on live without a seam.
 */
export function createHistory(options: HistoryOptions, publisher: Pick<Publisher, "publishJson">): History {
  const { seed, fromMs, toMs, volume, liveUntilMs, onIncident } = options;
  const incidents = createIncidents(seed, fromMs);
  const isCounted = "count" in volume && liveUntilMs === undefined;
  const meanPerSecond =
    "count" in volume ? meanRateFor(volume.count, toMs, { seed, fromMs, incidents }) : volume.meanPerSecond;
  const planned =
    "count" in volume ? volume.count : meanPerSecond / meanRateFor(1, toMs, { seed, fromMs, incidents });
  const arrivals = createArrivals({ seed, fromMs, meanPerSecond, incidents });
  const logs = createSyntheticLogs({ seed, startMs: fromMs, meanPerSecond, incidents });
  let written = 0;
  let atMs = fromMs;
  let ongoing: Incident | undefined;

  /** Incidents begin and end on whole minutes. */
  function tell(timeMs: number): void {
    for (const incident of incidents.news(timeMs)) {
      const hasEnded = ongoing === incident;
      ongoing = hasEnded ? undefined : incident;
      onIncident(incident, incidents.runId, hasEnded ? incident.endMs : undefined);
    }
  }

  return {
    planned,
    get written() {
      return written;
    },
    get atMs() {
      return atMs;
    },
    // A count is exact: what rounding puts behind the last millisecond is written all the same.
    isDone: () => (isCounted ? written >= planned : arrivals.nextMs >= (liveUntilMs ?? toMs)),
    isDue: () => arrivals.nextMs <= Date.now(),
    write() {
      const timeMs = isCounted ? Math.min(arrivals.nextMs, toMs - 1) : arrivals.nextMs;
      if (Math.floor(timeMs / MINUTE_MS) !== Math.floor(atMs / MINUTE_MS)) tell(timeMs);
      atMs = timeMs;
      publishSynthetic(publisher, logs.next(timeMs));
      written++;
      arrivals.advance();
    },
    end() {
      if (ongoing) onIncident(ongoing, incidents.runId, Math.min(ongoing.endMs, atMs + 1));
      ongoing = undefined;
    },
  };
}
