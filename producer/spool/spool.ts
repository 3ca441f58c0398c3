import {
  closeSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
} from "node:fs";
import { open, readFile, type FileHandle } from "node:fs/promises";
import { basename, join } from "node:path";
import { messageOf } from "../../contract/errors.ts";
import { encodeFrames, scanFrames, type Frame } from "./frames.ts";

/**
 * When bytes reach the disk itself. A written record survives `kill -9` of its process whatever the policy; a power cut or a crash of
 * the machine it survives once it is synced: never by ourselves, within 50 ms, or before `append` resolves.
 */
export type FsyncPolicy = "never" | "interval" | "always";

export interface SpoolOptions {
  readonly damagedFolder: string; // where damaged segments go
  readonly capBytes: number;
  readonly fsync: FsyncPolicy;
}

/** A file of frames. It goes when Kafka has all that it holds. */
export interface Segment {
  readonly path: string;
  readonly folder: string; // whose it is: our own, or one that was taken over
  bytes: number;
  held: number; // records of it that are in memory too, and are sent from there
  left: number; // records that only a reader of the file can send; NaN where nobody has counted
  numbered: number; // of all, those that are part of the publisher's account
  delivered: number; // from memory
  readonly bornMs: number;
}

export interface ReadSegment {
  readonly segment: Segment;
  readonly frames: readonly Frame[];
  /** Why there may be fewer frames than were written. */
  readonly damage: string | undefined;
}

export interface Spool {
  /**
   * Writes records behind the others, together with what others append meanwhile.
   * @param isHeld whether they are in memory too: then each is to be `delivered` or `leave`d
   * @returns once no kill of this process can lose them
   * @throws what the disk says; nothing was written
   */
  readonly append: (frames: readonly Frame[], isHeld: boolean) => Promise<Segment>;
  /** Kafka has so many of the records that were held. */
  readonly delivered: (segment: Segment, records: number) => void;
  /** So many records are no longer held: they are sent from the file. */
  readonly leave: (segment: Segment, records: number) => void;
  /** Takes over the segments of a folder that lies in ours. */
  readonly adopt: (folder: string) => void;
  /** The oldest segment that nobody sends from memory; the one being written to counts once it is the only one. */
  readonly read: () => Promise<ReadSegment | undefined>;
  /** Kafka has what could be read of a segment: it goes; a damaged one is set aside. */
  readonly done: (segment: ReadSegment) => void;
  readonly fill: () => number; // 0 to 1, of the cap
  /** Bytes that only a reader of the files can send. */
  readonly backlogBytes: () => number;
  readonly close: () => Promise<void>;
}

const SEGMENT_BYTES = 8 * 2 ** 20; // read whole, so it bounds memory
const SEGMENT_AGE_MS = 1_000; // what is sent again, at most, after its process was killed while Kafka was there
const SYNC_INTERVAL_MS = 50;
const SEGMENT_SUFFIX = ".spool";

