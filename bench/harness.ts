import { spawn, spawnSync, type ChildProcess, type StdioOptions } from "node:child_process";
import { randomBytes } from "node:crypto";
import { existsSync, readFileSync, rmSync } from "node:fs";
import { availableParallelism, cpus, loadavg, release, totalmem } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as wait } from "node:timers/promises";
import { Command } from "commander";
import { pino } from "pino";
import { z } from "zod";
import { onShutdownSignal } from "../cli/lifecycle.ts";
import { keepOf, readSettings, retentionSettings } from "../contract/config.ts";
import { EXIT, isErrorCode, messageOf, RushhourError } from "../contract/errors.ts";
import { allTopics } from "../contract/topics.ts";
import { startEngines, runningEngines, type Engines } from "../engines/engines.ts";
import { engineFolders } from "../engines/install.ts";
import { endOrphans } from "../engines/pids.ts";
import { connect, openPool, urlOfUser, type Pool, type Row } from "../init_db/database.ts";
import { migrate } from "../init_db/migrate.ts";
import { userName } from "../init_db/users.ts";
import { connectAdmin } from "../kafka/admin.ts";
import { createKafka, type Kafka } from "../kafka/client.ts";
import type { Load, LoadResult } from "./load.ts";

export const ROOT = join(import.meta.dirname, "..");
/** Everything a benchmark writes; gone when it ends. */
export const HOME = join(ROOT, ".rushhour", "bench");
/** The engines themselves are those of `npm start`. */
const ENGINES_FOLDER = join(ROOT, ".rushhour", "engines");

export const silent = pino({ level: "silent" });

/* ---- one benchmark, from its options to its table ---- */

/** A whole number given as `--name`. */
export interface NumberOption {
  readonly help: string;
  readonly fallback: number;
  readonly min: number;
  readonly max: number;
}

export interface Benchmark<Name extends string> {
  readonly name: string; // of its file
  readonly description: string;
  readonly options: Readonly<Record<Name, NumberOption>>;
  /** What `--only` can choose from; without them there is no such option. */
  readonly parts?: readonly string[];
  /** @returns the report in Markdown */
  readonly measure: (bench: Bench, values: Readonly<Record<Name, number>>) => Promise<string>;
}

export interface Bench {
  /** One line on standard error; standard output carries the report only. */
  readonly progress: (text: string) => void;
  /** What is opened last is closed first, however the benchmark ends. */
  readonly onClose: (close: () => unknown) => void;
  /** Parts given with `--only`; undefined without it. */
  readonly only: ReadonlySet<string> | undefined;
}

export const REPEATS: NumberOption = {
  help: "repeats, the variants taking turns",
  fallback: 3,
  min: 1,
  max: 20,
};
export const CONNECTIONS: NumberOption = {
  help: "connections of the load generator",
  fallback: 32,
  min: 1,
  max: 1_000,
};
export const SEED: NumberOption = {
  help: "decides what is sent",
  fallback: 1,
  min: 0,
  max: 2 ** 32 - 1,
};

/** Reads the options, measures, prints the report and leaves neither a process nor data behind. */
export async function runBenchmark<Name extends string>(benchmark: Benchmark<Name>): Promise<void> {
  const open: (() => unknown)[] = [];
  const closeAll = async () => {
    for (let close = open.pop(); close; close = open.pop()) {
      try {
        await close();
      } catch (error) {
        progress(`not closed in order: ${messageOf(error)}`); // the others must be all the same
      }
    }
  };
  const forget = onShutdownSignal(() => {
    void closeAll().finally(() => process.exit(EXIT.stoppedBySignal));
  });
  const progress = (text: string) => console.error(`${new Date().toISOString().slice(11, 19)} ${text}`);
  try {
    const { values, only } = readOptions(benchmark);
    console.log(await benchmark.measure({ progress, onClose: (close) => open.push(close), only }, values));
  } catch (error) {
    const isKnown = isErrorCode((error as { code?: unknown }).code);
    console.error(isKnown ? `bench: ${messageOf(error)}` : error);
    process.exitCode = error instanceof RushhourError ? error.exitCode : EXIT.failure;
  } finally {
    await closeAll();
    forget();
  }
}

