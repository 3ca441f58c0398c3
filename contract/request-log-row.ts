import {
  broken,
  happenedMs,
  identity,
  number,
  numbering,
  text,
  trimmed,
  unknownFields,
  upper,
  wholeNumber,
} from "./fields.ts";
import type { Fields, ReceivedRecord, Rejection } from "./record.ts";
import { LEVELS, MAX_LENGTH, type Level } from "./request-log.ts";

/** One row of `api_logs`: every value checked and cut to its column. */
export interface RequestLogRow {
  readonly request_id: string; // 1-36 printable ASCII characters
  readonly timestampMs: number; // Unix ms
  readonly level: Level;
  readonly service: string;
  readonly instance: string;
  readonly endpoint: string;
  readonly path: string;
  readonly method: string;
  readonly status_code: number;
  readonly response_time_ms: number;
  readonly user_agent: string | null;
  readonly client_ip: string | null;
  readonly bytes_in: number | null;
  readonly bytes_out: number | null;
  readonly user_id: string | null;
  readonly client_request_id: string | null;
  readonly error_type: string | null;
  readonly error_message: string | null;
  readonly stack: string | null;
  readonly run_id: string | null;
  readonly trace_id: string | null;
  readonly source: string | null;
  readonly seq: number | null;
  readonly extra: string | null; // JSON object of the fields we do not know
}

const LONGEST_RESPONSE_MS = 999_999_999.999; // more than 11 days; the most that the rollups' DECIMAL(12, 3) holds

const KNOWN = new Set([
  ...["v", "request_id", "log_id", "timestamp", "level", "service", "instance", "endpoint", "path", "method"],
  ...["status_code", "response_time_ms", "user_agent", "client_ip", "bytes_in", "bytes_out", "user_id"],
  ...["client_request_id", "error_type", "error_message", "stack", "run_id", "trace_id", "source", "seq"],
]);

/**
 * Turns a record of the three request-log topics into a row: our own, or the plain shape that other producers
 * write (docs/records.md). Whatever identifies or classifies a request is checked; the rest is cut or left out.
 * @param nowMs Unix ms; a record more than an hour ahead of it is rejected
 */
export function requestLogRow(
  fields: Fields,
  record: ReceivedRecord,
  nowMs: number,
): { row: RequestLogRow } | { rejection: Rejection } {
  const request_id = identity(fields["request_id"] ?? fields["log_id"], record);
  const run_id = text(fields["run_id"], MAX_LENGTH.run_id);
  const reject = (reason: Rejection["reason"], detail: string) => ({
    rejection: { reason, detail, request_id, run_id: run_id ?? undefined },
  });

  const endpoint = text(fields["endpoint"] ?? fields["path"], MAX_LENGTH.endpoint);
  if (endpoint === null)
    return reject("invalid_field", broken("endpoint", fields["endpoint"], "a path or route template"));
  const method = text(upper(fields["method"]), MAX_LENGTH.method);
  if (method === null) return reject("invalid_field", broken("method", fields["method"], "an HTTP method"));
  const status_code = number(fields["status_code"]);
  if (status_code === null || !Number.isInteger(status_code) || status_code < 100 || status_code > 599) {
    return reject(
      "invalid_field",
      broken("status_code", fields["status_code"], "a whole number from 100 to 599"),
    );
  }
  const response_time_ms = number(fields["response_time_ms"]);
  if (response_time_ms === null || response_time_ms < 0 || response_time_ms > LONGEST_RESPONSE_MS) {
    return reject(
      "invalid_field",
      broken("response_time_ms", fields["response_time_ms"], "a number of ms from 0 to below 1e9"),
    );
  }
  const timestampMs = happenedMs(fields["timestamp"], record, nowMs);
  if (typeof timestampMs !== "number") return reject(timestampMs.reason, timestampMs.detail);

  return {
    row: {
      request_id,
      timestampMs,
      level: levelOf(fields["level"], status_code, record.topic),
      service: text(fields["service"], MAX_LENGTH.service) ?? "unknown",
      instance: text(fields["instance"], MAX_LENGTH.instance) ?? "",
      endpoint,
      path: text(fields["path"], MAX_LENGTH.path) ?? endpoint,
      method,
      status_code,
      response_time_ms: Math.round(response_time_ms * 1_000) / 1_000, // µs: rollups add these up exactly
      user_agent: text(fields["user_agent"], MAX_LENGTH.user_agent),
      client_ip: text(fields["client_ip"], MAX_LENGTH.client_ip),
      bytes_in: byteCount(fields["bytes_in"]),
      bytes_out: byteCount(fields["bytes_out"]),
      user_id: text(trimmed(fields["user_id"]), MAX_LENGTH.user_id),
      client_request_id: text(fields["client_request_id"], MAX_LENGTH.client_request_id),
      error_type: text(fields["error_type"], MAX_LENGTH.error_type),
      error_message: text(fields["error_message"], MAX_LENGTH.error_message),
      stack: text(fields["stack"], MAX_LENGTH.stack),
      run_id,
      trace_id: text(fields["trace_id"], MAX_LENGTH.trace_id),
      ...numbering(fields),
      extra: unknownFields(fields, KNOWN),
    },
  };
}

/** ERROR wins: a status of 400 and up is never DEBUG or INFO, whatever was said. A level that is none of ours says nothing. */
function levelOf(given: unknown, statusCode: number, topic: string): Level {
  const said = LEVELS.find((level) => level === upper(given));
  if (said === "CRITICAL" || said === "ERROR") return said;
  if (statusCode >= 400) return "ERROR";
  if (said !== undefined) return said;
  return topic === "error-logs" ? "ERROR" : topic === "debug-logs" ? "DEBUG" : "INFO";
}

/** More than a tebibyte is nobody's response, and thousands of them would not fit the sums of a rollup. */
function byteCount(value: unknown): number | null {
  const count = wholeNumber(value);
  return count !== null && count <= 2 ** 40 ? count : null;
}
