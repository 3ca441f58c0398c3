import { spawn } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:http";
import type { Server } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import { expect, onTestFinished, test, vi } from "vitest";
import { get } from "../journeys/journey.ts";
import type { Journey, Step } from "../journeys/journey.ts";
import { quickJourney } from "../journeys/quick.ts";
import type { Executor } from "../plan/plan.ts";
import { aPlan } from "../plan/testing.ts";
import { startRun } from "./run.ts";
import { expectHonest, runToEnd, serve, serveRaw, temporaryHome } from "./testing.ts";
import { readTally, tallyPath } from "../ledger/tally.ts";

const arrivals = { arrival: "even", max_vus: 1_000 } as const;
const rate = { kind: "constant-arrival-rate", rate_per_second: 100, duration_ms: 100 } as const;
const limits = { max_duration_ms: 150 };

/** Each way of bringing load about, for a tenth of a second. */
const EXECUTORS: readonly Executor[] = [
  { ...rate, ...arrivals, arriving: "requests" },
  { ...rate, ...arrivals, arriving: "iterations" },
  { kind: "constant-vus", vus: 2, duration_ms: 100 },
  { kind: "ramping-vus", start_vus: 1, stages: [{ target: 3, duration_ms: 100 }] },
  { kind: "shared-iterations", vus: 2, iterations: 6, ...limits },
  { kind: "per-vu-iterations", vus: 2, iterations: 3, ...limits },
];

/** Runs every executor against `target` at once and adds up; what hangs is given up after `drain_ms`. */
async function sufferAll(
  target: string,
  { step = get("/"), drain_ms = 5_000 }: { step?: Step; drain_ms?: number | undefined } = {},
) {
  const runs = EXECUTORS.map((executor) =>
    runToEnd(aPlan({ target, executor, graceful_stop_ms: 100, journeys: [quickJourney(step)] }), {
      drain_ms,
    }),
  );
  const sum = { sent: 0, answered: 0, unanswered: 0, answered_without_id: 0 };
  const reasons = new Set<string>();
  for (const { figures } of await Promise.all(runs)) {
    for (const name of Object.keys(sum) as (keyof typeof sum)[]) sum[name] += figures.counts[name];
    for (const reason of Object.keys(figures.reasons)) reasons.add(reason);
  }
  return { ...sum, reasons: [...reasons] };
}

const HANG_MS = 300;

const head = (...lines: readonly string[]) => ["HTTP/1.1 200 OK", ...lines, "", ""].join("\r\n");
const ok = `${head("content-length: 2")}ok`;

/** Calls `write` again and again for as long as the other side is there. */
function keepUp(socket: Socket, write: () => void): void {
  const writing = setInterval(() => {
    if (socket.writableLength < 2 ** 20) write();
  }, 5);
  socket.on("close", () => clearInterval(writing));
}

