import { Command } from "commander";
import { z } from "zod";
import { keepOf, readSettings, retentionSettings, sqlSettings } from "../contract/config.ts";
import { messageOf, RushhourError } from "../contract/errors.ts";
import { restore } from "../init_db/restore.ts";
import { databaseError } from "./reach.ts";
import { openScreen } from "./screen.ts";
import { accountsFor, ownerUrlOf } from "./servers.ts";

export function restoreCommand(): Command {
  return new Command("restore")
    .description(
      "Make the store of a backup: tables, rows, positions, users; then the consumers go on from there",
    )
    .argument("<file>", "what `rushhour backup` wrote")
    .option("--replace", "remove every row of the store that is there first")
    .addHelpText(
      "after",
      `
Stop the consumers first. The file is read through before anything is changed: one that is damaged, cut off or newer than
this program changes nothing; nor is a store touched that has rows, unless --replace is given. Tables of others in the
same database stay. A backup of an older version is brought up to date. Reads MYSQL_URL (the owner).

Examples:
  rushhour restore store.gz
  rushhour restore --replace store.gz
  MYSQL_URL=mysql://root:secret@127.0.0.1:3306/copy rushhour restore store.gz      beside the one that runs`,
    )
    .action(async (file: string, options: { replace?: boolean }) => {
      const settings = readSettings(z.object({ ...sqlSettings.shape, ...retentionSettings.shape }));
      const ownerUrl = ownerUrlOf(settings);
      const screen = openScreen(process.stderr);
      try {
        const { database, made_at, rows } = await restore(file, ownerUrl, {
          accounts: accountsFor(ownerUrl, settings),
          keep: keepOf(settings),
          replace: options.replace ?? false,
          onProgress: (table, done) => screen.show([`${table}: ${done.toLocaleString("en")} rows`]),
        });
        screen.clear();
        console.log(
          `database ${database}: ${rows.toLocaleString("en")} rows as of ${made_at}; start the consumers, they go on from there`,
        );
      } catch (error) {
        throw refusalOf(error, ownerUrl);
      } finally {
        screen.clear();
      }
    });
}

function refusalOf(error: unknown, ownerUrl: string): Error {
  const { code, syscall } = error as NodeJS.ErrnoException;
  if (syscall === "open" || syscall === "read") {
    return new RushhourError("CONFIG_INVALID", `the backup cannot be read: ${messageOf(error)}`, {
      cause: error,
    });
  }
  const known = databaseError(error, ownerUrl, "MYSQL_URL");
  if (known instanceof RushhourError) return known;
  const { cause } = error as Error;
  const why = cause instanceof Error && code === undefined ? `: ${cause.message}` : "";
  return new RushhourError("CONFIG_INVALID", `${messageOf(error)}${why}`, { cause: error });
}
