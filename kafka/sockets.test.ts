import { once } from "node:events";
import { createServer, type AddressInfo, type Socket } from "node:net";
import { expect, onTestFinished, test } from "vitest";
import { watchedSocket } from "./sockets.ts";

/** A request of Kafka's protocol as far as it matters here. */
const request = (apiKey: number) => Buffer.from([0, 0, 0, 2, 0, apiKey]);
const [PRODUCE, METADATA, JOIN_GROUP] = [request(0), request(3), request(11)];

test("a connection is given up where not even a refusal comes, but not while a group is joined or answers come", async () => {
  const sockets: Socket[] = [];
  const server = createServer((socket) => {
    sockets.push(socket);
    socket.on("data", (data) => data.equals(PRODUCE) && socket.write("answer"));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  const [joining, answered, silent] = [JOIN_GROUP, PRODUCE, METADATA].map((bytes) => {
    const socket = watchedSocket({ host: "127.0.0.1", port, onConnect: () => socket.write(bytes) });
    sockets.push(socket);
    return socket;
  });
  onTestFinished(() => {
    server.close();
    for (const socket of sockets) socket.destroy();
  });
  const [error] = (await once(silent!, "error")) as [Error];
  expect(error.message).toBe("no answer, not even a refusal");
  expect([joining!.destroyed, answered!.destroyed]).toEqual([false, false]);
});
