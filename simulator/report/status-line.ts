import type { Writable } from "node:stream";
import type { Progress } from "../figures/recorder.ts";
import { milliseconds } from "./format.ts";
import type { Run } from "../engine/run.ts";
import type { EndedRequest } from "../figures/samples.ts";

const TERMINAL_MS = 500;
const PLAIN_MS = 10_000;
/** Takes away the line at hand on a terminal. */
export const CLEAR_LINE = "\r\x1b[2K";

/** One line that says how a run stands, without a line feed; within 80 columns up to a million requests. */
export function statusLine(progress: Progress): string {
  return [
    `${(progress.elapsed_ms / 1_000).toFixed(0)}s`,
    `${progress.sent} sent`,
    `${progress.rate_per_second.toFixed(0)}/s`,
    `${progress.in_flight} in flight`,
    `${(progress.error_rate * 100).toFixed(1)}% failed`,
    `p50 ${milliseconds(progress.recent.p50)}`,
    `p99 ${milliseconds(progress.recent.p99)}`,
    ...(progress.unsent > 0 ? [`${progress.unsent} unsent`] : []),
  ].join("  ");
}

/**
 * Shows the run's status on `out` until the returned function is called: one line rewritten in place on a terminal,
 * a line every 10 s elsewhere.
 */
export function showStatus(run: Run, out: Writable & { readonly isTTY?: boolean }): () => void {
  const terminal = out.isTTY === true;
  const show = () => {
    const line = statusLine(run.progress());
    out.write(terminal ? CLEAR_LINE + line : `${line}\n`);
  };
  const timer = setInterval(show, terminal ? TERMINAL_MS : PLAIN_MS).unref();
  return () => {
    clearInterval(timer);
    if (terminal) out.write(CLEAR_LINE);
  };
}

/** What a reader that does not read may hold up in memory; beyond it lines are left out and counted. */
const MAX_WAITING_BYTES = 2 ** 20;

/** Writes a line a request: time, method, path, status or why there is none, response time in ms; never waits for it. */
export function requestLogger(out: Writable): {
  readonly log: (ended: readonly EndedRequest[]) => void;
  close(): void;
} {
  let leftOut = 0;
  const line = ({ at_ms, method, path, status, reason, response_ms }: EndedRequest) =>
    `${new Date(at_ms).toISOString()} ${method} ${path} ${status ?? reason} ${response_ms.toFixed(3)}\n`;
  return {
    log(ended) {
      if (out.writableLength > MAX_WAITING_BYTES) leftOut += ended.length;
      else out.write(ended.map(line).join(""));
    },
    close() {
      if (leftOut > 0) out.write(`${leftOut} requests were left out, as this log was not read fast enough\n`);
    },
  };
}
