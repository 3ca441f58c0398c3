import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { RushhourError } from "../contract/errors.ts";
import { conductIncidents, createFaultControl, isFault } from "../simulator/engine/incidents.ts";
import type { Incidents } from "../simulator/engine/incidents.ts";
import { assertReachable } from "../simulator/engine/http.ts";
import { startRun } from "../simulator/engine/run.ts";
import type { Run, RunResult } from "../simulator/engine/run.ts";
import { metricValues } from "../simulator/figures/metric-values.ts";
import { createAbortWatch, evaluateThresholds } from "../simulator/figures/threshold-values.ts";
import type { RunQuery } from "../simulator/figures/threshold-values.ts";
import type { Threshold } from "../simulator/figures/thresholds.ts";
import type { VerifiedRun } from "../simulator/ledger/ledger.ts";
import { planDigest } from "../simulator/plan/digest.ts";
import type { PlanSource } from "../simulator/plan/load-plan.ts";
import type { LoadPlan } from "../simulator/plan/plan.ts";
import { takesStdout } from "../simulator/report/outputs.ts";
import type { Output } from "../simulator/report/outputs.ts";
import { recordOf } from "../simulator/report/record.ts";
import type { IncidentRecord, RunRecord } from "../simulator/report/record.ts";
import { reportText, summaryOf } from "../simulator/report/report.ts";
import type { SummaryMode } from "../simulator/report/report.ts";
import { writeResult } from "./result-file.ts";
import { runRecordPath } from "./run-records.ts";
import type { Simulations } from "./simulations.ts";

/** How a run is brought about, beside its plan. */
export interface ConductOptions {
  readonly home: string; // of tallies and records
  readonly source: PlanSource | undefined; // of the plan; needed for more than one worker
  readonly workers: number;
  readonly command: string; // what to type for the same run again
  readonly adminToken: string | undefined; // of the API's fault control
  readonly outputs: readonly Output[];
  readonly logRequests?: ((ended: Parameters<Output["write"]>[0]) => void) | undefined;
  /** Where the run is accounted for; undefined: without a ledger, and not in SQL. */
  readonly simulations: Simulations | undefined;
  /** Told when it runs; what is returned is called when it has ended. */
  readonly onRun: (run: Run, incidents: Incidents) => Promise<() => unknown> | (() => unknown);
}

/** A run that ended, not yet judged. */
export interface ConductedRun {
  readonly result: RunResult;
  readonly incidents: readonly IncidentRecord[];
  readonly aborted: Threshold | undefined; // by which threshold
}

const ABORT_WATCH_MS = 1_000;

/**
 * Refuses a plan that cannot be carried out here, before anything is sent.
 * @throws RushhourError SERVER_UNREACHABLE, CONFIG_INVALID
 */
export async function assertFeasible(
  plan: LoadPlan,
  { simulations, adminToken }: Pick<ConductOptions, "simulations" | "adminToken">,
): Promise<void> {
  const problems: string[] = [];
  const needing = (what: string) =>
    `${what} needs the pipeline, but there is none in this run: leave it out, or run against a rushhour API without --no-ledger`;
  if (simulations === undefined) {
    for (const { kind, name } of plan.incidents)
      if (kind === "consumer-lag") problems.push(needing(`the incident "${name}"`));
    for (const { of } of plan.thresholds) {
      if ("sql" in of) problems.push(needing(`the SQL threshold "${of.name}"`));
      else if (/^(log|delivery|ingest)_/.test(of.metric))
        problems.push(needing(`a threshold on ${of.metric}`));
    }
  }
  if (problems.length > 0) throw new RushhourError("CONFIG_INVALID", problems.join("\n"));
  await assertReachable(plan.target);
  if (plan.incidents.some(({ kind }) => isFault(kind))) {
    await createFaultControl(plan.target, adminToken).assertThere();
  }
}

/**
 * Runs a plan to its end, with its incidents, until a threshold aborts it or somebody stops it.
 * @throws RushhourError DISK_FULL when tally or output cannot be written
 */
