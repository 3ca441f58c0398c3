import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmdirSync } from "node:fs";
import { open, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import type { Kind } from "../schedule.ts";
import type { Prepare } from "../stage.ts";

/** Small disks of their own, in memory, and what each holds at the start: engines need some room. */
const DISKS = {
  spool: { megabytes: 64, folder: ({ roles }: Folders) => join(roles, "spool") },
  kafka: { megabytes: 512, folder: ({ home }: Folders) => join(home, "kafka") },
  mariadb: { megabytes: 768, folder: ({ home }: Folders) => join(home, "mariadb") },
};
type Disk = keyof typeof DISKS;
type Folders = Parameters<Prepare>[0];

const PIECE = Buffer.alloc(2 ** 20);
const LAST_PIECE = PIECE.subarray(0, 4096);
const FILL_AGAIN_MS = 50;

const mount = (folder: string, megabytes: number) =>
  spawnSync("mount", ["-t", "tmpfs", "-o", `size=${megabytes}m,mode=700`, "tmpfs", folder]).status === 0;
const unmount = (folder: string) => void spawnSync("umount", ["-l", folder]);

const mountDisks: Prepare = (folders) => {
  const mounted = Object.values(DISKS).map(({ folder, megabytes }) => {
    mkdirSync(folder(folders), { recursive: true });
    mount(folder(folders), megabytes);
    return folder(folders);
  });
  return { undo: () => mounted.forEach(unmount) };
};

/** Why these blows cannot be had on this machine. */
export function whyNoDisks(): string | undefined {
  const folder = mkdtempSync(join(tmpdir(), "rushhour-mount-"));
  const isMounted = mount(folder, 1);
  if (isMounted) unmount(folder);
  rmdirSync(folder);
  return isMounted ? undefined : "small disks cannot be mounted here (that needs root)";
}

/** A disk is full, and stays so while others free what they can, until somebody makes room. */
export const diskBlows: Readonly<Record<string, Kind>> = Object.fromEntries(
  (Object.keys(DISKS) as Disk[]).map((disk): [string, Kind] => [
    `disk-full-${disk}`,
    Object.assign<Kind, { prepare: Prepare }>(
      (rng) => {
        const fullMs = 2_000 + rng.integer(6_000);
        return {
          name: `disk of ${disk} full for ${fullMs} ms`,
          hits: disk === "spool" ? [] : [disk],
          async strike(stage) {
            const ballast = join(DISKS[disk].folder(stage), "ballast");
            const endMs = performance.now() + fullMs;
            while (performance.now() < endMs) {
              await fill(ballast);
              await wait(FILL_AGAIN_MS);
            }
            await rm(ballast, { force: true });
            if (disk !== "spool") await stage.until(`${disk} to serve again`, () => stage.isRunning(disk));
          },
        };
      },
      { prepare: mountDisks },
    ),
  ]),
);

async function fill(path: string): Promise<void> {
  const file = await open(path, "a");
  try {
    for (const piece of [PIECE, LAST_PIECE]) {
      try {
        for (;;) await file.write(piece);
      } catch {
        // full
      }
    }
  } finally {
    await file.close();
  }
}
