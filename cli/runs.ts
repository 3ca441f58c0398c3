import Table from "cli-table3";
import { Command } from "commander";
import pc from "picocolors";
import { z } from "zod";
import { readSettings, sqlSettings } from "../contract/config.ts";
import { RushhourError } from "../contract/errors.ts";
import type { IncidentRecord, RunRecord } from "../simulator/report/record.ts";
import { cut, decimal, integer, milliseconds, percent, printable } from "../simulator/report/format.ts";
import { thresholdLine } from "../simulator/report/report.ts";
import { hasDatabase, loadRun, localRunIds, queryRuns, readRecord, runRecordPath } from "./run-records.ts";

const LIMIT_RULE = "must be a whole number from 1 to 10000";

const runsSettings = z.object({
  ...sqlSettings.shape,
  RUNS_LIMIT: z.coerce
    .number(LIMIT_RULE)
    .int(LIMIT_RULE)
    .min(1, LIMIT_RULE)
    .max(10_000, LIMIT_RULE)
    .default(20),
});
type Settings = z.output<typeof runsSettings>;

interface Options {
  limit?: string;
  scenario?: string;
  local?: boolean;
  json?: boolean;
}

export function runsCommand(): Command {
  return new Command("runs")
    .description(
      "List the runs of the simulator, newest first, or show one with its incidents and thresholds",
    )
    .argument("[run]", "id or its beginning, latest, latest~1, or the path of a record")
    .option("--limit <n>", "list so many at most (default 20)")
    .option("--scenario <name>", "list only those of this scenario")
    .option("--local", "list only those of this checkout, without asking SQL")
    .option("--json", "print JSON")
    .addHelpText(
      "after",
      `
Examples:
  rushhour runs
  rushhour runs --scenario shop --limit 50
  rushhour runs latest
  rushhour runs 0192f0c1-7d3a --json`,
    )
    .action(async (run: string | undefined, options: Options) => {
      const settings = readSettings(runsSettings, process.env, {
        RUNS_LIMIT: { flag: "--limit", value: options.limit },
      });
      if (run === undefined) {
        const runs = await listRuns(settings, options);
        console.log(options.json ? JSON.stringify(runs, null, 2) : tableOf(runs));
        return;
      }
      refuseListOptions(options);
      const record = await loadRun(run, settings);
      console.log(options.json ? JSON.stringify(record, null, 2) : detailsOf(record));
    });
}

function refuseListOptions({ limit, scenario, local }: Options): void {
  const given = Object.entries({ limit, scenario, local }).filter(([, value]) => value !== undefined);
  if (given.length === 0) return;
  throw new RushhourError(
    "CONFIG_INVALID",
    `${given.map(([name]) => `--${name}`).join(" and ")} cannot be used with a run: they are for the list`,
  );
}

/** One run of the list; null where it is not known before the end. */
interface RunLine {
  readonly run_id: string;
  readonly started_at: string;
  readonly scenario: string;
  readonly target: string;
  readonly state: string; // running, finished, or no end: it was killed
  readonly requests: number | null;
  readonly failed: number | null;
  readonly rate: number | null;
  readonly p95_ms: number | null;
  readonly verdict: string | null;
  readonly exit_code: number | null;
}

/** Those in SQL and those that only this checkout knows, such as runs without a pipeline; newest first. */
async function listRuns(settings: Settings, options: Options): Promise<RunLine[]> {
  const stored = !options.local && hasDatabase(settings) ? await storedRuns(settings, options.scenario) : [];
  const known = new Set(stored.map(({ run_id }) => run_id));
  const local = localRuns(settings, options.scenario).filter(({ run_id }) => !known.has(run_id));
  return [...stored, ...local]
    .sort((a, b) => (a.started_at < b.started_at ? 1 : -1))
    .slice(0, settings.RUNS_LIMIT);
}

/** A run repeats each 10 s that it goes on (see simulations.ts): one that has not for so long was killed. */
const SILENT_SECONDS = 30;

async function storedRuns(settings: Settings, scenario: string | undefined): Promise<RunLine[]> {
  const rows = await queryRuns(
    settings,
    `SELECT run_id, started_at, scenario, target, requests, failed, rate, p95_ms, verdict, exit_code,
            IF(state = 'running' AND updated_at < UTC_TIMESTAMP(3) - INTERVAL ${SILENT_SECONDS} SECOND, 'no end', state) AS state
       FROM runs
      ${scenario === undefined ? "" : "WHERE scenario = ?"} ORDER BY started_at DESC LIMIT ?`,
    [...(scenario === undefined ? [] : [scenario]), settings.RUNS_LIMIT],
  );
  return rows.map((row) => ({
    ...(row as unknown as RunLine),
    started_at: (row["started_at"] as Date).toISOString(),
  }));
}

/** A file that is no record, such as one of an earlier version, is left out. */
function localRuns({ RUSHHOUR_HOME: home, RUNS_LIMIT }: Settings, scenario: string | undefined): RunLine[] {
  const lines: RunLine[] = [];
  for (const id of localRunIds(home)) {
    if (lines.length === RUNS_LIMIT) break;
    const record = recordIfReadable(runRecordPath(home, id));
    if (record && (scenario ?? record.scenario) === record.scenario) lines.push(lineOf(record));
  }
  return lines;
}

function recordIfReadable(path: string): RunRecord | undefined {
  try {
    return readRecord(path);
  } catch (error) {
    if (error instanceof RushhourError && error.code === "RUN_UNKNOWN") return undefined;
    throw error;
  }
}

