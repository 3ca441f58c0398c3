import { v5 as uuidv5 } from "uuid";
import { originOf, type Fields, type ReceivedRecord, type Rejection } from "./record.ts";
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

/** Ids of records that bring none, or none that fits, are UUIDv5 in this namespace. */
const NAMESPACE = "6d1f2c0a-6f0e-5c55-9e6b-6b1f0b7a3c11";

const HOUR_MS = 3_600_000;
const LONGEST_RESPONSE_MS = 1e9; // more than 11 days
const LAST_MS = Date.UTC(9999, 11, 31, 23, 59, 59);

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
  const request_id = identityOf(fields, record);
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
      broken("response_time_ms", fields["response_time_ms"], "a number of ms from 0 to 1e9"),
    );
  }
  const timestampMs = instant(fields["timestamp"]) ?? Math.max(0, record.timeMs); // Kafka says -1 for none
  if (timestampMs > nowMs + HOUR_MS) {
    return reject("in_the_future", broken("timestamp", fields["timestamp"], "at most 1 h ahead of now"));
  }

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
      source: text(fields["source"], MAX_LENGTH.source),
      seq: wholeNumber(fields["seq"]),
      extra: unknownFields(fields),
    },
  };
}

const broken = (field: string, value: unknown, rule: string) =>
  `${field}=${value === undefined ? "(missing)" : JSON.stringify(value).slice(0, 200)} must be ${rule}`;

/** `request_id`, else `log_id`; what does not fit the column, or nothing, becomes a UUIDv5 that redelivery and replays repeat. */
function identityOf(fields: Fields, record: ReceivedRecord): string {
  const given = fields["request_id"] ?? fields["log_id"];
  if (typeof given === "string" && /^[\x21-\x7e]{1,36}$/.test(given)) return given;
  if ((typeof given === "string" && given !== "") || typeof given === "number")
    return uuidv5(String(given).toWellFormed(), NAMESPACE); // uuid throws at half of a surrogate pair
  return uuidv5(originOf(record), NAMESPACE);
}

/** ERROR wins: a status of 400 and up is never DEBUG or INFO, whatever was said. A level that is none of ours says nothing. */
function levelOf(given: unknown, statusCode: number, topic: string): Level {
  const said = LEVELS.find((level) => level === upper(given));
  if (said === "CRITICAL" || said === "ERROR") return said;
  if (statusCode >= 400) return "ERROR";
  if (said !== undefined) return said;
  return topic === "error-logs" ? "ERROR" : topic === "debug-logs" ? "DEBUG" : "INFO";
}

const upper = (value: unknown) => (typeof value === "string" ? value.toUpperCase() : value);

const WALL_CLOCK = /^\d{4}-\d\d-\d\d[T ]\d\d:\d\d(?::\d\d(?:[.,]\d{1,9})?)?$/;
const WITH_ZONE = /^\d{4}-\d\d-\d\d[T ]\d\d:\d\d(?::\d\d(?:[.,]\d{1,9})?)?(?:Z|[+-]\d\d:?\d\d)$/i;

/** Unix ms of an ISO 8601 text, of `YYYY-MM-DD HH:MM:SS` (taken as UTC) or of a number of ms; null when none of these. */
function instant(value: unknown): number | null {
  let ms = NaN;
  if (typeof value === "string") {
    if (WITH_ZONE.test(value)) ms = Date.parse(value.replace(" ", "T").replace(",", "."));
    else if (WALL_CLOCK.test(value)) ms = Date.parse(`${value.replace(" ", "T").replace(",", ".")}Z`);
  } else if (typeof value === "number") {
    ms = Math.trunc(value);
  }
  return ms >= 0 && ms <= LAST_MS ? ms : null;
}

function text(value: unknown, length: number): string | null {
  if (typeof value === "number" || typeof value === "boolean") return text(String(value), length);
  if (typeof value !== "string" || value === "") return null;
  return value.length > length ? value.slice(0, length) : value;
}

/** SQL compares keys as if spaces at their end were not there. */
const trimmed = (value: unknown) => (typeof value === "string" ? value.trimEnd() : value);

/** Numbers, also written as text, as CSV-minded producers do. */
function number(value: unknown): number | null {
  const parsed = typeof value === "string" && value.trim() !== "" ? Number(value) : value;
  return typeof parsed === "number" && Number.isFinite(parsed) ? parsed : null;
}

function wholeNumber(value: unknown): number | null {
  const parsed = number(value);
  return parsed !== null && Number.isSafeInteger(parsed) && parsed >= 0 ? parsed : null;
}

/** More than a tebibyte is nobody's response, and thousands of them would not fit the sums of a rollup. */
function byteCount(value: unknown): number | null {
  const count = wholeNumber(value);
  return count !== null && count <= 2 ** 40 ? count : null;
}

function unknownFields(fields: Fields): string | null {
  let extra: Record<string, unknown> | undefined;
  for (const key in fields) {
    if (!KNOWN.has(key)) (extra ??= Object.create(null) as Record<string, unknown>)[key] = fields[key];
  }
  return extra === undefined ? null : wellFormed(JSON.stringify(extra));
}

/** JSON.stringify escapes half of a surrogate pair, which MySQL's JSON refuses; as in every column it becomes U+FFFD. */
function wellFormed(json: string): string {
  return json.replace(/\\(?:\\|ud[89a-f][\da-f]{2})/g, (escape) => (escape === "\\\\" ? escape : "\ufffd"));
}
