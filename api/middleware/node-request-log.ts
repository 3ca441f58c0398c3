import type { IncomingMessage, ServerResponse } from "node:http";
import { requestIdAt } from "../../contract/request-id.ts";
import { UNMATCHED } from "../../contract/request-log.ts";
import type { Publish } from "../../producer/publish.ts";
import {
  answerOf,
  describer,
  errorFrom,
  complainingOnce,
  type Asked,
  type RecordOptions,
} from "./request-record.ts";
import { beforeEnd, whenClosed, type Done } from "./response-end.ts";

/** A request of node:http, as Express has it, or around one, as Fastify has it. */
export type NodeRequest = IncomingMessage | { readonly raw: IncomingMessage };
export type NodeResponse = ServerResponse | { readonly raw: ServerResponse };

/** @template R the framework's own request: the functions are asked with it */
export interface NodeRequestLogOptions<R extends NodeRequest = NodeRequest> extends RecordOptions<R> {
  /** The route's template, such as `/orders/:id`; undefined without a route. Default: what Express and Fastify say of it. */
  readonly endpoint?: (request: R) => string | undefined;
}

/**
 * What {@link requestLog} is for Hono, for whatever is built on node:http: one record for every response, and `x-request-id` on it.
 * It never throws, waits or slows a response. Mount it first: what answers before it is not logged.
 *
 * - Express: `app.use(nodeRequestLog(publish, options))`
 * - Fastify: `app.addHook("onRequest", nodeRequestLog(publish, options))`
 * - node:http: `log(request, response, () => handle(request, response))`, with the option `endpoint`
 *
 * What a handler threw is only known to the framework, which tells it by {@link noteError}.
 */
export function nodeRequestLog<R extends NodeRequest = NodeRequest>(
  publish: Publish,
  options: NodeRequestLogOptions<R> = {},
): (request: R, response: NodeResponse, next: () => unknown) => unknown {
  const describe = describer(options);
  const safely = complainingOnce();
  return function nodeRequestLog(request, response, next) {
    const startedMs = Date.now();
    const clockMs = performance.now(); // monotonic
    const requestId = requestIdAt(startedMs);
    const incoming = rawRequest(request);
    const outgoing = "raw" in response ? response.raw : response;
    const route = options.endpoint ?? routeOf(incoming);
    const url = (incoming as Partial<ExpressRequest>).originalUrl ?? incoming.url ?? "";

    const record: Done = (statusCode, bytesOut, broken) => {
      const elapsedMs = performance.now() - clockMs;
      const error = broken ?? noted.get(incoming);
      // Frameworks answer with an error of their own making where a client was wrong.
      const isExpected = broken === undefined && statusCode < 500;
      const outcome = { requestId, startedMs, elapsedMs, statusCode, bytesOut, error, isExpected };
      const asked = askedOf(incoming, url, endpointOf(route, request, statusCode));
      return safely(() => publish(describe(request, asked, outcome)));
    };
    outgoing.setHeader("x-request-id", requestId);
    if (options.writeAhead) beforeEnd(outgoing, record);
    else whenClosed(outgoing, record);

    try {
      return next();
    } catch (reason) {
      noteError(request, reason);
      throw reason;
    }
  };
}

const noted = new WeakMap<IncomingMessage, Error>();

/**
 * Tells the record of a request what went wrong with it: with a status of 500 and above it is then CRITICAL, with type, message and stack.
 *
 * - Express, behind all routes: `app.use((error, request, response, next) => { noteError(request, error); next(error); })`
 * - Fastify: `app.addHook("onError", async (request, reply, error) => noteError(request, error))`
 */
export function noteError(request: NodeRequest, error: unknown): void {
  noted.set(rawRequest(request), errorFrom(error));
}

const rawRequest = (request: NodeRequest) => ("raw" in request ? request.raw : request);

/** What Express adds to a request. */
interface ExpressRequest extends IncomingMessage {
  readonly originalUrl: string;
  readonly baseUrl: string; // where the router is mounted that is at work
  route?: { readonly path: string | RegExp | readonly (string | RegExp)[] };
}

interface FastifyRequest {
  readonly routeOptions?: { readonly url?: string };
}

function routeOf(incoming: IncomingMessage): (request: NodeRequest) => string | undefined {
  if (typeof (incoming as Partial<ExpressRequest>).baseUrl === "string")
    return watchRoute(incoming as ExpressRequest);
  return (request) => (request as FastifyRequest).routeOptions?.url;
}

/** When the response is done Express has forgotten where the route's router was mounted: each is noted as it begins. */
function watchRoute(request: ExpressRequest): () => string | undefined {
  let { route } = request;
  let template: string | undefined;
  Object.defineProperty(request, "route", {
    configurable: true,
    enumerable: true,
    get: () => route,
    set(next: ExpressRequest["route"]) {
      route = next;
      const path = String(next?.path ?? "");
      template = request.baseUrl !== "" && path === "/" ? request.baseUrl : request.baseUrl + path;
    },
  });
  return () => template;
}

/** A wildcard that answers 404 is no route: it looked for a file, or was the last to be asked. */
function endpointOf<R>(route: (request: R) => string | undefined, request: R, statusCode: number): string {
  const template = answerOf(route, request);
  const isMiss = statusCode === 404 && template !== undefined && /\*\w*\}?$/.test(template);
  return template === undefined || template === "" || isMiss ? UNMATCHED : template;
}

function askedOf(incoming: IncomingMessage, url: string, endpoint: string): Asked {
  const { method = "", headers, socket } = incoming;
  return {
    ...{ method, endpoint, path: pathOf(url) },
    header: (known) => headers[known] as string | undefined,
    address: socket.remoteAddress,
  };
}

/** A proxy is asked for a whole URL. */
function pathOf(url: string): string {
  const path = url.replace(/[?#].*$/s, "");
  return path.startsWith("/") ? path : path.replace(/^[a-z]+:\/\/[^/]*/i, "") || "/";
}
