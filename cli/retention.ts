import Table from "cli-table3";
import { Command } from "commander";
import { z } from "zod";
import { keepOf, readSettings, retentionSettings, sqlSettings } from "../contract/config.ts";
import { RushhourError } from "../contract/errors.ts";
import { auditDrops } from "../init_db/audit.ts";
import { connect, type Connection, type Row } from "../init_db/database.ts";
import {
  changePatiently,
  heldMessage,
  PARTITIONED,
  planPartitions,
  type Change,
} from "../init_db/partitions.ts";
import { agreedNowMs, boundsAt, laterOf, raiseBounds, readBounds } from "../init_db/retention.ts";
import { databaseError } from "./reach.ts";
import { ownerUrlOf } from "./servers.ts";

const retentionCommandSettings = z.object({ ...sqlSettings.shape, ...retentionSettings.shape });

interface RetentionOptions {
  readonly dryRun?: boolean;
  readonly raw?: string;
  readonly "10s"?: string;
  readonly "1m"?: string;
  readonly "1h"?: string;
  readonly "1d"?: string;
}

export function retentionCommand(): Command {
  return new Command("retention")
    .description("Drop what has expired, make partitions ahead, and show what is kept from when")
    .option("--dry-run", "say what would be dropped and made; change nothing")
    .option("--raw <age>", "age of the oldest rows of api_logs (RETENTION_RAW, default 35d)")
    .option("--10s <age>", "of the rollups of 10 seconds (RETENTION_10S, default 48h)")
    .option("--1m <age>", "of a minute (RETENTION_1M, default 90d)")
    .option("--1h <age>", "of an hour (RETENTION_1H, default 730d)")
    .option("--1d <age>", "of a day, and of the users of each day (RETENTION_1D, default 3650d)")
    .addHelpText(
      "after",
      `
The consumers do the same each minute by their own settings; this command is for a look, and for
a shorter age now. What is dropped is gone, and records older than that are not taken in again,
also when the age is longer later. Reads MYSQL_URL (the owner).

Examples:
  rushhour retention --dry-run
  rushhour retention --dry-run --raw 10d
  RETENTION_RAW=10d rushhour retention`,
    )
    .action(async (options: RetentionOptions) => {
      const settings = readSettings(retentionCommandSettings, process.env, {
        RETENTION_RAW: { flag: "--raw", value: options.raw },
        RETENTION_10S: { flag: "--10s", value: options["10s"] },
        RETENTION_1M: { flag: "--1m", value: options["1m"] },
        RETENTION_1H: { flag: "--1h", value: options["1h"] },
        RETENTION_1D: { flag: "--1d", value: options["1d"] },
      });
      const ownerUrl = ownerUrlOf(settings);
      const connection = await connect(ownerUrl).catch((error: unknown) => {
        throw notMigrated(error) ?? databaseError(error, ownerUrl, "MYSQL_URL");
      });
      try {
        await keepRetention(connection, keepOf(settings), options.dryRun ?? false);
      } catch (error) {
        throw notMigrated(error) ?? error;
      } finally {
        connection.destroy();
      }
    });
}

async function keepRetention(
  connection: Connection,
  keep: ReturnType<typeof keepOf>,
  isDryRun: boolean,
): Promise<void> {
  const nowMs = await agreedNowMs(connection);
  const before = await readPartitions(connection);
  if (isDryRun) {
    const bounds = laterOf(await readBounds(connection), boundsAt(keep, nowMs));
    console.log(overview(before));
    const changes = await planPartitions(connection, { nowMs }, bounds);
    for (const change of changes) console.log(`would ${change.kind} ${whatOf(change, before)}`);
    console.log(changes.length > 0 ? "Nothing was changed: this was a dry run." : "There is nothing to do.");
    return;
  }
  const bounds = await raiseBounds(connection, keep, nowMs);
  const { done, blocked } = await changePatiently(connection, () =>
    planPartitions(connection, { nowMs }, bounds),
  );
  await auditDrops(connection, done, { via: "cli", detail: { keep_s: keep } });
  console.log(overview(await readPartitions(connection)));
  for (const change of done) console.log(`${DONE[change.kind]} ${whatOf(change, before)}`);
  if (blocked.length > 0) throw new RushhourError("QUERY_FAILED", heldMessage(blocked));
}

interface PartitionRow {
  readonly table: string;
  readonly name: string;
  readonly rows: number; // the database's estimate
  readonly bytes: number;
  readonly keptFrom: Date | null;
}

async function readPartitions(connection: Connection): Promise<PartitionRow[]> {
  const [rows] = await connection.query<Row[]>("SELECT * FROM v_partitions ORDER BY table_name, position");
  return rows.map((row) => ({
    table: String(row["table_name"]),
    name: String(row["partition_name"]),
    rows: Number(row["row_estimate"]),
    bytes: Number(row["bytes"]),
    keptFrom: row["kept_from"] as Date | null,
  }));
}

const BAR = 8;

/** A line for each table: from when it is kept, what it holds, its share of all bytes. */
function overview(partitions: readonly PartitionRow[]): string {
  const all = sum(partitions, "bytes");
  const table = new Table({
    head: ["table", "kept from", "partitions", "rows about", "size", "share"],
    colAligns: ["left", "left", "right", "right", "right", "left"],
    style: { head: [], border: [] },
  });
  for (const { name } of PARTITIONED) {
    const own = partitions.filter((partition) => partition.table === name);
    table.push([
      ...[name, own[0]?.keptFrom?.toISOString().slice(0, 10) ?? "", own.length],
      ...[sum(own, "rows").toLocaleString("en"), sizeText(sum(own, "bytes"))],
      "█".repeat(Math.round((BAR * sum(own, "bytes")) / all)),
    ]);
  }
  return table.toString();
}

const DONE = { make: "made", drop: "dropped", empty: "emptied" } as const;

/** Such as `3 partitions of api_logs: p20261014 … p20261016 (about 1,200 rows, 4.1 MB)`. */
function whatOf({ kind, table, partitions }: Change, known: readonly PartitionRow[]): string {
  const range = [...new Set([partitions[0]!, partitions.at(-1)!])].join(" … ");
  const what = `${partitions.length} ${partitions.length === 1 ? "partition" : "partitions"} of ${table}: ${range}`;
  if (kind === "make") return what;
  const gone = known.filter((row) => row.table === table && partitions.includes(row.name));
  return `${what} (about ${sum(gone, "rows").toLocaleString("en")} rows, ${sizeText(sum(gone, "bytes"))})`;
}

const sum = (partitions: readonly PartitionRow[], what: "rows" | "bytes") =>
  partitions.reduce((total, partition) => total + partition[what], 0);

/** `48 kB`, `4.1 MB`, `12.3 GB` */
function sizeText(bytes: number): string {
  if (bytes < 1e6) return `${Math.ceil(bytes / 1e3)} kB`;
  return bytes < 1e9 ? `${(bytes / 1e6).toFixed(1)} MB` : `${(bytes / 1e9).toFixed(1)} GB`;
}

const NO_SUCH_TABLE = 1146;
const NO_SUCH_DATABASE = 1049;

function notMigrated(error: unknown): RushhourError | undefined {
  const { errno } = error as { errno?: unknown };
  if (errno !== NO_SUCH_TABLE && errno !== NO_SUCH_DATABASE) return undefined;
  return new RushhourError(
    "CONFIG_INVALID",
    "the database has no tables of ours yet: run npx rushhour migrate first",
    {
      cause: error,
    },
  );
}
