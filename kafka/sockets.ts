import { connect, isIP, type Socket } from "node:net";
import { connect as connectTls, type ConnectionOptions } from "node:tls";

export interface SocketAddress {
  readonly host: string;
  readonly port: number;
  readonly ssl?: ConnectionOptions | undefined;
  readonly onConnect: () => void;
}

/** A request that has no answer, and nothing else came either: so long, and the connection is given up. */
const PATIENCE_MS = 2_000;
/** What a broker may keep waiting in good order, by its number in Kafka's protocol. */
const LONGER_MS: ReadonlyMap<number, number> = new Map([
  [0, 4_000], // Produce: until its copies have it
  [1, 4_000], // Fetch
  [11, 16_000], // JoinGroup: until all members have
  [14, 16_000], // SyncGroup
  [19, 16_000], // CreateTopics
  [37, 16_000], // CreatePartitions
]);
/** A process that stood still itself finds what came meanwhile first. */
const LAST_LOOK_MS = 100;
const KEEP_ALIVE_MS = 60_000;

/**
 * Connections that notice when the other side is gone without a word (a cable, a firewall that forgot, a machine that lost its power).
 * kafkajs 2.2.4 gives up the request after its time, keeps the connection, and sends the next request into the same void, for ever.
 */
export function watchedSocket({ host, port, ssl, onConnect }: SocketAddress): Socket {
  const name = isIP(host) === 0 ? { servername: host } : {};
  const socket = ssl
    ? connectTls({ host, port, ...name, ...ssl }, onConnect)
    : connect({ host, port }, onConnect);
  socket.setKeepAlive(true, KEEP_ALIVE_MS);
  watch(socket);
  leaveOnceEnded(socket);
  return socket;
}

/** What still comes behind its end would be taken for answers on the next connection. */
function leaveOnceEnded(socket: Socket): void {
  const end = socket.end.bind(socket) as (...args: unknown[]) => Socket;
  socket.end = (...args: unknown[]) => {
    socket.removeAllListeners("data").resume();
    return end(...args);
  };
}

/** From each request on there is to be an answer, or more of one. */
function watch(socket: Socket): void {
  let silence: NodeJS.Timeout | undefined;
  const giveUp = () => socket.destroy(new Error("no answer, not even a refusal"));
  const write = socket.write.bind(socket) as (...args: unknown[]) => boolean;
  socket.write = (...args: unknown[]) => {
    silence ??= setTimeout(() => (silence = setTimeout(giveUp, LAST_LOOK_MS)), patienceMs(args[0]));
    return write(...args);
  };
  const answered = () => {
    clearTimeout(silence);
    silence = undefined;
  };
  socket.on("data", answered);
  socket.on("close", answered);
}

/** Behind its length a request begins with its number. */
function patienceMs(request: unknown): number {
  const isRequest = Buffer.isBuffer(request) && request.length >= 6;
  return (isRequest && LONGER_MS.get(request.readInt16BE(4))) || PATIENCE_MS;
}
