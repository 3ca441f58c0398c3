import { readdirSync, statSync } from "node:fs";
import { join, resolve } from "node:path";
import Table from "cli-table3";
import { Command } from "commander";
import pc from "picocolors";
import { readSettings, sqlSettings } from "../contract/config.ts";
import { EXIT, RushhourError } from "../contract/errors.ts";
import { attachEngines, runningEngines, startEngines } from "../engines/engines.ts";
import type { EngineAddresses } from "../engines/engines.ts";
import { endOrphans, endProcess, livingProcesses } from "../engines/pids.ts";

/** `rushhour engines`: the private Kafka and MariaDB by themselves, for other clients to join in. */
export function enginesCommand(): Command {
  const engines = new Command("engines").description("run the private Kafka and MariaDB by themselves");
  engines
    .command("start")
    .description("start them in the background and print their addresses for eval")
    .action(() => start(stateFolder()));
  engines
    .command("stop")
    .description("stop what start left running")
    .action(() => stop(stateFolder()));
  engines
    .command("status")
    .description("show name, state, pid, address and size of the data")
    .action(() => status(stateFolder()));
  return engines.addHelpText(
    "after",
    `
Examples:
  $ eval "$(npx rushhour engines start)"     # sets KAFKA_BROKERS and MYSQL_URL in this shell
  $ kcat -b "$KAFKA_BROKERS" -L
  $ npx rushhour engines status
  $ npx rushhour engines stop`,
  );
}

/** Where the engines' state lies, absolute (RUSHHOUR_HOME, .rushhour unless set). */
function stateFolder(): string {
  return resolve(readSettings(sqlSettings.pick({ RUSHHOUR_HOME: true })).RUSHHOUR_HOME);
}

async function start(home: string): Promise<void> {
  const standing = attachEngines(home);
  if (standing.kafkaBrokers !== undefined && standing.mysqlUrl !== undefined) {
    console.error("The engines are running already.");
    printExports(standing);
    return;
  }
  const abort = new AbortController();
  const interrupt = () => abort.abort();
  process.once("SIGINT", interrupt).once("SIGTERM", interrupt);
  try {
    await stopStanding(home); // one of the two has died: start both afresh
    const engines = await startEngines({
      home,
      kafka: true,
      mariadb: true,
      onProgress: showProgress,
      onGiveUp: (cause) => console.error(cause.message),
      signal: abort.signal,
    });
    engines.release();
    console.error(`The engines run; their data and logs are in ${home}. Stop: npx rushhour engines stop`);
    printExports(engines);
  } catch (error) {
    if (!abort.signal.aborted) throw error;
    console.error("Interrupted; nothing is left running.");
    process.exitCode = EXIT.stoppedBySignal;
  }
}

function printExports({ kafkaBrokers = "", mysqlUrl = "" }: EngineAddresses): void {
  console.log(`export KAFKA_BROKERS='${kafkaBrokers}'`);
  console.log(`export MYSQL_URL='${mysqlUrl}'`);
}

function showProgress(text: string): void {
  if (process.stderr.isTTY)
    process.stderr.write(`\r\x1b[K${text}${text.startsWith("unpacking") ? "\n" : ""}`);
}

async function stop(home: string): Promise<void> {
  const owned = runningEngines(home).find((engine) => engine.ownerPid !== undefined);
  const ended = [...(await endOrphans(home)), ...(await stopStanding(home))];
  const left = runningEngines(home).find((engine) => engine.pid === owned?.pid);
  if (left !== undefined) {
    throw new RushhourError(
      "ALREADY_RUNNING",
      `${left.name} belongs to process ${left.ownerPid ?? 0}, which is alive: end that one (Ctrl-C or kill ${left.ownerPid ?? 0})`,
    );
  }
  console.error(ended.length === 0 ? "No private engines are running." : `Stopped: ${ended.join(", ")}.`);
}

/** Ends what `start` left running. @returns the names */
async function stopStanding(home: string): Promise<string[]> {
  const standing = livingProcesses(home).filter((entry) => entry.owner === null);
  await Promise.all(standing.map((entry) => endProcess(home, entry, 15_000)));
  return standing.map((entry) => entry.name);
}

function status(home: string): void {
  const running = runningEngines(home);
  const table = new Table({
    head: ["engine", "state", "pid", "address", "data"],
    style: { head: [], border: [] },
  });
  for (const name of ["kafka", "mariadb"] as const) {
    const engine = running.find((one) => one.name === name);
    const owner = engine?.ownerPid === undefined ? "" : `, ends with process ${engine.ownerPid}`;
    table.push([
      name,
      engine === undefined ? pc.dim("stopped") : pc.green(`running${owner}`),
      engine?.pid ?? "-",
      engine?.address ?? "-",
      `${(folderBytes(join(home, name)) / 1e6).toFixed(1)} MB`,
    ]);
  }
  console.log(table.toString());
}

/** 0 for a folder that is not there; files that vanish meanwhile count nothing. */
function folderBytes(folder: string): number {
  const entries = statSync(folder, { throwIfNoEntry: false })?.isDirectory()
    ? readdirSync(folder, { recursive: true, encoding: "utf8" })
    : [];
  return entries
    .map((entry) => statSync(join(folder, entry), { throwIfNoEntry: false }))
    .reduce((sum, found) => sum + (found?.isFile() ? found.blocks * 512 : 0), 0);
}
