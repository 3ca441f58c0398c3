import { createWriteStream, writeFileSync } from "node:fs";
import type { Writable } from "node:stream";
import { Command } from "commander";
import { z } from "zod";
import { kafkaSettings, readSettings, seedSetting, sqlSettings } from "../contract/config.ts";
import type { Flags } from "../contract/config.ts";
import { EXIT, messageOf, RushhourError } from "../contract/errors.ts";
import { durationSetting, rateSetting } from "../contract/units.ts";
import { assertReachable } from "../simulator/engine/http.ts";
import { outcomeOf, reportText, summaryOf } from "../simulator/report/report.ts";
import type { PipelineReport } from "../simulator/report/report.ts";
import { startRun } from "../simulator/engine/run.ts";
import type { Plan, RunResult } from "../simulator/engine/run.ts";
import { ARRIVALS } from "../simulator/plan/schedule.ts";
import { shopJourneys } from "../simulator/journeys/shop.ts";
import { requestLogger, showStatus } from "../simulator/report/status-line.ts";
import { onShutdownSignal } from "./lifecycle.ts";
import { userUrlOf } from "./servers.ts";
import { verify } from "./verify.ts";

const isHttpUrl = (value: string) => /^https?:$/.test(URL.parse(value)?.protocol ?? "");

export const targetSetting = z
  .string()
  .refine(isHttpUrl, "must be an http or https URL such as http://127.0.0.1:8000");

/** What every load has: its rate, length, arrivals and seed. */
export const loadSettings = z.object({
  RUSHHOUR_HOME: sqlSettings.shape.RUSHHOUR_HOME,
  SIMULATOR_RATE: rateSetting.prefault("50/s"),
  SIMULATOR_DURATION: durationSetting.optional(),
  SIMULATOR_ARRIVAL: z.enum(ARRIVALS, `must be ${ARRIVALS.join(" or ")}`).default("poisson"),
  SIMULATOR_SEED: seedSetting.optional(),
});

const simulateSettings = z.object({
  ...kafkaSettings.shape,
  ...sqlSettings.shape,
  ...loadSettings.shape,
  SIMULATOR_TARGET: targetSetting.default("http://127.0.0.1:8000"),
});

export interface LoadOptions {
  rate?: string;
  duration?: string;
  arrival?: string;
  seed?: string;
  logRequests?: boolean;
  summaryExport?: string;
}

export function withLoadOptions(command: Command): Command {
  return command
    .option("--rate <rate>", "requests arriving, such as 50/s or 3000/m (default: 50/s)")
    .option("-d, --duration <duration>", "how long, such as 30s or 1h30m (default: until Ctrl-C)")
    .option("--arrival <kind>", "poisson: as people come, even: equally spaced (default: poisson)")
    .option("--seed <n>", "decides arrivals, journeys and payloads (default: drawn, and printed)")
    .option("--log-requests", "log time, method, path, status and ms of each request to stderr")
    .option("--summary-export <file>", "write the summary as JSON to this file");
}

export function loadFlags(options: LoadOptions): Flags {
  return {
    SIMULATOR_RATE: { flag: "--rate", value: options.rate },
    SIMULATOR_DURATION: { flag: "--duration", value: options.duration },
    SIMULATOR_ARRIVAL: { flag: "--arrival", value: options.arrival },
    SIMULATOR_SEED: { flag: "--seed", value: options.seed },
  };
}

/** The arrivals those settings ask for; without a seed one is drawn. */
export function arrivalsOf(settings: z.output<typeof loadSettings>) {
  return {
    rate_per_second: settings.SIMULATOR_RATE,
    arrival: settings.SIMULATOR_ARRIVAL,
    duration_ms: settings.SIMULATOR_DURATION,
    seed: settings.SIMULATOR_SEED ?? Math.floor(Math.random() * 2 ** 32),
  };
}