function readOptions<Name extends string>({ name, description, options, parts }: Benchmark<Name>) {
  const entries = Object.entries<NumberOption>(options);
  const command = new Command(`node bench/${name}.ts`)
    .description(description)
    .exitOverride(({ exitCode }) => process.exit(exitCode === 0 ? EXIT.ok : EXIT.invalidUsage));
  for (const [option, { help, fallback }] of entries)
    command.option(`--${option} <n>`, `${help} (default ${fallback})`);
  if (parts) command.option("--only <names>", `measure these alone, such as ${parts.slice(0, 2).join()}`);
  command.addHelpText(
    "after",
    `\nStarts engines of its own; the report goes to standard output as a Markdown table.\n
Examples:
  node bench/${name}.ts
  node bench/${name}.ts --repeats 1 > report.md`,
  );
  const given = command.parse().opts<Record<string, string>>();
  const partRule = `must be some of ${parts?.join()}`;
  const settings = z.object({
    ...Object.fromEntries(
      entries.map(([option, { fallback, min, max }]) => {
        const rule = `must be a whole number from ${min} to ${max}`;
        return [option, z.coerce.number(rule).int(rule).min(min, rule).max(max, rule).default(fallback)];
      }),
    ),
    only: z
      .string()
      .transform((names) => new Set(names.split(",")))
      .refine((names) => [...names].every((part) => parts?.includes(part)), partRule)
      .optional(),
  });
  const flags = [...Object.keys(options), "only"].map(
    (option) => [option, { flag: `--${option}`, value: given[option] }] as const,
  );
  const { only, ...values } = readSettings(settings, {}, Object.fromEntries(flags));
  return { values: values as Record<Name, number>, only };
}

/* ---- figures ---- */

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

/** `median (least-greatest)`, as every figure here is printed; "-" without values. */
export function spread(values: readonly number[], digits = 0): string {
  if (values.length === 0) return "-";
  const format = (value: number) =>
    value.toLocaleString("en", { minimumFractionDigits: digits, maximumFractionDigits: digits });
  return `${format(median(values))} (${format(Math.min(...values))}-${format(Math.max(...values))})`;
}

/** The smallest of `sorted` (rising, not empty) that `percent` of them do not exceed. */
export function percentile(sorted: readonly number[], percent: number): number {
  return sorted[Math.max(0, Math.ceil((percent / 100) * sorted.length) - 1)]!;
}

