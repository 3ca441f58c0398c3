import { appErrorGroup, appFingerprint, isPythonTrace } from "./app-error-group.ts";
import { contextOf } from "./app-log-context.ts";
import { APP_LOG, appLogLevel, type AppLogLevel } from "./app-log.ts";
import {
  broken,
  happenedMs,
  identity,
  idText,
  numbering,
  text,
  trimmed,
  unknownFields,
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
  readonly fingerprint: string | null; // of ERROR and CRITICAL, see app-error-group.ts
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
  const service =
    text(trimmed(text(fields["service"], APP_LOG_LENGTH.service)), APP_LOG_LENGTH.service) ?? "unknown";
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
      fingerprint: isError ? appFingerprint(appErrorGroup({ ...exception, message })) : null,
      context: contextText(fields["context"]),
      request_id: idText(fields["request_id"]),
      trace_id: cut("trace_id"),
      user_id: cut("user_id"),
      run_id: cut("run_id"),
      ...numbering(fields),
      extra: unknownFields(fields, KNOWN),
    },
  };
}

function levelOf(given: unknown, topic: string): AppLogLevel {
  return appLogLevel(given) ?? (topic === APP_LOG.topics[1] ? "ERROR" : "INFO");
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
  const says = (isPythonTrace(lines[0]!) ? lines.at(-1)! : lines[0]!).trim();
  const [, type = null, message = ""] = /^([\w.$]{1,128})(?::\s*(.*))?$/.exec(says) ?? [];
  return {
    error_type: type,
    error_message: text(type === null ? says : message, APP_LOG_LENGTH.error_message),
    stack: text(trace, APP_LOG_LENGTH.stack),
  };
}

function contextText(value: unknown): string | null {
  const context = contextOf(value);
  return context === undefined ? null : wellFormed(JSON.stringify(context));
}
