import { writeFileSync } from "node:fs";
import { messageOf, RushhourError } from "../contract/errors.ts";

/**
 * Writes a result to a file; one that exists is replaced.
 * @param flag by which the path was given
 * @throws RushhourError CONFIG_INVALID naming the flag
 */
export function writeResult(flag: string, path: string, text: string): void {
  try {
    writeFileSync(path, text);
  } catch (error) {
    throw new RushhourError(
      "CONFIG_INVALID",
      `${flag}=${path} cannot be written: ${messageOf(error)}; name a file in a folder that exists`,
      { cause: error },
    );
  }
}
