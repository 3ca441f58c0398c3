import { z } from "zod";
import { simulationRecord } from "../contract/simulation.ts";
import type { IncidentState, RunState, SimulationRecord } from "../contract/simulation.ts";
import { SIMULATIONS_TOPIC } from "../contract/topics.ts";
import type { Kind } from "./kind.ts";
import { datetime, number, text } from "./literals.ts";

const time = (iso: string | null) => (iso === null ? "NULL" : datetime(Date.parse(iso)));
const json = (value: object) => text(JSON.stringify(value));

/** simulations -> `runs` and `incidents`. A late, repeated or reordered record never undoes a newer one. */
export const simulations: Kind<SimulationRecord> = {
  name: "simulation",
  topics: [SIMULATIONS_TOPIC],
  decode(fields) {
    const parsed = simulationRecord.safeParse(fields);
    if (parsed.success) return { row: parsed.data };
    return { rejection: { reason: "invalid_field", detail: z.prettifyError(parsed.error) } };
  },
  origin: (row) => ({ source: "simulator", status: row.type === "run" ? row.state : "incident" }),
  table: {
    // Each statement about a run counts, so none is the repeat of another but for itself.
    identity: (row) =>
      row.type === "run"
        ? `run/${row.run_id}/${row.state}/${row.reported_at}`
        : `incident/${row.incident_id}/${row.ended_at}/${row.requests_affected}`,
    insert(rows) {
      const runs = rows.filter((row) => row.type === "run");
      const incidents = rows.filter((row) => row.type === "incident");
      return [
        ...(runs.length > 0 ? [upsertRuns(runs)] : []),
        ...(incidents.length > 0 ? [upsertIncidents(incidents)] : []),
      ];
    },
  },
};

type FinishedRun = Extract<RunState, { state: "finished" }>;

const atItsEnd = (literal: (run: FinishedRun) => string) => (run: RunState) =>
  run.state === "finished" ? literal(run) : "NULL";

/** Column and literal of each, in the order of the INSERT. */
const RUN_COLUMNS: readonly (readonly [column: string, literal: (run: RunState) => string])[] = [
  ["run_id", (run) => text(run.run_id)],
  ["scenario", (run) => text(run.scenario)],
  ["target", (run) => text(run.target)],
  ["seed", (run) => number(run.seed)],
  ["digest", (run) => text(run.digest)],
  ["started_at", (run) => time(run.started_at)],
  ["tags", (run) => json(run.tags)],
  ["command", (run) => text(run.command)],
  ["verdict", atItsEnd((run) => text(run.verdict))],
  ["exit_code", atItsEnd((run) => number(run.exit_code))],
  ["ended_at", atItsEnd((run) => time(run.ended_at))],
  ["elapsed_ms", atItsEnd((run) => number(run.elapsed_ms))],
  ["requests", atItsEnd((run) => number(run.requests))],
  ["failed", atItsEnd((run) => number(run.failed))],
  ["rate", atItsEnd((run) => number(run.rate))],
  ["p50_ms", atItsEnd((run) => number(run.p50_ms))],
  ["p95_ms", atItsEnd((run) => number(run.p95_ms))],
  ["p99_ms", atItsEnd((run) => number(run.p99_ms))],
  ["missing", atItsEnd((run) => number(run.missing))],
  ["duplicates", atItsEnd((run) => number(run.duplicates))],
  ["thresholds_failed", atItsEnd((run) => number(run.thresholds_failed))],
  ["record", atItsEnd((run) => json(run.record))],
  ["updated_at", (run) => time(run.reported_at)],
  ["state", (run) => text(run.state)],
];

/** The end of a run replaces its start, and what is said later replaces what was said before; nothing goes back from the end. */
const REPLACES =
  "(VALUES(state) = 'finished' AND runs.state = 'running') OR " +
  "(VALUES(state) = runs.state AND VALUES(updated_at) >= runs.updated_at)";

/** Assignments go from left to right and see those before, so what the condition asks for comes last: updated_at, state. */
function upsertRuns(runs: readonly RunState[]): string {
  const columns = RUN_COLUMNS.map(([column]) => column);
  const values = runs.map((run) => `(${RUN_COLUMNS.map(([, literal]) => literal(run)).join(",")})`);
  const assignments = columns
    .filter((column) => column !== "run_id")
    .map((column) => `${column} = IF(${REPLACES}, VALUES(${column}), runs.${column})`);
  return `INSERT INTO runs (${columns.join(",")}) VALUES ${values.join(",\n")}
    ON DUPLICATE KEY UPDATE ${assignments.join(",\n")}`;
}

/** What is known of an incident only grows: its end, then how many requests it affected. */
function upsertIncidents(incidents: readonly IncidentState[]): string {
  const values = incidents.map(
    (incident) =>
      `(${text(incident.incident_id)},${text(incident.run_id)},${text(incident.name)},${text(incident.kind)},` +
      `${text(incident.route)},${text(incident.origin)},${time(incident.started_at)},${time(incident.planned_end_at)},` +
      `${time(incident.ended_at)},${json(incident.intensity)},${number(incident.requests_affected)},${time(incident.reported_at)})`,
  );
  return `INSERT INTO incidents (incident_id, run_id, name, kind, route, origin, started_at, planned_end_at,
      ended_at, intensity, requests_affected, updated_at) VALUES ${values.join(",\n")}
    ON DUPLICATE KEY UPDATE ended_at = COALESCE(incidents.ended_at, VALUES(ended_at)),
      requests_affected = COALESCE(GREATEST(incidents.requests_affected, VALUES(requests_affected)),
        incidents.requests_affected, VALUES(requests_affected)),
      updated_at = GREATEST(incidents.updated_at, VALUES(updated_at))`;
}
