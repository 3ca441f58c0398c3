import { createHash } from "node:crypto";
import { mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { z } from "zod";
import { messageOf, RushhourError } from "../../contract/errors.ts";
import type { FilePosition } from "./follow.ts";

const schema = z.object({
  path: z.string(),
  files: z.array(
    z.object({
      dev: z.string(),
      ino: z.string(),
      offset: z.int().nonnegative(),
      head: z.object({ bytes: z.int().nonnegative(), hash: z.string() }),
    }),
  ),
});

export interface SavedPositions {
  /** @throws RushhourError CONFIG_INVALID for a file that is not ours */
  load(): readonly FilePosition[];
  save(files: readonly FilePosition[]): void;
}

/** How far a log was read, as a file of its own in `folder`. What is there is whole: a new one takes its place by renaming. */
export function savedPositions(folder: string, path: string): SavedPositions {
  const key = createHash("sha256").update(path).digest("hex").slice(0, 12);
  const file = join(folder, `${basename(path)}-${key}.json`);
  let saved = "";
  return {
    load() {
      let text: string;
      try {
        text = readFileSync(file, "utf8");
      } catch {
        return []; // never read
      }
      try {
        return schema.parse(JSON.parse(text)).files;
      } catch (error) {
        throw new RushhourError(
          "CONFIG_INVALID",
          `${file} does not say how far ${path} was read (${messageOf(error)}): remove it, and the log is read from its end, or with --from-start from its start`,
        );
      }
    },
    save(files) {
      const text = JSON.stringify({ path, files });
      if (text === saved) return;
      mkdirSync(folder, { recursive: true, mode: 0o700 });
      writeFileSync(`${file}.new`, text, { mode: 0o600 });
      renameSync(`${file}.new`, file);
      saved = text;
    },
  };
}