/** @param folder exists, and is nobody else's */
export function createSpool(folder: string, { damagedFolder, capBytes, fsync }: SpoolOptions): Spool {
  const sealed: Segment[] = []; // oldest first
  let active: { readonly segment: Segment; readonly handle: FileHandle } | undefined;
  let waiting: Append[] = [];
  let writing: Promise<void> | undefined;
  let isDirty = false;
  let isClosed = false;
  let count = 0;
  let bytes = 0;

  function append(frames: readonly Frame[], isHeld: boolean): Promise<Segment> {
    return new Promise((resolve, reject) => {
      waiting.push({ frames, isHeld, resolve, reject });
      writing ??= writeAll();
    });
  }

  async function writeAll(): Promise<void> {
    await Promise.resolve(); // all that is appended in this turn goes together
    while (waiting.length > 0) {
      const group = waiting;
      waiting = [];
      try {
        const segment = await write(encodeFrames(group.flatMap(({ frames }) => frames)));
        for (const { frames, isHeld, resolve } of group) {
          segment[isHeld ? "held" : "left"] += frames.length;
          for (const { isNumbered } of frames) if (isNumbered) segment.numbered++;
          resolve(segment);
        }
      } catch (error) {
        for (const { reject } of group) reject(error);
      }
    }
    writing = undefined; // in the turn that saw nothing waiting
  }

  async function write(chunk: Buffer): Promise<Segment> {
    if (isClosed) throw new Error("the spool is closed");
    if (active && isFull(active.segment, chunk.length)) await seal();
    active ??= await openSegment();
    const { segment, handle } = active;
    try {
      await handle.appendFile(chunk);
      if (fsync === "always") await handle.datasync();
    } catch (error) {
      // Half a frame must not stand before whole ones; where it cannot be cut off, the next segment begins.
      await handle.truncate(segment.bytes).catch(() => seal());
      throw error;
    }
    isDirty = true;
    segment.bytes += chunk.length;
    bytes += chunk.length;
    return segment;
  }

  async function openSegment() {
    const path = join(folder, `${String(++count).padStart(8, "0")}${SEGMENT_SUFFIX}`);
    const handle = await open(path, "ax", 0o600);
    if (fsync !== "never") syncFolder(folder);
    return { handle, segment: newSegment(path, folder) };
  }

  /** Nothing more is written to the active segment. */
  async function seal(): Promise<void> {
    if (!active) return;
    const { segment, handle } = active;
    active = undefined;
    sealed.push(segment);
    if (fsync === "interval") await handle.datasync().catch(() => undefined);
    await handle.close().catch(() => undefined);
    removeIfDelivered(segment);
  }

  function removeIfDelivered(segment: Segment): void {
    if (segment.held === 0 && segment.left === 0 && sealed.includes(segment)) remove(segment);
  }

  function remove(segment: Segment): void {
    rmSync(segment.path, { force: true });
    forget(segment);
  }

  function forget(segment: Segment): void {
    sealed.splice(sealed.indexOf(segment), 1);
    bytes -= segment.bytes;
  }

  const syncing =
    fsync === "interval"
      ? setInterval(() => {
          if (!isDirty) return;
          isDirty = false;
          void active?.handle.datasync().catch(() => undefined); // the next one tries again
        }, SYNC_INTERVAL_MS).unref()
      : undefined;

  return {
    append,
    delivered(segment, records) {
      segment.held -= records;
      segment.delivered += records;
      removeIfDelivered(segment);
    },
    leave(segment, records) {
      segment.held -= records;
      segment.left += records;
    },
    adopt(other) {
      for (const path of segmentsOf(other)) {
        const segment = { ...newSegment(path, other), bytes: statSync(path).size, left: NaN };
        sealed.push(segment);
        bytes += segment.bytes;
      }
    },
    async read() {
      if (!sealed.some(isReadable) && active && isReadable(active.segment)) {
        await writing;
        await seal();
      }
      const segment = sealed.find(isReadable);
      return segment && { segment, ...(await readFrames(segment.path)) };
    },
    done({ segment, damage }) {
      if (damage === undefined) rmSync(segment.path, { force: true });
      else setAside(segment, damagedFolder);
      forget(segment);
    },
    fill: () => bytes / capBytes,
    backlogBytes: () =>
      [...sealed, ...(active ? [active.segment] : [])].reduce(
        (sum, { left, bytes }) => sum + (left === 0 ? 0 : bytes),
        0,
      ),
    async close() {
      clearInterval(syncing);
      await writing;
      isClosed = true;
      await seal();
    },
  };
}

const newSegment = (path: string, folder: string): Segment => ({
  ...{ path, folder, bytes: 0, held: 0, left: 0, numbered: 0, delivered: 0, bornMs: Date.now() },
});

interface Append {
  readonly frames: readonly Frame[];
  readonly isHeld: boolean;
  readonly resolve: (segment: Segment) => void;
  readonly reject: (reason: unknown) => void;
}

/** By bytes; by age as long as all of it is sent from memory. */
const isFull = ({ bytes, left, bornMs }: Segment, more: number) =>
  bytes > 0 && (bytes + more > SEGMENT_BYTES || (left === 0 && Date.now() - bornMs > SEGMENT_AGE_MS));

const isReadable = ({ held, left }: Segment) => held === 0 && left !== 0;

async function readFrames(path: string): Promise<Omit<ReadSegment, "segment">> {
  try {
    const { frames, damaged } = scanFrames(await readFile(path)); // a torn tail was never promised to anybody
    return { frames, damage: damaged > 0 ? `${damaged} bytes are not what was written` : undefined };
  } catch (error) {
    return { frames: [], damage: messageOf(error) };
  }
}

function setAside({ path, folder }: Segment, damagedFolder: string): void {
  try {
    mkdirSync(damagedFolder, { recursive: true, mode: 0o700 });
    renameSync(path, join(damagedFolder, `${basename(folder).replace(/^from-/, "")}-${basename(path)}`));
  } catch {
    // gone altogether: there is nothing to look at
  }
}

/** Paths of the segments in a folder, oldest first. */
export function segmentsOf(folder: string): string[] {
  return readdirSync(folder)
    .filter((name) => name.endsWith(SEGMENT_SUFFIX))
    .sort()
    .map((name) => join(folder, name));
}

/** A new file survives a power cut only once its name does. */
function syncFolder(folder: string): void {
  const descriptor = openSync(folder, "r");
  try {
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}