test.each<[string, (socket: Socket) => void, readonly string[]]>([
  ["what is no HTTP", (socket) => socket.write("garbage\r\n\r\n"), ["HTTPParserError"]],
  ["a negative length", (socket) => socket.write(head("content-length: -5")), ["HTTPParserError"]],
  [
    "a broken chunk",
    (socket) => socket.write(`${head("transfer-encoding: chunked")}zz\r\nabc\r\n`),
    ["HTTPParserError"],
  ],
  [
    "two lengths",
    (socket) => socket.write(`${head("content-length: 2", "content-length: 3")}ok`),
    ["UND_ERR_RES_CONTENT_LENGTH_MISMATCH"],
  ],
  [
    "a body where none may be",
    (socket) => socket.write("HTTP/1.1 204 No Content\r\ncontent-length: 2\r\n\r\nok"),
    ["UND_ERR_RES_CONTENT_LENGTH_MISMATCH"],
  ],
  [
    "a shorter body than it said",
    (socket) => socket.end(`${head("content-length: 9")}short`),
    ["UND_ERR_SOCKET"],
  ],
  [
    "half a body, then a reset",
    (socket) => socket.write(`${head("content-length: 9")}half`, () => socket.resetAndDestroy()),
    ["ECONNRESET", "UND_ERR_SOCKET"],
  ],
  [
    "another protocol",
    (socket) => socket.write("HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n"),
    ["UND_ERR_SOCKET"],
  ],
  [
    "status 000",
    (socket) => socket.write("HTTP/1.1 000 Odd\r\ncontent-length: 2\r\n\r\nok"),
    ["ERR_ASSERTION"],
  ],
  [
    "headers without end",
    (socket) => {
      socket.write("HTTP/1.1 200 OK\r\n");
      keepUp(socket, () => socket.write(`x-more: ${"a".repeat(4_000)}\r\n`.repeat(5)));
    },
    ["UND_ERR_HEADERS_OVERFLOW", "drain_deadline"],
  ],
  [
    "a body without end",
    (socket) => {
      socket.write(head());
      keepUp(socket, () => socket.write("a".repeat(10_000)));
    },
    ["drain_deadline"],
  ],
  [
    "drop by drop",
    (socket) => {
      socket.write(head("content-length: 100000"));
      keepUp(socket, () => socket.write("a"));
    },
    ["drain_deadline"],
  ],
  ["not at all", () => undefined, ["drain_deadline"]],
  ["by hanging up", (socket) => socket.destroy(), ["UND_ERR_SOCKET", "ECONNRESET"]],
])(
  "a target that answers %s: every request ends once, unanswered, under every executor",
  async (_what, reply, reasons) => {
    const drain_ms = reasons.includes("drain_deadline") ? HANG_MS : undefined;
    const all = await sufferAll(await serveRaw(reply), { drain_ms });
    expect(all.answered).toBe(0);
    expect(all.sent).toBeGreaterThan(0);
    expect(reasons).toEqual(expect.arrayContaining(all.reasons));
  },
);

test.each<[string, (socket: Socket) => void]>([
  ["in HTTP/1.0, closing each connection", (socket) => socket.end("HTTP/1.0 200 OK\r\n\r\nok")],
  ["more than it said", (socket) => socket.write(`${ok}${"and more".repeat(100)}`)],
  ["with hints before", (socket) => socket.write(`HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n${ok}`)],
  ["with status 999", (socket) => socket.write("HTTP/1.1 999 Odd\r\ncontent-length: 2\r\n\r\nok")],
  [
    "with an id that cannot be one",
    (socket) => socket.write(`${head(`x-request-id: ${"x".repeat(500)}`, "content-length: 2")}ok`),
  ],
])("a target that answers %s is answered all the same", async (_what, reply) => {
  const all = await sufferAll(await serveRaw(reply));
  expect(all.answered).toBeGreaterThan(0);
  expect(all).toMatchObject({ unanswered: 0, answered_without_id: all.answered });
});

test.each<[string, (socket: Socket) => void]>([
  ["closes", (socket) => void socket.write(ok, () => setImmediate(() => socket.end()))],
  ["resets", (socket) => void socket.write(ok, () => setImmediate(() => socket.resetAndDestroy()))],
])(
  "a target that %s each kept connection behind its answer: what crosses is counted once",
  async (_what, reply) => {
    expect((await sufferAll(await serveRaw(reply))).answered).toBeGreaterThan(0);
  },
);

test("requests that HTTP does not allow are unanswered, not an end", async () => {
  const target = await serve((_, response) => response.end());
  const step = get("/", { headers: { "x-two": "lines\r\nof text" } });
  expect(await sufferAll(target, { step })).toMatchObject({ answered: 0, reasons: ["UND_ERR_INVALID_ARG"] });
});

test("with nothing listening virtual users do not turn into busy loops", async () => {
  const gone = createServer().listen(0, "127.0.0.1");
  await once(gone, "listening");
  const target = `http://127.0.0.1:${(gone.address() as AddressInfo).port}`;
  await new Promise((resolve) => gone.close(resolve));
  const { sent, reasons } = await sufferAll(target);
  expect(reasons).toEqual(["ECONNREFUSED"]);
  expect(sent).toBeLessThan(200); // 32 planned, and five users for 100 ms, each every 10 ms at most
});

