import type { Executor, LoadPlan, Scenario } from "./plan.ts";

/** A stretch of a rate over time, straight from one rate to another. Times in ms after the scenario's start. */
export interface RateSegment {
  readonly from_ms: number;
  readonly to_ms: number; // Infinity: without end
  readonly from_rate: number; // a second
  readonly to_rate: number;
}

export type ArrivalExecutor = Extract<Executor, { readonly arrival: unknown }>;
export type VuExecutor = Exclude<Executor, ArrivalExecutor>;

export function isArrivalExecutor(executor: Executor): executor is ArrivalExecutor {
  return "arrival" in executor;
}

/** How long a scenario goes on starting iterations at most; undefined: without end. Iterations may be used up earlier. */
export function durationOf(executor: Executor): number | undefined {
  switch (executor.kind) {
    case "constant-arrival-rate":
    case "daily-curve":
    case "constant-vus":
      return executor.duration_ms;
    case "ramping-arrival-rate":
    case "ramping-vus":
      return executor.stages.reduce((sum, stage) => sum + stage.duration_ms, 0);
    case "shared-iterations":
    case "per-vu-iterations":
      return executor.max_duration_ms;
    case "trace":
      return undefined;
  }
}

/** When the last scenario has stopped starting iterations; undefined: a scenario has no end. */
export function plannedDuration({ scenarios }: Pick<LoadPlan, "scenarios">): number | undefined {
  let endMs = 0;
  for (const { start_ms, executor } of scenarios) {
    const duration = durationOf(executor);
    if (duration === undefined) return undefined;
    endMs = Math.max(endMs, start_ms + duration);
  }
  return endMs;
}

/** The rate of a scenario over time, segment after segment without a gap, spikes of the plan included. */
export function* rateSegments(
  scenario: Scenario,
  plan: Pick<LoadPlan, "starts_at" | "incidents">,
): Generator<RateSegment, void, undefined> {
  const { executor, start_ms } = scenario;
  if (!isArrivalExecutor(executor)) return;
  const spikes = plan.incidents
    .filter(({ kind }) => kind === "traffic-spike")
    .map(({ at_ms, duration_ms, intensity }) => ({
      from_ms: at_ms - start_ms,
      to_ms: at_ms - start_ms + duration_ms,
      factor: intensity.factor ?? 1,
    }));
  for (const segment of plainSegments(executor, plan.starts_at.getTime() + start_ms)) {
    yield* withSpikes(segment, spikes);
  }
}

/** Arrivals a second at `atMs` after the run's start; 0 before and after the scenario and for virtual users. */
export function rateAt(scenario: Scenario, atMs: number, plan: LoadPlan): number {
  const ms = atMs - scenario.start_ms;
  for (const { from_ms, to_ms, from_rate, to_rate } of rateSegments(scenario, plan)) {
    if (ms < from_ms) return 0;
    if (ms >= to_ms) continue;
    return to_ms === Infinity
      ? from_rate
      : from_rate + ((to_rate - from_rate) * (ms - from_ms)) / (to_ms - from_ms);
  }
  return 0;
}

/** How many arrivals the plan wants between two times after the run's start. */
export function expectedArrivals(scenario: Scenario, fromMs: number, toMs: number, plan: LoadPlan): number {
  let arrivals = 0;
  for (const segment of rateSegments(scenario, plan)) {
    const from = Math.max(segment.from_ms, fromMs - scenario.start_ms);
    const to = Math.min(segment.to_ms, toMs - scenario.start_ms);
    if (segment.from_ms >= toMs - scenario.start_ms) break;
    if (to <= from) continue;
    const slope =
      segment.to_ms === Infinity
        ? 0
        : (segment.to_rate - segment.from_rate) / (segment.to_ms - segment.from_ms);
    const middle = segment.from_rate + slope * ((from + to) / 2 - segment.from_ms);
    arrivals += (middle * (to - from)) / 1_000;
  }
  return arrivals;
}

/** Virtual users wanted at `atMs` after the run's start; 0 outside the scenario and for arrivals. */
export function vusAt({ executor, start_ms }: Scenario, atMs: number): number {
  if (isArrivalExecutor(executor) || executor.kind === "trace") return 0;
  const ms = atMs - start_ms;
  if (ms < 0 || ms >= (durationOf(executor) ?? Infinity)) return 0;
  if (executor.kind !== "ramping-vus") return executor.vus;
  let fromMs = 0;
  let vus = executor.start_vus;
  for (const { target, duration_ms } of executor.stages) {
    if (ms < fromMs + duration_ms) return Math.round(vus + ((target - vus) * (ms - fromMs)) / duration_ms);
    fromMs += duration_ms;
    vus = target;
  }
  return 0;
}

/** The most virtual users a scenario ever wants. */
export function maxVus(executor: VuExecutor): number {
  switch (executor.kind) {
    case "ramping-vus":
      return Math.max(executor.start_vus, ...executor.stages.map(({ target }) => target));
    case "trace":
      return 0;
    default:
      return executor.vus;
  }
}

/** Requests a second that a lane shall have at least, so that its sessions need not wait for due times. */
const LANE_RATE = 50;
const MAX_LANES = 64;
const MAX_SEGMENTS = 10_000;

