import { Hono, type Context, type MiddlewareHandler } from "hono";
import type { ContentfulStatusCode } from "hono/utils/http-status";
import { APP_LOG } from "../../contract/app-log.ts";
import { messageOf } from "../../contract/errors.ts";
import type { Publishable, RecordKind } from "../../contract/record-kind.ts";
import type { Fields } from "../../contract/record.ts";
import { REQUEST_LOG } from "../../contract/request-log.ts";
import { bodyOf } from "../ingest/body.ts";
import { checkAppLog, checkRequestLog, type Checked } from "../ingest/check.ts";
import { MAX_RECORDS, type Candidate, type Intake } from "../ingest/intake.ts";
import { appLogsOf } from "../otlp/logs.ts";
import type { Mapped } from "../otlp/mapped.ts";
import { decodeMessage, encodeMessage, type OtlpMessage } from "../otlp/messages.ts";
import { requestLogsOf } from "../otlp/spans.ts";
import type { Message } from "../otlp/values.ts";
import { problem } from "../problem.ts";
import { RETRY_AFTER_S } from "./ingest.ts";

/** What is exported on one path, and which records it becomes. */
interface Signal<R extends Publishable> {
  readonly path: "/v1/logs" | "/v1/traces";
  readonly request: OtlpMessage;
  readonly response: OtlpMessage;
  readonly rejected: "rejectedLogRecords" | "rejectedSpans";
  readonly map: (request: Message) => Mapped[];
  readonly kind: RecordKind<R>;
  readonly check: (fields: Fields, nowMs: number) => Checked<R>;
}

const LOGS = {
  path: "/v1/logs",
  request: "LogsRequest",
  response: "LogsResponse",
  rejected: "rejectedLogRecords",
  map: appLogsOf,
  kind: APP_LOG,
  check: checkAppLog,
} as const;

const TRACES = {
  path: "/v1/traces",
  request: "TraceRequest",
  response: "TraceResponse",
  rejected: "rejectedSpans",
  map: requestLogsOf,
  kind: REQUEST_LOG,
  check: checkRequestLog,
} as const;

const PROTOBUF = "application/x-protobuf";
const JSON_TYPE = "application/json";

/**
 * OTLP/HTTP of logs and traces, JSON and protobuf; whoever mounts it guards `/v1/*`. Log records become application logs, HTTP SERVER spans
 * request logs, other spans are taken and left. Answers come in the request's encoding, errors as google.rpc.Status ({@link answerStatus}).
 * @see https://opentelemetry.io/docs/specs/otlp/#otlphttp
 */
export function otlpRoutes(intake: Intake): Hono {
  const routes = new Hono();
  mount(routes, LOGS, intake);
  mount(routes, TRACES, intake);
  return routes;
}

function mount<R extends Publishable>(routes: Hono, signal: Signal<R>, intake: Intake): void {
  routes.post(signal.path, async (c) => {
    const mediaType = mediaTypeOf(c);
    if (mediaType === undefined)
      return problem(c, 415, "MEDIA_TYPE_UNKNOWN", `the body must be ${PROTOBUF} or ${JSON_TYPE}`);
    const body = await bodyOf(c);
    if (body instanceof Response) return body;
    let mapped: Mapped[];
    try {
      const request = mediaType === PROTOBUF ? decodeMessage(signal.request, body) : jsonMessage(body);
      mapped = signal.map(request as Message);
    } catch (error) {
      const message = `the body is no ${signal.request} of OTLP: ${messageOf(error)}`.slice(0, 500);
      return problem(c, 400, "BODY_NOT_OTLP", message);
    }
    if (mapped.length > MAX_RECORDS) {
      const message = `a request may bring ${MAX_RECORDS} records, and this one has ${mapped.length}; send smaller batches`;
      return problem(c, 413, "TOO_MANY_RECORDS", message);
    }
    const nowMs = Date.now();
    const candidates = mapped.map((one) => candidateOf(one, signal, intake, nowMs));
    if ((await intake.take(candidates)) < candidates.length) {
      c.header("retry-after", String(RETRY_AFTER_S));
      // Those that were taken add no row when they come again.
      return problem(c, 503, "UNAVAILABLE", "there is no room for all records; send them again");
    }
    return answer(c, signal.response, { partialSuccess: partialSuccess(candidates, signal.rejected) });
  });
}

function candidateOf<R extends Publishable>(
  mapped: Mapped,
  { kind, check }: Signal<R>,
  intake: Intake,
  nowMs: number,
): Candidate {
  if (mapped === "ignored") return mapped;
  return "reason" in mapped ? mapped : intake.candidate(kind, check(mapped.fields, nowMs));
}

/** Not set where all was taken, as the protocol has it. */
function partialSuccess(candidates: readonly Candidate[], rejected: string): object | undefined {
  const reasons = candidates.flatMap((one) => (one !== "ignored" && "reason" in one ? [one.reason] : []));
  if (reasons.length === 0) return undefined;
  return { [rejected]: String(reasons.length), errorMessage: reasons[0]! };
}

function mediaTypeOf(c: Context): typeof PROTOBUF | typeof JSON_TYPE | undefined {
  const given = /^[^;\s]*/.exec(c.req.header("content-type") ?? "")![0].toLowerCase();
  return [PROTOBUF, JSON_TYPE].find((known) => known === given) as ReturnType<typeof mediaTypeOf>;
}

function jsonMessage(body: Buffer): unknown {
  const message = JSON.parse(body.toString("utf8")) as unknown;
  if (typeof message === "object" && message !== null && !Array.isArray(message)) return message;
  throw new Error("it must be a JSON object");
}

function answer(
  c: Context,
  type: OtlpMessage,
  message: object,
  status: ContentfulStatusCode = 200,
): Response {
  if (mediaTypeOf(c) !== PROTOBUF) return c.json(message, status);
  return c.body(encodeMessage(type, message), status, { "content-type": PROTOBUF });
}

/** google.rpc.Code of our statuses. @see https://github.com/googleapis/googleapis/blob/master/google/rpc/code.proto */
const CODES: Readonly<Record<number, number | undefined>> = {
  ...{ 400: 3, 401: 16, 403: 7, 404: 5, 405: 12, 413: 8, 415: 3, 429: 8, 500: 13, 503: 14 },
};
const UNKNOWN = 2;

/** Middleware: every refusal, whoever answered it, as google.rpc.Status in the request's encoding; headers stay. */
export const answerStatus: MiddlewareHandler = async (c, next) => {
  await next();
  const { status } = c.res;
  if (status < 400) return;
  const message = c.error?.message ?? "";
  const shown = status === 500 ? "the server failed to answer" : message;
  c.res = answer(
    c,
    "Status",
    { code: CODES[status] ?? UNKNOWN, message: shown },
    status as ContentfulStatusCode,
  );
};