export function simulateCommand(): Command {
  return withLoadOptions(new Command("simulate"))
    .description("Send the shop's visitors to the API and report how it did")
    .option("--target <url>", "where the API is (default: http://127.0.0.1:8000)")
    .option("--no-ledger", "do not compare with what was stored in SQL")
    .addHelpText(
      "after",
      `
Examples:
  rushhour simulate -d 30s
  rushhour simulate --rate 200/s -d 1m --seed 42 --summary-export out.json
  rushhour simulate --target http://127.0.0.1:8000 --arrival even --no-ledger`,
    )
    .action(async (options: LoadOptions & { target?: string; ledger: boolean }) => {
      const settings = readSettings(simulateSettings, process.env, {
        ...loadFlags(options),
        SIMULATOR_TARGET: { flag: "--target", value: options.target },
      });
      if (options.ledger) userUrlOf("reader", settings); // fail now, not after the run
      const plan: Plan = {
        ...arrivalsOf(settings),
        scenario: "shop",
        target: settings.SIMULATOR_TARGET,
        journeys: shopJourneys,
      };
      const result = await conduct(plan, options.ledger ? settings.RUSHHOUR_HOME : undefined, options);
      const pipeline = options.ledger ? await verify(result.run_id, settings) : null;
      concludeRun(result, pipeline, options, [
        "rushhour",
        "simulate",
        ...(options.target === undefined ? [] : ["--target", options.target]),
        ...(options.ledger ? [] : ["--no-ledger"]),
      ]);
    });
}

/**
 * Runs `plan` to its end or to the first signal, which drains; a second one ends the process at once.
 * @throws RushhourError SERVER_UNREACHABLE before anything was sent, DISK_FULL when the tally cannot be written
 */
export async function conduct(
  plan: Plan,
  home: string | undefined,
  options: LoadOptions,
): Promise<RunResult> {
  if (options.summaryExport !== undefined) exportSummary(options.summaryExport, ""); // fail now, not after the run
  await assertReachable(plan.target);
  const requests = options.logRequests ? requestLogger(unblockingStderr()) : undefined;
  const run = startRun(plan, { home, ...(requests && { onEnded: (ended) => requests.log(ended) }) });
  const hideStatus = requests === undefined ? showStatus(run, process.stderr) : undefined;
  const forget = onShutdownSignal((_signal, forceful) => {
    if (forceful) process.exit(EXIT.stoppedBySignal);
    run.stop();
  });
  try {
    return await run.done;
  } finally {
    forget();
    hideStatus?.();
    requests?.close();
  }
}

/** process.stderr blocks the process while nobody reads a full pipe; this waits aside, and ends when the reader leaves. */
function unblockingStderr(): Writable {
  return createWriteStream("stderr", { fd: 2, autoClose: false }).on("error", () => undefined);
}

/**
 * Prints the report, writes the summary and sets the exit code.
 * @param command the command and the options of its own, from which the line to repeat the run is made
 */
export function concludeRun(
  result: RunResult,
  pipeline: PipelineReport | null,
  options: LoadOptions,
  command: readonly string[],
): void {
  console.log(reportText(result, pipeline, repeatCommand(command, options, result.seed)));
  if (options.summaryExport !== undefined) {
    exportSummary(options.summaryExport, `${JSON.stringify(summaryOf(result, pipeline), null, 2)}\n`);
  }
  process.exitCode = outcomeOf(result, pipeline).exit_code;
}

/** What to type for the same load again. */
export function repeatCommand(command: readonly string[], options: LoadOptions, seed: number): string {
  const { rate, duration, arrival } = options;
  const repeated = Object.entries({ rate, duration, arrival, seed: String(seed) });
  const again = repeated.flatMap(([name, value]) => (value === undefined ? [] : [`--${name}`, value]));
  return [...command, ...again].map(shellWord).join(" ");
}

export function exportSummary(path: string, text: string): void {
  try {
    writeFileSync(path, text);
  } catch (error) {
    throw new RushhourError(
      "CONFIG_INVALID",
      `--summary-export=${path} cannot be written: ${messageOf(error)}; name a file in a folder that exists`,
      { cause: error },
    );
  }
}

function shellWord(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", String.raw`'\''`)}'`;
}
