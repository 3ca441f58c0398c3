import { Command } from "commander";
import { z } from "zod";
import { keepOf, readSettings, retentionSettings, sqlSettings } from "../contract/config.ts";
import { messageOf, RushhourError } from "../contract/errors.ts";
import { migrate, type Migrated } from "../init_db/migrate.ts";
import { databaseError } from "./reach.ts";
import { accountsFor, ownerUrlOf, type ServerSettings } from "./servers.ts";

export function migrateCommand(): Command {
  return new Command("migrate")
    .description("Bring the database up to date: tables, partitions, the writer and the reader")
    .addHelpText(
      "after",
      `
Reads MYSQL_URL (the owner); without it the private database that runs for this checkout.
MYSQL_WRITER_URL and MYSQL_READER_URL name the two users to make; without them random
passwords are kept in .rushhour/credentials. Safe to repeat.

Examples:
  rushhour migrate
  MYSQL_URL=mysql://root:secret@127.0.0.1:3306/monitoring rushhour migrate`,
    )
    .action(async () => {
      const settings = readSettings(z.object({ ...sqlSettings.shape, ...retentionSettings.shape }));
      const { database, applied, partitions } = await migrateDatabase(ownerUrlOf(settings), settings);
      console.log(
        `database ${database}: ${applied.length > 0 ? applied.join(", ") : "up to date"}` +
          (partitions.length > 0 ? `; ${partitions.length} partitions made` : ""),
      );
    });
}

/** @throws RushhourError MIGRATION_FAILED, SERVER_UNREACHABLE, CONFIG_INVALID */
export async function migrateDatabase(
  ownerUrl: string,
  settings: ServerSettings & z.output<typeof retentionSettings>,
): Promise<Migrated> {
  try {
    return await migrate(ownerUrl, accountsFor(ownerUrl, settings), keepOf(settings));
  } catch (error) {
    const known = databaseError(error, ownerUrl, "MYSQL_URL");
    if (known instanceof RushhourError) throw known;
    const cause = error instanceof Error && error.cause !== undefined ? `: ${messageOf(error.cause)}` : "";
    throw new RushhourError("MIGRATION_FAILED", `${messageOf(error)}${cause}`, { cause: error });
  }
}
