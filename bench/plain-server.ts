import { createServer, type AddressInfo, type Socket } from "node:net";

/*
 * A server that costs as little as Node allows, so that it is the load generator that is measured (see simulator.ts).
 * A process of its own: says where it listens, answers each "count" by a message.
 *
 *     node bench/plain-server.ts [<Service as JSON>]
 */

export interface Service {
  readonly service_ms: number; // from the request to its answer
  /** Nothing at all goes on from so long after the first request, for so long. */
  readonly stall_after_ms: number;
  readonly stall_ms: number;
}

export type PlainServerMessage =
  | { readonly type: "listening"; readonly url: string }
  | { readonly type: "count"; readonly answered: number };

const BODY = JSON.stringify({ products: [{ id: 1, name: "Pen", price_cents: 199 }] });
const RESPONSE = Buffer.from(
  `HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: ${BODY.length}\r\n\r\n${BODY}`,
);
const END_OF_HEAD = "\r\n\r\n";

const service = process.argv[2] === undefined ? undefined : (JSON.parse(process.argv[2]) as Service);
let answered = 0;
let isFirst = true;

/** Answers each request without a body: what ends in an empty line is one. */
function serve(socket: Socket): void {
  let rest = "";
  socket.setNoDelay(true);
  socket.on("data", (chunk) => {
    const heads = (rest + chunk.toString("latin1")).split(END_OF_HEAD);
    rest = heads.pop()!;
    for (let i = 0; i < heads.length; i++) request(socket);
  });
  socket.on("error", () => socket.destroy()); // a client that was killed
}

function request(socket: Socket): void {
  if (service === undefined) {
    answer(socket);
    return;
  }
  if (isFirst) setTimeout(stall, service.stall_after_ms, service.stall_ms);
  isFirst = false;
  setTimeout(answer, service.service_ms, socket);
}

function answer(socket: Socket): void {
  if (!socket.writable) return;
  socket.write(RESPONSE);
  answered++;
}

function stall(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
}

const say = (message: PlainServerMessage) => process.send!(message);
const server = createServer(serve);
server.listen(0, "127.0.0.1", () => {
  const { port } = server.address() as AddressInfo;
  say({ type: "listening", url: `http://127.0.0.1:${port}/products` });
});
process.on("message", () => say({ type: "count", answered }));
process.on("disconnect", () => process.exit());
