import { pipeline } from "node:stream/promises";
import { createGunzip } from "node:zlib";
import type { Context } from "hono";
import { problem } from "../problem.ts";

/** The largest body as it is sent: 1 MiB. */
export const MAX_BODY_BYTES = 2 ** 20;

/** The most that a compressed body may become: 4 MiB. It is inflated while it comes, and no further than to here. */
export const MAX_INFLATED_BYTES = 4 * 2 ** 20;

/** The body of a request, inflated if it is gzip; or the refusal that was answered. */
export async function bodyOf(c: Context): Promise<Buffer | Response> {
  const encoding = c.req.header("content-encoding")?.toLowerCase() ?? "identity";
  if (encoding !== "identity" && encoding !== "gzip") {
    c.header("accept-encoding", "gzip, identity"); // RFC 9110, 12.5.3
    return problem(c, 415, "BODY_ENCODED", "the body may be compressed by gzip only");
  }
  if (Number(c.req.header("content-length") ?? 0) > MAX_BODY_BYTES) return refuseLarge(c, MAX_BODY_BYTES, "");
  const sent = bounded(c.req.raw.body ?? [], MAX_BODY_BYTES);
  try {
    if (encoding === "identity") return await collected(sent);
    return await pipeline(sent, createGunzip(), (inflated: AsyncIterable<Buffer>) =>
      collected(bounded(inflated, MAX_INFLATED_BYTES)),
    );
  } catch (error) {
    if (error instanceof TooLarge)
      return refuseLarge(c, error.most, error.most === MAX_BODY_BYTES ? "" : " once it is inflated");
    if ((error as NodeJS.ErrnoException).code?.startsWith("Z_"))
      return problem(c, 400, "BODY_NOT_GZIP", "the body is not gzip, or not all of it");
    throw error; // the client left
  }
}

class TooLarge extends Error {
  readonly most: number;

  constructor(most: number) {
    super(`more than ${most} bytes`);
    this.most = most;
  }
}

async function* bounded(chunks: AsyncIterable<Uint8Array> | Iterable<Uint8Array>, most: number) {
  let bytes = 0;
  for await (const chunk of chunks) {
    bytes += chunk.byteLength;
    if (bytes > most) throw new TooLarge(most);
    yield chunk;
  }
}

async function collected(chunks: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const all: Uint8Array[] = [];
  for await (const chunk of chunks) all.push(chunk);
  return Buffer.concat(all);
}

function refuseLarge(c: Context, most: number, when: string): Response {
  return problem(
    c,
    413,
    "BODY_TOO_LARGE",
    `the body may have ${most} bytes at most${when}; send it in parts`,
  );
}