export async function conduct(plan: LoadPlan, options: ConductOptions): Promise<ConductedRun> {
  const { outputs, logRequests, simulations } = options;
  const wantsDetails = outputs.length > 0 || logRequests !== undefined;
  const run = await startRun(plan, {
    home: options.home,
    workers: options.workers,
    ...(options.source !== undefined && { source: options.source }),
    onEnded: wantsDetails
      ? (ended) => {
          for (const output of outputs) output.write(ended);
          logRequests?.(ended);
        }
      : undefined,
  });
  await using ending = new AsyncDisposableStack();
  const { name: scenario, target, seed, tags } = plan;
  const { run_id } = run;
  const start = { run_id, scenario, target, seed, tags, command: options.command, digest: null };
  void simulations?.publishRun({ ...start, started_at: run.started_at.toISOString() });

  const incidents = conductIncidents(plan, run, {
    faults: createFaultControl(target, options.adminToken),
    onChange: (incident) => void simulations?.publishIncident({ ...incident, run_id }),
  });
  ending.defer(() => incidents.close());
  const leave = await options.onRun(run, incidents);
  ending.defer(async () => {
    await leave();
  });

  let aborted: Threshold | undefined;
  const failed = createAbortWatch(plan.thresholds, metricValues(run.recorder, run.elapsedMs));
  const watching = setInterval(() => {
    if (aborted !== undefined || (aborted = failed(run.elapsedMs())) === undefined) return;
    run.note(`threshold ${aborted.expression} aborted the run`);
    run.stop();
  }, ABORT_WATCH_MS);
  ending.defer(() => clearInterval(watching));

  const result = await Promise.race([run.done, ...outputs.map(({ failed: broken }) => broken)]).catch(
    async (error: unknown) => {
      run.stop();
      await run.done.catch(() => undefined); // what is in flight ends first
      throw error;
    },
  );
  await incidents.close();
  for (const output of outputs) await output.close();
  return { result, incidents: incidents.records, aborted };
}

/** What judging a run takes. */
export interface JudgeOptions {
  readonly command: string;
  readonly pipeline: VerifiedRun | null;
  readonly query: RunQuery | undefined; // as the reader, for thresholds in SQL
}

/** All that is kept of a run, with its verdict. */
export async function judge(
  { result, incidents, aborted }: ConductedRun,
  { command, pipeline, query }: JudgeOptions,
): Promise<RunRecord> {
  const { plan, run_id, figures, elapsed_ms } = result;
  const delivery = pipeline && {
    stored: pipeline.ledger.stored,
    missing: pipeline.ledger.missing + pipeline.ledger.pending,
    duplicates: pipeline.ledger.duplicates,
    delay: pipeline.delay,
  };
  const values = metricValues(figures, () => elapsed_ms, delivery ?? undefined);
  return recordOf(result, {
    digest: planDigest(plan, Math.ceil(elapsed_ms)),
    ...{ command, pipeline, incidents },
    thresholds: await evaluateThresholds(plan.thresholds, values, { run_id, query, aborted }),
  });
}

export interface ReportOptions {
  readonly home: string;
  readonly print: (text: string) => void; // see printerFor
  readonly summaryMode: SummaryMode;
  readonly summaryExport: string | undefined;
  readonly ledgerLines: readonly string[];
}

/**
 * Where the report goes: standard output, unless one of `--out` writes its requests there.
 * @throws RushhourError CONFIG_INVALID for an `--out` that is wrong
 */
export function printerFor(out: readonly string[] | undefined): (text: string) => void {
  return takesStdout(out) ? console.error : console.log;
}

/** Keeps the record, prints the report, writes the summary, and sets the exit code. */
export function report(record: RunRecord, options: ReportOptions): void {
  keepRecord(options.home, record);
  if (options.summaryMode !== "disabled") {
    options.print(reportText(record, options.ledgerLines, options.summaryMode));
  }
  if (options.summaryExport !== undefined) {
    exportSummary(options.summaryExport, `${JSON.stringify(summaryOf(record), null, 2)}\n`);
  }
  process.exitCode = record.exit_code;
}

/** The record stays beside the tally. */
function keepRecord(home: string, record: RunRecord): void {
  mkdirSync(join(home, "runs"), { recursive: true });
  writeFileSync(runRecordPath(home, record.run_id), `${JSON.stringify(record)}\n`);
}

export function exportSummary(path: string, text: string): void {
  writeResult("--summary-export", path, text);
}
