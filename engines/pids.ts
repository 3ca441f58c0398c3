import { randomUUID } from "node:crypto";
import { execFileSync } from "node:child_process";
import {
  existsSync,
  linkSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { errnoOf } from "./errors.ts";

/**
 * Which processes are ours, so that what a killed parent left behind can be ended by its next start: one file a
 * process, `<home>/processes/<pid>.json`, so that writers never share a file. A pid alone proves nothing (the system
 * gives it out again), so each stands with the start time that the system reports for it.
 */
export interface ProcessIdentity {
  readonly pid: number;
  /** Opaque; equal only for the same process. */
  readonly startTime: string;
}

export interface RegisteredProcess extends ProcessIdentity {
  readonly name: string;
  /** Who must be alive for this process to go on; null: it goes on until it is stopped. */
  readonly owner: ProcessIdentity | null;
}

/** When the process started, as the system tells it; undefined when it is gone (or a zombie). */
export function startTimeOf(pid: number): string | undefined {
  if (pid <= 0) return undefined;
  return existsSync("/proc/self/stat") ? startTimeFromProc(pid) : startTimeFromPs(pid);
}

function startTimeFromProc(pid: number): string | undefined {
  try {
    return parseProcStat(readFileSync(`/proc/${pid}/stat`, "utf8"));
  } catch {
    return undefined; // no such process
  }
}

/** Field 22 of /proc/<pid>/stat (clock ticks since boot); the name in field 2 may hold blanks and brackets. */
export function parseProcStat(stat: string): string | undefined {
  const [state, ...rest] = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return state === "Z" || state === "X" ? undefined : rest[18];
}

function startTimeFromPs(pid: number): string | undefined {
  try {
    const line = execFileSync("ps", ["-o", "stat=,lstart=", "-p", String(pid)], { encoding: "utf8" }).trim();
    return line === "" || line.startsWith("Z") ? undefined : line.replace(/^\S+\s+/, "");
  } catch {
    return undefined; // ps exits 1 when there is no such process
  }
}

export function isAlive(process: ProcessIdentity): boolean {
  return startTimeOf(process.pid) === process.startTime;
}

function thisProcess(): ProcessIdentity {
  return { pid: process.pid, startTime: startTimeOf(process.pid) ?? "" };
}

const folderOf = (home: string) => join(home, "processes");

/**
 * Registers a process that was just started.
 * @param owner "me": end it when this process is gone; "nobody": it outlives its parent
 */
export function registerProcess(home: string, name: string, pid: number, owner: "me" | "nobody"): void {
  const startTime = startTimeOf(pid);
  if (startTime === undefined) return; // gone already
  const entry: RegisteredProcess = { name, pid, startTime, owner: owner === "me" ? thisProcess() : null };
  writeWhole(join(folderOf(home), `${pid}.json`), JSON.stringify(entry));
}

export function forgetProcess(home: string, pid: number): void {
  rmSync(join(folderOf(home), `${pid}.json`), { force: true });
}

/** The registered processes that are alive; what is gone is taken off the register. */
export function livingProcesses(home: string): RegisteredProcess[] {
  const folder = folderOf(home);
  if (!existsSync(folder)) return [];
  return readdirSync(folder)
    .filter((file) => file.endsWith(".json"))
    .flatMap((file) => {
      const entry = readIdentity(join(folder, file)) as RegisteredProcess | undefined;
      if (entry !== undefined && isAlive(entry)) return [entry];
      rmSync(join(folder, file), { force: true });
      return [];
    });
}

/**
 * Ends what the dead owners of processes left behind.
 * @returns the names of the processes ended
 */
export async function endOrphans(home: string): Promise<string[]> {
  const orphans = findOrphans(home);
  await Promise.all(orphans.map((orphan) => endProcess(home, orphan)));
  return orphans.map((orphan) => orphan.name);
}

export function findOrphans(home: string): RegisteredProcess[] {
  return livingProcesses(home).filter((entry) => entry.owner !== null && !isAlive(entry.owner));
}

/** Ends a registered process with its group: SIGTERM, and SIGKILL after `graceMs`. */
export async function endProcess(home: string, entry: RegisteredProcess, graceMs = 10_000): Promise<void> {
  signalGroup(entry, "SIGTERM");
  const deadline = performance.now() + graceMs;
  let killed = false;
  while (isAlive(entry)) {
    if (!killed && performance.now() > deadline) {
      signalGroup(entry, "SIGKILL");
      killed = true;
    }
    await sleep(50);
  }
  forgetProcess(home, entry.pid);
}

function signalGroup(entry: ProcessIdentity, signal: NodeJS.Signals): void {
  try {
    if (isAlive(entry)) process.kill(-entry.pid, signal);
  } catch (error) {
    if (errnoOf(error) !== "ESRCH") throw error; // it has ended in between
  }
}

export type Lock = { readonly release: () => void } | { readonly holder: ProcessIdentity };

/**
 * Takes the lock file `path` for this process, or names the living process that holds it. A lock whose holder is
 * dead is taken over.
 */
export function tryLock(path: string): Lock {
  const draft = `${path}.${randomUUID()}`;
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(draft, JSON.stringify(thisProcess()));
  try {
    for (;;) {
      if (linked(draft, path)) return { release: () => rmSync(path, { force: true }) };
      const holder = readIdentity(path);
      if (holder !== undefined && isAlive(holder)) return { holder };
      removeStale(path, holder);
    }
  } finally {
    rmSync(draft, { force: true });
  }
}

/** A hard link appears with its whole content or not at all, and never over another. */
function linked(from: string, to: string): boolean {
  try {
    linkSync(from, to);
    return true;
  } catch (error) {
    if (errnoOf(error) === "EEXIST") return false;
    throw error;
  }
}

/** Moves the lock away before looking at it again: another process may have taken it over a moment ago. */
function removeStale(path: string, seen: ProcessIdentity | undefined): void {
  const grave = `${path}.${randomUUID()}`;
  try {
    renameSync(path, grave);
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return; // released
    throw error;
  }
  const moved = readIdentity(grave);
  if (moved !== undefined && moved.startTime !== seen?.startTime && isAlive(moved)) linked(grave, path);
  rmSync(grave, { force: true });
}

/** undefined when the file is gone or torn. */
function readIdentity(path: string): ProcessIdentity | undefined {
  try {
    return JSON.parse(readFileSync(path, "utf8")) as ProcessIdentity;
  } catch {
    return undefined;
  }
}

/** Writes a file so that a reader, or a crash, meets the old content or the new, never a half. */
export function writeWhole(path: string, content: string, mode = 0o644): void {
  const draft = `${path}.${randomUUID()}`;
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(draft, content, { mode });
  renameSync(draft, path);
}
