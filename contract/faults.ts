import { z } from "zod";

export const FAULT_KINDS = ["error-burst", "slow", "timeout", "reset", "rate-limit"] as const;
export type FaultKind = (typeof FAULT_KINDS)[number];

/** Mean number of failures in a row, and spread of the added latency, when nothing else was asked for. */
const BURST_LENGTH = 5;
const LATENCY_SIGMA = 0.4;
const LATENCY_MEDIAN_MS = 500;

const numberFrom = (rule: string, min: number, max: number) => z.number(rule).min(min, rule).max(max, rule);
const wholeFrom = (rule: string, min: number, max: number) => z.int(rule).min(min, rule).max(max, rule);

const ID = "must be 1 to 64 of A-Z a-z 0-9 . _ : -, the first a letter or digit";
const ROUTE = "must be a method and a route template, such as GET /orders/:id";
const ROUTE_MEANS = "Method and route template; left out: every route";
const RATE = "must be a number above 0 and up to 1";

/** The fields of a fault; those that belong to one kind are in {@link FIELDS_OF_KIND}. */
const fields = {
  /** What the log calls it: `incident` of each row it hit. */
  id: z.string(ID).regex(/^[A-Za-z0-9][A-Za-z0-9._:-]{0,63}$/, ID),
  kind: z.enum(FAULT_KINDS, `must be one of ${FAULT_KINDS.join(", ")}`),
  route: z
    .string(ROUTE)
    .regex(/^[A-Z]+ \/\S*$/, ROUTE)
    .optional()
    .describe(ROUTE_MEANS),
  rate: z
    .number(RATE)
    .gt(0, RATE)
    .max(1, RATE)
    .default(1)
    .describe("Share of the route's requests that are hit in the long run"),
  for_ms: wholeFrom("must be a whole number of ms from 1 to 86400000 (a day)", 1, 86_400_000).describe(
    "The fault ends by itself after so many ms",
  ),
  status: wholeFrom("must be a status from 500 to 599", 500, 599)
    .optional()
    .describe("error-burst: what fails answers this; 503 unless given"),
  burst_length: numberFrom("must be a number from 1 to 10000", 1, 10_000)
    .optional()
    .describe(`error-burst: mean number of failures in a row; ${BURST_LENGTH} unless given`),
  latency_median_ms: numberFrom("must be a number of ms from 1 to 60000", 1, 60_000)
    .optional()
    .describe(`slow: median of the added, lognormal latency; ${LATENCY_MEDIAN_MS} unless given`),
  latency_sigma: numberFrom("must be a number from 0 to 3", 0, 3)
    .optional()
    .describe(`slow: its standard deviation on the log scale; ${LATENCY_SIGMA} unless given`),
  run_id: z
    .string()
    .min(1, "must be 1 to 64 characters")
    .max(64, "must be 1 to 64 characters")
    .optional()
    .describe("The run that asked for it, for information"),
  seed: wholeFrom("must be a whole number from 0 to 4294967295", 0, 2 ** 32 - 1)
    .optional()
    .describe("Decides which requests are hit; the server's own seed unless given"),
};

const FIELDS_OF_KIND = {
  "error-burst": ["status", "burst_length"],
  slow: ["latency_median_ms", "latency_sigma"],
} as const satisfies Partial<Record<FaultKind, readonly (keyof typeof fields)[]>>;

/**
 * A fault as the control API of a server takes it: from now on and for `for_ms`, `rate` of the requests to `route`
 * fail or are slow. It needs no call to end, so whoever asked for it may die.
 * @param routes those the server has; any, unless given
 */
export function faultSchemaOf(routes?: readonly string[]) {
  const known = routes && z.enum(routes, `must be one of ${routes.join(", ")}`);
  return z
    .strictObject(
      { ...fields, route: known ? known.optional().describe(ROUTE_MEANS) : fields.route },
      { error: notAFault },
    )
    .superRefine((fault, context) => {
      for (const [kind, names] of Object.entries(FIELDS_OF_KIND)) {
        for (const name of names) {
          if (fault.kind === kind || fault[name] === undefined) continue;
          const message = `is for ${kind} only, not for ${fault.kind}`;
          context.addIssue({ code: "custom", path: [name], message });
        }
      }
      const least = leastBurstLength(fault.rate);
      if (fault.burst_length !== undefined && fault.burst_length < least) {
        const message = `must be at least ${least}, rate / (1 - rate): shorter bursts cannot add up to the rate ${fault.rate}`;
        context.addIssue({ code: "custom", path: ["burst_length"], message });
      }
    });
}

/** {@link faultSchemaOf} for any server. */
export const faultSchema = faultSchemaOf();
export type Fault = z.output<typeof faultSchema>;

/** A fault as it stands: what the control API answers. */
export const faultStateSchema = z.object({
  ...fields,
  started_at: z.iso.datetime(),
  ends_at: z.iso.datetime().describe("When it ended, once it has"),
  active: z.boolean(),
  requests_seen: z.int().min(0).describe("Requests to its route while it was active"),
  requests_affected: z.int().min(0).describe("Those of them that it hit"),
});
export type FaultState = z.output<typeof faultStateSchema>;

/** What a fault does where its fields leave it open. */
export function effectOf(fault: Fault) {
  return {
    status: fault.status ?? 503,
    burst_length: fault.burst_length ?? Math.max(BURST_LENGTH, leastBurstLength(fault.rate)),
    latency_median_ms: fault.latency_median_ms ?? LATENCY_MEDIAN_MS,
    latency_sigma: fault.latency_sigma ?? LATENCY_SIGMA,
  };
}

/**
 * The shortest mean burst that can add up to `rate`: at least one success lies between two bursts, so of L + 1 requests
 * at most L fail. A rate of 1 is one burst without end, whatever its length.
 */
function leastBurstLength(rate: number): number {
  return rate === 1 ? 0 : Number((rate / (1 - rate)).toPrecision(6)); // 0.9 gives 9, not 9.000000000000002
}

function notAFault(issue: { readonly code?: string; readonly keys?: readonly string[] }): string {
  return issue.code === "unrecognized_keys"
    ? `must not have ${issue.keys?.join(", ") ?? ""}; a fault has ${Object.keys(fields).join(", ")}`
    : "must be an object with id, kind and for_ms";
}
