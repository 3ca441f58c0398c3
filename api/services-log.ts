import type { Context } from "hono";
import { pino, type Level } from "pino";
import type { AppLog } from "../contract/app-log.ts";
import { placeOfStack } from "../contract/place-of-stack.ts";
import type { RequestLog } from "../contract/request-log.ts";
import { appLogStream } from "../producer/pino/stream.ts";

/** What a service of the shop says of a request it works on. */
export interface ServiceLine {
  readonly level: Level;
  readonly logger: string; // such as orders.payment: the service comes first
  readonly function: string;
  readonly message: string;
  readonly fields?: Readonly<Record<string, unknown>>; // become the context
}

const LINES = "service-lines";

/** Says a line; it goes out with the request's record, which knows who asked. Costs nothing where nobody calls it. */
export function say(c: Context, line: ServiceLine): void {
  const lines = (c.get(LINES) ?? []) as TimedLine[];
  lines.push({ ...line, timeMs: Date.now() });
  c.set(LINES, lines);
}

interface TimedLine extends ServiceLine {
  readonly timeMs: number; // Unix ms
}

/** Writes the application logs of a request once its record is made. Default: nobody reads them. */
export type LogServices = (record: RequestLog, c: Context) => void;

/**
 * The shop's services log with pino, as programs do, to `publish`: what routes {@link say}, and whatever failed, at the level of its request.
 * Ids and texts come from the record, in which they are masked and redacted as configured.
 */
export function createServicesLog(publish: (record: AppLog) => unknown, instance: string): LogServices {
  const root = pino(
    { base: { hostname: instance, pid: process.pid }, timestamp: false, serializers: { err: asItIs } },
    appLogStream(publish, { service: "api" }),
  );
  const loggers = new Map<string, pino.Logger>();

  function loggerOf(name: string): pino.Logger {
    let logger = loggers.get(name);
    if (logger === undefined) {
      logger = root.child({ name, service: name.split(".")[0] });
      loggers.set(name, logger);
    }
    return logger;
  }

  return (record, c) => {
    const { request_id, trace_id, run_id, user_id } = record;
    const ids = { request_id, trace_id, run_id, user_id };
    for (const { level, logger, function: name, message, fields, timeMs } of (c.get(LINES) ??
      []) as TimedLine[])
      loggerOf(logger)[level]({ ...fields, ...ids, time: timeMs, function: name }, message);
    const failure = failureOf(record);
    if (failure)
      loggerOf(loggerNameOf(record))[failure.level]({ ...failure.fields, ...ids }, failure.message);
  };
}

/** Errors come from records, not as pino's serializer expects them. */
const asItIs = (error: unknown) => error;

const loggerNameOf = ({ service }: RequestLog) => (service === "payments" ? "orders.payment" : service);

/**
 * A request that the server failed, or that an injected fault refused. Of routes that belong to no service only what nobody caught: health
 * checks fail each second while Kafka is away.
 */
function failureOf(record: RequestLog) {
  const {
    status_code,
    service,
    level: requestLevel,
    method,
    endpoint,
    error_type,
    error_message,
    stack,
  } = record;
  const { incident } = record as { readonly incident?: string };
  const isFailed = status_code >= 500 && (service !== "api" || requestLevel === "CRITICAL");
  if (!isFailed && incident === undefined) return undefined;
  if (status_code < 400) return undefined;
  const level: Level = requestLevel === "CRITICAL" ? "fatal" : isFailed ? "error" : "warn";
  const endedMs = Date.parse(record.timestamp) + record.response_time_ms;
  return {
    level,
    message: `${method} ${endpoint} failed: ${error_message ?? `status ${status_code}`}`,
    fields: {
      ...{ time: Math.trunc(endedMs), err: { type: error_type ?? "Error", message: error_message, stack } },
      ...{ method, endpoint, status_code, incident },
      ...placeOfStack(stack),
    },
  };
}
