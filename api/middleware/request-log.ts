import { hostname } from "node:os";
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Context, MiddlewareHandler } from "hono";
import { HTTPException } from "hono/http-exception";
import { routePath } from "hono/route";
import { requestIdAt } from "../../contract/request-id.ts";
import {
  CLIENT_CLOSED_REQUEST,
  levelOfStatus,
  MAX_LENGTH,
  UNMATCHED,
  type Level,
  type RequestLog,
} from "../../contract/request-log.ts";
import { pseudonym, redactSecrets } from "./redact.ts";

export interface RequestLogOptions {
  /** Name of the service in each record; a function names it by request. Default "api". */
  readonly service?: string | ((c: Context) => string);
  /** Host or process name in each record. Default: the host's name. */
  readonly instance?: string;
  /** Who is signed in; asked when the response is done. */
  readonly userId?: (c: Context) => string | undefined;
  /** Requests that only matter for debugging, such as health checks. `x-log-level: debug` asks for it too. */
  readonly isDebug?: (c: Context) => boolean;
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
  readonly extra?: (c: Context) => Readonly<Record<string, unknown>> | undefined;
}

/** As `Publish` of a publisher; may also look at the request. */
type PublishOf = (record: RequestLog, c: Context) => unknown;

/**
 * Hono middleware: hands one {@link RequestLog} to `publish` for every response, be it a 404, a 405, an uncaught exception, a
 * streamed body or a request whose client left, and sets `x-request-id`, the record's identity, on the response.
 * It never throws, waits or slows a response, whatever `publish` and the functions in `options` do. Mount it first: what
 * answers before it is not logged.
 *
 * Under @hono/node-server the record is made when the socket has taken the last byte; in other runtimes when the body has
 * been read. A body that breaks on its way counts as 500. A thrown non-Error is passed on as an Error, because Hono's
 * `onError` sees only those.
 */
export function requestLog(publish: PublishOf, options: RequestLogOptions = {}): MiddlewareHandler {
  const describe = describer(options);
  let hasComplained = false;
  const complain = (reason: unknown) => {
    if (!hasComplained) process.emitWarning(`a response was not logged, as publish threw: ${textOf(reason)}`);
    hasComplained = true;
  };
  return async function requestLog(c, next) {
    const startedMs = Date.now();
    const clockMs = performance.now(); // monotonic
    const requestId = requestIdAt(startedMs);
    let thrown: Error | undefined;

    const record: Done = (statusCode, bytesOut, broken) => {
      const elapsedMs = performance.now() - clockMs;
      const error = broken ?? c.error ?? thrown;
      try {
        const log = describe(c, { requestId, startedMs, elapsedMs, statusCode, bytesOut, error });
        return publish(log, c);
      } catch (reason) {
        complain(reason); // not the client's trouble, and in a "close" listener it would end the process
      }
    };
    const outgoing = (c.env as { outgoing?: ServerResponse } | undefined)?.outgoing;
    if (outgoing) {
      outgoing.setHeader("x-request-id", requestId); // cheaper than a Headers object, and stays on raw Responses
      if (options.writeAhead) beforeEnd(outgoing, record);
      else whenClosed(outgoing, record);
    }

    try {
      await next();
    } catch (reason) {
      thrown = reason instanceof Error ? reason : new Error(`thrown: ${textOf(reason)}`, { cause: reason });
      throw thrown;
    } finally {
      if (!outgoing) {
        c.header("x-request-id", requestId);
        if (thrown) await record(500, undefined);
        else await whenRead(c, record);
      }
    }
  };
}

/**
 * @param broken what broke the body on its way
 * @returns what `publish` returns: with a spool that is written ahead the last byte may go when it resolves
 */
type Done = (statusCode: number, bytesOut: number | undefined, broken?: Error) => unknown;

/** Bytes each keep-alive socket had sent when its previous response ended. */
const bytesSentBefore = new WeakMap<object, number>();

/** Node: "close" comes once, after the last byte was handed over, when the client left first or when the body broke. */
function whenClosed(outgoing: ServerResponse, done: Done): void {
  const { socket } = outgoing.req;
  let sent: number | undefined;
  // Both come once; on() because once() wraps each listener anew. Ahead of Node's own listener, which lets a pipelined request's response write.
  outgoing.prependListener("finish", () => {
    sent = socket.bytesWritten;
  });
  outgoing.on("close", () => {
    sent ??= socket.bytesWritten;
    const bytes = sent - (bytesSentBefore.get(socket) ?? 0);
    bytesSentBefore.set(socket, sent);
    if (outgoing.errored) void done(500, bytes, outgoing.errored);
    else void done(outgoing.writableFinished ? outgoing.statusCode : CLIENT_CLOSED_REQUEST, bytes);
  });
}

/**
 * Node, with a spool that is written ahead: the record is made when the app ends its response, and the end waits until the record is on
 * disk. So who reads the whole answer has a row. What never comes to its end is recorded when it closes, as above.
 */
function beforeEnd(outgoing: ServerResponse, done: Done): void {
  const end = outgoing.end.bind(outgoing) as (...args: unknown[]) => ServerResponse;
  let hasEnded = false;
  whenClosed(outgoing, (...outcome) => (hasEnded ? undefined : done(...outcome)));
  outgoing.end = ((...args: unknown[]) => {
    if (hasEnded || outgoing.destroyed) return end(...args);
    hasEnded = true;
    const bytes = bytesWritten(outgoing) + lastChunkBytes(outgoing, args[0]);
    void Promise.resolve(done(outgoing.statusCode, bytes)).then(() => end(...args));
    return outgoing;
  }) as ServerResponse["end"];
}

