import { connect, isIP, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import type { ISocketFactory } from "kafkajs";

/** A request that has no answer, and nothing else came either: so long, and the connection is given up. */
const PATIENCE_MS = 4_000;
/** What a broker may keep waiting in good order, by its number in Kafka's protocol: joining and syncing a group, making topics. */
const SLOW_REQUESTS: ReadonlySet<number> = new Set([11, 14, 19, 37]);
const SLOW_PATIENCE_MS = 16_000;
const KEEP_ALIVE_MS = 60_000;

/**
 * Connections that notice when the other side is gone without a word (a cable, a firewall that forgot, a machine that lost its power).
 * kafkajs 2.2.4 gives up the request after its time, keeps the connection, and sends the next request into the same void, for ever.
 */
export const watchedSocket: ISocketFactory = ({ host, port, ssl, onConnect }) => {
  const name = isIP(host) === 0 ? { servername: host } : {};
  const socket = ssl
    ? connectTls({ host, port, ...name, ...ssl }, onConnect)
    : connect({ host, port }, onConnect);
  socket.setKeepAlive(true, KEEP_ALIVE_MS);
  watch(socket);
  return socket;
};

/** From each request on there is to be an answer, or more of one. */
function watch(socket: Socket): void {
  let silence: NodeJS.Timeout | undefined;
  const write = socket.write.bind(socket) as (...args: unknown[]) => boolean;
  socket.write = ((...args: unknown[]) => {
    const patienceMs = isSlow(args[0]) ? SLOW_PATIENCE_MS : PATIENCE_MS;
    silence ??= setTimeout(() => socket.destroy(new Error("no answer, not even a refusal")), patienceMs);
    return write(...args);
  }) as typeof socket.write;
  const answered = () => {
    clearTimeout(silence);
    silence = undefined;
  };
  socket.on("data", answered);
  socket.on("close", answered);
}

/** Behind its length a request begins with its number. */
const isSlow = (request: unknown): boolean =>
  Buffer.isBuffer(request) && request.length >= 6 && SLOW_REQUESTS.has(request.readInt16BE(4));
