import { buildConnector, Client } from "undici";
import type { Dispatcher } from "undici";

/** A request that is to be sent, and hears how it goes. */
export interface PendingRequest extends Dispatcher.DispatchHandler {
  readonly request: Dispatcher.DispatchOptions;
  connection: Client | undefined; // once it has one
  /** It will get none. */
  givenUp(error: Error): void;
}

export interface ConnectionOptions {
  readonly connections: number; // at most
  readonly timeout_ms: number; // to the headers of a response, and between two pieces of its body
  readonly connect_timeout_ms: number;
}

/** Opening one costs as much as several requests: a burst shall not open one for each of its requests. */
const OPENED_PER_TURN = 2;

/**
 * Connections to an origin with one request at a time on each. A request takes the one that was used last, so the others
 * may be closed by and by; when none is free it waits for whichever is free first, an old one or, from the next turn of the event
 * loop on, a new one.
 */
export class Connections {
  readonly #origin: string;
  readonly #options: Client.Options;
  readonly #max: number;
  readonly #open = new Set<Client>();
  readonly #free: Client[] = []; // may hold some that were closed meanwhile
  readonly #waiting: PendingRequest[] = [];
  #growing: NodeJS.Immediate | undefined;
  #closedBy: Error | undefined;

  constructor(origin: string, { connections, timeout_ms, connect_timeout_ms }: ConnectionOptions) {
    this.#origin = origin;
    this.#max = connections;
    this.#options = {
      headersTimeout: timeout_ms,
      bodyTimeout: timeout_ms,
      connect: buildConnector({ timeout: connect_timeout_ms }), // one for all: it keeps TLS sessions
    };
  }

  dispatch(pending: PendingRequest): void {
    if (this.#closedBy !== undefined) {
      pending.givenUp(this.#closedBy);
      return;
    }
    const connection = this.#takeFree();
    if (connection !== undefined) {
      begin(connection, pending);
      return;
    }
    this.#waiting.push(pending);
    this.#growSoon();
  }

  /** To be called when the request on a connection has ended; one on which it failed is not used again. */
  release(connection: Client, failed: boolean): void {
    if (failed || !this.#open.has(connection)) {
      this.#open.delete(connection);
      if (this.#waiting.length > 0) this.#growSoon();
      return;
    }
    const next = this.#waiting.shift();
    if (next === undefined) this.#free.push(connection);
    else begin(connection, next);
  }

  /** Ends all requests, and those still to come, with `error`. */
  async close(error: Error): Promise<void> {
    this.#closedBy ??= error;
    clearImmediate(this.#growing);
    for (const pending of this.#waiting.splice(0)) pending.givenUp(error);
    await Promise.all([...this.#open].map((connection) => connection.destroy(error)));
  }

  #takeFree(): Client | undefined {
    for (let free = this.#free.pop(); free !== undefined; free = this.#free.pop()) {
      if (this.#open.has(free)) return free;
    }
    return undefined;
  }

  #growSoon(): void {
    this.#growing ??= setImmediate(() => {
      this.#growing = undefined;
      for (let opened = 0; opened < OPENED_PER_TURN && this.#open.size < this.#max; opened++) {
        const next = this.#waiting.shift();
        if (next === undefined) return;
        begin(this.#openOne(), next);
      }
      if (this.#waiting.length > 0 && this.#open.size < this.#max) this.#growSoon();
    });
  }

  #openOne(): Client {
    const connection = new Client(this.#origin, this.#options);
    this.#open.add(connection);
    connection.on("disconnect", () => this.#open.delete(connection));
    return connection;
  }
}

function begin(connection: Client, pending: PendingRequest): void {
  pending.connection = connection;
  connection.dispatch(pending.request, pending);
}