/** How many lanes a scenario of requests has: by its highest rate. */
export function laneCount(scenario: Scenario, plan: LoadPlan): number {
  let peak = 0;
  let segments = 0;
  for (const { from_rate, to_rate } of rateSegments(scenario, plan)) {
    peak = Math.max(peak, from_rate, to_rate);
    if (++segments === MAX_SEGMENTS) break;
  }
  return Math.min(MAX_LANES, Math.max(1, Math.floor(peak / LANE_RATE)));
}

function* plainSegments(executor: ArrivalExecutor, startUnixMs: number): Generator<RateSegment> {
  switch (executor.kind) {
    case "constant-arrival-rate": {
      const rate = executor.rate_per_second;
      yield { from_ms: 0, to_ms: executor.duration_ms ?? Infinity, from_rate: rate, to_rate: rate };
      return;
    }
    case "ramping-arrival-rate": {
      let from_ms = 0;
      let from_rate = executor.start_rate_per_second;
      for (const { target, duration_ms } of executor.stages) {
        // a stage of 0s is a jump: it has no length, and would have no slope
        if (duration_ms > 0) yield { from_ms, to_ms: from_ms + duration_ms, from_rate, to_rate: target };
        from_ms += duration_ms;
        from_rate = target;
      }
      return;
    }
    case "daily-curve":
      yield* dailySegments(executor, startUnixMs);
  }
}

const DAY_MS = 86_400_000;
/** The curve is drawn in straight lines of five minutes; no time zone begins a day between two of them. */
const GRID_MS = 300_000;

/** `trough + (peak - trough) * (1 + cos(time since the peak)) / 2`, on Saturday and Sunday times `weekend`. */
function* dailySegments(
  executor: Extract<Executor, { readonly kind: "daily-curve" }>,
  startUnixMs: number,
): Generator<RateSegment> {
  const { peak_per_second: peak, trough_per_second: trough, day_ms } = executor;
  const endMs = executor.duration_ms ?? Infinity;
  const localTime = localClock(executor.time_zone);
  const perMs = DAY_MS / day_ms; // ms of the curve's day in a ms of the run
  const rateOf = (unixMs: number, isWeekend: boolean) => {
    const angle = (2 * Math.PI * (localTime(unixMs).of_day_ms - executor.peak_at_ms)) / DAY_MS;
    return (trough + ((peak - trough) * (1 + Math.cos(angle))) / 2) * (isWeekend ? executor.weekend : 1);
  };
  for (let unixMs = startUnixMs; ;) {
    const nextMs = (Math.floor(unixMs / GRID_MS) + 1) * GRID_MS;
    const from_ms = (unixMs - startUnixMs) / perMs;
    const to_ms = (nextMs - startUnixMs) / perMs;
    const { is_weekend } = localTime(unixMs);
    const from_rate = rateOf(unixMs, is_weekend);
    const to_rate = rateOf(nextMs, is_weekend);
    if (to_ms >= endMs) {
      const share = (endMs - from_ms) / (to_ms - from_ms);
      yield { from_ms, to_ms: endMs, from_rate, to_rate: from_rate + (to_rate - from_rate) * share };
      return;
    }
    yield { from_ms, to_ms, from_rate, to_rate };
    unixMs = nextMs;
  }
}

/** What the clock on the wall shows in a time zone. */
function localClock(timeZone: string) {
  const format = new Intl.DateTimeFormat("en-US", {
    ...{
      timeZone,
      hourCycle: "h23",
      weekday: "short",
      hour: "2-digit",
      minute: "2-digit",
      second: "2-digit",
    },
  });
  return (unixMs: number): { of_day_ms: number; is_weekend: boolean } => {
    const parts = Object.fromEntries(format.formatToParts(unixMs).map(({ type, value }) => [type, value]));
    const seconds = Number(parts["hour"]) * 3_600 + Number(parts["minute"]) * 60 + Number(parts["second"]);
    return {
      of_day_ms: seconds * 1_000 + (unixMs % 1_000),
      is_weekend: parts["weekday"] === "Sat" || parts["weekday"] === "Sun",
    };
  };
}

interface Spike {
  readonly from_ms: number;
  readonly to_ms: number;
  readonly factor: number;
}

/** A segment cut where spikes begin and end, each part times the spikes that are on. */
function* withSpikes(segment: RateSegment, spikes: readonly Spike[]): Generator<RateSegment> {
  const borders = spikes
    .flatMap(({ from_ms, to_ms }) => [from_ms, to_ms])
    .filter((ms) => ms > segment.from_ms && ms < segment.to_ms);
  const slope =
    segment.to_ms === Infinity
      ? 0
      : (segment.to_rate - segment.from_rate) / (segment.to_ms - segment.from_ms);
  let from_ms = segment.from_ms;
  for (const to_ms of [...new Set(borders)].sort((a, b) => a - b).concat(segment.to_ms)) {
    const factor = spikes
      .filter((spike) => spike.from_ms <= from_ms && spike.to_ms > from_ms)
      .reduce((product, spike) => product * spike.factor, 1);
    const rate = (ms: number) =>
      factor * (ms === Infinity ? segment.from_rate : segment.from_rate + slope * (ms - segment.from_ms));
    yield { from_ms, to_ms, from_rate: rate(from_ms), to_rate: rate(to_ms) };
    from_ms = to_ms;
  }
}
