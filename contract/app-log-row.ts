import { hash } from "node:crypto";
import { APP_LOG, APP_LOG_LEVELS, type AppLogLevel } from "./app-log.ts";
import { messagePattern } from "./error-group.ts";
import {
  broken,
  happenedMs,
  identity,
  idText,
  numbering,
  text,
  unknownFields,
  upper,
  wellFormed,
  wholeNumber,
} from "./fields.ts";
import type { Fields, ReceivedRecord, Rejection } from "./record.ts";

/** One row of `app_logs`: every value checked and cut to its column. */
export interface AppLogRow {
  readonly log_id: string; // 1-36 printable ASCII characters
  readonly timestampMs: number; // Unix ms
  readonly level: AppLogLevel;
  readonly service: string;
  readonly logger: string;
  readonly message: string;
  readonly host: string | null;
  readonly module: string | null;
  readonly function: string | null;
  readonly line: number | null;
  readonly thread: string | null;
  readonly process: string | null;
  readonly error_type: string | null;
  readonly error_message: string | null;
  readonly stack: string | null;
  readonly fingerprint: string | null; // of ERROR and CRITICAL, see errorFingerprint
  readonly context: string | null; // JSON object
  readonly request_id: string | null;
  readonly trace_id: string | null;
  readonly user_id: string | null;
  readonly run_id: string | null;
  readonly source: string | null;
  readonly seq: number | null;
  readonly extra: string | null; // JSON object of the fields we do not know
}

/** Widths of text columns in characters; longer values are cut, never refused. */
export const APP_LOG_LENGTH = {
  ...{
    service: 64,
    logger: 128,
    message: 4096,
    host: 128,
    module: 255,
    function: 255,
    thread: 64,
    process: 64,
  },
  ...{ error_type: 128, error_message: 1024, stack: 16_384, trace_id: 32, user_id: 64, run_id: 64 },
} as const;

/** A context whose JSON is longer is kept as the text it begins with, under the name `cut`. */
const CONTEXT_CHARACTERS = 16_384;
const LAST_LINE = 2 ** 32 - 1;

const KNOWN = new Set([
  ...[
    "v",
    "log_id",
    "timestamp",
    "level",
    "logger",
    "message",
    "module",
    "function",
    "line",
    "service",
    "host",
  ],
  ...[
    "thread",
    "process",
    "exception",
    "context",
    "request_id",
    "trace_id",
    "user_id",
    "run_id",
    "source",
    "seq",
  ],
]);

/**
 * Turns a record of the two topics of application logs into a row: our own, or what other programs write (docs/app-logs.md). Its level
 * decides, not its topic: an ERROR is one wherever it stands.
 * @param nowMs Unix ms; a record more than an hour ahead of it is rejected
 */
export function appLogRow(
  fields: Fields,
  record: ReceivedRecord,
  nowMs: number,
): { row: AppLogRow } | { rejection: Rejection } {
  const exception = exceptionOf(fields["exception"]);
  const message = text(fields["message"], APP_LOG_LENGTH.message) ?? exception.error_message;
  if (message === null) {
    const detail = broken("message", fields["message"], "a text that is not empty");
    return { rejection: { reason: "invalid_field", detail } };
  }
  const timestampMs = happenedMs(fields["timestamp"], record, nowMs);
  if (typeof timestampMs !== "number") return { rejection: timestampMs };
  const level = levelOf(fields["level"], record.topic);
  const service = text(fields["service"], APP_LOG_LENGTH.service) ?? "unknown";
  const cut = (name: Exclude<keyof typeof APP_LOG_LENGTH, "service">) =>
    text(fields[name], APP_LOG_LENGTH[name]);
  const line = wholeNumber(fields["line"]);
  const isError = level === "ERROR" || level === "CRITICAL";
  return {
    row: {
      log_id: identity(fields["log_id"], record),
      ...{ timestampMs, level, service, message },
      logger: cut("logger") ?? service,
      host: cut("host"),
      module: cut("module"),
      function: cut("function"),
      line: line !== null && line <= LAST_LINE ? line : null,
      thread: cut("thread"),
      process: cut("process"),
      ...exception,
      fingerprint: isError ? errorFingerprint(exception.error_type, message, exception.stack) : null,
      context: contextOf(fields["context"]),
      request_id: idText(fields["request_id"]),
      trace_id: cut("trace_id"),
      user_id: cut("user_id"),
      run_id: cut("run_id"),
      ...numbering(fields),
      extra: unknownFields(fields, KNOWN),
    },
  };
}

