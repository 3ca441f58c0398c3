import type { Destination, RecordKind } from "./record-kind.ts";
import type { Level } from "./request-log.ts";

/** Severity of an application log, in rising order, as Python's `logging` names it. */
export const APP_LOG_LEVELS = ["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"] as const;
export type AppLogLevel = (typeof APP_LOG_LEVELS)[number];

const ALIASES: Readonly<Record<string, AppLogLevel>> = {
  ...{ TRACE: "DEBUG", VERBOSE: "DEBUG", NOTICE: "INFO", WARN: "WARNING", ERR: "ERROR" },
  ...{ FATAL: "CRITICAL", ALERT: "CRITICAL", EMERGENCY: "CRITICAL" },
};

/** The level that a name means, also the names of other libraries, in any case. */
export function appLogLevel(name: unknown): AppLogLevel | undefined {
  if (typeof name !== "string") return undefined;
  const said = name.toUpperCase();
  return (
    APP_LOG_LEVELS.find((known) => known === said) ??
    (Object.hasOwn(ALIASES, said) ? ALIASES[said] : undefined)
  );
}

/** What was thrown. */
export interface LoggedException {
  readonly type: string; // class or name, such as TypeError
  readonly message?: string | undefined;
  readonly stack?: string | undefined;
}

/** One line that a program logged: a UTF-8 JSON object on `application-logs`, of ERROR and CRITICAL on `application-logs-errors`. */
export interface AppLog {
  readonly v: 1;
  readonly log_id: string; // UUIDv7; the identity, so a redelivered record adds no row
  readonly timestamp: string; // ISO 8601 with ms and Z
  readonly level: AppLogLevel;
  readonly logger: string; // such as orders.payment
  readonly message: string;
  readonly service: string;
  readonly host?: string | undefined;
  readonly module?: string | undefined; // file
  readonly function?: string | undefined;
  readonly line?: number | undefined;
  readonly thread?: string | undefined;
  readonly process?: string | undefined; // number or name
  readonly exception?: LoggedException | undefined;
  readonly context?: Readonly<Record<string, unknown>> | undefined; // free tags
  readonly request_id?: string | undefined; // of the request it was logged for
  readonly trace_id?: string | undefined;
  readonly user_id?: string | undefined;
  readonly run_id?: string | undefined;
}

const TOPIC = "application-logs";
const ERRORS_TOPIC = "application-logs-errors";

const ERRORS: ReadonlySet<AppLogLevel> = new Set(["ERROR", "CRITICAL"]);

/** Levels by which publishers shed: a warning goes when information goes. */
const SHED_AS: Readonly<Record<AppLogLevel, Level>> = {
  DEBUG: "DEBUG",
  INFO: "INFO",
  WARNING: "INFO",
  ERROR: "ERROR",
  CRITICAL: "CRITICAL",
};

export const shedAs = (level: AppLogLevel): Level => SHED_AS[level];

const DESTINATIONS = Object.fromEntries(
  APP_LOG_LEVELS.map((level) => [
    level,
    { topic: ERRORS.has(level) ? ERRORS_TOPIC : TOPIC, level: SHED_AS[level] },
  ]),
) as Record<AppLogLevel, Destination>;

export const APP_LOG: RecordKind<AppLog> = {
  name: "app_log",
  topics: [TOPIC, ERRORS_TOPIC],
  destinationOf: ({ level }) => DESTINATIONS[level],
};