export function markdownTable(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.join(" | ")} |`;
  return [line(head), line(head.map(() => "---")), ...rows.map(line)].join("\n");
}

/** What a figure means nothing without: the machine, the versions, how often and from which seed. */
export function conditions(
  values: Readonly<Record<string, number>>,
  servers: readonly string[],
  packages: readonly string[],
): string {
  const [cpu] = cpus();
  const version = (name: string) =>
    (
      JSON.parse(readFileSync(join(ROOT, "node_modules", name, "package.json"), "utf8")) as {
        version: string;
      }
    ).version;
  return [
    `- machine: ${cpu?.model.trim() ?? "unknown"}, ${availableParallelism()} cores, ${Math.round(totalmem() / 2 ** 30)} GB; ${process.platform} ${release()}; everything on this machine, over loopback`,
    `- load average of the last minute when this was printed: ${loadavg()[0]!.toFixed(2)}`,
    `- versions: node ${process.versions.node}, ${packages.map((name) => `${name} ${version(name)}`).join(", ")}; ${servers.join(", ")}`,
    `- ${Object.entries(values)
      .map(([name, value]) => `${name} ${value}`)
      .join(", ")}; figures are median (min-max) of the repeats`,
  ].join("\n");
}

/** User and system time of a process in seconds; undefined where there is no /proc. */
export function cpuSecondsOf(pid: number | undefined): number | undefined {
  if (pid === undefined || !existsSync(`/proc/${pid}/stat`)) return undefined;
  const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return (Number(fields[11]) + Number(fields[12])) / 100; // clock ticks: USER_HZ is 100 on Linux
}

/** @returns a function that gives µs of CPU a row since this call; undefined where they cannot be read */
export function stopwatchOfCpu(pid: number | undefined, rows: number): () => number | undefined {
  const start = cpuSecondsOf(pid);
  return () => {
    const end = cpuSecondsOf(pid);
    return start === undefined || end === undefined ? undefined : ((end - start) * 1e6) / rows;
  };
}

/* ---- engines ---- */

export interface Servers {
  readonly brokers: string[];
  readonly kafka: Kafka;
  /** The private MariaDB; undefined unless asked for. */
  readonly mariadb: DatabaseServer | undefined;
  /** Their names and versions. */
  readonly labels: readonly string[];
}

export interface DatabaseServer {
  readonly label: string; // name and version
  readonly url: string; // of its owner
  readonly pid: number | undefined; // when it runs on this machine as ours
}

/** A Kafka with empty topics, never one that exists: the topics' names are fixed, and they shall hold our records only. */
export async function startServers(bench: Bench, wanted: { mariadb: boolean }): Promise<Servers> {
  const engines = await startEmptyEngines(bench, { kafka: true, ...wanted });
  const brokers = engines.kafkaBrokers!.split(",");
  const kafka = createKafka({ brokers, clientId: "rushhour-bench", logger: silent });
  const admin = await connectAdmin(kafka);
  await admin.createTopics(allTopics(6));
  await admin.close();
  const mariadb = wanted.mariadb ? await mariadbOf(engines) : undefined;
  return { brokers, kafka, mariadb, labels: [kafkaLabel(), ...(mariadb ? [mariadb.label] : [])] };
}

/** An empty MariaDB without Kafka. */
export async function startMariadb(bench: Bench): Promise<DatabaseServer> {
  return mariadbOf(await startEmptyEngines(bench, { kafka: false, mariadb: true }));
}

const mariadbOf = (engines: Engines) =>
  databaseServer(engines.mysqlUrl!, engines.processes.find(({ name }) => name === "mariadb")?.pid);

async function startEmptyEngines(
  bench: Bench,
  wanted: { kafka: boolean; mariadb: boolean },
): Promise<Engines> {
  await endOrphans(HOME);
  if (runningEngines(HOME).length > 0) {
    throw new RushhourError("ALREADY_RUNNING", `a benchmark runs in ${HOME} already: wait for its end`);
  }
  rmSync(HOME, { recursive: true, force: true });
  bench.onClose(() => rmSync(HOME, { recursive: true, force: true }));
  bench.progress(
    `starting ${[wanted.kafka && "Kafka", wanted.mariadb && "MariaDB"].filter(Boolean).join(" and ")}`,
  );
  const engines = await startEngines({
    ...{ home: HOME, enginesFolder: ENGINES_FOLDER, ...wanted },
    onProgress: bench.progress,
    onGiveUp: (cause) => bench.progress(cause.message),
  });
  bench.onClose(() => engines.stop());
  return engines;
}

const kafkaLabel = () => `Kafka ${engineFolders(HOME, ENGINES_FOLDER).kafka.version}`;

/** @throws mysql2's error when it does not answer */
export async function databaseServer(url: string, pid?: number): Promise<DatabaseServer> {
  const connection = await connect(url, { database: "" });
  const [[row]] = await connection.query<Row[]>("SELECT VERSION() AS version");
  await connection.end();
  const version = String(row?.["version"]);
  const label = version.includes("MariaDB") ? `MariaDB ${version.split("-")[0]!}` : `MySQL ${version}`;
  return { label, url, pid };
}

export interface BenchDatabase {
  readonly name: string;
  readonly pool: Pool; // as the owner
  readonly ownerUrl: string;
  readonly writerUrl: string;
  /** May be called twice. */
  drop(): Promise<void>;
}

/** A migrated database of its own on `server`; dropped at the end at the latest. */
export async function createDatabase(bench: Bench, server: DatabaseServer): Promise<BenchDatabase> {
  const name = `rushhour_bench_${randomBytes(4).toString("hex")}`;
  const owner = new URL(server.url);
  owner.pathname = `/${name}`;
  const account = (role: "writer" | "reader") => ({
    user: userName(role, name),
    password: randomBytes(12).toString("hex"),
  });
  const accounts = { writer: account("writer"), reader: account("reader") };
  let dropped: Promise<void> | undefined;
  const drop = () =>
    (dropped ??= (async () => {
      await pool.end();
      const connection = await connect(owner.href, { database: "" });
      await connection.query(`DROP DATABASE ${name}`);
      for (const { user } of Object.values(accounts)) await connection.query("DROP USER ?@'%'", [user]);
      await connection.end();
    })());
  const pool = openPool(owner.href);
  bench.onClose(drop);
  await migrate(owner.href, accounts, keepOf(retentionSettings.parse({})));
  const { user, password } = accounts.writer;
  return { name, pool, ownerUrl: owner.href, writerUrl: urlOfUser(owner.href, user, password), drop };
}

/** The first column of the first row, as a number. */
export async function numberOf(pool: Pool, sql: string, params: readonly unknown[] = []): Promise<number> {
  const [[row]] = await pool.query<Row[]>(sql, [...params]);
  return Number(Object.values(row!)[0]);
}

/* ---- processes ---- */

const canPin =
  availableParallelism() > 1 && spawnSync("taskset", ["--version"], { stdio: "ignore" }).status === 0;

/** Says in the report what {@link startNode} did with its `core`. */
export const pinning = canPin
  ? "server pinned to core 0 and load generator to core 1 (taskset)"
  : "nothing is pinned: taskset or a second core is missing";

/** A Node process with a message channel; on one core alone where that can be had. Killed at the end at the latest. */
export function startNode(bench: Bench, core: number, args: readonly string[]): ChildProcess {
  return startPinned(bench, core, [process.execPath, ...args], ["ignore", "pipe", "inherit", "ipc"]);
}

/** Any process, with the folder of the project as its own; on one core alone where that can be had, and killed at the end at the latest. */
export function startPinned(
  bench: Bench,
  core: number | "any",
  command: readonly string[],
  stdio: StdioOptions,
): ChildProcess {
  const [file, ...args] = [...(canPin && core !== "any" ? ["taskset", "-c", String(core)] : []), ...command];
  const child = spawn(file!, args, { cwd: ROOT, stdio });
  bench.onClose(() => child.kill("SIGKILL"));
  return child;
}

/**
 * As many requests as a server answers, from a process of its own on the other core.
 * @throws Error when a request failed: its figures would be of something else
 */
export async function load(bench: Bench, plan: Load): Promise<LoadResult> {
  const generator = startNode(bench, 1, [join(import.meta.dirname, "load.ts"), JSON.stringify(plan)]);
  const result = await new Promise<LoadResult>((resolve, reject) => {
    generator.once("message", (message) => resolve(message as LoadResult));
    generator.once("exit", () => reject(new Error(`the load on ${plan.url} ended without a result`)));
  });
  if (result.failed > 0 || result.responses === 0) {
    throw new Error(`${plan.method} ${plan.url}: ${result.failed} failed, ${result.responses} answered`);
  }
  return result;
}

export interface Role {
  readonly url: string; // of its HTTP server
  readonly pid: number;
  /** SIGTERM, and SIGKILL after 15 s. May be called twice. */
  stop(): Promise<void>;
}

/** Starts a role of the program, waits until it listens. @throws Error with its log when it ends before */
export async function startRole(
  bench: Bench,
  args: readonly string[],
  env: Readonly<Record<string, string>>,
): Promise<Role> {
  const child = spawn(process.execPath, ["cli/rushhour.js", ...args], {
    cwd: ROOT,
    env: { ...process.env, RUSHHOUR_HOME: HOME, MYSQL_URL: "", LOG_LEVEL: "info", ...env },
    stdio: ["ignore", "inherit", "pipe"],
  });
  const exited = new Promise<void>((resolve) => child.once("exit", () => resolve()));
  const stop = async () => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    child.kill("SIGTERM");
    const deadline = setTimeout(() => child.kill("SIGKILL"), 15_000);
    await exited;
    clearTimeout(deadline);
  };
  bench.onClose(stop);
  const log: string[] = [];
  const url = await new Promise<string>((resolve, reject) => {
    createInterface({ input: child.stderr }).on("line", (line) => {
      log.push(line);
      const listening = /"url":"(http[^"]+)"/.exec(line)?.[1];
      if (listening !== undefined) resolve(listening);
    });
    void exited.then(() => reject(new Error(`rushhour ${args.join(" ")} ended:\n${log.join("\n")}`)));
  });
  return { url, pid: child.pid!, stop };
}

/** Waits for a condition. @throws Error naming it after the deadline */
export async function until(
  label: string,
  condition: () => Promise<boolean>,
  { deadlineMs = 30_000, everyMs = 20 } = {},
): Promise<void> {
  const endMs = performance.now() + deadlineMs;
  while (!(await condition())) {
    if (performance.now() > endMs) throw new Error(`waited ${deadlineMs} ms for ${label}`);
    await wait(everyMs);
  }
}
