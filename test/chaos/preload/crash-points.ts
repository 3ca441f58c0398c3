import { existsSync, rmSync } from "node:fs";
import { open } from "node:fs/promises";

/** Preloaded into the API: ends it at its next write to an open file, which is the spool's, once a file asks for that. */
const folder = process.env["CHAOS_FOLDER"];
if (folder !== undefined && process.argv[2] === "api") await endAtWrites(folder);

async function endAtWrites(folder: string): Promise<void> {
  const handle = await open("/dev/null", "a");
  const prototype = Object.getPrototypeOf(handle) as { appendFile: (chunk: Buffer) => Promise<void> };
  await handle.close();
  const appendFile = prototype.appendFile;
  const isAsked = (when: string) => {
    const file = `${folder}/crash-${when}-write`;
    if (!existsSync(file)) return false;
    rmSync(file);
    return true;
  };
  const end = () => process.kill(process.pid, "SIGKILL");
  prototype.appendFile = async function (chunk) {
    if (isAsked("before")) end();
    if (isAsked("amid")) {
      await appendFile.call(this, chunk.subarray(0, chunk.length >> 1));
      end();
    }
    await appendFile.call(this, chunk);
    if (isAsked("after")) end();
  };
}
