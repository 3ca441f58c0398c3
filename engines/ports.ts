import { connect, createServer } from "node:net";
import type { Server } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { EngineError } from "./errors.ts";

/**
 * Below the range that systems give to outgoing connections (Linux: from 32768): while a server restarts, no
 * client's connection can sit on its port, not even its own clients' (which a loopback connects to themselves).
 */
const FIRST_PORT = 20_000;
const PORTS = 12_000;

/** Free loopback ports, all different; a preferred one is taken when it is free. */
export async function freePorts(preferred: readonly (number | undefined)[]): Promise<number[]> {
  const held: { port: number; server: Server }[] = [];
  try {
    for (const wish of preferred) {
      let port = wish ?? randomPort();
      let server = await listenOn(port);
      while (server === undefined) {
        port = randomPort();
        server = await listenOn(port);
      }
      held.push({ port, server });
    }
    return held.map(({ port }) => port);
  } finally {
    await Promise.all(held.map(({ server }) => closed(server)));
  }
}

/** Whether this process could listen on the port now. */
export async function isPortFree(port: number, host = "127.0.0.1"): Promise<boolean> {
  const server = await listenOn(port, host);
  if (server !== undefined) await closed(server);
  return server !== undefined;
}

const randomPort = () => FIRST_PORT + Math.floor(Math.random() * PORTS);

function listenOn(port: number, host = "127.0.0.1"): Promise<Server | undefined> {
  const server = createServer();
  return new Promise((resolve) => {
    server.once("error", () => resolve(undefined));
    server.listen(port, host, () => resolve(server));
  });
}

const closed = (server: Server) => new Promise<void>((resolve) => server.close(() => resolve()));

/** Metadata request, version 1, for no topic: the reply lists the brokers that are open for work. */
const METADATA_REQUEST = Buffer.from([
  ...[0, 0, 0, 14], // size of what follows
  ...[0, 3, 0, 1], // api key, version
  ...[0, 0, 0, 1], // correlation id
  ...[255, 255], // no client id
  ...[0, 0, 0, 0], // no topics
]);

/**
 * Whether a Kafka broker serves at the address: it answers, and has registered with its controller.
 * @see https://kafka.apache.org/protocol (Metadata)
 */
export function kafkaServes(host: string, port: number, timeoutMs = 1000): Promise<boolean> {
  // size, correlation id, number of brokers: 32 bits each
  return replies(host, port, METADATA_REQUEST, 12, timeoutMs, (reply) => reply.readInt32BE(8) > 0);
}

/**
 * Whether a MySQL or MariaDB server serves at the address: its greeting has protocol version 10 (an error such as
 * "too many connections" has 255 there).
 */
export function mysqlServes(host: string, port: number, timeoutMs = 1000): Promise<boolean> {
  return replies(host, port, undefined, 5, timeoutMs, (reply) => reply[4] === 10);
}

/** Connects, sends, and judges the first `bytes` of the reply; false for whatever goes wrong. */
function replies(
  host: string,
  port: number,
  request: Buffer | undefined,
  bytes: number,
  timeoutMs: number,
  judge: (reply: Buffer) => boolean,
): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host, port });
    const end = (answer: boolean) => {
      clearTimeout(timer);
      socket.destroy();
      resolve(answer);
    };
    const timer = setTimeout(end, timeoutMs, false);
    let reply = Buffer.alloc(0);
    socket.on("connect", () => request !== undefined && socket.write(request));
    socket.on("data", (chunk) => {
      reply = Buffer.concat([reply, chunk]);
      if (reply.length >= bytes) end(judge(reply));
    });
    socket.on("error", () => end(false));
    socket.on("close", () => end(false));
  });
}

/**
 * Asks every 50 ms until the answer is yes; gives up in silence when `signal` fires.
 * @throws EngineError ENGINE_FAILED after `timeoutMs`
 */
export async function untilServes(
  what: string,
  serves: () => Promise<boolean>,
  signal: AbortSignal,
  timeoutMs: number,
): Promise<void> {
  const deadline = performance.now() + timeoutMs;
  while (!signal.aborted && !(await serves())) {
    if (performance.now() > deadline) {
      throw new EngineError("ENGINE_FAILED", `${what} did not answer within ${timeoutMs / 1000} s`);
    }
    await sleep(50);
  }
}
