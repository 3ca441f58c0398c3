import { join } from "node:path";
import { v4 as uuidv4 } from "uuid";
import { messageOf, RushhourError } from "../../contract/errors.ts";
import { DAMAGED_FOLDER, ownFolder, ownerOf, removeIfEmpty, takeOver, type SpoolOwner } from "./folders.ts";
import { createSpool, type FsyncPolicy, type ReadSegment, type Spool } from "./spool.ts";

/**
 * `spill`: to disk goes what Kafka does not take; a killed process loses what it held in memory, some 20 ms of records while all is well.
 * `always`: each record is on disk before the last byte of its response goes out, so that a response implies a row.
 */
export type SpoolMode = "spill" | "always";

export interface OpenSpoolOptions {
  readonly root: string; // folder for all publishers' folders
  readonly mode: SpoolMode;
  readonly service: string;
  readonly instance: string;
  readonly capBytes?: number; // default 1 GiB
  readonly fsync?: FsyncPolicy; // default never
}

/** The spool of one publisher, with what dead ones left. */
export interface PublisherSpool extends Pick<
  Spool,
  "append" | "delivered" | "leave" | "read" | "fill" | "backlogBytes"
> {
  readonly owner: SpoolOwner;
  /** Takes over what publishers that are gone have left. @returns how many there were */
  takeOver(): Promise<number>;
  /** Kafka has what could be read of a segment. @returns whose last it was, if it was that of a publisher that is gone */
  done(segment: ReadSegment): SpoolOwner | undefined;
  /** Whether a segment was written by this process. */
  isOwn(segment: ReadSegment): boolean;
  close(): Promise<void>;
}

const CAP_BYTES = 2 ** 30;

/** @throws RushhourError CONFIG_INVALID where nothing can be written */
export async function openSpool(options: OpenSpoolOptions): Promise<PublisherSpool> {
  const { root, mode, service, instance, capBytes = CAP_BYTES, fsync = "never" } = options;
  const owner = { source: uuidv4(), service, instance, started_at: new Date().toISOString(), mode };
  const folder = await ownFolder(root, owner).catch((error: unknown) => {
    throw new RushhourError(
      "CONFIG_INVALID",
      `nothing can be written to the spool in ${root}: ${messageOf(error)}; name another folder in RUSHHOUR_SPOOL_DIR, or do without it by RUSHHOUR_SPOOL=off`,
      { cause: error },
    );
  });
  const spool = createSpool(folder.path, { damagedFolder: join(root, DAMAGED_FOLDER), capBytes, fsync });
  const { append, delivered, leave, read, fill, backlogBytes } = spool;
  return {
    ...{ owner, append, delivered, leave, read, fill, backlogBytes },
    async takeOver() {
      const folders = await takeOver(root, folder.path);
      for (const other of folders) {
        spool.adopt(other);
        removeIfEmpty(other);
      }
      return folders.length;
    },
    done(segment) {
      const { folder: from } = segment.segment;
      const gone = from === folder.path ? undefined : ownerOf(from);
      spool.done(segment);
      return from !== folder.path && removeIfEmpty(from) ? gone : undefined;
    },
    isOwn: ({ segment }) => segment.folder === folder.path,
    async close() {
      await spool.close();
      await folder.release();
    },
  };
}
