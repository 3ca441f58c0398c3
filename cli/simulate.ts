import { createWriteStream } from "node:fs";
import type { Writable } from "node:stream";
import { Command } from "commander";
import { z } from "zod";
import { adminSettings, kafkaSettings, readSettings, sqlSettings } from "../contract/config.ts";
import { EXIT } from "../contract/errors.ts";
import { createLogger } from "../contract/logger.ts";
import type { Incidents } from "../simulator/engine/incidents.ts";
import type { Run } from "../simulator/engine/run.ts";
import { loadPlan } from "../simulator/plan/load-plan.ts";
import type { PlanSource } from "../simulator/plan/load-plan.ts";
import type { LoadPlan } from "../simulator/plan/plan.ts";
import { openOutput } from "../simulator/report/outputs.ts";
import type { RunRecord } from "../simulator/report/record.ts";
import { SUMMARY_MODES } from "../simulator/report/report.ts";
import { CLEAR_LINE, requestLogger, showStatus } from "../simulator/report/status-line.ts";
import { assertFeasible, conduct, exportSummary, judge, printerFor, report } from "./conduct.ts";
import { controlRun, KEY_HELP } from "./controls.ts";
import { onShutdownSignal } from "./lifecycle.ts";
import {
  collect,
  flagsOf,
  loadFlags,
  loadSettings,
  planSourceOf,
  repeatArguments,
  shellWord,
  withLoadOptions,
} from "./load-options.ts";
import type { LoadOptions } from "./load-options.ts";
import { openPipeline } from "./pipeline.ts";
import { userUrlOf } from "./servers.ts";
import type { ServerSettings } from "./servers.ts";
import { openSimulations, type Simulations } from "./simulations.ts";
import { verify } from "./verify.ts";

const WORKERS_RULE = "must be a whole number from 1 to 64";
const CONTROL_PORT_RULE = "must be a port from 0 to 65535 (0 takes a free one)";

/** What every command that runs a load has, beside the load itself. */
export const runSettings = z.object({
  RUSHHOUR_HOME: loadSettings.shape.RUSHHOUR_HOME,
  ...adminSettings.shape,
  SIMULATOR_WORKERS: z.coerce
    .number(WORKERS_RULE)
    .int(WORKERS_RULE)
    .min(1, WORKERS_RULE)
    .max(64, WORKERS_RULE)
    .default(1),
  SIMULATOR_CONTROL_PORT: z.coerce
    .number(CONTROL_PORT_RULE)
    .int(CONTROL_PORT_RULE)
    .min(0, CONTROL_PORT_RULE)
    .max(65_535, CONTROL_PORT_RULE)
    .optional(),
  SIMULATOR_CONTROL_TOKEN: z.string().min(16, "must have 16 characters or more").optional(),
  SIMULATOR_SUMMARY_MODE: z
    .enum(SUMMARY_MODES, `must be one of ${SUMMARY_MODES.join(", ")}`)
    .default("compact"),
});
export type RunSettings = z.output<typeof runSettings>;

const simulateSettings = z.object({
  ...kafkaSettings.shape,
  ...sqlSettings.shape,
  ...loadSettings.shape,
  ...runSettings.shape,
});

export interface RunOptions {
  readonly workers?: string;
  readonly out?: readonly string[];
  readonly control?: string;
  readonly summaryMode?: string;
  readonly summaryExport?: string;
  readonly logRequests?: boolean;
  readonly thresholds: boolean;
  readonly quiet?: boolean;
}

/** What a command that runs a load offers, beside the load itself. */
export function withRunOptions(command: Command): Command {
  return command
    .option("--workers <n>", "threads that share the load (default: 1)")
    .option("-o, --out <format=file>", "each request to json=FILE or csv=FILE; repeatable", collect)
    .option("--log-requests", "log time, method, path, status and ms of each request to stderr")
    .option("--control <port>", "change the run by HTTP while it goes on (0 takes a free port)")
    .option("--no-thresholds", "judge by no threshold")
    .option("--summary-mode <mode>", "compact, full or disabled (default: compact)")
    .option("--summary-export <file>", "write the summary as JSON to this file")
    .option("-q, --quiet", "show no progress");
}

export function runFlags(options: RunOptions) {
  return flagsOf(options, {
    SIMULATOR_WORKERS: "workers",
    SIMULATOR_CONTROL_PORT: "control",
    SIMULATOR_SUMMARY_MODE: "summaryMode",
  });
}

export function simulateCommand(): Command {
  return withRunOptions(withLoadOptions(new Command("simulate")))
    .description("Send the load of a scenario, or the shop's visitors, and report how the target did")
    .option("--no-ledger", "do not compare with what was stored in SQL")
    .addHelpText(
      "after",
      `
While it runs, on a terminal: space pauses, + and - change the rate, ? shows all keys.

Examples:
  rushhour simulate -d 30s
  rushhour simulate --rate 200/s -d 1m --seed 42 --summary-export out.json
  rushhour simulate -u 20 -s 30s:100 -s 1m:0 --no-ledger
  rushhour new scenario.yaml && rushhour simulate scenario.yaml -e RATE=80/s --out json=requests.ndjson
  rushhour simulate scenario.yaml --workers 2 --control 7070`,
    )
    .action(async (file: string | undefined, options: LoadOptions & RunOptions & { ledger: boolean }) => {
      const settings = readSettings(simulateSettings, process.env, {
        ...loadFlags(options),
        ...runFlags(options),
      });
      const source = planSourceOf(file, options, settings);
      const plan = await planFor(source, options);
      const command = ["rushhour", "simulate", ...(options.ledger ? [] : ["--no-ledger"])];
      await runLoad({
        plan,
        source,
        command,
        options,
        settings,
        pipeline: options.ledger ? settings : undefined,
      });
    });
}

