import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import type { Readable } from "node:stream";

export interface RunResult {
  /** 0 to 255; undefined when a signal ended it. */
  readonly exitCode: number | undefined;
  /** Standard output and error, in the order of arrival, one line each. */
  readonly lines: readonly string[];
}

/**
 * Runs a command to its end.
 * @throws the system's error (ENOENT, EACCES …) when it cannot be started
 */
export function run(
  command: string,
  args: readonly string[],
  options: { cwd?: string; onLine?: (line: string) => void; signal?: AbortSignal | undefined } = {},
): Promise<RunResult> {
  const child = spawn(command, args, {
    cwd: options.cwd,
    signal: options.signal,
    stdio: ["ignore", "pipe", "pipe"],
  });
  const lines: string[] = [];
  const collect = (stream: Readable) =>
    createInterface({ input: stream }).on("line", (line) => {
      lines.push(line);
      options.onLine?.(line);
    });
  collect(child.stdout);
  collect(child.stderr);
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (code) => resolve({ exitCode: code ?? undefined, lines }));
  });
}
