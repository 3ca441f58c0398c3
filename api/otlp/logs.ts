import { exceptionOf, idOf, type Mapped } from "./mapped.ts";
import {
  attributesIn,
  hexIn,
  instantOf,
  messageIn,
  messagesIn,
  nanosIn,
  numberIn,
  plainValue,
  textIn,
  textOf,
  type Attributes,
  type Message,
} from "./values.ts";

/** Names of today first, then those of semantic conventions before 1.30. */
const MODULE = ["code.file.path", "code.filepath", "code.namespace"];
const FUNCTION = ["code.function.name", "code.function"];
const LINE = ["code.line.number", "code.lineno"];
const THREAD = ["thread.name", "thread.id"];
const USER = ["user.id", "enduser.id"];
const UID = "log.record.uid";

/** Attributes that have a field of their own; all others are the record's context. */
const TAKEN = new Set([
  ...MODULE,
  ...FUNCTION,
  ...LINE,
  ...THREAD,
  ...USER,
  UID,
  ...["exception.type", "exception.message", "exception.stacktrace", "request_id", "run_id"],
]);

/**
 * The application logs of an ExportLogsServiceRequest. A log record of OTLP has no id, so one is worked out ({@link identityOf}).
 * @throws MalformedExport
 * @see https://opentelemetry.io/docs/specs/otel/logs/data-model/
 */
export function appLogsOf(request: Message): Mapped[] {
  let index = 0;
  return messagesIn(request, "resourceLogs").flatMap((group) => {
    const resource = attributesIn(messageIn(group, "resource"));
    const sender = JSON.stringify([...resource]);
    return messagesIn(group, "scopeLogs").flatMap((scope) => {
      const logger = textIn(messageIn(scope, "scope"), "name");
      return messagesIn(scope, "logRecords").map((record) =>
        appLogOf(record, resource, sender, logger, index++),
      );
    });
  });
}

function appLogOf(
  record: Message,
  resource: Attributes,
  sender: string,
  logger: string,
  index: number,
): Mapped {
  const attributes = attributesIn(record);
  const read = (...names: readonly string[]) => textOf(attributes, ...names);
  const body = plainValue(record, 0, "body");
  const times = [nanosIn(record, "timeUnixNano"), nanosIn(record, "observedTimeUnixNano")];
  const exception = exceptionOf(attributes);
  const said = {
    timestamp: instantOf(times.find((nanos) => nanos > 0n) ?? 0n),
    level: levelOf(numberIn(record, "severityNumber"), textIn(record, "severityText")),
    logger,
    message: messageOf(body, record, exception.message),
    module: read(...MODULE),
    function: read(...FUNCTION),
    line: read(...LINE),
    service: textOf(resource, "service.name"),
    host: textOf(resource, "host.name"),
    thread: read(...THREAD),
    process: textOf(resource, "process.pid"),
    exception: Object.values(exception).some((value) => value !== undefined) ? exception : undefined,
    context: contextOf(record, attributes),
    request_id: read("request_id"),
    run_id: read("run_id"),
    trace_id: hexIn(record, "traceId", 16) || undefined,
    user_id: read(...USER),
  };
  return { fields: { log_id: read(UID) ?? identityOf(said, sender, times, index), ...said } };
}

/**
 * The same for an export that is sent again: from who wrote the record, its times to the nanosecond, all it says, and its place in the
 * request. Two equal lines of one moment are two rows, unless they also have the same place in two exports; a sender for
 * which that matters gives each record an id, as the attribute `log.record.uid`.
 */
function identityOf(said: object, sender: string, times: readonly bigint[], index: number): string {
  return idOf(JSON.stringify([sender, times.map(String), index, said]));
}

/** Severity numbers go in fours: TRACE 1, DEBUG 5, INFO 9, WARN 13, ERROR 17, FATAL 21. Without one its text says it. */
function levelOf(severity: number, text: string): string {
  if (severity >= 21) return "CRITICAL";
  if (severity >= 17) return "ERROR";
  if (severity >= 13) return "WARNING";
  if (severity >= 9) return "INFO";
  if (severity >= 1) return "DEBUG";
  return LEVEL_OF_TEXT[text.toUpperCase()] ?? "INFO";
}

const LEVEL_OF_TEXT: Readonly<Record<string, string | undefined>> = {
  ...{ TRACE: "DEBUG", DEBUG: "DEBUG", INFO: "INFO", WARN: "WARNING", WARNING: "WARNING" },
  ...{ ERROR: "ERROR", FATAL: "CRITICAL", CRITICAL: "CRITICAL" },
};

/** Of an event the name stands where others have a text; a body that is no text is shown as JSON. */
function messageOf(body: unknown, record: Message, exceptionMessage: string | undefined): string {
  const text = typeof body === "string" ? body : body === null ? "" : JSON.stringify(body);
  return text || textIn(record, "eventName") || (exceptionMessage ?? "(empty)");
}

function contextOf(record: Message, attributes: Attributes): object | undefined {
  const own = [...attributes].filter(([name]) => !TAKEN.has(name));
  const span_id = hexIn(record, "spanId", 8);
  const event = textIn(record, "eventName");
  if (span_id !== "") own.push(["span_id", span_id]);
  if (event !== "") own.push(["event_name", event]);
  return own.length > 0 ? Object.fromEntries(own) : undefined;
}
