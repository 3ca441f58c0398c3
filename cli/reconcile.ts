import Table from "cli-table3";
import { Command } from "commander";
import { z } from "zod";
import { reconcile, type Corrections } from "../consumer/reconcile.ts";
import { readSettings, sqlSettings } from "../contract/config.ts";
import { momentSetting } from "../contract/moment.ts";
import { connect, type Connection, type Row } from "../init_db/database.ts";
import { RAW_TABLES } from "../init_db/partitions.ts";
import { databaseError } from "./reach.ts";
import { openScreen } from "./screen.ts";
import { ownerUrlOf } from "./servers.ts";

const reconcileSettings = (now: Date) =>
  z.object({
    ...sqlSettings.shape,
    RECONCILE_FROM: momentSetting(now).optional(),
    RECONCILE_TO: momentSetting(now).prefault("now"),
  });

interface Options {
  from?: string;
  to?: string;
  dryRun?: boolean;
}

export function reconcileCommand(): Command {
  return new Command("reconcile")
    .description("Compare the rollups with the rows they were made of, and put right what differs")
    .option("--from <time>", "such as now-2h or 2026-11-20 (default: the oldest row)")
    .option("--to <time>", "default now")
    .option("--dry-run", "only say what differs")
    .addHelpText(
      "after",
      `
A consumer does so every ten minutes for the last two hours and for one older hour. This command is for
rows that were stored before there were rollups, and after somebody changed tables by hand. Records that come in
meanwhile neither wait nor are lost. v_rollup_drift and v_app_errors_drift show what differs without changing it.

Examples:
  rushhour reconcile --dry-run
  rushhour reconcile --from now-7d`,
    )
    .action(async (options: Options) => {
      const settings = readSettings(reconcileSettings(new Date()), process.env, {
        RECONCILE_FROM: { flag: "--from", value: options.from },
        RECONCILE_TO: { flag: "--to", value: options.to },
      });
      const ownerUrl = ownerUrlOf(settings);
      const connection = await connect(ownerUrl).catch((error: unknown) => {
        throw databaseError(error, ownerUrl, "MYSQL_URL");
      });
      try {
        const from = settings.RECONCILE_FROM ?? (await oldestRow(connection)) ?? settings.RECONCILE_TO;
        const corrections = await withProgress(
          connection,
          from,
          settings.RECONCILE_TO,
          options.dryRun ?? false,
        );
        say(corrections, options.dryRun ?? false);
      } finally {
        connection.destroy();
      }
    });
}

async function oldestRow(connection: Connection): Promise<Date | undefined> {
  const oldest = RAW_TABLES.map((table) => `SELECT MIN(timestamp) AS oldest FROM ${table}`);
  const [[row]] = await connection.query<Row[]>(
    `SELECT MIN(oldest) AS oldest FROM (${oldest.join(" UNION ALL ")}) AS raw_tables`,
  );
  return (row?.["oldest"] as Date | null | undefined) ?? undefined;
}

async function withProgress(
  connection: Connection,
  from: Date,
  to: Date,
  dryRun: boolean,
): Promise<Corrections> {
  const screen = openScreen(process.stderr);
  try {
    return await reconcile(connection, {
      fromS: Math.floor(from.getTime() / 1_000),
      toS: Math.ceil(to.getTime() / 1_000),
      dryRun,
      onProgress: (table, uptoS) =>
        screen.show([`${table}: compared up to ${new Date(uptoS * 1_000).toISOString().slice(0, 16)}Z`]),
    });
  } finally {
    screen.clear();
  }
}

function say(corrections: Corrections, dryRun: boolean): void {
  if (corrections.size === 0) {
    console.log("The rollups say what their rows say.");
    return;
  }
  const table = new Table({
    head: ["rollup", dryRun ? "cells that differ" : "cells put right"],
    style: { head: [], border: [] },
  });
  for (const [name, cells] of corrections) table.push([name, cells.toLocaleString("en")]);
  console.log(table.toString());
  if (dryRun) console.log("Nothing was changed. To put it right: the same without --dry-run.");
}
