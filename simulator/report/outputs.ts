import { createWriteStream, openSync } from "node:fs";
import { finished } from "node:stream/promises";
import { messageOf, RushhourError } from "../../contract/errors.ts";
import type { EndedRequest } from "../figures/samples.ts";

/** Where the requests of a run go one by one: `--out json=FILE` or `csv=FILE`, `-` for standard output. */
export interface Output {
  /** Takes what has ended; never waits for the disk. After a failure it does nothing. */
  write(requests: readonly EndedRequest[]): void;
  /** Writes what is buffered. */
  close(): Promise<void>;
  /** Rejects with a RushhourError when the file cannot be written any more; never resolves. */
  readonly failed: Promise<never>;
}

const COLUMNS = [
  "ended_at", // ISO 8601, ms, Z
  "scenario",
  "journey",
  "iteration",
  "name",
  "method",
  "path",
  "status", // null: unanswered
  "reason", // why unanswered
  "response_ms", // from the scheduled start; µs resolution
  "service_ms", // from the send
  "delay_ms", // from the scheduled start to the send
  "request_id",
] as const;
type Row = Readonly<Record<(typeof COLUMNS)[number], string | number | null>>;

const FORMATS = {
  json: { head: "", line: (row: Row) => `${JSON.stringify(row)}\n` },
  csv: {
    head: `${COLUMNS.join(",")}\r\n`,
    line: (row: Row) => `${COLUMNS.map((column) => csvCell(row[column])).join(",")}\r\n`,
  },
} as const;
type Format = keyof typeof FORMATS;

/** What a disk or a reader may be behind by: a file with holes would be no result, so beyond it the run ends. */
const MAX_BEHIND_BYTES = 256 * 2 ** 20;

const SPEC_RULE = "must be json=FILE or csv=FILE, such as json=requests.ndjson; - as FILE is standard output";

/** @throws RushhourError CONFIG_INVALID */
export function parseOutput(spec: string): { readonly format: Format; readonly path: string } {
  const [, format, path] = /^([^=]*)=(.*)$/s.exec(spec) ?? [];
  if (format === undefined || !Object.hasOwn(FORMATS, format) || path === undefined || path === "") {
    throw new RushhourError("CONFIG_INVALID", `--out=${spec} ${SPEC_RULE}`);
  }
  return { format: format as Format, path };
}

/**
 * Whether one of them writes to standard output, where nothing else may stand between then.
 * @throws RushhourError CONFIG_INVALID for one that is wrong, or two that would write over one another
 */
export function takesStdout(specs: readonly string[] = []): boolean {
  const specOf = new Map<string, string>();
  for (const spec of specs) {
    const { path } = parseOutput(spec);
    const other = specOf.get(path);
    if (other !== undefined) {
      const message = `--out=${other} and --out=${spec} write to the same place; name a file for each`;
      throw new RushhourError("CONFIG_INVALID", message);
    }
    specOf.set(path, spec);
  }
  return specOf.has("-");
}

/**
 * Opens an output, so that a file that cannot be written fails before the run; one that exists is replaced.
 * @throws RushhourError CONFIG_INVALID
 */
export function openOutput(spec: string): Output {
  const { format, path } = parseOutput(spec);
  const { head, line } = FORMATS[format];
  const out = path === "-" ? process.stdout : createWriteStream(path, { fd: open(path, spec) });
  const failure = Promise.withResolvers<never>();
  failure.promise.catch(() => undefined); // whoever awaits it hears of it
  let broken = false;
  const fail = (error: unknown) => {
    broken = true;
    failure.reject(writeFailure(spec, error));
  };
  const others = path === "-" ? out.listeners("error") : []; // a reader that leaves ends a run in order, not the process
  if (path === "-") out.removeAllListeners("error");
  out.on("error", fail);
  if (head !== "") out.write(head);
  return {
    failed: failure.promise,
    write(requests) {
      if (broken || requests.length === 0) return;
      out.write(requests.map((request) => line(rowOf(request))).join(""));
      if (out.writableLength > MAX_BEHIND_BYTES) {
        fail(new Error(path === "-" ? "its reader does not keep up" : "the disk does not keep up"));
      }
    },
    async close() {
      if (path === "-") {
        const written = new Promise<void>((resolve) => out.write("", () => resolve()));
        await Promise.race([failure.promise, written]);
        out.off("error", fail); // others go on to write to it
        for (const other of others) out.on("error", other as (error: Error) => void);
      } else {
        out.end();
        await Promise.race([failure.promise, finished(out)]);
      }
    },
  };
}

function rowOf(request: EndedRequest): Row {
  return {
    ended_at: new Date(request.at_ms).toISOString(),
    scenario: request.scenario,
    journey: request.journey,
    iteration: request.iteration,
    name: request.name,
    method: request.method,
    path: request.path,
    status: request.status ?? null,
    reason: request.reason ?? null,
    response_ms: toMicroseconds(request.response_ms),
    service_ms: toMicroseconds(request.service_ms),
    delay_ms: toMicroseconds(request.delay_ms),
    request_id: request.request_id ?? null,
  };
}

function toMicroseconds(ms: number | undefined): number | null {
  return ms === undefined || Number.isNaN(ms) ? null : Math.round(ms * 1_000) / 1_000;
}

/**
 * Text that a spreadsheet would take for a formula gets an apostrophe before it, which shows it as it is.
 * @see https://www.rfc-editor.org/rfc/rfc4180
 * @see https://owasp.org/www-community/attacks/CSV_Injection
 */
function csvCell(value: string | number | null): string {
  if (value === null) return "";
  if (typeof value === "number") return String(value);
  const text = /^[=+\-@\t\r]/.test(value) ? `'${value}` : value;
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

function open(path: string, spec: string): number {
  try {
    return openSync(path, "w");
  } catch (error) {
    throw new RushhourError(
      "CONFIG_INVALID",
      `--out=${spec} cannot be written: ${messageOf(error)}; name a file in a folder that exists`,
      { cause: error },
    );
  }
}

function writeFailure(spec: string, error: unknown): RushhourError {
  return new RushhourError(
    "DISK_FULL",
    `the run cannot go on, as --out=${spec} cannot be written: ${messageOf(error)}; ` +
      (spec.endsWith("=-")
        ? "read it to the end, or name a file"
        : "free some space, or name a file on another disk"),
    { cause: error },
  );
}
