import { createServer } from "node:http";
import type { Server, ServerResponse } from "node:http";
import { Server as NetServer, type AddressInfo, type Socket } from "node:net";
import { getRequestListener, RequestError } from "@hono/node-server";
import { Counter } from "prom-client";
import { messageOf, RushhourError } from "./errors.ts";
import { HTTP_LIMITS, refuseExcess, serverOptions, type HttpLimits } from "./http-limits.ts";
import type { Metrics } from "./metrics.ts";

export interface HttpServer {
  readonly url: string; // with the port really taken, e.g. http://127.0.0.1:8000
  /**
   * Takes no new connections, answers what comes on those it has and says in each answer that it is the last, closes; cuts what is not
   * done by the deadline.
   * @param lastRequestMs so long a kept connection that is idle may bring one more request; default 0: it is closed at once
   */
  close(deadlineMs: number, lastRequestMs?: number): Promise<void>;
}

type FetchHandler = Parameters<typeof getRequestListener>[0];

export interface ListenOptions {
  readonly service: string; // label of the metrics
  readonly host: string;
  readonly port: number; // 0 takes a free one
  readonly metrics: Metrics;
  readonly wayOut: string; // what a person can do when the port is taken
  readonly limits?: HttpLimits; // default: HTTP_LIMITS
  /** Whether others of this user that ask for it too may have the same port; the system spreads connections over them. */
  readonly reusePort?: boolean;
}

/**
 * Serves `app` over HTTP/1.1, counting open connections and what never reached the app.
 * @throws RushhourError PORT_IN_USE, or CONFIG_INVALID for an address this machine does not have
 */
export async function listen(
  app: { readonly fetch: FetchHandler },
  { service, host, port, metrics, wayOut, limits = HTTP_LIMITS, reusePort = false }: ListenOptions,
): Promise<HttpServer> {
  const malformed = new Counter({
    name: "http_malformed_total",
    help: "Requests refused before any route: no HTTP, too large, too slow, too many at once; they leave no record",
    registers: [metrics.registry],
  });
  const listener = getRequestListener(app.fetch, {
    errorHandler(error) {
      if (error instanceof RequestError) malformed.inc();
      return new Response(null, { status: error instanceof RequestError ? 400 : 500 });
    },
  });
  const refusedExcess = refuseExcess(limits);
  let isClosing = false;
  const server = createServer(serverOptions(limits), (incoming, outgoing) => {
    if (isClosing) outgoing.shouldKeepAlive = false;
    if (refusedExcess(incoming, outgoing) === undefined) void listener(incoming, outgoing);
    else malformed.inc();
  });
  refuseMalformed(server, limits.lingerMs, () => malformed.inc());
  countConnections(server, service, metrics);
  const connections = trackConnections(server);
  await bind(server, { host, port, reusePort }, wayOut);
  const { port: taken } = server.address() as AddressInfo;
  return {
    url: `http://${host.includes(":") ? `[${host}]` : host}:${taken}`,
    close(deadlineMs, lastRequestMs = 0) {
      isClosing = true;
      return drain(server, connections, deadlineMs, lastRequestMs);
    },
  };
}

/** Keeps the gauge of open connections true to the server. */
function countConnections(server: Server, service: string, metrics: Metrics): void {
  const labels = { service, connection_type: "http" };
  metrics.activeConnections.set(labels, 0);
  server.on("connection", (socket) => {
    metrics.activeConnections.inc(labels);
    socket.once("close", () => metrics.activeConnections.dec(labels));
  });
}

/** Answers what the parser refuses, as Node would unasked. */
function refuseMalformed(server: Server, lingerMs: number, count: () => void): void {
  const statusOf: Readonly<Record<string, string>> = {
    HPE_HEADER_OVERFLOW: "431 Request Header Fields Too Large",
    HPE_CHUNK_EXTENSIONS_OVERFLOW: "413 Payload Too Large",
    ERR_HTTP_REQUEST_TIMEOUT: "408 Request Timeout",
  };
  const refused = new WeakSet<object>();
  server.on("clientError", (error: NodeJS.ErrnoException, socket: Socket) => {
    if (refused.has(socket) && error.code !== "ECONNRESET") return; // the rest of what it sent
    if (error.code === "ECONNRESET" || !socket.writable) return void socket.destroy(); // it left
    refused.add(socket);
    count();
    const { _httpMessage: answer } = socket as { _httpMessage?: { readonly _headerSent?: boolean } };
    if (answer?._headerSent) return void socket.destroy(); // another answer has begun, and this would be part of it
    const status = statusOf[error.code ?? ""] ?? "400 Bad Request";
    socket.end(`HTTP/1.1 ${status}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`);
    // Closed at once, with bytes unread, the system would take the answer back; a client that never leaves is made to.
    setTimeout(() => socket.destroy(), lingerMs).unref();
  });
}