test.each([EXECUTORS[0]!, EXECUTORS[2]!])(
  "a target that dies in mid-run and comes back is answered again: $kind",
  async (executor) => {
    const open = (port: number): Server =>
      createServer((_, response) => void response.end()).listen(port, "127.0.0.1");
    let server = open(0);
    await once(server, "listening");
    onTestFinished(() => {
      server.close();
      server.closeAllConnections();
    });
    const { port } = server.address() as AddressInfo;
    const home = temporaryHome();
    const endless = { ...executor, duration_ms: undefined } as Executor;
    const run = await startRun(aPlan({ target: `http://127.0.0.1:${port}`, executor: endless }), { home });
    const { counts, reasons } = run.recorder;
    await vi.waitUntil(() => counts.answered > 0, { timeout: 5_000 });
    server.close();
    server.closeAllConnections();
    await vi.waitUntil(() => (reasons["ECONNREFUSED"] ?? 0) > 0, { timeout: 5_000 });
    server = open(port);
    await once(server, "listening");
    const { answered } = counts;
    await vi.waitUntil(() => counts.answered > answered, { timeout: 5_000 });
    run.stop();
    const result = await run.done;
    expectHonest(result, await readTally(tallyPath(home, run.run_id)));
  },
);

test.skipIf(process.platform === "win32")(
  "a frozen target, whose queue of connections is full, leaves every request unanswered",
  async () => {
    const code =
      "const server = require('node:http').createServer((_, response) => response.end()); " +
      "server.listen({ port: 0, host: '127.0.0.1', backlog: 1 }, () => console.log(server.address().port))";
    const child = spawn(process.execPath, ["-e", code], { stdio: ["ignore", "pipe", "inherit"] });
    onTestFinished(() => void child.kill("SIGKILL"));
    const [port] = (await once(child.stdout, "data")) as [Buffer];
    const target = `http://127.0.0.1:${Number(port.toString())}`;
    child.kill("SIGSTOP");
    const all = await sufferAll(target, { drain_ms: HANG_MS });
    expect(all).toMatchObject({ answered: 0, reasons: ["drain_deadline"] });
  },
);

/** Runs every executor without an end of its own until one request was sent, then stops it. */
async function stopAll(target: string, journey: Journey, drain_ms?: number) {
  const runs = EXECUTORS.map(async (executor) => {
    const endless =
      "duration_ms" in executor ? ({ ...executor, duration_ms: undefined } as Executor) : executor;
    const plan = aPlan({ target, executor: endless, graceful_stop_ms: 3_600_000, journeys: [journey] });
    const run = await startRun(plan, { home: undefined, ...(drain_ms !== undefined && { drain_ms }) });
    const { counts } = run.recorder;
    await vi.waitUntil(() => counts.sent > 0, { timeout: 5_000 });
    run.stop();
    return run.done;
  });
  return (await Promise.all(runs)).map(({ figures }) => figures);
}

test("stop waits for what is in flight, not for users who are thinking", async () => {
  const target = await serve((_, response) => setTimeout(() => response.end(), 150));
  const pensive: Journey = {
    ...{ name: "pensive", weight: 1 },
    *steps(session) {
      yield get("/");
      session.think(3_600_000);
      yield get("/");
    },
  };
  for (const { counts, iterations } of await stopAll(target, pensive)) {
    expect(counts.answered).toBe(counts.sent);
    expect(iterations.completed).toBe(0);
  }
});

test("stop gives up what hangs at the drain deadline, however long a graceful stop may take", async () => {
  const target = await serveRaw(() => undefined);
  for (const { counts, reasons } of await stopAll(target, quickJourney(get("/")), HANG_MS)) {
    expect(reasons).toEqual({ drain_deadline: counts.sent });
  }
});
