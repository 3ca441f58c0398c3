import { contextOf, type Context } from "../../contract/app-log-context.ts";
import { APP_LOG_LENGTH } from "../../contract/app-log-row.ts";
import { idText } from "../../contract/fields.ts";
import { appLogLevel, type AppLog, type AppLogLevel, type LoggedException } from "../../contract/app-log.ts";
import { text } from "../../contract/fields.ts";
import { requestIdAt } from "../../contract/request-id.ts";

export interface LineOptions {
  /** Of lines that name none themselves in a field `service`. */
  readonly service: string;
  /** Where pino puts the text and the error; default `msg` and `err`. */
  readonly messageKey?: string | undefined;
  readonly errorKey?: string | undefined;
}

/**
 * A line of pino (newline-delimited JSON) as an application log; what is no JSON object is one of level INFO with its text. Undefined for an empty
 * line. Never throws, and what comes out is bounded, whatever goes in.
 *
 * level, time, msg, err, name, hostname and pid are pino's own; request_id, trace_id, user_id, run_id, module, function, line, thread and
 * service are taken where a line has them, reqId and the id of `req` too. All else becomes `context`.
 * @see https://github.com/pinojs/pino/blob/main/docs/api.md
 */
export function appLogOfLine(line: string, options: LineOptions): AppLog | undefined {
  if (line.trim() === "") return undefined;
  const fields = fieldsOf(line);
  const timeMs = fields ? timeOf(fields["time"] ?? fields["timestamp"]) : Date.now();
  const identity = { v: 1, log_id: requestIdAt(timeMs), timestamp: new Date(timeMs).toISOString() } as const;
  const { service } = options;
  if (fields === undefined)
    return {
      ...identity,
      level: "INFO",
      service,
      logger: service,
      message: line.slice(0, APP_LOG_LENGTH.message),
    };
  return { ...identity, ...describe(fields, options) };
}

type Fields = Readonly<Record<string, unknown>>;

function fieldsOf(line: string): Fields | undefined {
  try {
    const value: unknown = JSON.parse(line);
    return typeof value === "object" && value !== null && !Array.isArray(value)
      ? (value as Fields)
      : undefined;
  } catch {
    return undefined;
  }
}

/** Fields with a column of their own, by the names they go under. */
const OWN = {
  host: ["hostname", "host"],
  module: ["module"],
  function: ["function"],
  thread: ["thread"],
  process: ["pid", "process"],
  trace_id: ["trace_id", "traceId"],
  user_id: ["user_id", "userId"],
  run_id: ["run_id", "runId"],
} as const;

const REQUEST_IDS = ["request_id", "requestId", "reqId"];

const TAKEN = new Set([
  ...["v", "level", "time", "timestamp", "name", "logger", "service", "line"],
  ...Object.values(OWN).flat(),
]);

function describe(fields: Fields, options: LineOptions): Omit<AppLog, "v" | "log_id" | "timestamp"> {
  const { messageKey = "msg", errorKey = "err" } = options;
  const exception = exceptionOf(fields[errorKey]);
  const service = text(fields["service"], APP_LOG_LENGTH.service) ?? options.service;
  const requestIdKey = REQUEST_IDS.find((key) => requestIdOf(fields[key]) !== null);
  const own = Object.entries(OWN).map(([column, keys]) => {
    const key = keys.find((name) => Object.hasOwn(fields, name));
    return [column, key === undefined ? null : text(fields[key], APP_LOG_LENGTH[column as keyof typeof OWN])];
  });
  const known = Object.fromEntries(own.filter(([, value]) => value !== null)) as Record<
    keyof typeof OWN,
    string
  >;
  const request_id =
    requestIdKey === undefined ? requestIdOf(ofRequest(fields)) : requestIdOf(fields[requestIdKey]);
  const rest: Record<string, unknown> = Object.create(null) as Record<string, unknown>; // a name may be __proto__
  for (const [key, value] of Object.entries(fields))
    if (!TAKEN.has(key) && key !== messageKey && key !== errorKey && key !== requestIdKey) rest[key] = value;
  if (exception?.rest !== undefined) rest[errorKey] = exception.rest;
  const context = contextOf(rest);
  return {
    level: levelOf(fields["level"]),
    service,
    logger: text(fields["logger"] ?? fields["name"], APP_LOG_LENGTH.logger) ?? service,
    message: messageOf(fields[messageKey]) ?? exception?.logged.message ?? "(no message)",
    ...known,
    ...(isLine(fields["line"]) && { line: fields["line"] }),
    ...(exception && { exception: exception.logged }),
    ...(context && { context }),
    ...(request_id !== null && { request_id }),
  };
}

