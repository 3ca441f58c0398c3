import { createServer } from "node:http";
import type { ServerResponse } from "node:http";
import type { Socket } from "node:net";
import { expect, onTestFinished, test, vi } from "vitest";
import { get } from "../journeys/journey.ts";
import { createHttpClient } from "./http.ts";
import type { Exchange } from "./http.ts";
import { listening } from "./testing.ts";

/** A server that holds its answers until it is told, and a client of it. */
async function connected(connections: number) {
  const sockets = new Set<Socket>();
  const held: ServerResponse[] = [];
  const server = createServer((_request, response) => void held.push(response));
  server.on("connection", (socket) => {
    sockets.add(socket);
    socket.on("close", () => sockets.delete(socket));
  });
  const client = createHttpClient(await listening(server), { connections, timeout_ms: 10_000 });
  onTestFinished(async () => {
    await client.close();
    server.close();
    server.closeAllConnections();
  });
  const ended: Exchange[] = [];
  return {
    ...{ sockets, held, ended, client },
    send: (count = 1) => {
      for (let n = 0; n < count; n++) client.send(get("/"), {}, (exchange) => ended.push(exchange));
    },
    answerAll: () => {
      for (const response of held.splice(0)) response.end("{}");
    },
    until: (condition: () => boolean) => vi.waitFor(() => expect(condition()).toBe(true), { interval: 1 }),
  };
}

test("requests beyond the connections wait, and each is answered", async () => {
  const { sockets, held, ended, send, answerAll, until } = await connected(3);
  send(10);
  await until(() => held.length === 3);
  expect(sockets.size).toBe(3);
  for (let answered = 0; answered < 10; answered = ended.length) {
    await until(() => held.length > 0);
    answerAll();
    await until(() => ended.length > answered);
  }
  expect(ended.map(({ answer }) => answer?.status)).toEqual(Array(10).fill(200));
  expect(sockets.size).toBe(3);
});

test("one after the other go over one connection", async () => {
  const { sockets, held, ended, send, answerAll, until } = await connected(100);
  for (let n = 1; n <= 20; n++) {
    send();
    await until(() => held.length === 1);
    answerAll();
    await until(() => ended.length === n);
  }
  expect(sockets.size).toBe(1);
});

test("a connection that the server closed while nothing went on is replaced", async () => {
  const { sockets, held, ended, send, answerAll, until } = await connected(100);
  for (let n = 1; n <= 3; n++) {
    send(5);
    await until(() => held.length === 5);
    answerAll();
    await until(() => ended.length === 5 * n);
    for (const socket of sockets) socket.end();
    await until(() => sockets.size === 0);
  }
  expect(ended.every(({ answer }) => answer?.status === 200)).toBe(true);
});

test("what fails makes room: a request that waits gets a connection of its own", async () => {
  const { sockets, held, ended, send, answerAll, until } = await connected(1);
  send(2);
  await until(() => held.length === 1);
  for (const socket of sockets) socket.destroy();
  await until(() => held.length === 2);
  answerAll();
  await until(() => ended.length === 2);
  expect(ended.map(({ answer }) => answer?.status)).toEqual([undefined, 200]);
  expect(ended[0]!.reason).toMatch(/^(?:UND_ERR_SOCKET|ECONNRESET)$/);
});

test("close gives up what is in flight and what waits, and what comes later", async () => {
  const { held, ended, send, client, until } = await connected(2);
  send(5);
  await until(() => held.length === 2);
  await client.close();
  send();
  expect(ended).toHaveLength(6);
  expect(new Set(ended.map(({ reason }) => reason))).toEqual(new Set(["drain_deadline"]));
  expect(ended.filter(({ sent_at_ms }) => sent_at_ms !== undefined)).toHaveLength(2);
});
