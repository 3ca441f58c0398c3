import { spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { REQUEST_LOG_TOPICS } from "../../contract/request-log.ts";
import { startEngines } from "../../engines/engines.ts";
import { livingProcesses } from "../../engines/pids.ts";
import { freePorts } from "../../engines/ports.ts";
import { connect, type Row } from "../../init_db/database.ts";
import type { Ledger } from "../../simulator/ledger/ledger.ts";
import { openProxy, type Proxy } from "./proxy.ts";

export const PROCESSES = ["api", "consumer", "kafka", "mariadb"] as const;
export type ProcessName = (typeof PROCESSES)[number];

export interface StageOptions {
  readonly seed: number;
  readonly durationMs: number;
  readonly ratePerSecond: number;
  readonly spool: "spill" | "always";
  /** A module of `preload/` that changes the roles: an injected bug. */
  readonly bug?: string;
  /** Done once each, however many kinds of blow ask for the same. */
  readonly prepare?: readonly Prepare[];
}

/**
 * What a kind of blow needs before engines and roles start.
 * @returns a module of `preload/` and further environment of the roles, and what undoes it when all have ended
 */
export type Prepare = (folders: { readonly home: string; readonly roles: string }) => {
  readonly preload?: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly undo?: () => void;
};

/** Private engines, `rushhour up` on them with a load, and what a blow needs to strike it. */
export interface Stage {
  readonly home: string; // of the engines
  readonly roles: string; // RUSHHOUR_HOME of `up`
  readonly env: NodeJS.ProcessEnv; // of `up`, for processes that join it
  readonly ratePerSecond: number;
  /** Stand before the servers; all that the roles say to them goes through. */
  readonly proxies: Readonly<Record<"database" | "kafka", Proxy>>;
  readonly database: Watch;
  /** Of the load; what waits for the pipeline stops waiting then. */
  readonly hasEnded: () => boolean;
  readonly pidOf: (name: ProcessName) => number | undefined;
  /** Kills the process, in the midst of whatever it does. */
  readonly kill: (name: ProcessName, signal?: "SIGKILL" | "SIGTERM") => Promise<void>;
  /** Waits until a process that has ended serves again. */
  readonly back: (name: ProcessName) => Promise<void>;
  /** Stops it without a word until the returned function is called. */
  readonly freeze: (name: ProcessName) => (() => void) | undefined;
  /** Of the supervisor: an engine that has died is being restarted until it is. */
  readonly isRunning: (name: "kafka" | "mariadb") => boolean;
  readonly isWell: () => Promise<boolean>;
  readonly until: (label: string, holds: () => boolean | Promise<boolean>) => Promise<void>;
  /** Waits for the end of the load and of `up`; what its ledger says. */
  readonly end: () => Promise<Ledger>;
  /** Leaves logs and data where they are, for somebody to look at. */
  readonly keep: () => void;
  readonly [Symbol.asyncDispose]: () => Promise<void>;
}

const DEADLINE_MS = 60_000;

/** Everything that dies is restarted by its supervisor, as in production; nothing here knows how the pipeline works. */
export async function openStage(options: StageOptions): Promise<Stage> {
  await using opening = new AsyncDisposableStack();
  const home = mkdtempSync(join(tmpdir(), "rushhour-chaos-"));
  let isKept = false;
  opening.defer(() => {
    if (!isKept) rmSync(home, { recursive: true, force: true });
  });
  const roles = join(home, "roles");
  mkdirSync(roles);
  const prepared = [...new Set(options.prepare)].map((prepare) => prepare({ home, roles }));
  for (const { undo } of prepared) if (undo) opening.defer(undo);
  const ports: { database?: number; kafka?: number } = {}; // of the servers, once they are there
  const proxies = {
    database: await openProxy(() => ports.database),
    kafka: await openProxy(() => ports.kafka),
  };
  for (const proxy of Object.values(proxies)) opening.defer(() => proxy.close());
  let failure: Error | undefined;
  const engines = await startEngines({
    ...{ home, enginesFolder: resolve(".rushhour/engines"), kafka: true, mariadb: true },
    kafkaAdvertisedPort: proxies.kafka.port,
    onProgress: () => undefined,
    onGiveUp: (cause) => (failure ??= cause),
  });
  opening.defer(() => engines.stop());

  const behindProxy = new URL(engines.mysqlUrl!);
  ports.database = Number(behindProxy.port);
  ports.kafka = Number(engines.kafkaBrokers!.split(":")[1]);
  behindProxy.port = String(proxies.database.port);

  const summary = join(home, "summary.json");
  const [api, consumer] = (await freePorts([undefined, undefined])) as [number, number];
  const env: NodeJS.ProcessEnv = {
    ...{ ...process.env, NO_COLOR: "1", RUSHHOUR_HOME: roles, API_MODEL: "off" },
    ...{ KAFKA_BROKERS: `127.0.0.1:${proxies.kafka.port}`, MYSQL_URL: behindProxy.href },
    ...{ RUSHHOUR_SPOOL: options.spool },
    NODE_OPTIONS: preloaded([...prepared.map(({ preload }) => preload), options.bug]),
    ...Object.fromEntries(prepared.flatMap(({ env }) => Object.entries(env ?? {}))),
  };
  const up = spawn(
    process.execPath,
    [
      ...["cli/rushhour.js", "up", "-d", `${Math.ceil(options.durationMs / 1_000)}s`],
      ...["--rate", `${options.ratePerSecond}/s`, "--seed", String(options.seed)],
      ...["--port", String(api), "--consumer-port", String(consumer), "--summary-export", summary],
    ],
    { env, stdio: ["ignore", "pipe", "pipe"] },
  );
  let output = "";
  for (const stream of [up.stdout, up.stderr])
    stream.on("data", (chunk: Buffer) => (output += chunk.toString()));
  let hasEnded = false;
  const ended = new Promise<void>((done) => up.once("close", () => done())).then(() => (hasEnded = true));
  opening.defer(async () => {
    up.kill("SIGKILL");
    await ended;
    for (const { pid } of livingProcesses(roles)) process.kill(-pid, "SIGKILL");
  });

  const condition = async (label: string, holds: () => boolean | Promise<boolean>) => {
    const endMs = performance.now() + DEADLINE_MS;
    while (!(await holds())) {
      if (failure) throw failure;
      if (performance.now() > endMs) {
        isKept = true;
        throw new Error(
          `waited ${DEADLINE_MS / 1_000} s for ${label}; all is left in ${home}\n${output.slice(-2_000)}`,
        );
      }
      await wait(20);
    }
  };
  await condition("the load", () => {
    if (hasEnded) throw new Error(`the load did not begin\n${output.slice(-2_000)}`);
    return output.includes("serving at");
  });
  const database = await openWatch(engines.mysqlUrl!);
  opening.defer(() => database.close());

  const pidOf = (name: ProcessName) =>
    [roles, home].flatMap((folder) => livingProcesses(folder)).find((process) => process.name === name)?.pid;
  const isRunning = (name: "kafka" | "mariadb") =>
    engines.processes.find((process) => process.name === name)?.state === "running";
  const until = (label: string, holds: () => boolean | Promise<boolean>) =>
    condition(label, async () => hasEnded || (await holds()));
  const isServing = async (name: ProcessName) =>
    name === "api" || name === "consumer"
      ? isOk(`http://127.0.0.1:${{ api, consumer }[name]}/health/live`)
      : isRunning(name);
  const back = (name: ProcessName) =>
    until(`${name} to serve again`, async () => pidOf(name) !== undefined && (await isServing(name)));
  const cleanup = opening.move();
  return {
    ...{
      home,
      roles,
      env,
      proxies,
      database,
      pidOf,
      isRunning,
      until,
      back,
      ratePerSecond: options.ratePerSecond,
    },
    hasEnded: () => hasEnded,
    async kill(name, signal = "SIGKILL") {
      const pid = pidOf(name);
      if (pid === undefined) return; // it is being restarted already
      process.kill(pid, signal);
      await until(`${name} to end`, () => pidOf(name) !== pid);
      await back(name);
    },
    freeze(name) {
      const pid = pidOf(name);
      if (pid === undefined) return;
      process.kill(pid, "SIGSTOP");
      return () => process.kill(pid, "SIGCONT");
    },
    async isWell() {
      const ready = [api, consumer].map((port) => isOk(`http://127.0.0.1:${port}/health/ready`));
      return (await Promise.all(ready)).every(Boolean);
    },
    keep: () => (isKept = true),
    async end() {
      await ended;
      writeFileSync(join(home, "logs", "up.log"), output);
      return (JSON.parse(readFileSync(summary, "utf8")) as { ledger: Ledger }).ledger;
    },
    [Symbol.asyncDispose]: () => cleanup.disposeAsync(),
  };
}

const preloaded = (modules: readonly (string | undefined)[]) =>
  modules
    .flatMap((name) =>
      name === undefined ? [] : [`--import=${new URL(`preload/${name}.ts`, import.meta.url).href}`],
    )
    .join(" ");

async function isOk(url: string): Promise<boolean> {
  const answer = await fetch(url, { signal: AbortSignal.timeout(1_000) }).catch(() => undefined);
  return answer?.ok ?? false;
}

/** Questions to a database that may be away: then they are asked again on a new connection. */
export interface Watch {
  readonly ask: (sql: string) => Promise<Row[]>;
  /** A connection of its own, for what a session holds: locks. */
  readonly session: () => ReturnType<typeof connect>;
  readonly storedRows: () => Promise<number>;
  /** Of all partitions together. */
  readonly position: () => Promise<number>;
  readonly close: () => void;
}

/** Request logs: what publishers and runs say of themselves has a group of its own, which may be well without the other. */
const OF_REQUEST_LOGS = `FROM ingest_offsets WHERE topic IN ('${REQUEST_LOG_TOPICS.join("', '")}')`;

async function openWatch(url: string): Promise<Watch> {
  let connection = await connect(url);
  const ask = async (sql: string): Promise<Row[]> => {
    for (let tries = 0; ; tries++) {
      try {
        const [rows] = await connection.query<Row[]>(sql);
        return rows;
      } catch (error) {
        if (tries > 100) throw error;
        connection.destroy();
        await wait(100);
        connection = await connect(url).catch(() => connection);
      }
    }
  };
  const sum = async (column: string) =>
    Number((await ask(`SELECT COALESCE(SUM(${column}), 0) AS n ${OF_REQUEST_LOGS}`))[0]!["n"]);
  return {
    ask,
    session: () => connect(url),
    storedRows: () => sum("rows_in"),
    position: () => sum("next_offset"),
    close: () => connection.destroy(),
  };
}