const messageOf = (value: unknown): string | null =>
  typeof value === "object" && value !== null
    ? text(JSON.stringify(contextOf(value) ?? value), APP_LOG_LENGTH.message)
    : text(value, APP_LOG_LENGTH.message);

const requestIdOf = (value: unknown): string | null =>
  idText(typeof value === "number" ? String(value) : value);

const ofRequest = ({ req }: Fields): unknown =>
  typeof req === "object" && req !== null ? (req as Fields)["id"] : undefined;

const isLine = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0;

/** pino's numbers, also those between them, from which a level counts. */
const LEVELS_FROM: readonly (readonly [number, AppLogLevel])[] = [
  [60, "CRITICAL"],
  [50, "ERROR"],
  [40, "WARNING"],
  [30, "INFO"],
  [-Infinity, "DEBUG"],
];

function levelOf(level: unknown): AppLogLevel {
  if (typeof level === "number") return LEVELS_FROM.find(([from]) => level >= from)?.[1] ?? "INFO";
  return appLogLevel(level) ?? "INFO";
}

const LAST_MS = Date.UTC(9999, 11, 31);
const SECONDS_BELOW = 1e11; // pino.stdTimeFunctions.unixTime; as milliseconds that would be 1973

/** Unix ms of milliseconds, of seconds or of an ISO 8601 text; now, for anything else. */
function timeOf(time: unknown): number {
  const given = typeof time === "string" && time !== "" ? Number(time) || Date.parse(time) : time;
  if (typeof given !== "number" || !(given >= 0)) return Date.now();
  const ms = Math.trunc(given < SECONDS_BELOW ? given * 1_000 : given);
  return ms <= LAST_MS ? ms : Date.now();
}

const MOST_CAUSES = 5;

/** What pino's serializers make of an Error, or a text; with the stacks of its causes, and its other fields apart. */
function exceptionOf(
  value: unknown,
): { readonly logged: LoggedException; readonly rest: Context | undefined } | undefined {
  if (typeof value === "string" && value !== "")
    return { logged: { type: "Error", message: messageOf(value)! }, rest: undefined };
  if (typeof value !== "object" || value === null || Array.isArray(value)) return undefined;
  const { type, name, message, stack, cause, ...others } = value as Fields;
  const rest = { ...others, ...(name !== undefined && type !== undefined && { name }) };
  return {
    logged: {
      type: text(type ?? name, APP_LOG_LENGTH.error_type) ?? "Error",
      message: text(message, APP_LOG_LENGTH.error_message) ?? undefined,
      stack:
        text(
          [text(stack, APP_LOG_LENGTH.stack) ?? "", ...causesOf(cause)].join("\n"),
          APP_LOG_LENGTH.stack,
        ) ?? undefined,
    },
    rest: Object.keys(rest).length > 0 ? rest : undefined,
  };
}

function causesOf(cause: unknown): string[] {
  const said: string[] = [];
  for (
    let at = cause;
    said.length < MOST_CAUSES && typeof at === "object" && at !== null;
    at = (at as Fields)["cause"]
  ) {
    const { type, name, message, stack } = at as Fields;
    const first = `${text(type ?? name, 128) ?? "Error"}: ${text(message, APP_LOG_LENGTH.error_message) ?? ""}`;
    said.push(`caused by: ${text(stack, APP_LOG_LENGTH.stack) ?? first}`);
  }
  return said;
}
