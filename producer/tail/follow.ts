import { createHash } from "node:crypto";
import { open, readdir, stat, type FileHandle } from "node:fs/promises";
import { dirname, join } from "node:path";

/** A complete line, and where it began. */
export interface FileLine {
  readonly text: string;
  readonly offset: number; // bytes
  readonly head: Head; // of its file
}

/** How a file begins: what tells it from another that has its name or its inode later. */
export interface Head {
  readonly bytes: number;
  readonly hash: string;
}

/** How far a file has been read; a file keeps its inode when it is renamed. */
export interface FilePosition {
  readonly dev: string;
  readonly ino: string;
  readonly offset: number;
  readonly head: Head;
}

export interface FollowOptions {
  /** Where to go on. A file that is gone is left out. */
  readonly positions?: readonly FilePosition[];
  /** Whether a file that no position knows is read from its start, at the beginning; otherwise from its end. */
  readonly fromStart: boolean;
}

export interface Follower {
  /** The next complete lines, oldest file first; none when there are no new ones. */
  read(): Promise<FileLine[]>;
  /** How far `read` has come. */
  positions(): FilePosition[];
  /** Files of given positions that could not be found: what was not read of them is lost to us. */
  readonly missing: number;
  close(): Promise<void>;
}

const CHUNK_BYTES = 256 * 1024; // a line that is longer is no line, and is passed over
const HEAD_BYTES = 256;
/** Whoever writes a log goes on writing to a renamed one until it is told to open the new one. */
const ROTATED_MS = 60_000;

interface Source {
  readonly handle: FileHandle;
  readonly dev: string;
  readonly ino: string;
  head: Head;
  offset: number;
  isInLine: boolean; // in the middle of a line that is not wanted
  rotatedAt: number | undefined; // performance.now()
}

/**
 * Follows a file through rotation: renamed, it is read to its end beside the one that has its name now; truncated (copytruncate), it is read from
 * its start again, also when it has grown beyond where it was.
 * @throws Error when the path cannot be read
 */
export async function followFile(
  path: string,
  { positions = [], fromStart }: FollowOptions,
): Promise<Follower> {
  const sources: Source[] = [];
  const files = positions.length > 0 ? await siblings(path) : new Map<string, string>();
  let missing = 0;
  for (const position of positions) {
    const name = files.get(`${position.dev}/${position.ino}`);
    const source = name === undefined ? undefined : await openSource(name);
    if (source && (await isHead(source, position.head))) {
      sources.push({ ...source, ...position });
    } else {
      missing++;
      await source?.handle.close();
    }
  }
  await openCurrent(positions.length > 0 || fromStart);

  /** The file that has the name now, where it is not among ours; the others have been rotated. */
  async function openCurrent(isFromStart: boolean): Promise<void> {
    const now = await stat(path, { bigint: true }).catch((error: unknown) => {
      if (sources.length === 0) throw error;
      return undefined; // just renamed
    });
    if (now === undefined) return;
    const isNow = (source: Source) => source.dev === String(now.dev) && source.ino === String(now.ino);
    for (const source of sources) {
      if (isNow(source)) source.rotatedAt = undefined;
      else source.rotatedAt ??= performance.now();
    }
    if (sources.some(isNow)) return;
    const source = await openSource(path);
    if (!isFromStart) await moveToEnd(source);
    sources.push(source);
  }

  async function closeRotated(): Promise<void> {
    for (const source of [...sources]) {
      if (source.rotatedAt === undefined || performance.now() - source.rotatedAt < ROTATED_MS) continue;
      sources.splice(sources.indexOf(source), 1);
      await source.handle.close();
    }
  }

  return {
    missing,
    async read() {
      for (const source of sources) {
        const lines = await linesOf(source);
        if (lines.length > 0) return lines;
      }
      await openCurrent(true);
      await closeRotated();
      return [];
    },
    positions: () => sources.map(({ dev, ino, offset, head }) => ({ dev, ino, offset, head })),
    async close() {
      for (const { handle } of sources.splice(0)) await handle.close();
    },
  };
}

async function openSource(path: string): Promise<Source> {
  const handle = await open(path, "r");
  const { dev, ino } = await handle.stat({ bigint: true });
  const head = { bytes: 0, hash: "" };
  return {
    handle,
    head,
    dev: String(dev),
    ino: String(ino),
    offset: 0,
    isInLine: false,
    rotatedAt: undefined,
  };
}

/** Files in the folder of a log by device and inode: the rotated ones lie beside it. */
async function siblings(path: string): Promise<Map<string, string>> {
  const folder = dirname(path);
  const files = new Map<string, string>();
  for (const name of await readdir(folder)) {
    const file = await stat(join(folder, name), { bigint: true }).catch(() => undefined);
    if (file?.isFile()) files.set(`${file.dev}/${file.ino}`, join(folder, name));
  }
  return files;
}

async function moveToEnd(source: Source): Promise<void> {
  const { size } = await source.handle.stat();
  source.offset = size;
  if (size === 0) return;
  source.isInLine = (await readAt(source, size - 1, 1)).toString() !== "\n";
  source.head = await headOf(source);
}

/** The complete lines of the next chunk. */
async function linesOf(source: Source): Promise<FileLine[]> {
  const { size } = await source.handle.stat();
  if (size < source.offset || !(await isHead(source, source.head))) {
    Object.assign(source, { offset: 0, isInLine: false, head: { bytes: 0, hash: "" } });
  }
  if (size <= source.offset) return [];
  if (source.head.bytes === 0) source.head = await headOf(source);
  for (;;) {
    const chunk = await readAt(source, source.offset, CHUNK_BYTES);
    const end = chunk.lastIndexOf(0x0a) + 1;
    if (end === 0 && chunk.length < CHUNK_BYTES) return []; // not yet complete
    const lines = linesIn(source, chunk.subarray(0, end));
    source.isInLine = end === 0;
    source.offset += end || chunk.length;
    if (lines.length > 0) return lines;
  }
}

function linesIn(source: Source, chunk: Buffer): FileLine[] {
  const lines: FileLine[] = [];
  for (let at = 0; at < chunk.length;) {
    const next = chunk.indexOf(0x0a, at) + 1;
    const isRest = at === 0 && source.isInLine;
    const text = chunk.toString("utf8", at, next - 1);
    if (!isRest) lines.push({ text, offset: source.offset + at, head: source.head });
    at = next;
  }
  return lines;
}

/** Up to the first line's end, so that it stays what it is while the file grows; nothing before that line is complete. */
async function headOf(source: Source): Promise<Head> {
  const start = await readAt(source, 0, HEAD_BYTES);
  const end = start.indexOf(0x0a) + 1 || (start.length === HEAD_BYTES ? HEAD_BYTES : 0);
  return { bytes: end, hash: end === 0 ? "" : hashOf(start.subarray(0, end)) };
}

async function isHead(source: Source, { bytes, hash }: Head): Promise<boolean> {
  return bytes === 0 || hashOf(await readAt(source, 0, bytes)) === hash;
}

const hashOf = (bytes: Buffer) => createHash("sha256").update(bytes).digest("hex").slice(0, 32);

async function readAt({ handle }: Source, position: number, length: number): Promise<Buffer> {
  const { buffer, bytesRead } = await handle.read(Buffer.alloc(length), 0, length, position);
  return buffer.subarray(0, bytesRead);
}