function lineOf(record: RunRecord): RunLine {
  const { run_id, started_at, scenario, target, counts, rates, response_time_ms, verdict, exit_code } =
    record;
  return {
    ...{ run_id, started_at, scenario, target, state: "finished" },
    ...{ requests: counts.sent, failed: counts.failed, rate: rates.requests, p95_ms: response_time_ms.p95 },
    ...{ verdict, exit_code },
  };
}

const ID_LENGTH = 13; // of a UUIDv7: its millisecond

/** For a terminal of 80 columns. */
function tableOf(runs: readonly RunLine[]): string {
  if (runs.length === 0) return "no runs yet: make one with npm start or npx rushhour simulate";
  const table = plainTable(
    ["run", "started UTC", "scenario", "rate/s", "p95", "failed", "verdict"],
    [3, 4, 5],
  );
  for (const run of runs) {
    table.push([
      run.run_id.slice(0, ID_LENGTH),
      run.started_at.slice(5, 16).replace("T", " "),
      cut(run.scenario, 13),
      run.rate === null ? "" : decimal(run.rate),
      run.p95_ms === null ? "" : milliseconds(run.p95_ms),
      run.failed === null || !run.requests ? "" : percent(run.failed / run.requests),
      verdictOf(run),
    ]);
  }
  return table.toString();
}

function detailsOf(record: RunRecord): string {
  const { counts, rates, response_time_ms: response } = record;
  const ledger = record.ledger as { missing?: number; duplicates?: number } | null;
  const latency = (["p50", "p95", "p99", "max"] as const).map(
    (name) => `${name} ${milliseconds(response[name])}`,
  );
  return [
    `run ${record.run_id}  ${verdictOf({ ...record, state: "finished" })}`,
    ...(record.reason === null ? [] : [`  ${printable(record.reason)}`]),
    entry("scenario", printable(record.scenario)),
    entry("target", printable(record.target)),
    entry("started", `${record.started_at}, ${(record.elapsed_ms / 1_000).toFixed(1)} s`),
    entry("seed", `${record.seed}`),
    ...(record.digest === null ? [] : [entry("digest", record.digest)]),
    entry("requests", `${integer(counts.sent)}  ${decimal(rates.requests)}/s`),
    entry(
      "failed",
      `${integer(counts.failed)}  ${counts.sent > 0 ? percent(counts.failed / counts.sent) : ""}`,
    ),
    entry("response time", latency.join("  ")),
    ...(ledger === null
      ? []
      : [
          entry(
            "ledger",
            `missing ${integer(ledger.missing ?? 0)}  duplicates ${integer(ledger.duplicates ?? 0)}`,
          ),
        ]),
    ...section(
      "THRESHOLDS",
      record.thresholds.map((result) => thresholdLine(result)),
    ),
    ...section("INCIDENTS", record.incidents.length === 0 ? [] : [incidentTable(record)]),
    "",
    `again: ${printable(record.command)}`,
  ].join("\n");
}

function section(title: string, lines: readonly string[]): string[] {
  return lines.length === 0 ? [] : ["", pc.bold(title), ...lines];
}

function incidentTable({ incidents, started_at }: RunRecord): string {
  const table = plainTable(["name", "kind", "route", "at", "for", "requests"], [3, 4, 5]);
  for (const incident of incidents) {
    table.push([
      cut(incident.name, 16),
      cut(incident.kind, 13),
      incident.route === null ? "every" : cut(incident.route, 18),
      seconds(Date.parse(incident.started_at) - Date.parse(started_at)),
      lengthOf(incident),
      incident.requests_affected === null ? "?" : integer(incident.requests_affected),
    ]);
  }
  return table.toString();
}

function lengthOf({ started_at, ended_at }: IncidentRecord): string {
  return ended_at === null ? "?" : seconds(Date.parse(ended_at) - Date.parse(started_at));
}

const NO_LINES = {
  ...{ top: "", "top-mid": "", "top-left": "", "top-right": "" },
  ...{ bottom: "", "bottom-mid": "", "bottom-left": "", "bottom-right": "" },
  ...{ left: "", "left-mid": "", mid: "", "mid-mid": "", right: "", "right-mid": "", middle: "  " },
};

/** Columns parted by two spaces, without lines. @param right indexes of the columns set flush right */
function plainTable(head: string[], right: readonly number[]) {
  return new Table({
    head,
    chars: NO_LINES,
    colAligns: head.map((_, column) => (right.includes(column) ? "right" : "left")),
    style: { head: [], border: [], "padding-left": 0, "padding-right": 0 },
  });
}

/** One word each, for the list. */
const VERDICT_WORDS: Readonly<Record<string, string>> = {
  thresholds_failed: "thresholds",
  ledger_unbalanced: "ledger",
  generator_behind: "behind",
  scenario_exception: "exception",
};

function verdictOf({ state, verdict }: { state: string; verdict: string | null }): string {
  if (verdict === null) return pc.yellow(state);
  const word = cut(VERDICT_WORDS[verdict] ?? verdict, 12);
  return verdict === "passed" ? pc.green(word) : verdict === "stopped" ? pc.yellow(word) : pc.red(word);
}

function entry(name: string, value: string): string {
  return `  ${`${name} `.padEnd(16, ".")} ${value}`;
}

function seconds(ms: number): string {
  return `${(ms / 1_000).toFixed(1)} s`;
}