/** Of this response so far, with headers that are ready and go out with the first bytes of the body. */
function bytesWritten(outgoing: ServerResponse): number {
  const { socket } = outgoing.req;
  const { _header: header, _headerSent: isSent } = outgoing as unknown as {
    readonly _header?: string | null;
    readonly _headerSent?: boolean;
  };
  // Of pipelined requests a later one has no socket yet: what it has written waits.
  const written = outgoing.socket
    ? socket.bytesWritten - (bytesSentBefore.get(socket) ?? 0)
    : outgoing.writableLength;
  return written + (isSent ? 0 : (header?.length ?? 0));
}

/** What ending with a chunk adds; a chunked body has its length in hex before each chunk and an empty one at its end. */
function lastChunkBytes({ req, chunkedEncoding }: ServerResponse, chunk: unknown): number {
  const isBody = req.method !== "HEAD" && (typeof chunk === "string" || chunk instanceof Uint8Array);
  const bytes = isBody ? Buffer.byteLength(chunk) : 0;
  if (!chunkedEncoding) return bytes;
  return (bytes > 0 ? bytes.toString(16).length + bytes + 4 : 0) + 5;
}

/** Elsewhere: a response without a body is done; a body is counted while its reader takes it. */
async function whenRead(c: Context, done: Done): Promise<void> {
  const { res } = c;
  if (!res.body || c.req.method === "HEAD") {
    await done(res.status, 0); // Hono answers HEAD with the headers of GET and leaves the body unread
    return;
  }
  const reader = (res.body as ReadableStream<Uint8Array>).getReader();
  let bytes = 0;
  const counted = new ReadableStream<Uint8Array>({
    async pull(controller) {
      const { done: ended, value } = await reader.read().catch((reason: unknown) => {
        const broken = reason instanceof Error ? reason : new Error(`thrown: ${textOf(reason)}`);
        void done(500, bytes, broken);
        throw broken;
      });
      if (ended) {
        await done(res.status, bytes);
        controller.close();
      } else {
        bytes += value.byteLength;
        controller.enqueue(value);
      }
    },
    async cancel(reason) {
      void done(CLIENT_CLOSED_REQUEST, bytes);
      await reader.cancel(reason);
    },
  });
  c.res = new Response(counted, res);
}

interface Outcome {
  readonly requestId: string;
  readonly startedMs: number;
  readonly elapsedMs: number;
  readonly statusCode: number;
  readonly bytesOut: number | undefined;
  readonly error: Error | undefined;
}

/** Builds records; what does not change between requests is worked out once. */
function describer(options: RequestLogOptions) {
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

  return function describe(c: Context, outcome: Outcome): RequestLog {
    const { requestId, startedMs, elapsedMs, statusCode, bytesOut, error } = outcome;
    const { req } = c;
    const incoming = (c.env as { incoming?: IncomingMessage } | undefined)?.incoming;
    // Node's own headers, where there are some: Hono's pass through an object made for each request.
    const headers = incoming?.headers; // a test's socket has none
    const header = (known: string) => (headers ? (headers[known] as string | undefined) : req.header(known));
    const aborted = statusCode === CLIENT_CLOSED_REQUEST;
    const uncaught = error !== undefined && !(error instanceof HTTPException);
    const debug = header("x-log-level")?.toLowerCase() === "debug" || answerOf(isDebug, c) === true;
    const endpoint = routePath(c, -1);
    const address = incoming?.socket.remoteAddress;
    const record: RequestLog = {
      v: 1,
      request_id: requestId,
      timestamp: new Date(startedMs).toISOString(),
      level: levelOf(statusCode, uncaught && !aborted, debug),
      service: cut(answerOf(name, c) ?? "api", MAX_LENGTH.service),
      instance,
      endpoint: isMiddlewareOnly(endpoint, statusCode) ? UNMATCHED : cut(endpoint, MAX_LENGTH.endpoint),
      path: kept(req.path, MAX_LENGTH.path) ?? "",
      method: req.method,
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
      ...(statusCode >= 400 && errorOf(error, aborted, kept)),
    };
    const further = answerOf(extra, c);
    return further === undefined ? record : { ...further, ...record };
  };
}

/** Whether the last route that matched was a middleware's: of the whole app, or of a part of it that knows no such path. */
function isMiddlewareOnly(endpoint: string, statusCode: number): boolean {
  return endpoint === "/*" || endpoint === "*" || (statusCode === 404 && endpoint.endsWith("/*"));
}

/** A record without the answer is better than none. */
function answerOf<T>(question: ((c: Context) => T) | undefined, c: Context): T | undefined {
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

function errorOf(error: Error | undefined, aborted: boolean, kept: Kept) {
  if (aborted)
    return { error_type: "ClientClosedRequest", error_message: "the client left before the answer" };
  if (!error) return undefined;
  return {
    error_type: cut(error.name, MAX_LENGTH.error_type),
    error_message: kept(error.message, MAX_LENGTH.error_message),
    stack: error instanceof HTTPException ? undefined : kept(error.stack, MAX_LENGTH.stack),
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
