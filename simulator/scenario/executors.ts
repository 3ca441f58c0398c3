import { z } from "zod";
import { didYouMean } from "../figures/did-you-mean.ts";
import { ARRIVALS, ARRIVING } from "../plan/plan.ts";
import type { Executor } from "../plan/plan.ts";
import { shown } from "./problems.ts";
import type { Path, Problems } from "./problems.ts";
import {
  duration,
  durationOrZero,
  integer,
  MAX_VUS,
  numberFrom,
  oneOf,
  rate,
  rateOrZero,
  timeOfDay,
  timeZone,
} from "./values.ts";

const vus = integer(1, MAX_VUS).default(1);

const arrivals = {
  arrival: oneOf(ARRIVALS).default("poisson"),
  arriving: oneOf(ARRIVING).default("iterations"),
  maxVUs: integer(1, MAX_VUS).default(MAX_VUS),
};

function stagesOf(target: z.ZodType<number>) {
  const rule = "must be 1 to 1000 stages, each with a target and a duration";
  const stage = z
    .strictObject(
      { target, duration: durationOrZero },
      "must be a stage such as {target: 50/s, duration: 1m}",
    )
    .transform((stage) => ({ target: stage.target, duration_ms: stage.duration }));
  return z
    .array(stage, rule)
    .min(1, rule)
    .max(1_000, rule)
    .refine((stages) => stages.length === 0 || stages.some(({ duration_ms }) => duration_ms > 0), {
      message: "must last longer than 0s together",
    });
}

/** For rules on two values that hold although a third one is wrong. */
const always = () => true;

const iterations = {
  vus,
  iterations: integer(1, 1_000_000_000).default(1),
  maxDuration: duration.default(600_000),
};

/** What each executor takes besides {@link COMMON_KEYS}, and what it becomes in the plan. */
const EXECUTORS = {
  "constant-arrival-rate": z
    .strictObject({ rate, duration: duration.optional(), ...arrivals })
    .transform(({ rate, duration, arrival, arriving, maxVUs }) => ({
      kind: "constant-arrival-rate" as const,
      rate_per_second: rate,
      duration_ms: duration,
      ...{ arrival, arriving, max_vus: maxVUs },
    })),
  "ramping-arrival-rate": z
    .strictObject({ startRate: rateOrZero.default(0), stages: stagesOf(rateOrZero), ...arrivals })
    .refine(({ startRate, stages }) => startRate > 0 || stages.some(({ target }) => target > 0), {
      path: ["stages"],
      message: "must reach a rate above 0 somewhere: nothing would arrive",
    })
    .transform(({ startRate, stages, arrival, arriving, maxVUs }) => ({
      kind: "ramping-arrival-rate" as const,
      start_rate_per_second: startRate,
      stages,
      ...{ arrival, arriving, max_vus: maxVUs },
    })),
  "daily-curve": z
    .strictObject({
      ...{ peak: rate, trough: rateOrZero, peakAt: timeOfDay, tz: timeZone.default("UTC") },
      ...{ weekend: numberFrom(0, 100).default(1), day: duration.default(86_400_000) },
      ...{ duration: duration.optional(), ...arrivals },
    })
    .refine(({ peak, trough }) => !(trough > peak), {
      ...{ path: ["trough"], message: "must not be above the peak", when: always },
    })
    .transform(({ peak, trough, peakAt, tz, weekend, day, duration, arrival, arriving, maxVUs }) => ({
      kind: "daily-curve" as const,
      ...{ peak_per_second: peak, trough_per_second: trough, peak_at_ms: peakAt, time_zone: tz, weekend },
      ...{ day_ms: day, duration_ms: duration, arrival, arriving, max_vus: maxVUs },
    })),
  "constant-vus": z
    .strictObject({ vus, duration: duration.optional() })
    .transform(({ vus, duration }) => ({ kind: "constant-vus" as const, vus, duration_ms: duration })),
  "ramping-vus": z
    .strictObject({ startVUs: integer(0, MAX_VUS).default(1), stages: stagesOf(integer(0, MAX_VUS)) })
    .refine(({ startVUs, stages }) => startVUs > 0 || stages.some(({ target }) => target > 0), {
      path: ["stages"],
      message: "must reach a number of virtual users above 0 somewhere: nobody would come",
    })
    .transform(({ startVUs, stages }) => ({ kind: "ramping-vus" as const, start_vus: startVUs, stages })),
  "shared-iterations": z
    .strictObject(iterations)
    .refine(({ vus, iterations }) => !(iterations < vus), {
      ...{ path: ["iterations"], message: "must not be fewer than vus, which share them", when: always },
    })
    .transform(({ vus, iterations, maxDuration }) => ({
      kind: "shared-iterations" as const,
      ...{ vus, iterations, max_duration_ms: maxDuration },
    })),
  "per-vu-iterations": z.strictObject(iterations).transform(({ vus, iterations, maxDuration }) => ({
    kind: "per-vu-iterations" as const,
    ...{ vus, iterations, max_duration_ms: maxDuration },
  })),
} satisfies Record<string, z.ZodType<Executor>>;

type Name = keyof typeof EXECUTORS;
const NAMES = Object.keys(EXECUTORS) as Name[];
const keysOf = (name: Name) => Object.keys(EXECUTORS[name].in.shape);

/**
 * The executor of a scenario.
 * @param values what stands in the scenario besides the keys that all have
 * @param common those keys
 */
export function readExecutor(
  name: unknown,
  values: Readonly<Record<string, unknown>>,
  path: Path,
  common: readonly string[],
  problems: Problems,
): Executor | undefined {
  if (!isName(name)) {
    const nearest = typeof name === "string" ? didYouMean(name, NAMES) : "";
    const what = name === undefined ? "is missing; it" : shown(name);
    problems.report([...path, "executor"], `${what} must be one of ${NAMES.join(", ")}${nearest}`);
    const known = NAMES.flatMap(keysOf);
    const unknown = Object.keys(values).filter((key) => !known.includes(key));
    for (const key of unknown) problems.unknownKey(path, key, [...new Set([...common, ...known])]);
    return undefined;
  }
  const known = keysOf(name);
  const [fitting, others] = partition(Object.entries(values), ([key]) => known.includes(key));
  for (const [key] of others) reportMisplaced(key, name, path, common, problems);
  const executor = problems.read(EXECUTORS[name], Object.fromEntries(fitting), path);
  return others.length === 0 ? executor : undefined;
}

/** A key that other executors have, or none. */
function reportMisplaced(
  key: string,
  name: Name,
  path: Path,
  common: readonly string[],
  problems: Problems,
): void {
  const known = keysOf(name);
  const owners = NAMES.filter((other) => keysOf(other).includes(key));
  if (owners.length === 0) problems.unknownKey(path, key, [...common, ...known]);
  else {
    const message = `${name} takes no ${key}, only ${known.join(", ")}; ${key} is for ${owners.join(", ")}`;
    problems.reportKey([...path, key], message);
  }
}

function isName(name: unknown): name is Name {
  return typeof name === "string" && Object.hasOwn(EXECUTORS, name);
}

function partition<T>(items: readonly T[], belongs: (item: T) => boolean): [T[], T[]] {
  return [items.filter(belongs), items.filter((item) => !belongs(item))];
}