type Address = Required<Pick<ListenOptions, "host" | "port" | "reusePort">>;

async function bind(server: Server, address: Address, wayOut: string): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<undefined>();
  server.once("error", reject);
  server.listen(address, () => resolve(undefined));
  try {
    await promise;
  } catch (error) {
    throw refusalOf(error as NodeJS.ErrnoException, address, wayOut);
  }
  server.off("error", reject);
}

function refusalOf(error: NodeJS.ErrnoException, { host, port }: Address, wayOut: string): RushhourError {
  switch (error.code) {
    case "EADDRINUSE":
      return new RushhourError(
        "PORT_IN_USE",
        `port ${port} of ${host} is taken by another process; stop it, or ${wayOut}`,
        { cause: error },
      );
    case "EACCES":
      return new RushhourError("CONFIG_INVALID", `port ${port} of ${host} needs more rights; ${wayOut}`, {
        cause: error,
      });
    case "ENOTSUP":
      return new RushhourError(
        "CONFIG_INVALID",
        "this system lets no two processes have the same port; leave the reuse of ports out",
        { cause: error },
      );
    case undefined:
    default:
      return new RushhourError(
        "CONFIG_INVALID",
        `cannot listen on ${host} port ${port} (${messageOf(error)}); the host must be an address of this machine, such as 127.0.0.1`,
        { cause: error },
      );
  }
}

interface Connections {
  readonly open: ReadonlySet<Socket>;
  /** Those that never carried a request: Node does not count them as idle, so a drain would wait for them. */
  readonly unused: ReadonlySet<Socket>;
}

function trackConnections(server: Server): Connections {
  const open = new Set<Socket>();
  const unused = new Set<Socket>();
  server.on("connection", (socket: Socket) => {
    open.add(socket);
    unused.add(socket);
    socket.once("close", () => {
      open.delete(socket);
      unused.delete(socket);
    });
  });
  server.on("request", ({ socket }) => unused.delete(socket));
  return { open, unused };
}

/**
 * On a kept connection the next request may be under way at any moment; were it closed just then, that request would fail. So
 * every answer from now on ends its connection and says so, and one that nobody uses any more is closed only after a while.
 */
async function drain(
  server: Server,
  { open, unused }: Connections,
  deadlineMs: number,
  lastRequestMs: number,
): Promise<void> {
  for (const socket of open) {
    const { _httpMessage: answer } = socket as { _httpMessage?: ServerResponse | null };
    if (answer) answer.shouldKeepAlive = false; // unless its headers are out
  }
  await new Promise((resolve) => setImmediate(resolve)); // what the system has accepted until now is answered too
  // The server's own close() would end idle connections at once.
  const closed = new Promise<void>((resolve) => NetServer.prototype.close.call(server, () => resolve()));
  // The server is closed a moment before its last sockets are, and a request that is cut leaves its record then.
  const gone = Array.from(open, (socket) => new Promise((resolve) => socket.once("close", resolve)));
  const endIdle = () => {
    server.closeIdleConnections();
    for (const socket of unused) if (socket.bytesRead === 0) socket.destroy();
  };
  let sweep: NodeJS.Timeout | undefined; // a connection whose answer had begun before is idle some time later
  const grace = setTimeout(() => (sweep = setInterval(endIdle, 20)), lastRequestMs);
  const deadline = setTimeout(() => server.closeAllConnections(), deadlineMs);
  await Promise.all([closed, ...gone]);
  for (const timer of [grace, sweep, deadline]) clearTimeout(timer);
  server.close(); // its timers
}
