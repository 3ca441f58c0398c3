import { CLIENT_CLOSED_REQUEST, UNMATCHED } from "../../contract/request-log.ts";
import { exceptionOf, idOf, type Mapped } from "./mapped.ts";
import {
  attributesIn,
  hexIn,
  instantOf,
  messageIn,
  messagesIn,
  NANOS_PER_MS,
  nanosIn,
  numberIn,
  textIn,
  textOf,
  type Attributes,
  type Message,
} from "./values.ts";

const SERVER = 2; // SpanKind
const ERROR = 2; // StatusCode

/**
 * The request logs of an ExportTraceServiceRequest: one for each SERVER span that has an HTTP method, by today's names of attributes or those
 * before 1.21. Its id follows from trace and span, so an export that is sent again adds no row.
 * @throws MalformedExport
 * @see https://opentelemetry.io/docs/specs/semconv/http/http-spans/#http-server-span
 */
export function requestLogsOf(request: Message): Mapped[] {
  return messagesIn(request, "resourceSpans").flatMap((group) => {
    const resource = attributesIn(messageIn(group, "resource"));
    return messagesIn(group, "scopeSpans").flatMap((scope) =>
      messagesIn(scope, "spans").map((span) => requestLogOf(span, resource)),
    );
  });
}

function requestLogOf(span: Message, resource: Attributes): Mapped {
  const attributes = attributesIn(span);
  const read = (...names: readonly string[]) => textOf(attributes, ...names);
  const method = read("http.request.method", "http.method");
  if (numberIn(span, "kind") !== SERVER || method === undefined) return "ignored";
  const trace_id = hexIn(span, "traceId", 16);
  const span_id = hexIn(span, "spanId", 8);
  if (trace_id === "" || span_id === "") return { reason: "a span must have a trace id and a span id" };
  const startNanos = nanosIn(span, "startTimeUnixNano");
  const timestamp = instantOf(startNanos);
  if (timestamp === undefined) return { reason: "a span must have a startTimeUnixNano" };
  const { status_code, ...outcome } = outcomeOf(span, attributes);
  return {
    fields: {
      request_id: idOf(`${trace_id}/${span_id}`),
      timestamp,
      service: textOf(resource, "service.name"),
      instance: textOf(resource, "service.instance.id", "host.name"),
      endpoint: read("http.route") ?? UNMATCHED,
      path: pathOf(read("url.path", "http.target", "url.full", "http.url")),
      method: read("http.request.method_original") ?? method, // which is then "_OTHER"
      status_code,
      response_time_ms: Number(nanosIn(span, "endTimeUnixNano") - startNanos) / Number(NANOS_PER_MS),
      user_agent: read("user_agent.original", "http.user_agent"),
      client_ip: read("client.address", "http.client_ip", "network.peer.address", "net.sock.peer.addr"),
      bytes_in: read("http.request.body.size", "http.request_content_length"),
      bytes_out: read("http.response.body.size", "http.response_content_length"),
      user_id: read("user.id", "enduser.id"),
      client_request_id: read("http.request.header.x-request-id"),
      run_id: read("http.request.header.x-run-id"),
      ...outcome,
      trace_id,
      span_id,
    },
  };
}

/**
 * What was answered and what went wrong: the last exception that was recorded, else what the span says of itself. As in the middleware's records
 * CRITICAL is a failure with an exception; an answer that broke behind its status is an ERROR.
 */
function outcomeOf(span: Message, attributes: Attributes) {
  const status = messageIn(span, "status");
  const isFailed = numberIn(status, "code") === ERROR;
  // Without an answer there is no status: the server failed, or the client left.
  const status_code =
    textOf(attributes, "http.response.status_code", "http.status_code") ??
    (isFailed ? 500 : CLIENT_CLOSED_REQUEST);
  const isError = isFailed || Number(status_code) >= 400;
  const exception = messagesIn(span, "events").findLast((event) => textIn(event, "name") === "exception");
  if (exception) {
    const level = Number(status_code) >= 500 ? "CRITICAL" : isError ? "ERROR" : "INFO";
    const { type, message, stack } = exceptionOf(attributesIn(exception));
    return { status_code, level, error_type: type, error_message: message, stack };
  }
  if (!isError) return { status_code, level: "INFO" };
  const error_message = textIn(status, "message") || undefined;
  return { status_code, level: "ERROR", error_type: textOf(attributes, "error.type"), error_message };
}

/** Without scheme, host and query, which may hold secrets. */
function pathOf(target: string | undefined): string | undefined {
  if (target === undefined) return undefined;
  const path = target.replace(/^[a-z][a-z\d+.-]{0,20}:\/\/[^/?#]*/i, "").replace(/[?#].*$/s, "");
  return path === "" ? "/" : path;
}
