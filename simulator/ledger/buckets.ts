import { randomUUID } from "node:crypto";
import { open, unlink, type FileHandle } from "node:fs/promises";
import { messageOf, RushhourError } from "../../contract/errors.ts";

/** Lines on disk, parted by the hash of their first word: lines of one id are in one bucket, in their order. */
export interface Buckets {
  /** Parts `lines`, none of which has a line feed. @returns the lines of a bucket, read as they are asked for */
  sort(lines: AsyncIterable<string>): Promise<(bucket: number) => AsyncIterable<string>>;
  close(): Promise<void>;
}

const BLOCK_CHARS = 65_536;

/**
 * Buckets in one file beside `path` that loses its name at once: whatever ends the process, nothing is left behind.
 * @param count of buckets; each holds up to 64 KiB in memory while it is filled
 * @throws RushhourError DISK_FULL when it cannot be written, here or in `sort`
 */
export async function openBuckets(path: string, count: number): Promise<Buckets> {
  const name = `${path}.${randomUUID()}.tmp`;
  const file = await attempt(path, () => open(name, "ax+"));
  await unlink(name);
  let endOfFile = 0;

  return {
    async sort(lines) {
      const buckets = Array.from({ length: count }, (): Bucket => ({ unwritten: "", blocks: [] }));
      const flush = async (bucket: Bucket) => {
        const block = Buffer.from(bucket.unwritten);
        await attempt(path, () => file.appendFile(block));
        bucket.blocks.push({ position: endOfFile, length: block.length });
        bucket.unwritten = "";
        endOfFile += block.length;
      };
      for await (const line of lines) {
        const bucket = buckets[bucketOf(line, count)]!;
        bucket.unwritten += `${line}\n`;
        if (bucket.unwritten.length >= BLOCK_CHARS) await flush(bucket);
      }
      for (const bucket of buckets) if (bucket.unwritten !== "") await flush(bucket);
      return (bucket) => linesOf(file, buckets[bucket]!.blocks);
    },
    close: () => file.close(),
  };
}

interface Block {
  readonly position: number;
  readonly length: number;
}

interface Bucket {
  unwritten: string;
  readonly blocks: Block[];
}

async function* linesOf(file: FileHandle, blocks: readonly Block[]): AsyncGenerator<string, void, undefined> {
  for (const { position, length } of blocks) {
    const { buffer } = await file.read(Buffer.alloc(length), 0, length, position);
    yield* buffer.toString().slice(0, -1).split("\n");
  }
}

/** FNV-1a of the first word. @see https://datatracker.ietf.org/doc/html/draft-eastlake-fnv-35 */
function bucketOf(line: string, count: number): number {
  let hash = 0x811c9dc5;
  for (let at = 0; at < line.length; at++) {
    const code = line.charCodeAt(at);
    if (code === 0x20) break;
    hash = Math.imul(hash ^ code, 0x01000193);
  }
  return (hash >>> 0) % count;
}

async function attempt<T>(path: string, write: () => Promise<T>): Promise<T> {
  try {
    return await write();
  } catch (error) {
    throw new RushhourError(
      "DISK_FULL",
      `the ledger cannot be made, as it sorts the ids of ${path} into a file beside it, which cannot be written: ` +
        `${messageOf(error)}; it needs about twice the tally's size there`,
      { cause: error },
    );
  }
}
