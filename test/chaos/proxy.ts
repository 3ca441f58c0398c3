import { connect, createServer, type AddressInfo, type Socket } from "node:net";

/** A way to a server, in which the network can go wrong. */
export interface Proxy {
  readonly port: number;
  /** From now on each byte takes so long, each way; 0: none. */
  slow(delayMs: number): void;
  /** Resets every connection that is open. */
  cut(): void;
  /**
   * Nothing is forwarded any more, in either direction, on old connections and new ones, and nothing is closed; neither side is told
   * anything.
   */
  silence(): Silence;
  close(): void;
}

/** How it ends; new connections work from then on. */
export interface Silence {
  /** What was held goes on its way. */
  goOn(): void;
  reset(): void;
  /** What was open stays as it is for ever. */
  stayDead(): void;
}

/** Both ends of a connection, and what its bytes wait for. */
interface Line {
  readonly ends: readonly [Socket, Socket];
  held: PromiseWithResolvers<void> | undefined;
}

/** @param target port of the server, as soon as there is one; until then connections are reset */
export async function openProxy(target: () => number | undefined): Promise<Proxy> {
  const lines = new Set<Line>();
  let delayMs = 0;
  let isSilent = false;

  function forward(line: Line, from: Socket, to: Socket): void {
    let last = Promise.resolve();
    const inTurn = (act: () => void) => {
      const atMs = performance.now() + delayMs;
      last = last.then(async () => {
        const leftMs = atMs - performance.now();
        if (leftMs > 0) await new Promise((resolve) => setTimeout(resolve, leftMs));
        await line.held?.promise;
        act();
      });
    };
    from.on("data", (chunk: Buffer) => inTurn(() => to.writable && to.write(chunk)));
    from.on("end", () => inTurn(() => to.end()));
    from.on("error", () => inTurn(() => void to.resetAndDestroy()));
    from.on("close", () => inTurn(() => lines.delete(line)));
  }

  const server = createServer({ allowHalfOpen: true, noDelay: true }, (client) => {
    const port = target();
    if (port === undefined) return void client.resetAndDestroy();
    const upstream = connect({ port, host: "127.0.0.1", allowHalfOpen: true, noDelay: true });
    const line: Line = { ends: [client, upstream], held: isSilent ? Promise.withResolvers() : undefined };
    lines.add(line);
    forward(line, client, upstream);
    forward(line, upstream, client);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));

  const reset = (line: Line) => {
    for (const end of line.ends) end.resetAndDestroy();
    lines.delete(line);
  };
  const cut = () => {
    for (const line of lines) reset(line);
  };
  return {
    port: (server.address() as AddressInfo).port,
    slow(ms) {
      delayMs = ms;
    },
    cut,
    silence() {
      isSilent = true;
      for (const line of lines) line.held ??= Promise.withResolvers();
      const end = (outcome: (line: Line) => void) => () => {
        isSilent = false;
        for (const line of lines) outcome(line);
      };
      return {
        goOn: end((line) => {
          line.held?.resolve();
          line.held = undefined;
        }),
        reset: end(reset),
        stayDead: end(() => undefined),
      };
    },
    close() {
      cut();
      server.close();
    },
  };
}
