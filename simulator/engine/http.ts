import { connect } from "node:net";
import type { Client, Dispatcher } from "undici";
import { messageOf, RushhourError } from "../../contract/errors.ts";
import type { Answer, Step } from "../journeys/journey.ts";
import { Connections } from "./connections.ts";
import type { PendingRequest } from "./connections.ts";

/** How one request ended; times in ms of the monotonic clock (`performance.now()`). */
export interface Exchange {
  readonly sent_at_ms: number | undefined; // written to a connection; undefined when none could be had
  readonly first_byte_at_ms: number | undefined;
  readonly ended_at_ms: number;
  /** Undefined when the response did not arrive whole. */
  readonly answer: Answer | undefined;
  readonly request_id: string | undefined; // of the answer
  /** Why there is no answer: an error code such as ECONNRESET. */
  readonly reason: string | undefined;
  /** The request was given up, so it took at least as long as it was waited for. */
  readonly timed_out: boolean;
  readonly received_bytes: number; // of the body
}

export interface HttpClient {
  /** Sends one request; `done` is called exactly once. */
  send(step: Step, headers: Readonly<Record<string, string>>, done: (exchange: Exchange) => void): void;
  /** Gives up what is in flight (reason `drain_deadline`) and closes the connections. */
  close(): Promise<void>;
}

export interface HttpOptions {
  readonly connections: number; // requests beyond them wait for one, which their response time shows
  readonly timeout_ms: number; // to the headers, and between two pieces of the body
}

const CONNECT_TIMEOUT_MS = 10_000;
const MAX_CAPTURED_BYTES = 2 ** 20;
const TIMEOUTS = ["UND_ERR_HEADERS_TIMEOUT", "UND_ERR_BODY_TIMEOUT", "UND_ERR_CONNECT_TIMEOUT", "ETIMEDOUT"];
const GIVEN_UP = "drain_deadline";

/** A client of `target` (its path is a prefix of every step's) that keeps connections and reads every body to its end. */
export function createHttpClient(target: string, options: HttpOptions): HttpClient {
  const { origin, pathname } = new URL(target);
  const prefix = pathname.replace(/\/$/, "");
  const connections = new Connections(origin, { ...options, connect_timeout_ms: CONNECT_TIMEOUT_MS });
  return {
    send(step, headers, done) {
      const request = {
        method: step.method,
        path: prefix + step.path,
        headers: { ...headers, ...step.headers },
        body: step.body ?? null,
      };
      connections.dispatch(new SentRequest(request, step.capture ?? false, connections, done));
    },
    close: () => connections.close(Object.assign(new Error("given up at the end"), { code: GIVEN_UP })),
  };
}

/** Follows one request from the connection to the last byte; then it is the exchange, and its answer. */
class SentRequest implements PendingRequest, Exchange, Answer {
  readonly request: Dispatcher.DispatchOptions;
  connection: Client | undefined;
  readonly #connections: Connections;
  readonly #done: (exchange: Exchange) => void;
  readonly #captured: Buffer[] | undefined;
  #headers: Readonly<Record<string, string | string[] | undefined>> = {};
  sent_at_ms: number | undefined;
  first_byte_at_ms: number | undefined;
  ended_at_ms = 0;
  answer: Answer | undefined;
  reason: string | undefined;
  status = 0;
  received_bytes = 0;

  constructor(
    request: Dispatcher.DispatchOptions,
    capture: boolean,
    connections: Connections,
    done: (exchange: Exchange) => void,
  ) {
    this.request = request;
    this.#connections = connections;
    this.#captured = capture ? [] : undefined;
    this.#done = done;
  }

  givenUp(error: Error): void {
    this.reason = reasonOf(error);
    this.#end();
  }

  onRequestStart(): void {
    this.sent_at_ms = performance.now();
  }

  onResponseStart(
    _controller: Dispatcher.DispatchController,
    status: number,
    headers: Readonly<Record<string, string | string[] | undefined>>,
  ): void {
    this.first_byte_at_ms = performance.now();
    this.status = status;
    this.#headers = headers;
  }

  onResponseData(_controller: Dispatcher.DispatchController, chunk: Buffer): void {
    this.received_bytes += chunk.length;
    if (this.received_bytes <= MAX_CAPTURED_BYTES) this.#captured?.push(chunk);
  }

  onResponseEnd(): void {
    this.answer = this;
    this.#end();
  }

  onResponseError(_controller: Dispatcher.DispatchController, error: Error): void {
    this.reason = reasonOf(error);
    this.#end();
  }

  get request_id(): string | undefined {
    const id = this.#headers["x-request-id"];
    return Array.isArray(id) ? id[0] : id;
  }

  get timed_out(): boolean {
    return this.reason !== undefined && (this.reason === GIVEN_UP || TIMEOUTS.includes(this.reason));
  }

  get too_large(): boolean {
    return this.received_bytes > MAX_CAPTURED_BYTES;
  }

  header(name: string): string | undefined {
    const value = this.#headers[name];
    return Array.isArray(value) ? value.join(", ") : value;
  }

  text(): string {
    return this.too_large ? "" : Buffer.concat(this.#captured ?? []).toString();
  }

  json(): unknown {
    try {
      return JSON.parse(this.text());
    } catch {
      return undefined;
    }
  }

  #end(): void {
    this.ended_at_ms = performance.now();
    if (this.connection !== undefined) this.#connections.release(this.connection, this.answer === undefined);
    this.#done(this);
  }
}

function reasonOf(error: Error): string {
  return (error as NodeJS.ErrnoException).code ?? error.name;
}

/**
 * Checks, without a request, that something listens where `target` points.
 * @throws RushhourError SERVER_UNREACHABLE
 */
export async function assertReachable(target: string, timeoutMs = 5_000): Promise<void> {
  const { hostname, port, protocol } = new URL(target);
  const socket = connect({
    host: hostname.replace(/^\[|\]$/g, ""),
    port: Number(port || (protocol === "https:" ? 443 : 80)),
  });
  try {
    await new Promise<void>((resolve, reject) => {
      socket.once("connect", resolve);
      socket.once("error", reject);
      socket.setTimeout(timeoutMs, () => reject(new Error(`no connection within ${timeoutMs} ms`)));
    });
  } catch (error) {
    throw new RushhourError(
      "SERVER_UNREACHABLE",
      `nothing can be reached at ${target}: ${messageOf(error) || "connection refused"}; ` +
        "no request was sent - start the API first (rushhour api) or name another target",
      { cause: error },
    );
  } finally {
    socket.destroy();
  }
}
