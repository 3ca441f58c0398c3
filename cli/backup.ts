import { existsSync, renameSync, rmSync } from "node:fs";
import { open } from "node:fs/promises";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { createGzip } from "node:zlib";
import { Command } from "commander";
import { readSettings, sqlSettings } from "../contract/config.ts";
import { messageOf, RushhourError } from "../contract/errors.ts";
import { backupOf } from "../init_db/backup.ts";
import { connect } from "../init_db/database.ts";
import { onShutdownSignal } from "./lifecycle.ts";
import { databaseError } from "./reach.ts";
import { openScreen, type Screen } from "./screen.ts";
import { ownerUrlOf } from "./servers.ts";

export function backupCommand(): Command {
  return new Command("backup")
    .description("Write the whole store to a file, as it stands at one moment, while everything goes on")
    .argument("<file>", "where to, mode 600; - for standard output")
    .option("--overwrite", "replace the file if it is there, once the new one is whole")
    .addHelpText(
      "after",
      `
Rows, rollups, positions, dead letters, runs and incidents fit each other: what Kafka gets meanwhile is not in it, and
comes in again after \`rushhour restore\`, as far as Kafka still has it. MariaDB and MySQL read each other's backups.
No passwords are inside. Reads MYSQL_URL (the owner); needs no programs of the database. docs/operations.md says more.

Examples:
  rushhour backup store.gz
  rushhour backup --overwrite /backups/store-$(date +%u).gz     one for each day of the week
  rushhour backup - | ssh backups 'cat > store.gz'`,
    )
    .action(async (file: string, options: { overwrite?: boolean }) => {
      const ownerUrl = ownerUrlOf(readSettings(sqlSettings));
      const screen = openScreen(process.stderr);
      const stop = new AbortController();
      const forget = onShutdownSignal(() => stop.abort());
      try {
        if (file === "-") await write(ownerUrl, process.stdout, screen, stop.signal);
        else
          await writeFile(file, options.overwrite ?? false, (to) => write(ownerUrl, to, screen, stop.signal));
      } catch (error) {
        throw stop.signal.aborted
          ? new RushhourError("STOPPED", "stopped; there is no backup", { cause: error })
          : refusalOf(error, ownerUrl);
      } finally {
        forget();
        screen.clear();
      }
    });
}

/** Under another name until it is whole: what has the name is a backup, always. */
async function writeFile(
  file: string,
  overwrite: boolean,
  writeTo: (to: NodeJS.WritableStream) => Promise<number>,
): Promise<void> {
  if (!overwrite && existsSync(file)) {
    throw new RushhourError(
      "CONFIG_INVALID",
      `${file} is there already: name another file, or add --overwrite`,
    );
  }
  const partial = `${file}.partial-${process.pid}`;
  const opened = await open(partial, "wx", 0o600);
  try {
    const rows = await writeTo(opened.createWriteStream({ flush: true }));
    renameSync(partial, file);
    console.error(`${file}: ${rows.toLocaleString("en")} rows`);
  } finally {
    rmSync(partial, { force: true });
  }
}

/** @returns how many rows */
async function write(
  ownerUrl: string,
  to: NodeJS.WritableStream,
  screen: Screen,
  signal: AbortSignal,
): Promise<number> {
  const connection = await connect(ownerUrl);
  const written = new Map<string, number>();
  try {
    const text = backupOf(connection, {
      onProgress(table, rows) {
        written.set(table, rows);
        screen.show([`${table}: ${rows.toLocaleString("en")} rows`]);
      },
    });
    await pipeline(Readable.from(text, { highWaterMark: 4 }), createGzip({ level: 3 }), to, { signal });
    return [...written.values()].reduce((sum, rows) => sum + rows, 0);
  } finally {
    connection.destroy();
  }
}

/** What a person can do about an error of the database, by its number. */
const WAYS_OUT: Readonly<Record<number, string>> = {
  1049: "correct MYSQL_URL",
  1146: "run npx rushhour migrate first",
  1412: "partitions were made or dropped just then; repeat",
};

function refusalOf(error: unknown, ownerUrl: string): Error {
  const { code, errno, syscall } = error as NodeJS.ErrnoException;
  if (error instanceof RushhourError) return error;
  if (code === "ENOSPC") {
    return new RushhourError("DISK_FULL", `${messageOf(error)}: there is no backup; make room, then repeat`, {
      cause: error,
    });
  }
  if (syscall === "open") {
    return new RushhourError("CONFIG_INVALID", `the file cannot be written: ${messageOf(error)}`, {
      cause: error,
    });
  }
  const wayOut = WAYS_OUT[errno ?? 0];
  const known = databaseError(error, ownerUrl, "MYSQL_URL");
  if (known instanceof RushhourError) return known;
  return new RushhourError(
    "QUERY_FAILED",
    `there is no backup: ${messageOf(error)}${wayOut === undefined ? "" : ` (${wayOut})`}`,
    {
      cause: error,
    },
  );
}
