import { v5 as uuidv5 } from "uuid";
import { numberedStreams, type Rng } from "../../contract/random.ts";
import { SHOP_ROUTES, type Route } from "./routes.ts";

export const DAY_MS = 86_400_000;
export const MINUTE_MS = 60_000;

/** Something that goes wrong at a known time: the ground truth for dashboards and alert rules. */
export interface Incident {
  readonly id: string; // UUIDv5 of run and name, as of those of the simulator; `incident` of the requests it touched
  readonly name: string; // unique in its run
  readonly kind: "error-burst" | "slow" | "traffic-spike";
  readonly route: Route | null; // null: every route
  readonly startMs: number; // Unix ms, a whole minute
  readonly endMs: number; // not included
  readonly intensity: Readonly<Record<string, number>>; // the fields of contract/faults.ts; a spike's is `factor`
  requests_affected: number; // so far
}

/** What a history takes for the weight of traffic and for what happens to a request. */
export interface Incidents {
  /** Stands in for a run's id: the same for the same seed and start. */
  readonly runId: string;
  /** Those at work at `timeMs`; never two of one day at once. */
  at(timeMs: number): Incident | undefined;
  /** Those that began or ended since the last call and up to `timeMs`, in the order of time; ended ones a second time. */
  news(timeMs: number): Incident[];
}

const NONE: readonly Incident[] = [];
const LONGEST_MINUTES = 20;

/**
 * About one incident a day (none, one or two), each 2 to 20 minutes long, from the seed and the day alone.
 * @param fromMs nothing begins before
 */
export function createIncidents(seed: number, fromMs: number): Incidents {
  const runId = `backfill-${seed}-${fromMs}`;
  const streamOf = numberedStreams(seed, "incidents");
  const days = new Map<number, readonly Incident[]>(); // the last two
  let dayNow = NaN;
  let today = NONE;
  let toldMs = fromMs - 1;

  function on(day: number): readonly Incident[] {
    const known = days.get(day);
    if (known) return known;
    const drawn = drawDay(streamOf(day), day, runId).filter(({ startMs }) => startMs >= fromMs);
    for (const old of days.keys()) if (old < day - 1) days.delete(old);
    days.set(day, drawn);
    return drawn;
  }

  return {
    runId,
    at(timeMs) {
      const day = Math.floor(timeMs / DAY_MS);
      if (day !== dayNow) {
        dayNow = day;
        today = on(day);
      }
      for (const incident of today) {
        if (timeMs >= incident.startMs && timeMs < incident.endMs) return incident;
      }
      return undefined;
    },
    news(timeMs) {
      const told: [atMs: number, Incident][] = [];
      for (let day = Math.floor(toldMs / DAY_MS); day * DAY_MS <= timeMs; day++) {
        for (const incident of on(day)) {
          for (const atMs of [incident.startMs, incident.endMs])
            if (atMs > toldMs && atMs <= timeMs) told.push([atMs, incident]);
        }
      }
      toldMs = timeMs;
      return told.sort(([a], [b]) => a - b).map(([, incident]) => incident);
    },
  };
}

/** Each in a part of the day of its own, so that no two overlap and none reaches the next day. */
function drawDay(rng: Rng, day: number, runId: string): Incident[] {
  const point = rng.float();
  const count = point < 0.25 ? 0 : point < 0.75 ? 1 : 2;
  return Array.from({ length: count }, (_, n) => {
    const minutes = 2 + rng.integer(LONGEST_MINUTES - 1);
    const part = Math.floor(1_440 / count);
    const startMs = day * DAY_MS + (n * part + rng.integer(part - minutes)) * MINUTE_MS;
    const { kind, route, intensity } = drawKind(rng);
    const name = `${new Date(startMs).toISOString().slice(0, 16)}-${kind}`;
    return {
      ...{ id: uuidv5(`${runId} ${name}`, uuidv5.URL), name, kind, route, intensity },
      ...{ startMs, endMs: startMs + minutes * MINUTE_MS, requests_affected: 0 },
    };
  });
}

function drawKind(rng: Rng): Pick<Incident, "kind" | "route" | "intensity"> {
  const onRoute = rng.float() < 0.7 ? rng.pick(SHOP_ROUTES) : null;
  const amount = rng.float();
  switch (rng.integer(3)) {
    case 0: {
      const rate = Math.round(30 + amount * 60) / 100;
      return { kind: "error-burst", route: onRoute, intensity: { rate, status: 503 } };
    }
    case 1: {
      const latency_median_ms = Math.round(400 + amount * 2_600);
      return { kind: "slow", route: onRoute, intensity: { rate: 1, latency_median_ms, latency_sigma: 0.4 } };
    }
    default: {
      const factor = Math.round(20 + amount * 40) / 10; // of all traffic; what is more goes to the route
      const isPublic = onRoute?.method === "GET" && onRoute.idOf !== "order";
      return { kind: "traffic-spike", route: isPublic ? onRoute : null, intensity: { factor } };
    }
  }
}
