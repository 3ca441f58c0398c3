import { hash } from "node:crypto";
import { messagePattern } from "./error-group.ts";

/**
 * Errors that programs logged and that have one cause: the same type, the same message but for its numbers and ids, and the same calls
 * nearest to the throw. Not the service, so that one defect in a shared part is one group.
 */
export interface AppErrorGroup {
  readonly error_type: string | null;
  readonly message: string; // a pattern: see messagePattern
  readonly frames: readonly string[]; // likewise, so that a line that moved is no new group
}

/** What a row says of its error. */
export interface LoggedError {
  readonly error_type: string | null;
  readonly message: string;
  readonly stack: string | null;
}

/** Frames of a stack that count: the place where it was thrown and who called that. */
const TOP_FRAMES = 3;

export function appErrorGroup({ error_type, message, stack }: LoggedError): AppErrorGroup {
  const frames = topFrames(stack ?? "").map((frame) => messagePattern(frame)!);
  return { error_type, message: messagePattern(message)!, frames };
}

/** The name of a group: the first 16 hexadecimal digits of SHA-256 over it. */
export function appFingerprint({ error_type, message, frames }: AppErrorGroup): string {
  return hash("sha256", [error_type ?? "", message, ...frames].join("\0")).slice(0, 16);
}

export const isPythonTrace = (firstLine: string): boolean =>
  firstLine.startsWith("Traceback (most recent call last)");

/** The calls nearest to the throw, as lines: V8 and Java write them first, Python last. */
function topFrames(stack: string): string[] {
  const lines = stack.split("\n").map((line) => line.trim());
  if (isPythonTrace(lines[0]!)) return lines.filter((line) => line.startsWith("File ")).slice(-TOP_FRAMES);
  return lines.filter((line) => line.startsWith("at ")).slice(0, TOP_FRAMES);
}
