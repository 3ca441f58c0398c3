import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { closeSync, existsSync, mkdirSync, openSync, readSync, statSync } from "node:fs";
import { dirname } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { EngineError, errnoOf } from "./errors.ts";
import { forgetProcess, registerProcess } from "./pids.ts";

export interface ProcessSpec {
  readonly name: string;
  readonly command: string;
  readonly args: readonly string[];
  readonly env?: NodeJS.ProcessEnv;
  readonly cwd?: string;
  /** Standard output and error are appended to it. */
  readonly logFile: string;
  /** Resolves when the process serves, rejects when it cannot; `signal` fires when it has ended. */
  readonly ready: (signal: AbortSignal) => Promise<void>;
  /** What asks it to end: SIGTERM unless set. */
  readonly stopSignal?: NodeJS.Signals;
  /** SIGKILL follows after this time: 10,000 ms unless set. */
  readonly graceMs?: number;
  /** Registers the process there, so that the next start ends it should this one be killed. */
  readonly home?: string;
  /** Pause before the first restart, doubled each time: 500 ms unless set. */
  readonly firstDelayMs?: number;
}

/**
 * starting -> running -> backing-off -> starting … until `failed` (five failures in a row) or `stopping` -> `stopped`.
 */
export type ProcessState = "starting" | "running" | "backing-off" | "failed" | "stopping" | "stopped";

export interface SupervisedProcess {
  readonly name: string;
  readonly state: ProcessState;
  readonly pid: number | undefined;
  readonly restarts: number;
  /** How it last ended without being asked: "killed by SIGKILL", "exit 1: the last line of its log". */
  readonly lastExit: string | undefined;
  /** Resolves when it serves for the first time. @throws EngineError the cause, once it is given up */
  start(): Promise<void>;
  /** Ends the process group and waits for it; may be called twice. */
  stop(): Promise<void>;
  /** Leaves the process to itself: it outlives this one, unsupervised, until somebody ends it. */
  release(): void;
}

export interface SupervisorEvents {
  readonly onState?: ((process: SupervisedProcess) => void) | undefined;
  /** It served once and cannot be kept alive. A failed first start rejects `start()` instead. */
  readonly onGiveUp: (cause: EngineError) => void;
}

const MAX_FAILURES = 5;
const MAX_DELAY_MS = 8_000;
/** Serving this long makes the next failure the first of a new row. */
const STABLE_MS = 30_000;
const TAIL_BYTES = 8_192;
const TAIL_LINES = 12;
/** Our own commands' exit code for wrong configuration: trying again changes nothing. */
const INVALID_USAGE = 104;

/** Keeps one child process alive, in a process group of its own (^C at the terminal does not reach it). */
export function supervise(spec: ProcessSpec, events: SupervisorEvents): SupervisedProcess {
  return new Supervisor(spec, events);
}

/** Pause before restart `n` (from 1), ±10 % so that several do not come back in step. */
export function restartDelayMs(n: number, firstDelayMs = 500, random = Math.random()): number {
  return Math.min(MAX_DELAY_MS, firstDelayMs * 2 ** (n - 1)) * (0.9 + 0.2 * random);
}

/** How one life of the process ended. */
interface Life {
  readonly servedMs: number;
  readonly exit: string;
  /** The reason and whether it is certain to come again. */
  readonly cause: EngineError;
  readonly hopeless: boolean;
}

class Supervisor implements SupervisedProcess {
  readonly name: string;
  state: ProcessState = "stopped";
  restarts = 0;
  lastExit: string | undefined;
  readonly #spec: ProcessSpec;
  readonly #events: SupervisorEvents;
  readonly #firstReady = Promise.withResolvers<undefined>();
  readonly #stop = new AbortController();
  #child: ChildProcess | undefined;
  #lives: Promise<void> | undefined;
  #served = false;

  constructor(spec: ProcessSpec, events: SupervisorEvents) {
    this.name = spec.name;
    this.#spec = spec;
    this.#events = events;
    this.#firstReady.promise.catch(() => undefined); // start() hands it out; stop() may come without it
  }

  get pid(): number | undefined {
    return this.#child?.pid;
  }

