import { existsSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { EngineError } from "./errors.ts";
import { installEngines } from "./install.ts";
import type { EngineName, InstallOptions } from "./install.ts";
import { prepareKafka } from "./kafka.ts";
import { mariadbUrl, prepareMariadb } from "./mariadb.ts";
import { endOrphans, livingProcesses, tryLock, writeWhole } from "./pids.ts";
import { freePorts } from "./ports.ts";
import { requireJava } from "./prerequisites.ts";
import { supervise } from "./supervisor.ts";
import type { ProcessSpec, SupervisedProcess, SupervisorEvents } from "./supervisor.ts";

export interface StartOptions extends InstallOptions, SupervisorEvents {
  /** Where Kafka sends its clients, for a proxy that stands before it; its own port unless set. */
  readonly kafkaAdvertisedPort?: number | undefined;
}

export interface Engines extends EngineAddresses {
  readonly processes: readonly SupervisedProcess[];
  /** Ends them and waits; may be called twice. */
  stop(): Promise<void>;
  /** Leaves them running when this process ends, until `rushhour engines stop`. */
  release(): void;
}

export interface EngineAddresses {
  readonly kafkaBrokers?: string;
  /** The owner's: mysql://root:…@127.0.0.1:port/monitoring */
  readonly mysqlUrl?: string;
}

export interface RunningEngine {
  readonly name: EngineName;
  readonly pid: number;
  /** host:port */
  readonly address: string;
  /** The process it ends with; undefined when it was started to stay. */
  readonly ownerPid: number | undefined;
}

/** Kept across starts, so that addresses people wrote down go on to work. */
interface Ports {
  readonly kafka?: number;
  readonly controller?: number;
  readonly mariadb?: number;
}

/**
 * Installs what is missing and starts the engines asked for, both at once, on loopback ports of their own, with
 * their data under `home`. What a killed start left behind is ended first.
 * @throws EngineError PREREQUISITE_MISSING, DISK_FULL, ENGINE_FAILED; ALREADY_RUNNING when a living process has
 *   the data folder; nothing is left running then
 */
export async function startEngines(options: StartOptions): Promise<Engines> {
  if (!options.kafka && !options.mariadb) return enginesOf([], {}, () => undefined);
  const home = resolve(options.home);
  const unlock = claim(home);
  let processes: SupervisedProcess[] = [];
  const stopAll = () => Promise.all(processes.map((process) => process.stop()));
  const onAbort = () => void stopAll();
  options.signal?.addEventListener("abort", onAbort);
  try {
    await endOrphans(home);
    refuseSecond(home);
    const installed = await installEngines({
      ...options,
      home,
      enginesFolder: options.enginesFolder && resolve(options.enginesFolder),
    });
    const ports = await choosePorts(home);
    const specs = await Promise.all([
      ...(installed.kafka
        ? [kafkaSpec(home, installed.kafka.folder, ports, options.kafkaAdvertisedPort)]
        : []),
      ...(installed.mariadb
        ? [prepareMariadb({ home, folder: installed.mariadb.folder, port: ports.mariadb })]
        : []),
    ]);
    options.signal?.throwIfAborted();
    processes = specs.map((spec) => supervise(spec, options));
    await Promise.all(processes.map((process) => process.start()));
    return enginesOf(processes, addresses(home, ports, options), unlock);
  } catch (error) {
    await stopAll();
    unlock();
    options.signal?.throwIfAborted();
    throw error;
  } finally {
    options.signal?.removeEventListener("abort", onAbort);
  }
}

/**
 * The addresses of engines that `rushhour engines start` left running; empty when there are none. Who attaches
 * does not stop them.
 */
export function attachEngines(home: string): EngineAddresses {
  const names = runningEngines(home)
    .filter((engine) => engine.ownerPid === undefined)
    .map((engine) => engine.name);
  return addresses(resolve(home), readPorts(resolve(home)), {
    kafka: names.includes("kafka"),
    mariadb: names.includes("mariadb"),
  });
}

/** Every private engine of this home that is alive, whoever started it. */
export function runningEngines(home: string): RunningEngine[] {
  const ports = readPorts(resolve(home));
  return livingProcesses(resolve(home)).flatMap(({ name, pid, owner }) =>
    name === "kafka" || name === "mariadb"
      ? [{ name, pid, address: `127.0.0.1:${ports[name] ?? "?"}`, ownerPid: owner?.pid }]
      : [],
  );
}

function enginesOf(
  processes: readonly SupervisedProcess[],
  at: EngineAddresses,
  unlock: () => void,
): Engines {
  return {
    ...at,
    processes,
    async stop() {
      await Promise.all(processes.map((process) => process.stop()));
      unlock();
    },
    release() {
      for (const process of processes) process.release();
      unlock();
    },
  };
}

function addresses(
  home: string,
  ports: Ports,
  wanted: { readonly kafka: boolean; readonly mariadb: boolean },
): EngineAddresses {
  const mysqlUrl =
    wanted.mariadb && ports.mariadb !== undefined ? mariadbUrl(home, ports.mariadb) : undefined;
  return {
    ...(wanted.kafka && ports.kafka !== undefined && { kafkaBrokers: `127.0.0.1:${ports.kafka}` }),
    ...(mysqlUrl !== undefined && { mysqlUrl }),
  };
}

async function kafkaSpec(
  home: string,
  folder: string,
  ports: Required<Ports>,
  advertisedPort: number | undefined,
): Promise<ProcessSpec> {
  await requireJava("running Kafka");
  return prepareKafka({ home, folder, port: ports.kafka, controllerPort: ports.controller, advertisedPort });
}

/** One process at a time runs the engines of a home. */
function claim(home: string): () => void {
  const lock = tryLock(join(home, "engines.lock"));
  if ("release" in lock) return lock.release;
  throw new EngineError(
    "ALREADY_RUNNING",
    `process ${lock.holder.pid} runs the private engines in ${home} already: end it first, or set RUSHHOUR_HOME to another folder`,
  );
}

function refuseSecond(home: string): void {
  const [engine] = runningEngines(home);
  if (engine === undefined) return;
  throw new EngineError(
    "ALREADY_RUNNING",
    `${engine.name} runs in ${home} already (process ${engine.pid}): end it first with: npx rushhour engines stop`,
  );
}

async function choosePorts(home: string): Promise<Required<Ports>> {
  const known = readPorts(home);
  const [kafka, controller, mariadb] = await freePorts([known.kafka, known.controller, known.mariadb]);
  const ports = { kafka: kafka!, controller: controller!, mariadb: mariadb! };
  writeWhole(join(home, "ports.json"), `${JSON.stringify(ports)}\n`);
  return ports;
}

function readPorts(home: string): Ports {
  const file = join(home, "ports.json");
  return existsSync(file) ? (JSON.parse(readFileSync(file, "utf8")) as Ports) : {};
}
