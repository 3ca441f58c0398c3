import type { TracedRequest } from "../plan/plan.ts";
import { closeSync, createReadStream, openSync, readSync, statSync } from "node:fs";
import { pipeline } from "node:stream";
import { createGunzip } from "node:zlib";
import { MAX_LINE_CHARS, parseLine, type LoggedRequest, type LogFormat } from "../../contract/access-log.ts";
import { messageOf, RushhourError } from "../../contract/errors.ts";
import { traceOf, type OnLeftOut, type RecordedRequest, type TraceOptions } from "./trace.ts";

export interface AccessLogOptions extends TraceOptions {
  readonly format: LogFormat;
}

/**
 * The requests of an nginx or Apache access log, plain or gzip. Its times are whole seconds, so the requests of one
 * second are spread evenly over it. Servers write a line when its request ends, and Apache with the time of its start,
 * so lines are sorted within 60 s; one that comes later still is left out, as is what cannot be read or has no path.
 * @throws RushhourError CONFIG_INVALID when the file cannot be read, here or while it is
 */
export function accessLogTrace(path: string, options: AccessLogOptions): AsyncIterable<TracedRequest> {
  assertFile(path);
  return traceOf(() => recordedRequests(path, options), options);
}

const SORTED_SECONDS = 60;
const MAX_SORTED = 100_000; // requests held for sorting; beyond them the oldest second goes out

async function* recordedRequests(
  path: string,
  { format, onLeftOut }: AccessLogOptions,
): AsyncGenerator<RecordedRequest, void, undefined> {
  const seconds = new Map<number, NumberedRequest[]>();
  let held = 0;
  let newest = -Infinity;
  let sentUpTo = -Infinity;

  /** The oldest second, its requests spread over it in the order of their lines. */
  const takeOldest = (): RecordedRequest[] => {
    const oldest = Math.min(...seconds.keys());
    const requests = seconds.get(oldest)!;
    seconds.delete(oldest);
    held -= requests.length;
    sentUpTo = oldest;
    return requests.map(({ method, path, user_agent }, n) => ({
      at_ms: (oldest + n / requests.length) * 1_000,
      ...{ method, path, route: path, user_agent },
    }));
  };

  for await (const request of loggedRequests(path, format, onLeftOut)) {
    if (request.second <= sentUpTo) {
      onLeftOut?.(`more than ${SORTED_SECONDS} s out of order`, `line ${request.line}`);
      continue;
    }
    const requests = seconds.get(request.second);
    if (requests) requests.push(request);
    else seconds.set(request.second, [request]);
    held++;
    if (request.second > newest) {
      newest = request.second;
      while (Math.min(...seconds.keys()) < newest - SORTED_SECONDS) yield* takeOldest();
    }
    while (held > MAX_SORTED && seconds.size > 1) yield* takeOldest();
  }
  while (seconds.size > 0) yield* takeOldest();
}

type NumberedRequest = LoggedRequest & { readonly line: number };

async function* loggedRequests(
  path: string,
  format: LogFormat,
  onLeftOut: OnLeftOut | undefined,
): AsyncGenerator<NumberedRequest, void, undefined> {
  let line = 0;
  for await (const text of linesOf(path)) {
    line++;
    if (text === "") continue;
    const parsed = parseLine(text, format);
    if (typeof parsed === "string") onLeftOut?.(parsed, `line ${line}: ${shown(text)}`);
    else yield { line, ...parsed };
  }
}

const SHOWN_CHARS = 100;

function shown(text: string): string {
  const printable = text.slice(0, SHOWN_CHARS).replaceAll(/[^\x20-\x7e]/g, "?");
  return text.length > SHOWN_CHARS ? `${printable}…` : printable;
}

async function* linesOf(path: string): AsyncGenerator<string, void, undefined> {
  try {
    const gzip = isGzip(path);
    const file = createReadStream(path);
    const bytes = gzip ? pipeline(file, createGunzip(), () => undefined) : file; // errors reach the reader
    let rest = "";
    for await (const chunk of bytes.setEncoding("utf8") as AsyncIterable<string>) {
      const lines = (rest + chunk).split("\n");
      rest = lines.pop()!.slice(-MAX_LINE_CHARS); // of a longer one only the end is looked at, which is unreadable
      for (const line of lines) yield line.trimEnd();
    }
    if (rest !== "") yield rest.trimEnd();
  } catch (error) {
    throw unreadable(path, messageOf(error), error);
  }
}

/** What is read more than once must be a file. */
function assertFile(path: string): void {
  let isFile: boolean;
  try {
    isFile = statSync(path).isFile();
  } catch (error) {
    throw unreadable(path, messageOf(error), error);
  }
  if (!isFile) throw unreadable(path, "it is not a file; save the lines in one first, gzip is read too");
}

function isGzip(path: string): boolean {
  const file = openSync(path, "r");
  try {
    const start = Buffer.alloc(2);
    readSync(file, start, 0, 2, 0);
    return start[0] === 0x1f && start[1] === 0x8b;
  } finally {
    closeSync(file);
  }
}

function unreadable(path: string, why: string, cause?: unknown): RushhourError {
  return new RushhourError("CONFIG_INVALID", `the access log ${path} cannot be read: ${why}`, { cause });
}