  start(): Promise<void> {
    this.#lives ??= this.#live().catch((error: unknown) => this.#giveUp(cannotStart(this.#spec, error)));
    return this.#firstReady.promise;
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    this.#firstReady.reject(new EngineError("ENGINE_FAILED", `${this.name} was stopped before it served`));
    await this.#lives;
  }

  release(): void {
    if (this.#child?.pid === undefined) return;
    if (this.#spec.home !== undefined) registerProcess(this.#spec.home, this.name, this.#child.pid, "nobody");
    this.#child.unref();
  }

  /** Life after life until it is stopped or given up. */
  async #live(): Promise<void> {
    let failures = 0;
    while (!this.#stopping()) {
      const life = await this.#liveOnce();
      if (this.#stopping()) break;
      this.lastExit = life.exit;
      failures = life.servedMs >= STABLE_MS ? 1 : failures + 1;
      if (failures >= MAX_FAILURES || (life.hopeless && !this.#served)) {
        this.#giveUp(life.cause);
        return;
      }
      this.#setState("backing-off");
      const delayMs = restartDelayMs(failures, this.#spec.firstDelayMs);
      await sleep(delayMs, undefined, { signal: this.#stop.signal }).catch(() => undefined);
      if (!this.#stopping()) this.restarts += 1;
    }
    this.#setState("stopped");
  }

  async #liveOnce(): Promise<Life> {
    const logStart = sizeOf(this.#spec.logFile);
    const child = this.#spawn();
    const ended = new AbortController();
    const end = endOf(child);
    let servingSince: number | undefined;
    let notReady: unknown;
    const ready = this.#spec.ready(ended.signal).then(
      () => {
        if (ended.signal.aborted || this.#stopping()) return;
        servingSince = performance.now();
        this.#setServing();
      },
      (error: unknown) => {
        notReady ??= error;
        if (!ended.signal.aborted) this.#signal(child, "SIGKILL"); // it lives but cannot serve
      },
    );
    const terminate = () => this.#terminate(child, end);
    this.#stop.signal.addEventListener("abort", terminate, { once: true });
    const exit = await end;
    const servedMs = servingSince === undefined ? 0 : performance.now() - servingSince;
    const failedFirst = ended.signal.aborted ? undefined : notReady;
    ended.abort();
    this.#stop.signal.removeEventListener("abort", terminate);
    this.#child = undefined;
    this.#signal(child, "SIGKILL"); // whatever it started itself
    if (child.pid !== undefined && this.#spec.home !== undefined) forgetProcess(this.#spec.home, child.pid);
    await ready;
    return { servedMs, ...explain(this.#spec, logStart, exit, failedFirst) };
  }

  #spawn(): ChildProcess {
    const { command, args, cwd, env, logFile, home } = this.#spec;
    mkdirSync(dirname(logFile), { recursive: true });
    const log = openSync(logFile, "a");
    const child = spawn(command, args, { cwd, env, detached: true, stdio: ["ignore", log, log] });
    closeSync(log);
    this.#child = child;
    if (child.pid !== undefined && home !== undefined) registerProcess(home, this.name, child.pid, "me");
    this.#setState("starting");
    return child;
  }

  /** The polite signal, then the other one. */
  #terminate(child: ChildProcess, end: Promise<Exit>): void {
    this.#setState("stopping");
    this.#signal(child, this.#spec.stopSignal ?? "SIGTERM");
    const timer = setTimeout(() => this.#signal(child, "SIGKILL"), this.#spec.graceMs ?? 10_000);
    void end.then(() => clearTimeout(timer));
  }

  #signal(child: ChildProcess, signal: NodeJS.Signals): void {
    if (child.pid === undefined) return;
    try {
      process.kill(-child.pid, signal);
    } catch (error) {
      if (errnoOf(error) !== "ESRCH" && errnoOf(error) !== "EPERM") throw error; // the group has ended (EPERM: macOS)
    }
  }

  #stopping(): boolean {
    return this.#stop.signal.aborted;
  }

  #setServing(): void {
    this.#served = true;
    this.#setState("running");
    this.#firstReady.resolve(undefined);
  }

  #giveUp(cause: EngineError): void {
    this.#setState("failed");
    if (this.#served) this.#events.onGiveUp(cause);
    else this.#firstReady.reject(cause);
  }

  #setState(state: ProcessState): void {
    this.state = state;
    this.#events.onState?.(this);
  }
}

/** How a child ended: by itself, by a signal, or before it began. */
interface Exit {
  readonly code?: number | undefined;
  readonly signal?: NodeJS.Signals | undefined;
  readonly error?: Error;
}

function endOf(child: ChildProcess): Promise<Exit> {
  return new Promise((resolve) => {
    child.once("error", (error) => resolve({ error }));
    child.once("exit", (code, signal) => resolve({ code: code ?? undefined, signal: signal ?? undefined }));
  });
}

/** Before there is a child: its log cannot be opened, say. */
function cannotStart({ name, logFile }: ProcessSpec, error: unknown): EngineError {
  const code = errnoOf(error) === "ENOSPC" ? "DISK_FULL" : "ENGINE_FAILED";
  const reason = error instanceof Error ? error.message : String(error);
  return new EngineError(code, `${name} cannot be started with its log in ${logFile}: ${reason}`, {
    cause: error,
  });
}

function explain(spec: ProcessSpec, logStart: number, exit: Exit, notReady: unknown): Omit<Life, "servedMs"> {
  const tail = tailOf(spec.logFile, logStart);
  const lastLine = tail.at(-1);
  const how = describeExit(exit, lastLine, notReady);
  const known = diagnose(spec.name, exit, tail);
  const cause =
    known ??
    new EngineError(
      "ENGINE_FAILED",
      [
        `${spec.name} does not stay up (${how}); its log is ${spec.logFile}${tail.length > 0 ? " and ends:" : ""}`,
        ...tail.map((line) => `  ${line}`),
      ].join("\n"),
      { cause: notReady ?? exit.error },
    );
  return { exit: how, cause, hopeless: known !== undefined };
}

function describeExit(exit: Exit, lastLine: string | undefined, notReady: unknown): string {
  if (exit.error !== undefined) return `cannot be started: ${exit.error.message}`;
  if (notReady !== undefined) return notReady instanceof Error ? notReady.message : "never became ready";
  if (exit.signal !== undefined) return `killed by ${exit.signal}`;
  return `exit ${exit.code ?? 0}${lastLine === undefined ? "" : `: ${lastLine}`}`;
}

/** Reasons that trying again does not change, as far as the log tells them. */
function diagnose(name: string, exit: Exit, tail: readonly string[]): EngineError | undefined {
  const log = tail.join("\n");
  const line = (pattern: RegExp) => tail.find((text) => pattern.test(text))?.trim() ?? "";
  if (errnoOf(exit.error) === "ENOENT") {
    return new EngineError("PREREQUISITE_MISSING", `${name} cannot be started: ${exit.error!.message}`);
  }
  const library = /error while loading shared libraries: (\S+):/.exec(log)?.[1];
  if (library !== undefined) {
    return new EngineError(
      "PREREQUISITE_MISSING",
      `${name} needs the system library ${library}, which is not here: install the package that holds it, run everything ` +
        "in Docker (docker compose up), or name servers you have (KAFKA_BROKERS, MYSQL_URL)",
    );
  }
  const full = /ENOSPC|No space left on device|disk full/i;
  if (full.test(log)) {
    return new EngineError("DISK_FULL", `${name} found the disk full (${line(full)}): free some space on it`);
  }
  const inUse = /EADDRINUSE|address already in use|port \d+ is (?:already )?in use/i;
  if (inUse.test(log)) {
    return new EngineError(
      "PORT_IN_USE",
      `${name} found its port in use (${line(inUse)}): end what listens there, or choose another port`,
    );
  }
  if (exit.code === INVALID_USAGE) return new EngineError("ENGINE_FAILED", `${name} cannot start: ${log}`);
  return undefined;
}

function sizeOf(file: string): number {
  return existsSync(file) ? statSync(file).size : 0;
}

/** The last lines written since the file had `start` bytes. */
function tailOf(file: string, start = 0): string[] {
  const size = sizeOf(file);
  const from = Math.max(start, size - TAIL_BYTES);
  if (size <= from) return [];
  const bytes = Buffer.alloc(size - from);
  const descriptor = openSync(file, "r");
  try {
    readSync(descriptor, bytes, 0, bytes.length, from);
  } finally {
    closeSync(descriptor);
  }
  return bytes
    .toString("utf8")
    .split("\n")
    .filter((line) => line.trim() !== "")
    .slice(-TAIL_LINES);
}
