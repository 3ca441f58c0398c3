import { hostname } from "node:os";
import { setTimeout as wait } from "node:timers/promises";
import Table from "cli-table3";
import { Command } from "commander";
import { kafkaSettings, readSettings, spoolRoot } from "../contract/config.ts";
import { EXIT, RushhourError } from "../contract/errors.ts";
import { createLogger } from "../contract/logger.ts";
import { createPublisher } from "../producer/publisher.ts";
import { isLeft, listFolders } from "../producer/spool/folders.ts";
import { openSpool } from "../producer/spool/open.ts";
import { onShutdownSignal } from "./lifecycle.ts";
import { withKafka } from "./reach.ts";
import { openScreen } from "./screen.ts";
import { kafkaOf, type ServerSettings } from "./servers.ts";

export function spoolCommand(): Command {
  const command = new Command("spool")
    .description(
      "What publishers hold on disk because Kafka did not take it, and how what dead ones left gets there",
    )
    .addHelpText(
      "after",
      `
Publishers send their spool by themselves once Kafka is back, and each that starts takes over what
killed ones left in the same folder (RUSHHOUR_SPOOL_DIR, default <home>/spool).

Examples:
  rushhour spool list
  rushhour spool drain        when no publisher will start here again`,
    );
  const settingsOf = (options: { dir?: string }) =>
    readSettings(kafkaSettings, process.env, { RUSHHOUR_SPOOL_DIR: { flag: "--dir", value: options.dir } });
  command
    .command("list", { isDefault: true })
    .description("list the spools: whose, whether their publisher lives, how much they hold")
    .option("--dir <folder>", "the folder of all spools (RUSHHOUR_SPOOL_DIR)")
    .action(async (options: { dir?: string }) => list(spoolRoot(settingsOf(options))));
  command
    .command("drain")
    .description("send to Kafka what publishers that are gone have left")
    .option("--dir <folder>", "the folder of all spools (RUSHHOUR_SPOOL_DIR)")
    .action(async (options: { dir?: string }) => drain(settingsOf(options)));
  return command;
}

async function list(root: string): Promise<void> {
  const folders = await listFolders(root);
  if (folders.length === 0) {
    console.log(`${root} holds no spool: every record is in Kafka`);
    return;
  }
  const table = new Table({
    head: ["service", "instance", "mode", "started", "publisher", "segments", "MiB"],
    style: { head: [], border: [] },
  });
  for (const { owner, isAlive, segments, bytes } of folders)
    table.push([
      ...[
        owner?.service ?? "?",
        owner?.instance ?? "?",
        owner?.mode ?? "?",
        owner?.started_at.slice(0, 19) ?? "?",
      ],
      ...[isAlive ? "alive" : "gone", segments, mebibytes(bytes)],
    ]);
  console.log(table.toString());
  if (folders.some(isLeft)) console.log("next:  npx rushhour spool drain");
}

const mebibytes = (bytes: number) => (bytes / 2 ** 20).toFixed(1);

/** @throws RushhourError SERVER_UNREACHABLE, STOPPED: what was not sent is still there */
async function drain(settings: ServerSettings): Promise<void> {
  const root = spoolRoot(settings);
  const logger = createLogger("spool");
  const left = (await listFolders(root)).filter(isLeft);
  if (left.length === 0) {
    console.log(`${root} holds nothing of publishers that are gone`);
    return;
  }
  await withKafka(kafkaOf(settings), logger, () => Promise.resolve()); // a person waits, so not tried for ever
  const stop = new AbortController();
  const forget = onShutdownSignal((_signal, forceful) => {
    if (forceful) process.exit(EXIT.stoppedBySignal);
    stop.abort();
  });
  const screen = openScreen(process.stderr);
  try {
    await drainSpools(settings, stop.signal, (bytes) => screen.show([`${mebibytes(bytes)} MiB left`]));
  } finally {
    screen.clear();
    forget();
  }
  if (stop.signal.aborted) throw new RushhourError("STOPPED", "stopped: what was not sent is still on disk");
  const bytes = left.reduce((sum, folder) => sum + folder.bytes, 0);
  const publishers =
    left.length === 1 ? "1 publisher that is gone" : `${left.length} publishers that are gone`;
  console.log(`sent ${mebibytes(bytes)} MiB of ${publishers}`);
}

/** Sends what publishers that are gone have left, until nothing is left or `signal` ends it. */
export async function drainSpools(
  settings: ServerSettings,
  signal: AbortSignal,
  onProgress: (bytes: number) => void = () => undefined,
): Promise<void> {
  const root = spoolRoot(settings);
  if (!(await listFolders(root)).some(isLeft)) return;
  const who = { service: "spool-drain", instance: hostname() };
  const spool = await openSpool({ ...who, root, mode: "spill" });
  const logger = createLogger("spool");
  const publisher = createPublisher({ ...who, ...kafkaOf(settings), logger, spool });
  try {
    while (!signal.aborted && ((await listFolders(root)).some(isLeft) || spool.backlogBytes() > 0)) {
      onProgress(spool.backlogBytes());
      await wait(200, undefined, { signal }).catch(() => undefined);
    }
  } finally {
    await publisher.close();
  }
}
