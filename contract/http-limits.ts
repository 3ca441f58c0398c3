import type { IncomingMessage, ServerOptions, ServerResponse } from "node:http";
import type { Socket } from "node:net";

/** What a client of any of our servers may send, and how long it may take (docs/security.md). */
export const HTTP_LIMITS = {
  maxHeaderSize: 16_384, // request line and headers, bytes: else 431
  maxHeaders: 100, // else 431
  headersTimeout: 10_000, // until the last header is there: else 408
  requestTimeout: 30_000, // until the last byte of the body is there: else 408
  connectionsCheckingInterval: 2_000, // how often the two above are looked at
  maxPipelined: 100, // requests that wait on one connection for the answers before theirs: else 503 and its end
  lingerMs: 1_000, // a connection that was refused is read on for so long, that the answer is not lost
} as const;

export type HttpLimits = { readonly [Limit in keyof typeof HTTP_LIMITS]: number };

export function serverOptions(limits: HttpLimits): ServerOptions {
  const { maxHeaderSize, headersTimeout, requestTimeout, connectionsCheckingInterval } = limits;
  return { maxHeaderSize, headersTimeout, requestTimeout, connectionsCheckingInterval };
}

/**
 * Refuses what Node's parser lets pass: more headers than anybody needs, and more pipelined requests on a connection than
 * a client can want answered; without a bound each chunk of a flood would start a thousand handlers.
 * @returns the status it answered; undefined where the app shall
 */
export function refuseExcess(limits: HttpLimits) {
  const waiting = new WeakMap<Socket, number>();
  return (incoming: IncomingMessage, outgoing: ServerResponse): 431 | 503 | undefined => {
    if (incoming.rawHeaders.length > 2 * limits.maxHeaders) return refuse(outgoing, 431);
    if (outgoing.socket !== null) return undefined; // the answers before its own are out
    const { socket } = incoming;
    const others = waiting.get(socket) ?? 0;
    if (others >= limits.maxPipelined) return refuse(outgoing, 503);
    waiting.set(socket, others + 1);
    outgoing.once("close", () => waiting.set(socket, waiting.get(socket)! - 1));
    return undefined;
  };
}

function refuse<Status extends 431 | 503>(outgoing: ServerResponse, status: Status): Status {
  outgoing.writeHead(status, { connection: "close", "content-length": 0 }).end();
  return status;
}
