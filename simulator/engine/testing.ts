import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:http";
import type { RequestListener } from "node:http";
import { createServer as createTcpServer } from "node:net";
import type { AddressInfo, Server, Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished } from "vitest";
import { readTally, tallyPath } from "../ledger/tally.ts";
import type { Tally } from "../ledger/tally.ts";
import type { LoadPlan } from "../plan/plan.ts";
import { startRun } from "./run.ts";
import type { RunOptions, RunResult } from "./run.ts";

/** The URL of a server once it listens, on a free port. */
export async function listening(server: Server): Promise<string> {
  await new Promise<void>((resolve) => void server.listen(0, "127.0.0.1", resolve));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

/** An HTTP server until the test ends. */
export async function serve(listener: RequestListener): Promise<string> {
  const server = createServer(listener);
  onTestFinished(() => {
    server.close();
    server.closeAllConnections();
  });
  return listening(server);
}

/** A server that does what `reply` says at each request (without body), until the test ends. */
export async function serveRaw(reply: (socket: Socket) => void): Promise<string> {
  const sockets = new Set<Socket>();
  const server = createTcpServer((socket) => {
    sockets.add(socket);
    let received = "";
    socket.on("error", () => undefined);
    socket.on("close", () => sockets.delete(socket));
    socket.on("data", (chunk: Buffer) => {
      const heads = (received + chunk.toString("latin1")).split("\r\n\r\n");
      received = heads.pop()!;
      for (let at = 0; at < heads.length; at++) reply(socket);
    });
  });
  onTestFinished(() => {
    server.close();
    for (const socket of sockets) socket.destroy();
  });
  return listening(server);
}

/** A folder until the test ends. */
export function temporaryHome(): string {
  const home = mkdtempSync(join(tmpdir(), "rushhour-run-"));
  onTestFinished(() => rmSync(home, { recursive: true }));
  return home;
}

/** Runs a plan to its end, and expects every request to have had exactly one. */
export async function runToEnd(plan: LoadPlan, options: Partial<RunOptions> = {}) {
  const home = temporaryHome();
  const run = await startRun(plan, { home, ...options });
  const result = await run.done;
  const tally = await readTally(tallyPath(home, result.run_id));
  expectHonest(result, tally);
  return { result, figures: result.figures, tally };
}

/** What must add up however a run went. */
export function expectHonest({ figures }: RunResult, tally: Tally): void {
  const { offered, sent, unsent, answered, unanswered } = figures.counts;
  expect(sent + unsent).toBe(offered);
  expect(answered + unanswered).toBe(sent);
  expect(sumOf(figures.statuses)).toBe(answered);
  expect(sumOf(figures.reasons)).toBe(unanswered);
  expect(tally.counts).toEqual(figures.counts);
  expect(tally.reasons).toEqual(figures.reasons);
  for (const scenario of figures.scenarios.values()) {
    expect(scenario.requests).toBe(scenario.sent);
    expect(scenario.completed).toBeLessThanOrEqual(scenario.started);
  }
}

function sumOf(counts: Readonly<Record<string, number>>): number {
  return Object.values(counts).reduce((sum, count) => sum + count, 0);
}
