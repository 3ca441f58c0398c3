import type { Destination, RecordKind } from "./record-kind.ts";

/** Severity of a record, in rising order. */
export const LEVELS = ["DEBUG", "INFO", "ERROR", "CRITICAL"] as const;
export type Level = (typeof LEVELS)[number];

/**
 * One answered HTTP request: a UTF-8 JSON object on the topic of its level. The publisher adds `source` and
 * `seq` when it admits the record (see {@link PublishedRequestLog}).
 */
export interface RequestLog {
  readonly v: 1;
  readonly request_id: string; // UUIDv7; the identity, so a redelivered record adds no row
  readonly timestamp: string; // ISO 8601 with ms and Z: start of the request; the ms inside request_id
  readonly level: Level;
  readonly service: string; // e.g. "orders"
  readonly instance: string; // host or process name
  readonly endpoint: string; // route template "/orders/:id", never the raw path; "(unmatched)" without a route
  readonly path: string; // raw path without the query
  readonly method: string;
  readonly status_code: number; // 100-599; 499 when the client left first
  readonly response_time_ms: number; // monotonic clock, µs resolution, until the body was handed over
  readonly user_agent?: string | undefined;
  readonly client_ip?: string | undefined;
  readonly bytes_in?: number | undefined; // body bytes received, as declared
  readonly bytes_out?: number | undefined; // bytes sent, headers included
  readonly user_id?: string | undefined;
  readonly client_request_id?: string | undefined; // what the caller sent as x-request-id
  readonly error_type?: string | undefined;
  readonly error_message?: string | undefined;
  readonly stack?: string | undefined;
  readonly run_id?: string | undefined; // x-run-id
  readonly trace_id?: string | undefined; // from traceparent
}

/** A request log as it stands on a topic: numbered without a gap by the publisher that admitted it. */
export interface PublishedRequestLog extends RequestLog {
  readonly source: string; // the publisher's boot id
  readonly seq: number; // 1, 2, 3 … per source
}

/** Endpoint of a request that matched no route. */
export const UNMATCHED = "(unmatched)";

/** Status of a request whose client left before it was answered (nginx's number). */
export const CLIENT_CLOSED_REQUEST = 499;

/** Column widths in characters; longer values are cut, never refused. */
export const MAX_LENGTH = {
  service: 64,
  instance: 128,
  endpoint: 255,
  path: 1024,
  method: 16,
  user_agent: 512,
  client_ip: 45,
  user_id: 64,
  client_request_id: 128,
  error_type: 128,
  error_message: 1024,
  stack: 8192,
  run_id: 64,
  trace_id: 32,
} as const;

/** The level a status code implies when nothing else was said. */
export function levelOfStatus(statusCode: number): Level {
  return statusCode >= 400 ? "ERROR" : "INFO";
}

/** The topic of each level: the three request-log topics. */
export const TOPIC_OF_LEVEL: Readonly<Record<Level, string>> = {
  DEBUG: "debug-logs",
  INFO: "info-logs",
  ERROR: "error-logs",
  CRITICAL: "error-logs",
};

export const REQUEST_LOG_TOPICS = ["info-logs", "error-logs", "debug-logs"] as const;

const destination = (level: Level): Destination => ({ topic: TOPIC_OF_LEVEL[level], level });

/** Where request logs of each level go. */
export const REQUEST_LOGS_OF: Readonly<Record<Level, Destination>> = {
  DEBUG: destination("DEBUG"),
  INFO: destination("INFO"),
  ERROR: destination("ERROR"),
  CRITICAL: destination("CRITICAL"),
};

export const REQUEST_LOG: RecordKind<RequestLog> = {
  name: "request_log",
  topics: REQUEST_LOG_TOPICS,
  destinationOf: ({ level }) => REQUEST_LOGS_OF[level],
};
