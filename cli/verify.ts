import { existsSync, readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { Command } from "commander";
import { z } from "zod";
import { kafkaSettings, readSettings, spoolRoot, sqlSettings } from "../contract/config.ts";
import { EXIT, RushhourError } from "../contract/errors.ts";
import { createLogger } from "../contract/logger.ts";
import { durationSetting } from "../contract/units.ts";
import { readTally, tallyPath } from "../simulator/ledger/tally.ts";
import { verifyRun, type VerifiedRun } from "../simulator/ledger/ledger.ts";
import { isLeft, listFolders } from "../producer/spool/folders.ts";
import { openPipeline, type Pipeline } from "./pipeline.ts";
import type { ServerSettings } from "./servers.ts";

const verifySettings = z.object({
  ...kafkaSettings.shape,
  ...sqlSettings.shape,
  VERIFY_WAIT: durationSetting.prefault("60s"),
});

export function verifyCommand(): Command {
  return new Command("verify")
    .description("Prove that every answered request of a run is accounted for in SQL")
    .argument("[run]", "run id (default: the latest run)")
    .option("--wait <duration>", "how long the pipeline may take to catch up (default 60s)")
    .option("--json", "print the ledger as JSON")
    .addHelpText(
      "after",
      `
Exit code 0 when the ledger balances, 111 when it does not.

Examples:
  rushhour verify
  rushhour verify 0192f0c1-7d3a-7cc0-8a51-2f6f0d5b7a10 --json`,
    )
    .action(async (run: string | undefined, options: { wait?: string; json?: boolean }) => {
      const settings = readSettings(verifySettings, process.env, {
        VERIFY_WAIT: { flag: "--wait", value: options.wait },
      });
      const runId = run ?? latestRun(settings.RUSHHOUR_HOME);
      const report = await verify(runId, settings, settings.VERIFY_WAIT);
      console.log(
        options.json
          ? JSON.stringify({ run_id: runId, ...report.ledger }, null, 2)
          : [`run ${runId}`, ...report.lines].join("\n"),
      );
      if (!report.balanced) process.exitCode = EXIT.ledgerUnbalanced;
    });
}

/** Compares a run's tally with SQL. @throws RushhourError RUN_UNKNOWN, SERVER_UNREACHABLE */
export async function verify(runId: string, settings: ServerSettings, waitMs?: number): Promise<VerifiedRun> {
  const tally = await readTally(tallyPathOf(runId, settings.RUSHHOUR_HOME));
  const pipeline = await openPipeline(settings, createLogger("verify"));
  try {
    const verified = await verifyRun(tally, pipeline, { waitMs });
    if (verified.balanced) return verified;
    const reasons = [
      ...(await gapLines(pipeline, tally.header.started_at)),
      ...(await spoolLines(spoolRoot(settings))),
    ];
    return { ...verified, lines: [...verified.lines, ...reasons] };
  } finally {
    await pipeline.close();
  }
}

const MAX_GAPS = 10; // named

/** Which publishers that were there since then numbered records that are nowhere, or ended without a word. */
async function gapLines(pipeline: Pipeline, since: string): Promise<string[]> {
  const gaps = await pipeline.query(
    `SELECT g.source, g.service, g.instance, g.first_seq, g.last_seq, g.missing_records FROM v_ingest_gaps g JOIN v_publishers p USING (source)
      WHERE p.reported_at >= ? ORDER BY g.started_at, g.source, g.last_seq IS NULL, g.first_seq LIMIT ${MAX_GAPS + 1}`,
    [new Date(since)],
  );
  const lines = gaps.slice(0, MAX_GAPS).map((gap) => {
    const publisher = `${String(gap["service"])} on ${String(gap["instance"])} (source ${String(gap["source"])})`;
    if (gap["first_seq"] === null)
      return `  ${publisher} numbered ${Number(gap["missing_records"])} records that are nowhere; nobody knows which`;
    const [first, last] = [Number(gap["first_seq"]), Number(gap["last_seq"])];
    if (gap["last_seq"] !== null)
      return `  ${publisher} numbered records ${first === last ? first : `${first} to ${last}`} that are nowhere`;
    return `  ${publisher} was not closed: what it numbered from ${first} on is unknown`;
  });
  return gaps.length > MAX_GAPS ? [...lines, "  … more: SELECT * FROM v_ingest_gaps"] : lines;
}

async function spoolLines(root: string): Promise<string[]> {
  const left = (await listFolders(root)).filter(isLeft);
  if (left.length === 0) return [];
  return [`  publishers that are gone left records in ${root}: npx rushhour spool drain`];
}

/** The tally of a run that was made here. @throws RushhourError RUN_UNKNOWN */
export function tallyPathOf(runId: string, home: string): string {
  const path = tallyPath(home, runId);
  if (/^[\w-]{1,64}$/.test(runId) && existsSync(path)) return path;
  throw new RushhourError(
    "RUN_UNKNOWN",
    `run "${runId}" has no tally in ${join(home, "runs")}: the ids of the runs are the file names there`,
  );
}

function latestRun(home: string): string {
  const folder = join(home, "runs");
  const tallies = existsSync(folder) ? readdirSync(folder).filter((file) => file.endsWith(".tally")) : [];
  const newest = tallies
    .toSorted((a, b) => statSync(join(folder, a)).mtimeMs - statSync(join(folder, b)).mtimeMs)
    .at(-1);
  if (newest === undefined)
    throw new RushhourError(
      "RUN_UNKNOWN",
      `there is no run in ${folder} yet: make one with npm start or npx rushhour simulate`,
    );
  return newest.slice(0, -".tally".length);
}