/** The plan of a source, without its thresholds where none are wanted. */
export async function planFor(source: PlanSource, options: RunOptions): Promise<LoadPlan> {
  const plan = await loadPlan(source);
  return options.thresholds ? plan : { ...plan, thresholds: [] };
}

export interface Load {
  readonly plan: LoadPlan;
  readonly source: PlanSource | undefined; // undefined: the plan cannot be made again from data
  readonly command: readonly string[]; // the words before what makes the same run again
  readonly options: RunOptions;
  readonly settings: RunSettings;
  /** Where the run is accounted for; undefined: without a ledger. */
  readonly pipeline: ServerSettings | undefined;
}

/**
 * Runs a load to its end or to the first signal, which drains; a second one ends the process at once. Then reports
 * it and sets the exit code.
 * @throws RushhourError SERVER_UNREACHABLE or CONFIG_INVALID before anything was sent, DISK_FULL
 */
export async function runLoad(load: Load): Promise<RunRecord> {
  const { plan, source, options, settings, pipeline } = load;
  const { RUSHHOUR_HOME: home, SIMULATOR_SUMMARY_MODE: summaryMode } = settings;
  const print = printerFor(options.out);
  if (pipeline !== undefined) userUrlOf("reader", pipeline); // fail now, not after the run
  if (options.summaryExport !== undefined) exportSummary(options.summaryExport, "");
  const simulations = pipeline && openSimulations(pipeline, createLogger("simulate"));
  await using opened = new AsyncDisposableStack();
  if (simulations) opened.defer(() => simulations.close());
  await assertFeasible(plan, { simulations, adminToken: settings.API_ADMIN_TOKEN });
  const outputs = (options.out ?? []).map(openOutput);
  const commandFor = (elapsedMs?: number) =>
    [...load.command, ...(source === undefined ? [] : repeatArguments(source, plan, elapsedMs))]
      .map(shellWord)
      .join(" ");

  const requests = options.logRequests ? requestLogger(unblockingStderr()) : undefined;
  const conducted = await conduct(plan, {
    ...{ home, source, outputs, simulations, workers: settings.SIMULATOR_WORKERS },
    ...{ command: commandFor(), adminToken: settings.API_ADMIN_TOKEN, logRequests: requests?.log },
    onRun: (run, incidents) => attend(run, incidents, load, simulations),
  });
  requests?.close();

  if (pipeline === undefined) {
    const record = await judge(conducted, {
      command: commandFor(conducted.result.elapsed_ms),
      pipeline: null,
      query: undefined,
    });
    report(record, { home, print, summaryMode, summaryExport: options.summaryExport, ledgerLines: [] });
    return record;
  }
  const verified = await verify(conducted.result.run_id, pipeline);
  const store = await openPipeline(pipeline, createLogger("simulate"));
  opened.defer(() => store.close());
  const record = await judge(conducted, {
    command: commandFor(conducted.result.elapsed_ms),
    pipeline: verified,
    query: (sql, values) => store.query(sql, values),
  });
  await simulations?.publishRun(record);
  report(record, {
    home,
    print,
    summaryMode,
    summaryExport: options.summaryExport,
    ledgerLines: verified.lines,
  });
  return record;
}

/** Shows a run, takes keys, signals and, if wanted, HTTP requests for it, until the function returned is called. */
async function attend(
  run: Run,
  incidents: Incidents,
  { plan, options, settings }: Load,
  simulations: Simulations | undefined,
): Promise<() => Promise<void>> {
  const say = (line: string) => process.stderr.write(`${process.stderr.isTTY ? CLEAR_LINE : ""}${line}\n`);
  const leaveControl = await controlRun(plan, run, incidents, {
    ...controlSettings(settings),
    ...{ audit: simulations?.audit, say },
  });
  if (process.stdin.isTTY && !options.quiet) say(`keys: ${KEY_HELP}`);
  const hideStatus = options.logRequests || options.quiet ? undefined : showStatus(run, process.stderr);
  const forget = onShutdownSignal((_signal, forceful) => {
    if (forceful) {
      hideStatus?.();
      process.exit(EXIT.stoppedBySignal);
    }
    say("stopping: what is in flight may end; Ctrl-C again ends at once");
    run.stop();
  });
  return async () => {
    forget();
    hideStatus?.();
    await leaveControl();
  };
}

/** Where a run can be changed by HTTP. */
export function controlSettings(settings: RunSettings) {
  return { port: settings.SIMULATOR_CONTROL_PORT, token: settings.SIMULATOR_CONTROL_TOKEN };
}

/** process.stderr blocks the process while nobody reads a full pipe; this waits aside, and ends when the reader leaves. */
export function unblockingStderr(): Writable {
  return createWriteStream("stderr", { fd: 2, autoClose: false }).on("error", () => undefined);
}
