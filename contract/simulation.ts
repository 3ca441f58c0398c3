import { z } from "zod";

/** The kind of incident that slows the consumers down; its intensity is `delay_ms`, before each batch of request logs. */
export const CONSUMER_LAG = "consumer-lag";

/** What such an incident may do at most, so that nobody stops a pipeline with one record. */
export const MAX_CONSUMER_DELAY_MS = 10_000;
export const MAX_CONSUMER_LAG_MS = 15 * 60_000;

const time = z.iso.datetime(); // UTC
const count = z.int().nonnegative();
const amount = z.number().nonnegative(); // finite
const runId = z.string().regex(/^[\w-]{1,64}$/);

/** What is known of a run from its start. */
const run = {
  v: z.literal(1),
  type: z.literal("run"),
  reported_at: time, // by the sender's clock; the newest record of a state counts
  run_id: runId,
  scenario: z.string().min(1).max(128),
  target: z.string().min(1).max(2_048),
  seed: z.int().nonnegative().max(0xffffffff),
  digest: z.string().max(128).nullable(), // of the planned requests
  tags: z.record(z.string().max(64), z.string().max(256)),
  command: z.string().max(16_000), // what to type for the same run again
  started_at: time,
};

const runningRun = z.object({ ...run, state: z.literal("running") });

const finishedRun = z.object({
  ...run,
  state: z.literal("finished"),
  verdict: z.string().regex(/^[a-z_]{1,32}$/),
  exit_code: z.int().nonnegative().max(255),
  ended_at: time,
  elapsed_ms: amount, // of the schedule
  requests: count, // sent
  failed: count, // unanswered, or status 400 and above
  rate: amount, // requests sent a second
  p50_ms: amount, // of response time, from the scheduled start
  p95_ms: amount,
  p99_ms: amount,
  missing: count.nullable(), // by the ledger; null without one
  duplicates: count.nullable(),
  thresholds_failed: count.max(10_000),
  record: z.record(z.string(), z.unknown()), // all that is kept of the run, one JSON object
});

const incident = z
  .object({
    v: z.literal(1),
    type: z.literal("incident"),
    reported_at: time,
    incident_id: z.uuid(),
    run_id: runId,
    name: z.string().min(1).max(128), // unique in its run
    kind: z.string().regex(/^[a-z-]{1,32}$/),
    route: z.string().max(272).nullable(), // method and route template; null: every route
    origin: z.enum(["scenario", "control"]), // planned, or somebody's doing while the run went on
    started_at: time,
    planned_end_at: time,
    ended_at: time.nullable(),
    intensity: z.record(z.string().max(32), z.number()),
    requests_affected: count.nullable(), // null: not known
  })
  .refine(({ kind, intensity }) => kind !== CONSUMER_LAG || isDelay(intensity["delay_ms"]), {
    path: ["intensity", "delay_ms"],
    error: `must be a number above 0 and up to ${MAX_CONSUMER_DELAY_MS} for ${CONSUMER_LAG}`,
  })
  .refine(
    ({ kind, started_at, planned_end_at }) =>
      kind !== CONSUMER_LAG || Date.parse(planned_end_at) - Date.parse(started_at) <= MAX_CONSUMER_LAG_MS,
    {
      path: ["planned_end_at"],
      error: `must lie at most ${MAX_CONSUMER_LAG_MS / 60_000} minutes after started_at for ${CONSUMER_LAG}`,
    },
  );

function isDelay(ms: number | undefined): boolean {
  return ms !== undefined && ms > 0 && ms <= MAX_CONSUMER_DELAY_MS;
}

/**
 * What the simulator says of its runs, on the topic `simulations`: a run when it starts and when it has ended, an
 * incident when it starts, when it ends and when the requests it affected are counted.
 */
export const simulationRecord = z.discriminatedUnion("type", [
  z.discriminatedUnion("state", [runningRun, finishedRun]),
  incident,
]);

export type SimulationRecord = z.output<typeof simulationRecord>;
export type RunState = z.output<typeof runningRun> | z.output<typeof finishedRun>;
export type IncidentState = z.output<typeof incident>;
