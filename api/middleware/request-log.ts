import type { Context, MiddlewareHandler } from "hono";
import type { Publish } from "../../producer/publish.ts";

export interface RequestLogOptions {
  /** Name of the service in each record; a function names it by request. */
  readonly service?: string | ((c: Context) => string);
  /** Host or process name; the host's name unless given. */
  readonly instance?: string;
  /** Who is signed in, asked when the response is done. */
  readonly userId?: (c: Context) => string | undefined;
  /** Whether a request is only of interest for debugging, such as health checks; `x-log-level: debug` asks for it too. */
  readonly isDebug?: (c: Context) => boolean;
  /** Zeroes the last byte of an IPv4 and the last ten of an IPv6 address. */
  readonly maskIp?: boolean;
}

/** Publishes one record for each response; sets `x-request-id` on it. (Under construction.) */
export function requestLog(publish: Publish, options: RequestLogOptions = {}): MiddlewareHandler {
  void publish;
  void options;
  return async (_c, next) => next();
}
