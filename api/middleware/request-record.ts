import { hostname } from "node:os";
import {
  CLIENT_CLOSED_REQUEST,
  levelOfStatus,
  MAX_LENGTH,
  type Level,
  type RequestLog,
} from "../../contract/request-log.ts";
import { pseudonym, redactSecrets } from "./redact.ts";

/** @template C what the framework knows of a request: the functions are asked with it, when the response is done */
export interface RecordOptions<C> {
  /** Name of the service in each record; a function names it by request. Default "api". */
  readonly service?: string | ((c: C) => string);
  /** Host or process name in each record. Default: the host's name. */
  readonly instance?: string;
  /** Who is signed in; asked when the response is done. */
  readonly userId?: (c: C) => string | undefined;
  /** Requests that only matter for debugging, such as health checks. `x-log-level: debug` asks for it too. */
  readonly isDebug?: (c: C) => boolean;
  /**
   * Makes the record when the app ends its response, and holds back the last byte until `publish` has resolved: for a publisher whose spool is
   * in mode `always`, so that who reads the whole answer has a row.
   */
  readonly writeAhead?: boolean;
  /** Zeroes the host part of client addresses: the last byte of IPv4, all behind the first 48 bits of IPv6. */
  readonly maskIp?: boolean;
  /** What is kept of `userId`: all of it, nothing, or a pseudonym by HMAC-SHA-256 that no one can undo without the key. Default "keep". */
  readonly userIds?: "keep" | "drop" | { readonly hashKey: string };
  /**
   * Replaces bearer tokens, passwords, e-mail addresses and numbers as long as a card's by `***` in path, user agent, error
   * message and stack.
   */
  readonly redact?: boolean;
  /**
   * Further fields of the record, such as `{ tenant: "acme" }`; asked for when the response is done. They are kept in
   * the JSON column `extra`; none can take the place of a field of {@link RequestLog}.
   */
  readonly extra?: (c: C) => Readonly<Record<string, unknown>> | undefined;
}

/** What a request said, as its framework tells it. */
export interface Asked {
  readonly method: string;
  readonly path: string; // without the query
  readonly endpoint: string; // the route's template, or UNMATCHED
  /** @param known in small letters */
  readonly header: (known: string) => string | undefined;
  readonly address: string | undefined; // of the connection
}

export interface Outcome {
  readonly requestId: string;
  readonly startedMs: number;
  readonly elapsedMs: number;
  readonly statusCode: number;
  readonly bytesOut: number | undefined;
  readonly error: Error | undefined;
  /** Whether the app answered with it on purpose, as Hono's HTTPException does; what it did not expect is CRITICAL and has a stack. */
  readonly isExpected: boolean;
}

/** Builds records; what does not change between requests is worked out once. */
export function describer<C>(options: RecordOptions<C>) {
  const { service = "api", instance = hostname(), userId, isDebug, maskIp = false, extra } = options;
  const { userIds = "keep" } = options;
  const shown =
    typeof userIds === "object"
      ? (id: string | undefined) => (id === undefined ? undefined : pseudonym(id, userIds.hashKey))
      : (id: string | undefined) => (userIds === "drop" ? undefined : id);
  const clean = options.redact === true ? redactSecrets : (text: string) => text;
  const kept = (text: string | undefined, length: number) =>
    text === undefined ? undefined : cut(clean(cut(text, 2 * length)), length); // what is cut is not searched
  const name = typeof service === "string" ? () => service : service;

  return function describe(c: C, asked: Asked, outcome: Outcome): RequestLog {
    const { header, address } = asked;
    const { requestId, startedMs, elapsedMs, statusCode, bytesOut, error, isExpected } = outcome;
    const aborted = statusCode === CLIENT_CLOSED_REQUEST;
    const uncaught = error !== undefined && !isExpected;
    const debug = header("x-log-level")?.toLowerCase() === "debug" || answerOf(isDebug, c) === true;
    const record: RequestLog = {
      v: 1,
      request_id: requestId,
      timestamp: new Date(startedMs).toISOString(),
      level: levelOf(statusCode, uncaught && !aborted, debug),
      service: cut(answerOf(name, c) ?? "api", MAX_LENGTH.service),
      instance,
      endpoint: cut(asked.endpoint, MAX_LENGTH.endpoint),
      path: kept(asked.path, MAX_LENGTH.path) ?? "",
      method: asked.method,
      status_code: statusCode,
      response_time_ms: Math.round(elapsedMs * 1000) / 1000,
      user_agent: kept(header("user-agent"), MAX_LENGTH.user_agent),
      client_ip: maskIp ? masked(address) : address,
      // The length of a chunked body is declared by nobody.
      bytes_in: header("transfer-encoding") ? undefined : declaredLength(header("content-length")),
      bytes_out: bytesOut,
      user_id: cut(shown(answerOf(userId, c)), MAX_LENGTH.user_id),
      client_request_id: cut(header("x-request-id"), MAX_LENGTH.client_request_id),
      run_id: cut(header("x-run-id"), MAX_LENGTH.run_id),
      trace_id: traceId(header("traceparent")),
      ...(statusCode >= 400 && errorOf(error, isExpected, aborted, kept)),
    };
    const further = answerOf(extra, c);
    return further === undefined ? record : { ...further, ...record };
  };
}

