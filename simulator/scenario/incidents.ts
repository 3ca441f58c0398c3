import { z } from "zod";
import { effectOf, FAULT_KINDS, faultSchema } from "../../contract/faults.ts";
import { CONSUMER_LAG, MAX_CONSUMER_DELAY_MS, MAX_CONSUMER_LAG_MS } from "../../contract/simulation.ts";
import { didYouMean } from "../figures/did-you-mean.ts";
import { INCIDENT_KINDS } from "../plan/plan.ts";
import type { Incident, IncidentKind, Intensity } from "../plan/plan.ts";
import { isMap, shown } from "./problems.ts";
import type { Path, Problems } from "./problems.ts";
import { duration, integer, name, number, numberFrom, offset } from "./values.ts";

const ROUTE_RULE = 'must be a method and a route template such as "GET /orders/:id"';
const route = z
  .string(ROUTE_RULE)
  .max(272, ROUTE_RULE)
  .regex(/^(GET|POST|PUT|PATCH|DELETE|HEAD|OPTIONS) \/[^\s?#]*$/, ROUTE_RULE);

/** A fault of the API ends by itself after a day at the latest. */
const MAX_INCIDENT_MS = 86_400_000;
const share = number(0, 1).default(1);
const LATENCY_RULE = "must be a median and, if wanted, a sigma, such as {median: 900ms, sigma: 0.4}";

const median = duration.refine((ms) => ms <= 60_000, "must be a duration of at most 60s");

/** What makes each kind as strong as it is, and what it becomes in the plan. */
const INTENSITIES = {
  "error-burst": z
    .strictObject({
      rate: share,
      burst: numberFrom(1, 10_000).optional(),
      status: integer(500, 599).default(503),
    })
    .transform(({ rate, burst, status }, context): Intensity => {
      const asked = { id: "any", kind: "error-burst", for_ms: 1, rate, status, burst_length: burst };
      const { data: fault, error } = faultSchema.safeParse(asked);
      if (fault !== undefined) return { rate, status, burst_length: effectOf(fault).burst_length };
      context.addIssue({ code: "custom", path: ["burst"], message: error.issues[0]!.message });
      return z.NEVER;
    }),
  slow: z
    .strictObject({
      rate: share,
      latency: z.strictObject({ median, sigma: numberFrom(0, 3).default(0.4) }, LATENCY_RULE),
    })
    .transform(({ rate, latency }) => ({
      rate,
      latency_median_ms: latency.median,
      latency_sigma: latency.sigma,
    })),
  timeout: z.strictObject({ rate: share }),
  reset: z.strictObject({ rate: share }),
  "rate-limit": z.strictObject({ rate: share }),
  "traffic-spike": z.strictObject({ factor: number(0, 1_000) }),
  "consumer-lag": z
    .strictObject({
      delay: duration.refine((ms) => ms <= MAX_CONSUMER_DELAY_MS, "must be a duration of at most 10s"),
    })
    .transform(({ delay }) => ({ delay_ms: delay })),
} satisfies Record<IncidentKind, z.ZodType<Intensity>>;

const keysOf = (kind: IncidentKind): string[] => {
  const schema = INTENSITIES[kind];
  const own = Object.keys("in" in schema ? schema.in.shape : schema.shape);
  return isFault(kind) ? ["route", ...own] : own;
};

/** An incident as far as it could be read. */
export interface IncidentDraft {
  readonly kind: IncidentKind | undefined;
  readonly at_ms: number | undefined;
  readonly incident: Incident | undefined;
}

/** The incidents of a file, in its order; without a name one is called after its kind. */
export function readIncidents(value: unknown, problems: Problems): IncidentDraft[] {
  if (!Array.isArray(value) || value.length > 1_000) {
    const message = "must be a list of up to 1000 incidents such as {at: +3m, for: 90s, kind: slow, …}";
    problems.report(["incidents"], `${shown(value)} ${message}`);
    return [];
  }
  const givenNames = value.map((item: unknown) => (isMap(item) ? item["name"] : undefined));
  for (const [index, given] of givenNames.entries()) {
    const first = givenNames.indexOf(given);
    if (given === undefined || first === index) continue;
    const message = `${shown(given)} is the name of incidents[${first}] already; each needs its own`;
    problems.report(["incidents", index, "name"], message);
  }
  const taken = new Set(givenNames);
  return value.map((item: unknown, index) => {
    const draft = readIncident(item, ["incidents", index], problems);
    if (draft.incident === undefined || givenNames[index] !== undefined) return draft;
    const unique = uniqueName(draft.incident.kind, taken);
    taken.add(unique);
    return { ...draft, incident: { ...draft.incident, name: unique } };
  });
}

function readIncident(item: unknown, path: Path, problems: Problems): IncidentDraft {
  if (!isMap(item)) {
    const message = `${shown(item)} must be an incident such as {at: +3m, for: 90s, kind: slow, latency: {median: 1s}}`;
    problems.report(path, message);
    return { kind: undefined, at_ms: undefined, incident: undefined };
  }
  const { kind: written, name: called, at, for: lasting, ...strength } = item;
  const found = problems.list.length;
  const given = problems.read(z.object({ name: name.optional() }), { name: called }, path);
  const at_ms = problems.read(z.object({ at: offset }), { at }, path)?.at;
  const duration_ms = problems.read(z.object({ for: duration }), { for: lasting }, path)?.for;
  const kind = readKind(written, path, problems);
  if (kind === undefined) return { kind, at_ms, incident: undefined };

  const known = keysOf(kind);
  const strange = Object.keys(strength).filter((key) => !known.includes(key));
  for (const key of strange) reportMisplaced(key, kind, path, problems);
  const { route: hit, ...own } = Object.fromEntries(
    Object.entries(strength).filter(([key]) => known.includes(key)),
  );
  const where = problems.read(z.object({ route: route.optional() }), { route: hit }, path)?.route;
  const intensity = problems.read<z.ZodType<Intensity>>(INTENSITIES[kind], own, path);
  const longest = kind === CONSUMER_LAG ? MAX_CONSUMER_LAG_MS : MAX_INCIDENT_MS;
  if ((duration_ms ?? 0) > longest) {
    const message = `${shown(lasting)} must be at most ${longest / 60_000}m for ${kind}`;
    problems.report([...path, "for"], message);
  }
  if (
    at_ms === undefined ||
    duration_ms === undefined ||
    intensity === undefined ||
    problems.list.length > found
  ) {
    return { kind, at_ms, incident: undefined };
  }
  return {
    kind,
    at_ms,
    incident: { name: given?.name ?? kind, kind, at_ms, duration_ms, route: where, intensity },
  };
}

function readKind(kind: unknown, path: Path, problems: Problems): IncidentKind | undefined {
  if (isKind(kind)) return kind;
  const nearest = typeof kind === "string" ? didYouMean(kind, INCIDENT_KINDS) : "";
  const what = kind === undefined ? "is missing; it" : shown(kind);
  problems.report([...path, "kind"], `${what} must be one of ${INCIDENT_KINDS.join(", ")}${nearest}`);
  return undefined;
}

/** A key that belongs to other kinds, or to none. */
function reportMisplaced(key: string, kind: IncidentKind, path: Path, problems: Problems): void {
  const known = keysOf(kind);
  const owners = INCIDENT_KINDS.filter((other) => keysOf(other).includes(key));
  if (owners.length === 0) problems.unknownKey(path, key, ["name", "kind", "at", "for", ...known]);
  else {
    const message = `${kind} takes no ${key}, only ${known.join(", ")}; ${key} is for ${owners.join(", ")}`;
    problems.reportKey([...path, key], message);
  }
}

/** `slow`, else `slow-2`, or the next number that is free. */
function uniqueName(kind: IncidentKind, taken: ReadonlySet<unknown>): string {
  if (!taken.has(kind)) return kind;
  for (let n = 2; ; n++) if (!taken.has(`${kind}-${n}`)) return `${kind}-${n}`;
}

function isKind(kind: unknown): kind is IncidentKind {
  return (INCIDENT_KINDS as readonly unknown[]).includes(kind);
}

function isFault(kind: IncidentKind): boolean {
  return (FAULT_KINDS as readonly string[]).includes(kind);
}
