import { z } from "zod";
import { faultSchema } from "../../contract/faults.ts";
import { durationSetting } from "../../contract/units.ts";
import { MAX_RATE_FACTOR, MIN_RATE_FACTOR } from "./run-control.ts";
import type { ControlChange, LiveFault, RunStatus } from "./run-control.ts";

const FACTOR_RULE = `must be a number from ${MIN_RATE_FACTOR} to ${MAX_RATE_FACTOR}; paused stops the load`;
const WEIGHT_RULE = "must be a number from 0 to 1000000";

/** The body of `PATCH /v1/run`, with the names that this run knows. */
export function changeSchema(status: RunStatus): z.ZodType<ControlChange> {
  const scenarios = status.scenarios.map(({ name }) => name);
  const journeys = [...new Set(status.scenarios.flatMap(({ weights }) => Object.keys(weights)))];
  return z
    .strictObject(
      {
        scenario: z.enum(scenarios, `must be a scenario of the run: ${scenarios.join(", ")}`).optional(),
        rate_factor: z
          .number(FACTOR_RULE)
          .min(MIN_RATE_FACTOR, FACTOR_RULE)
          .max(MAX_RATE_FACTOR, FACTOR_RULE)
          .optional(),
        paused: z.boolean("must be true or false").optional(),
        weights: z
          .record(
            z.string().refine((name) => journeys.includes(name)),
            z.number(WEIGHT_RULE).min(0, WEIGHT_RULE).max(1_000_000, WEIGHT_RULE),
            `must be weights of journeys of the run: ${journeys.join(", ")}`,
          )
          .optional(),
      },
      { error: unknownFields("a change", ["scenario", "rate_factor", "paused", "weights"]) },
    )
    .superRefine(({ scenario, rate_factor, paused, weights }, context) => {
      if (rate_factor === undefined && paused === undefined && weights === undefined) {
        context.addIssue("must change something: rate_factor, paused or weights");
      }
      const changed = status.scenarios.filter(({ name }) => scenario === undefined || name === scenario);
      for (const problem of weightProblems(changed, weights ?? {})) {
        context.addIssue({ code: "custom", path: ["weights"], message: problem });
      }
    });
}

function weightProblems(
  scenarios: RunStatus["scenarios"],
  weights: Readonly<Record<string, number>>,
): string[] {
  const has = (own: object, journey: string) => Object.hasOwn(own, journey);
  const foreign = Object.keys(weights).filter(
    (journey) => !scenarios.some((one) => has(one.weights, journey)),
  );
  const idle = scenarios.filter(({ weights: own }) => {
    const changes = Object.keys(own).some((journey) => has(weights, journey));
    return (
      changes &&
      Object.entries({ ...own, ...weights }).every(([name, weight]) => weight === 0 || !has(own, name))
    );
  });
  return [
    ...foreign.map((journey) => `cannot change ${journey}, which is no journey of this scenario`),
    ...idle.map(({ name }) => `must leave a journey above 0 in ${name}; paused stops the load`),
  ];
}

// The rules of each field are the target's own; only a fault's name and length are called otherwise here.
const { id, kind, route, rate, status, burst_length, latency_median_ms, latency_sigma } = faultSchema.shape;
const faultFields = {
  ...{ kind, route, rate, status, burst_length, latency_median_ms, latency_sigma },
  name: id.optional(),
  for: z.string("must be a duration such as 30s or 5m").pipe(durationSetting),
};
const CALLED: Readonly<Record<string, string>> = { id: "name", for_ms: "for" };

/** The body of `POST /v1/faults`: a fault, perhaps without a name. */
export const liveFaultSchema = z
  .strictObject(faultFields, { error: unknownFields("a fault", Object.keys(faultFields)) })
  .superRefine(({ name = "live", for: for_ms, ...effect }, context) => {
    for (const issue of faultSchema.safeParse({ id: name, for_ms, ...effect }).error?.issues ?? []) {
      const path = issue.path.map((part) => CALLED[String(part)] ?? String(part));
      context.addIssue({ code: "custom", path, message: issue.message });
    }
  })
  .transform(({ name, for: duration_ms, kind, route, ...intensity }) => ({
    ...{ name, kind, duration_ms, route },
    intensity: intensity as LiveFault["intensity"], // what was not given is not there
  }));

function unknownFields(what: string, known: readonly string[]) {
  return (issue: { readonly code?: string; readonly keys?: readonly string[] }): string =>
    issue.code === "unrecognized_keys"
      ? `cannot have ${issue.keys?.join(", ") ?? ""}; ${what} has ${known.join(", ")}`
      : `must be an object with ${known.join(", ")}`;
}
