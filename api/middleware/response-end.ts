import type { ServerResponse } from "node:http";
import { CLIENT_CLOSED_REQUEST } from "../../contract/request-log.ts";

/**
 * @param broken what broke the body on its way
 * @returns what `publish` returns: with a spool that is written ahead the last byte may go when it resolves
 */
export type Done = (statusCode: number, bytesOut: number | undefined, broken?: Error) => unknown;

/** Bytes each keep-alive socket had sent when its previous response ended. */
const bytesSentBefore = new WeakMap<object, number>();

/** Node: "close" comes once, after the last byte was handed over, when the client left first or when the body broke. */
export function whenClosed(outgoing: ServerResponse, done: Done): void {
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
export function beforeEnd(outgoing: ServerResponse, done: Done): void {
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