const ALIASES: Readonly<Record<string, AppLogLevel>> = {
  ...{ TRACE: "DEBUG", VERBOSE: "DEBUG", NOTICE: "INFO", WARN: "WARNING", ERR: "ERROR" },
  ...{ FATAL: "CRITICAL", ALERT: "CRITICAL", EMERGENCY: "CRITICAL" },
};

function levelOf(given: unknown, topic: string): AppLogLevel {
  const said = upper(given);
  const level = APP_LOG_LEVELS.find((known) => known === said) ?? ALIASES[String(said)];
  return level ?? (topic === APP_LOG.topics[1] ? "ERROR" : "INFO");
}

interface Exception {
  readonly error_type: string | null;
  readonly error_message: string | null;
  readonly stack: string | null;
}

const NONE: Exception = { error_type: null, error_message: null, stack: null };

/** An object with type, message and stack, or a trace as text, whose first line (V8, Java) or last one (Python) says the rest. */
function exceptionOf(value: unknown): Exception {
  if (typeof value === "string" && value !== "") return fromTrace(value);
  if (typeof value !== "object" || value === null) return NONE;
  const { type, message, stack } = value as Record<string, unknown>;
  return {
    error_type: text(type, APP_LOG_LENGTH.error_type),
    error_message: text(message, APP_LOG_LENGTH.error_message),
    stack: text(stack, APP_LOG_LENGTH.stack),
  };
}

function fromTrace(trace: string): Exception {
  const lines = trace
    .slice(0, 2 * APP_LOG_LENGTH.stack)
    .trimEnd()
    .split("\n");
  const says = (isPython(lines[0]!) ? lines.at(-1)! : lines[0]!).trim();
  const [, type = null, message = ""] = /^([\w.$]{1,128})(?::\s*(.*))?$/.exec(says) ?? [];
  return {
    error_type: type,
    error_message: text(type === null ? says : message, APP_LOG_LENGTH.error_message),
    stack: text(trace, APP_LOG_LENGTH.stack),
  };
}

const isPython = (firstLine: string) => firstLine.startsWith("Traceback (most recent call last)");

/** Frames of a stack that count: the place where it was thrown and who called that. */
const TOP_FRAMES = 3;

/**
 * What errors of one cause have in common, as the first 16 hexadecimal digits of SHA-256: the type, the message without its numbers and
 * ids, the top frames without their numbers. Not the service, so that one defect in a shared part is one group.
 */
export function errorFingerprint(type: string | null, message: string, stack: string | null): string {
  const parts = [type ?? "", messagePattern(message), ...topFrames(stack ?? "").map(messagePattern)];
  return hash("sha256", parts.join("\0")).slice(0, 16);
}

/** The calls nearest to the throw, as lines: V8 and Java write them first, Python last. */
function topFrames(stack: string): string[] {
  const lines = stack.split("\n").map((line) => line.trim());
  if (isPython(lines[0]!)) return lines.filter((line) => line.startsWith("File ")).slice(-TOP_FRAMES);
  return lines.filter((line) => line.startsWith("at ")).slice(0, TOP_FRAMES);
}

function contextOf(value: unknown): string | null {
  if (value === undefined || value === null) return null;
  const json = JSON.stringify(typeof value === "object" && !Array.isArray(value) ? value : { value });
  if (json === "{}") return null;
  return wellFormed(
    json.length <= CONTEXT_CHARACTERS ? json : JSON.stringify({ cut: json.slice(0, CONTEXT_CHARACTERS) }),
  );
}
