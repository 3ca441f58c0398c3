import { createReadStream, createWriteStream, mkdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { finished } from "node:stream/promises";
import { messageOf, RushhourError } from "../../contract/errors.ts";

/** First line of a tally. */
export interface TallyHeader {
  readonly run_id: string;
  readonly seed: number;
  readonly target: string;
  readonly started_at: string; // ISO 8601, ms, Z
}

/**
 * What became of the requests the plan wanted: `sent + unsent = offered`, `answered + unanswered = sent`.
 * A request is sent once the HTTP client has it, answered once the last byte of its response is here.
 */
export interface TallyCounts {
  readonly offered: number; // due times of the schedule
  readonly sent: number;
  readonly unsent: number; // never started, as too many were in flight
  readonly answered: number;
  readonly answered_without_id: number; // of these: responses without a usable x-request-id
  readonly unanswered: number;
}

/** Last line of a tally. */
export interface TallyFooter extends TallyCounts {
  readonly ended_at: string;
}

/** Writes a tally; after a failed write every further call does nothing and `failed` has said why. */
export interface TallyWriter {
  /** @param text of {@link answeredLine} and {@link unansweredLine}, any number of them */
  lines(text: string): void;
  /** Writes what is buffered and the footer; none when the run did not come to its end. */
  close(footer?: TallyFooter): Promise<void>;
  /** Rejects with a RushhourError when the file cannot be written; never resolves. */
  readonly failed: Promise<never>;
}

const REQUEST_ID = /^[0-9A-Za-z][\x21-\x7e]{0,127}$/;
const WITHOUT_ID = "+";
const UNANSWERED = "- ";

const FLUSH_BYTES = 65_536;
const FLUSH_MS = 100; // what a killed simulator may lose
const MAX_BEHIND_BYTES = 64 * 2 ** 20; // a disk that hangs is as bad as one that is full

/** Whether a response's x-request-id is one the ledger can look up; with another it counts as answered without id. */
export function isRequestId(value: string | undefined): value is string {
  return value !== undefined && REQUEST_ID.test(value);
}

/**
 * The line of an answered request, with its line feed.
 * @param requestId the response's x-request-id, if it has one
 */
export function answeredLine(requestId: string | undefined): string {
  return isRequestId(requestId) ? `${requestId}\n` : `${WITHOUT_ID}\n`;
}

/** The line of a request without an answer, with its line feed. @param reason such as ECONNRESET */
export function unansweredLine(reason: string): string {
  return `${UNANSWERED}${reason.replaceAll(/\s+/g, " ")}\n`;
}

export function tallyPath(home: string, runId: string): string {
  return join(home, "runs", `${runId}.tally`);
}

/**
 * Starts the tally of a run: the header, then one line a sent request in the order of their ends - its request id,
 * `+` when the answer carried none, `- reason` without an answer - and a footer with the absolute counts.
 */
export function createTally(path: string, header: TallyHeader): TallyWriter {
  let buffered = `${JSON.stringify(header)}\n`;
  let broken = false;
  const failure = Promise.withResolvers<never>();
  failure.promise.catch(() => undefined); // whoever awaits it hears of it

  const fail = (error: unknown) => {
    broken = true;
    clearInterval(flushing);
    failure.reject(tallyFailure(path, error));
  };
  const flush = () => {
    if (broken || buffered === "") return;
    file.write(buffered);
    buffered = "";
    if (file.writableLength > MAX_BEHIND_BYTES) fail(new Error("the disk does not keep up"));
  };
  const lines = (text: string) => {
    if (broken) return;
    buffered += text;
    if (buffered.length >= FLUSH_BYTES) flush();
  };

  makeFolder(dirname(path), path);
  const file = createWriteStream(path, { flags: "a" }).on("error", fail);
  const flushing = setInterval(flush, FLUSH_MS).unref();
  flush();

  return {
    failed: failure.promise,
    lines,
    async close(footer) {
      if (footer !== undefined) lines(`${JSON.stringify(footer)}\n`);
      flush();
      clearInterval(flushing);
      file.end();
      await Promise.race([finished(file), failure.promise]);
    },
  };
}

/** For runs that nobody verifies. */
export const NO_TALLY: TallyWriter = {
  lines: () => undefined,
  close: () => Promise.resolve(),
  failed: new Promise<never>(() => undefined),
};

/** A tally on disk. */
export interface Tally {
  readonly path: string;
  readonly header: TallyHeader;
  /** From the footer; when there is none, from the lines: `sent` is then what ended before the simulator died. */
  readonly counts: TallyCounts;
  /** Undefined when the simulator died before it could write it. */
  readonly ended_at: string | undefined;
  /** How many unanswered requests each reason had. */
  readonly reasons: Readonly<Record<string, number>>;
  /** The request ids of the answered requests, read from disk as they are asked for. */
  ids(): AsyncIterable<string>;
}

/**
 * Reads a tally in two passes, so that memory stays flat: counts now, ids on demand. A torn last line is left out.
 * @throws RushhourError RUN_UNKNOWN when the file is not there or is no tally
 */
export async function readTally(path: string): Promise<Tally> {
  let header: TallyHeader | undefined;
  let footer: TallyFooter | undefined;
  const seen = { answered: 0, answered_without_id: 0, unanswered: 0 };
  const reasons: Record<string, number> = {};
  for await (const line of linesOf(path)) {
    if (header === undefined) {
      header = headerOf(line, path);
    } else if (line.startsWith("{")) {
      footer = JSON.parse(line) as TallyFooter;
    } else if (line.startsWith(UNANSWERED)) {
      const reason = line.slice(UNANSWERED.length);
      seen.unanswered++;
      reasons[reason] = (reasons[reason] ?? 0) + 1;
    } else {
      seen.answered++;
      if (line === WITHOUT_ID) seen.answered_without_id++;
    }
  }
  if (header === undefined) throw notATally(path, "it is empty");
  return {
    path,
    header,
    counts: countsOf(seen, footer),
    ended_at: footer?.ended_at,
    reasons,
    ids: () => idsOf(path),
  };
}

function countsOf(
  seen: Pick<TallyCounts, "answered" | "answered_without_id" | "unanswered">,
  footer: TallyFooter | undefined,
): TallyCounts {
  if (footer !== undefined) {
    const { offered, sent, unsent, answered, answered_without_id, unanswered } = footer;
    return { offered, sent, unsent, answered, answered_without_id, unanswered };
  }
  const sent = seen.answered + seen.unanswered;
  return { offered: sent, sent, unsent: 0, ...seen };
}

async function* idsOf(path: string): AsyncGenerator<string, void, undefined> {
  for await (const line of linesOf(path)) if (isRequestId(line)) yield line;
}

/** The complete lines of a file: what follows the last line feed was being written when the writer died. */
async function* linesOf(path: string): AsyncGenerator<string, void, undefined> {
  const file = createReadStream(path, { encoding: "utf8" });
  try {
    let rest = "";
    for await (const chunk of file as AsyncIterable<string>) {
      const lines = (rest + chunk).split("\n");
      rest = lines.pop() ?? "";
      yield* lines;
    }
  } catch (error) {
    throw new RushhourError("RUN_UNKNOWN", `no tally can be read at ${path}: ${messageOf(error)}`, {
      cause: error,
    });
  } finally {
    file.destroy();
  }
}

function headerOf(line: string, path: string): TallyHeader {
  try {
    const header = JSON.parse(line) as Partial<TallyHeader> | null;
    if (typeof header?.run_id === "string") return header as TallyHeader;
  } catch {
    // said below
  }
  throw notATally(path, "its first line is not a header");
}

function notATally(path: string, why: string): RushhourError {
  return new RushhourError("RUN_UNKNOWN", `${path} is not the tally of a run: ${why}`);
}

function makeFolder(folder: string, path: string): void {
  try {
    mkdirSync(folder, { recursive: true });
  } catch (error) {
    throw tallyFailure(path, error);
  }
}

function tallyFailure(path: string, error: unknown): RushhourError {
  const code = (error as NodeJS.ErrnoException).code;
  const full = code === "ENOSPC" || code === "EDQUOT" || code === undefined;
  return new RushhourError(
    full ? "DISK_FULL" : "CONFIG_INVALID",
    `the run cannot go on, as its tally ${path} cannot be written: ${messageOf(error)}; ` +
      (full ? "free some space" : "make the folder writable") +
      " or name another one in RUSHHOUR_HOME",
    { cause: error },
  );
}
