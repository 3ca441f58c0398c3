import type { IncomingMessage, ServerResponse } from "node:http";
import type { Context, MiddlewareHandler } from "hono";
import { HTTPException } from "hono/http-exception";
import { routePath } from "hono/route";
import { requestIdAt } from "../../contract/request-id.ts";
import { CLIENT_CLOSED_REQUEST, UNMATCHED, type RequestLog } from "../../contract/request-log.ts";
import { complainingOnce, describer, errorFrom, type Asked, type RecordOptions } from "./request-record.ts";
import { beforeEnd, whenClosed, type Done } from "./response-end.ts";

export type RequestLogOptions = RecordOptions<Context>;

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
  const safely = complainingOnce();
  return async function requestLog(c, next) {
    const startedMs = Date.now();
    const clockMs = performance.now(); // monotonic
    const requestId = requestIdAt(startedMs);
    let thrown: Error | undefined;

    const record: Done = (statusCode, bytesOut, broken) => {
      const elapsedMs = performance.now() - clockMs;
      const error = broken ?? c.error ?? thrown;
      const isExpected = error instanceof HTTPException;
      const outcome = { requestId, startedMs, elapsedMs, statusCode, bytesOut, error, isExpected };
      return safely(() => publish(describe(c, askedOf(c, statusCode), outcome), c));
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
      thrown = errorFrom(reason);
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

function askedOf(c: Context, statusCode: number): Asked {
  const { req } = c;
  const incoming = (c.env as { incoming?: IncomingMessage } | undefined)?.incoming;
  // Node's own headers, where there are some: Hono's pass through an object made for each request.
  const headers = incoming?.headers; // a test's socket has none
  const endpoint = routePath(c, -1);
  return {
    method: req.method,
    path: req.path,
    endpoint: isMiddlewareOnly(endpoint, statusCode) ? UNMATCHED : endpoint,
    header: (known) => (headers ? (headers[known] as string | undefined) : req.header(known)),
    address: incoming?.socket.remoteAddress,
  };
}

/** Whether the last route that matched was a middleware's: of the whole app, or of a part of it that knows no such path. */
function isMiddlewareOnly(endpoint: string, statusCode: number): boolean {
  return endpoint === "/*" || endpoint === "*" || (statusCode === 404 && endpoint.endsWith("/*"));
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
        const broken = errorFrom(reason);
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
