import type { IncomingMessage } from "node:http";
import type { Context, MiddlewareHandler } from "hono";
import type { Counter } from "prom-client";
import { clientOf, PerClient } from "../../contract/client-address.ts";
import { problem } from "../problem.ts";

interface Bucket {
  tokens: number;
  atMs: number; // monotonic
}

export interface RateLimit {
  readonly perSecond: number;
  readonly isExempt: (c: Context) => boolean;
  readonly limited: Counter; // counts what is beyond
  readonly now?: () => number;
}

/** Lets each client send so many requests a second, those of one second at once too; what is beyond is answered 429. */
export function limitRate({
  perSecond,
  isExempt,
  limited,
  now = () => performance.now(),
}: RateLimit): MiddlewareHandler {
  const most = Math.max(1, perSecond);
  const buckets = new PerClient<Bucket>();
  return async function limitRate(c, next) {
    if (isExempt(c)) return next();
    const client = clientOf(remoteAddressOf(c));
    const nowMs = now();
    const bucket = buckets.get(client) ?? { tokens: most, atMs: nowMs };
    bucket.tokens = Math.min(most, bucket.tokens + ((nowMs - bucket.atMs) / 1_000) * perSecond);
    bucket.atMs = nowMs;
    buckets.set(client, bucket);
    if (bucket.tokens >= 1) {
      bucket.tokens -= 1;
      return next();
    }
    limited.inc();
    c.header("retry-after", String(Math.max(1, Math.ceil((1 - bucket.tokens) / perSecond))));
    return problem(
      c,
      429,
      "RATE_LIMITED",
      "more requests than a client may send here; retry-after says when to come back",
    );
  };
}

/** Of the connection, which nobody can choose; what a header says of it is not believed. Undefined without a socket. */
export function remoteAddressOf(c: Context): string | undefined {
  return (c.env as { incoming?: IncomingMessage } | undefined)?.incoming?.socket.remoteAddress;
}