/** A record without the answer is better than none. */
export function answerOf<C, T>(question: ((c: C) => T) | undefined, c: C): T | undefined {
  try {
    return question?.(c);
  } catch {
    return undefined;
  }
}

function levelOf(statusCode: number, uncaught: boolean, debug: boolean): Level {
  if (uncaught) return "CRITICAL";
  const level = levelOfStatus(statusCode);
  return debug && level === "INFO" ? "DEBUG" : level;
}

type Kept = (text: string | undefined, length: number) => string | undefined;

function errorOf(error: Error | undefined, isExpected: boolean, aborted: boolean, kept: Kept) {
  if (aborted)
    return { error_type: "ClientClosedRequest", error_message: "the client left before the answer" };
  if (!error) return undefined;
  return {
    error_type: cut(error.name, MAX_LENGTH.error_type),
    error_message: kept(error.message, MAX_LENGTH.error_message),
    stack: isExpected ? undefined : kept(error.stack, MAX_LENGTH.stack),
  };
}

/** What was thrown, as an Error. */
export function errorFrom(thrown: unknown): Error {
  return thrown instanceof Error ? thrown : new Error(`thrown: ${textOf(thrown)}`, { cause: thrown });
}

/**
 * Runs what describes and publishes a response. It may not throw on: that is not the client's trouble, and in a "close" listener it would
 * end the process. The first time it is complained of.
 */
export function complainingOnce(): (work: () => unknown) => unknown {
  let hasComplained = false;
  return (work) => {
    try {
      return work();
    } catch (reason) {
      if (!hasComplained)
        process.emitWarning(`a response was not logged, as publish threw: ${textOf(reason)}`);
      hasComplained = true;
    }
  };
}

/** As `String`, for things whose own toString throws too. */
function textOf(thrown: unknown): string {
  try {
    return String(thrown);
  } catch {
    return Object.prototype.toString.call(thrown);
  }
}

function cut(value: string, length: number): string;
function cut(value: string | undefined, length: number): string | undefined;
function cut(value: string | undefined, length: number): string | undefined {
  return value === undefined || value.length <= length ? value : value.slice(0, length);
}

function declaredLength(header: string | undefined): number | undefined {
  const length = Number(header ?? 0);
  return Number.isSafeInteger(length) && length >= 0 ? length : undefined;
}

/** @see https://www.w3.org/TR/trace-context/#traceparent-header */
function traceId(traceparent: string | undefined): string | undefined {
  return traceparent && /^[\da-f]{2}-([\da-f]{32})-[\da-f]{16}-[\da-f]{2}/.exec(traceparent)?.[1];
}

export function masked(address: string | undefined): string | undefined {
  if (address === undefined) return undefined;
  const v4 = address.replace(/^::ffff:(?=\d+\.)/i, "");
  if (v4.includes(".")) return v4.replace(/\.\d+$/, ".0");
  const groups = address.split("::")[0]?.split(":").slice(0, 3) ?? [];
  return `${groups.join(":")}::`;
}
