import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { createServer, connect } from "node:net";
import { createHash } from "node:crypto";
import { tmpdir } from "node:os";
import { basename, join, resolve } from "node:path";
import { z } from "zod";
import { segmentsOf } from "./spool.ts";

/** Whose folder it is: enough to speak for a publisher that cannot any more. */
const spoolOwner = z.object({
  source: z.uuid(),
  service: z.string().min(1).max(64),
  instance: z.string().max(128),
  started_at: z.iso.datetime(),
  mode: z.enum(["spill", "always"]),
});
export type SpoolOwner = z.output<typeof spoolOwner>;

export interface OwnedFolder {
  readonly path: string;
  /** Lets go of it; removed where nothing is left in it, so the next publisher takes over what is. */
  release(): Promise<void>;
}

export interface FolderState {
  readonly path: string;
  readonly owner: SpoolOwner | undefined; // undefined: its note cannot be read
  readonly isAlive: boolean;
  readonly segments: number;
  readonly bytes: number;
}

const OWNER_FILE = "owner.json";
const SOCKET_FILE = "alive";
/** Of segments that were changed by something else; people decide. */
export const DAMAGED_FOLDER = "damaged";
const BEING_MADE = ".making-";
const TAKEN_OVER = "from-";

/**
 * Makes the folder of a publisher, `<root>/<source>`. As long as its process lives, a Unix socket in it listens: the kernel answers for
 * a process that is stopped or busy, and refuses for one that is gone, whatever became of its pid.
 * @throws what the disk says
 */
export async function ownFolder(root: string, owner: SpoolOwner): Promise<OwnedFolder> {
  mkdirSync(root, { recursive: true, mode: 0o700 });
  const path = join(root, owner.source);
  const making = join(root, `${BEING_MADE}${owner.source}`);
  mkdirSync(making, { mode: 0o700 });
  writeFileSync(join(making, OWNER_FILE), `${JSON.stringify(owner)}\n`);
  const server = createServer((socket) => socket.destroy()).unref();
  await new Promise<void>((done, failed) => {
    server.once("error", failed);
    server.listen(socketPath(making, path), done);
  });
  renameSync(making, path); // only now others see it, alive
  return {
    path,
    async release() {
      removeIfEmpty(path); // while others still see it alive
      await new Promise((done) => server.close(done));
      if (process.platform !== "win32") rmSync(socketPath(path, path), { force: true });
    },
  };
}

/**
 * Takes over the folders of publishers that are gone: each is moved into `into`, which only one can do.
 * @returns their new paths
 */
export async function takeOver(root: string, into: string): Promise<string[]> {
  const taken: string[] = [];
  for (const { path, isAlive } of await listFolders(root)) {
    if (isAlive) continue;
    taken.push(...takenBefore(path).flatMap((inner) => moved(inner, into)), ...moved(path, into));
  }
  return taken;
}

/** What the folder says of its publisher; undefined where it cannot be read. */
export function ownerOf(folder: string): SpoolOwner | undefined {
  try {
    return spoolOwner.parse(JSON.parse(readFileSync(join(folder, OWNER_FILE), "utf8")));
  } catch {
    return undefined;
  }
}

export async function listFolders(root: string): Promise<FolderState[]> {
  const sources = entriesOf(root).filter((name) => z.uuid().safeParse(name).success);
  return Promise.all(sources.map((name) => stateOf(join(root, name))));
}

async function stateOf(path: string): Promise<FolderState> {
  const paths = [path, ...takenBefore(path)].flatMap(segmentsOf);
  return {
    path,
    owner: ownerOf(path),
    isAlive: await isAlive(path),
    segments: paths.length,
    bytes: paths.reduce((sum, segment) => sum + sizeOf(segment), 0),
  };
}

/** Whether it holds records that nobody sends. */
export const isLeft = ({ isAlive, segments }: FolderState): boolean => !isAlive && segments > 0;

/** Folders that its publisher took over and did not finish. */
const takenBefore = (folder: string) =>
  entriesOf(folder)
    .filter((name) => name.startsWith(TAKEN_OVER))
    .map((name) => join(folder, name));

function moved(folder: string, into: string): string[] {
  const to = join(into, `${TAKEN_OVER}${basename(folder).replace(TAKEN_OVER, "")}`);
  try {
    renameSync(folder, to);
    return [to];
  } catch {
    return []; // somebody else was quicker
  }
}

/** Removes a folder of which nothing is left to send. @returns whether it did */
export function removeIfEmpty(folder: string): boolean {
  const isEmpty = entriesOf(folder).every((name) => name === OWNER_FILE || name === SOCKET_FILE);
  if (isEmpty) rmSync(folder, { recursive: true, force: true });
  return isEmpty;
}

function isAlive(folder: string): Promise<boolean> {
  return new Promise((done) => {
    const socket = connect(socketPath(folder, folder));
    socket.once("connect", () => {
      socket.destroy();
      done(true);
    });
    socket.once("error", () => done(false));
  });
}

/**
 * In the folder; where that makes a path too long for a socket (107 bytes in sun_path), in the system's temporary folder, and on Windows
 * a named pipe.
 * @param name the path that the folder has for others
 */
function socketPath(folder: string, name: string): string {
  const path = join(folder, SOCKET_FILE);
  const isWindows = process.platform === "win32";
  if (!isWindows && Buffer.byteLength(path) <= 100) return path;
  const hashed = `rushhour-${createHash("sha256").update(resolve(name)).digest("hex").slice(0, 16)}`;
  return isWindows ? `\\\\.\\pipe\\${hashed}` : join(tmpdir(), hashed);
}

function entriesOf(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return []; // not there, or a file
  }
}

function sizeOf(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.size ?? 0;
}
