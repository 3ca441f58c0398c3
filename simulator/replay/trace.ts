import { METHODS } from "node:http";
import type { Step } from "../journeys/journey.ts";
import type { TracedRequest } from "../plan/plan.ts";
import { requestNames } from "./names.ts";

/** A request as it was recorded. */
export interface RecordedRequest {
  readonly at_ms: number; // Unix ms; never less than that of the one before
  readonly method: string;
  readonly path: string; // with its query, if that was recorded
  readonly route: string; // such as `/orders/:id`, or the path once more
  readonly user_agent: string | undefined;
}

/** Told of each recorded request that is not sent: why, and where needed which one it is. */
export type OnLeftOut = (reason: string, which?: string) => void;

export interface TraceOptions {
  readonly speed: number; // 2: twice as fast as it was recorded
  readonly methods: readonly string[]; // that may be sent
  readonly limit?: number | undefined; // requests of the recording, from its start
  readonly loop?: number | undefined; // how often the recording is replayed; once unless given
  readonly onLeftOut?: OnLeftOut;
}

/** What HTTP calls safe: asking again changes nothing. @see https://www.rfc-editor.org/rfc/rfc9110#section-9.2.1 */
export const SAFE_METHODS = ["GET", "HEAD", "OPTIONS"];

/** Recordings hold no bodies, so a request that needs one goes out with the least there is. */
const METHODS_WITH_BODY = ["POST", "PUT", "PATCH"];
const EMPTY_BODY = { headers: { "content-type": "application/json" }, body: "{}" };

/**
 * The recorded requests with the gaps between them as they were, divided by the speed. Nothing is held: `recorded` is
 * read as the trace goes on, and read anew for each loop.
 */
export async function* traceOf(
  recorded: () => AsyncIterable<RecordedRequest>,
  { speed, methods, limit = Infinity, loop = 1, onLeftOut }: TraceOptions,
): AsyncGenerator<TracedRequest, void, undefined> {
  const nameOf = requestNames();
  let loopStartMs = 0;
  for (let looped = 0; looped < loop; looped++) {
    let firstMs: number | undefined;
    let lastMs = 0; // after the loop's start
    let count = 0;
    for await (const request of recorded()) {
      if (!methods.includes(request.method)) {
        onLeftOut?.(METHODS.includes(request.method) ? `method ${request.method}` : "method unknown");
        continue;
      }
      firstMs ??= request.at_ms;
      lastMs = (request.at_ms - firstMs) / speed;
      yield { due_ms: loopStartMs + lastMs, step: stepOf(request, nameOf(request.method, request.route)) };
      if (++count === limit) break;
    }
    if (count === 0) return;
    loopStartMs += loopMs(lastMs, count, speed);
  }
}

/** How long after its own start a loop is followed by the next: its last request, and the mean gap between two. */
export function loopMs(lastMs: number, count: number, speed: number): number {
  const meanGapMs = lastMs > 0 ? lastMs / (count - 1) : 1_000 / speed;
  return lastMs + meanGapMs;
}

function stepOf({ method, path, user_agent }: RecordedRequest, name: string): Step {
  const { headers, ...body } = METHODS_WITH_BODY.includes(method) ? EMPTY_BODY : { headers: {} };
  return {
    ...{ method, path: sendable(path), name, ...body },
    headers: user_agent === undefined ? headers : { ...headers, "user-agent": headerValue(user_agent) },
  };
}

/** What no request line may hold, as percent-encoded UTF-8. */
function sendable(path: string): string {
  return path.replaceAll(/[^\x21-\x7e]+/g, (text) =>
    Buffer.from(text).toString("hex").toUpperCase().replaceAll(/../g, "%$&"),
  );
}

/** What no header may hold, as question marks. */
function headerValue(text: string): string {
  return text.replaceAll(/[^\t\x20-\x7e\x80-\xff]/g, "?").trim();
}
