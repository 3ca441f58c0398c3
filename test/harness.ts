import { spawn, type ChildProcess } from "node:child_process";
import { randomBytes, randomUUID } from "node:crypto";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { connect as connectSocket, createServer, type AddressInfo, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as wait } from "node:timers/promises";
import { pino } from "pino";
import { v7 as uuidv7 } from "uuid";
import { inject, onTestFinished } from "vitest";
import type { AppLog } from "../contract/app-log.ts";
import { createMetrics, type Metrics } from "../contract/metrics.ts";
import type { RequestLog } from "../contract/request-log.ts";
import { allTopics } from "../contract/topics.ts";
import { startConsumer, type ConsumerOptions, type RunningConsumer } from "../consumer/consumer.ts";
import { openPool, urlOfUser, type Pool, type Row } from "../init_db/database.ts";
import type { Accounts } from "../init_db/users.ts";
import { tryLock } from "../engines/pids.ts";
import { connectAdmin, type KafkaAdmin } from "../kafka/admin.ts";
import { createKafka, type Kafka } from "../kafka/client.ts";
import { copyTemplate, dropDatabase, KEEP, urlOf } from "./template.ts";

export const silent = pino({ level: "silent" });

export { KEEP };

export interface TestDatabase {
  readonly pool: Pool; // as the owner
  readonly name: string;
  readonly ownerUrl: string;
  readonly writerUrl: string;
  readonly readerUrl: string;
  readonly accounts: Accounts;
  close(drop?: boolean): Promise<void>;
}

/** A migrated database of the test's own; dropped when the test passes, kept for a look when it fails. */
export async function openTestDatabase(): Promise<TestDatabase> {
  const database = await createTestDatabase();
  onTestFinished(({ task }) => database.close(task.result?.state !== "fail"));
  return database;
}

/** The same for several tests of a file: its caller closes it. */
export async function createTestDatabase(): Promise<TestDatabase> {
  const name = `rh_${randomBytes(5).toString("hex")}`;
  const serverUrl = inject("mysqlUrl");
  const accounts = await copyTemplate(inject("template"), serverUrl, name);
  const ownerUrl = urlOf(serverUrl, name);
  const pool = openPool(ownerUrl);
  const close = async (drop = true) => {
    await pool.end();
    if (drop) await dropDatabase(serverUrl, name, accounts);
  };
  const userUrl = ({ user, password }: Accounts["writer"]) => urlOfUser(ownerUrl, user, password);
  return {
    ...{ pool, name, ownerUrl, accounts, close },
    writerUrl: userUrl(accounts.writer),
    readerUrl: userUrl(accounts.reader),
  };
}

export async function rowsOf(pool: Pool, sql: string, params: readonly unknown[] = []): Promise<Row[]> {
  const [rows] = await pool.query<Row[]>(sql, [...params]);
  return rows;
}

export async function numberOf(pool: Pool, sql: string, params: readonly unknown[] = []): Promise<number> {
  const [row] = await rowsOf(pool, sql, params);
  return Number(Object.values(row!)[0]);
}

/** Of the Kafka that only this worker uses; empty in tests that need none. */
export function testBrokers(): string[] {
  const clusters = inject("kafkaClusters");
  leased ??= clusters.find(isMine);
  if (leased === undefined && clusters.length > 0)
    throw new Error(`other test files use ${clusters.join(" and ")}`);
  return leased?.split(",") ?? [];
}

let leased: string | undefined; // until this process ends: a lock of a process that is gone is free

function isMine(brokers: string): boolean {
  const lock = tryLock(leaseOf(brokers));
  return "release" in lock || lock.holder.pid === process.pid;
}

const leaseOf = (brokers: string) => join(tmpdir(), `rushhour-test-${brokers.replaceAll(/\W/g, "-")}`);

export const testKafka = (): Kafka =>
  createKafka({ brokers: testBrokers(), clientId: "rushhour-test", logger: silent });

export async function openAdmin(): Promise<KafkaAdmin> {
  const admin = await connectAdmin(testKafka());
  onTestFinished(() => admin.close());
  return admin;
}

/** Empties the pipeline's topics by making them anew, so that a test counts only its own records. */
export async function freshTopics(partitions = 3): Promise<void> {
  const topics = allTopics(partitions);
  const names = topics.map(({ name }) => name);
  const admin = testKafka().admin();
  await admin.connect();
  try {
    const existing = (await admin.listTopics()).filter((name) => names.includes(name));
    if (existing.length > 0) await admin.deleteTopics({ topics: existing, timeout: 10_000 });
    await until("the old topics to be gone", async () => {
      const left = await admin.listTopics();
      return !names.some((name) => left.includes(name));
    });
  } finally {
    await admin.disconnect();
  }
  const ours = await connectAdmin(testKafka());
  await until(
    "the new topics",
    async () => (await ours.createTopics(topics).catch(() => undefined)) !== undefined,
  );
  await ours.close();
}

export interface KafkaProxy {
  readonly brokers: readonly string[]; // clients know no other way to Kafka
  open(): Promise<void>;
  /** From now on nothing listens here. */
  shut(): Promise<void>;
  /** Ends all connections in place of Kafka's next answer: it has done what was asked, and its client cannot know. */
  cutAtNextAnswer(): Promise<void>;
}

/**
 * A way to Kafka that can be broken: a TCP proxy, shut at first, in front of a cluster of one broker. Where Kafka's
 * answers name the broker's address, clients read the proxy's.
 */
export async function openKafkaProxy(): Promise<KafkaProxy> {
  const admin = testKafka().admin();
  await admin.connect();
  const { brokers } = await admin.describeCluster();
  await admin.disconnect();
  const [broker] = brokers;
  if (!broker || brokers.length > 1) throw new Error(`the proxy needs one broker, not ${brokers.length}`);

  const port = await closedPort();
  const real = addressBytes(broker.host, broker.port);
  const ours = addressBytes("127.0.0.1", port);
  const sockets = new Set<Socket>();
  let onAnswer: (() => void) | undefined;

  const server = createServer((client) => {
    const kafka = connectSocket(broker.port, broker.host);
    for (const socket of [client, kafka]) {
      sockets.add(socket);
      socket.on("error", () => undefined); // "close" follows
      socket.once("close", () => {
        sockets.delete(socket);
        client.destroy();
        kafka.destroy();
      });
    }
    client.pipe(kafka);
    let rest = Buffer.alloc(0);
    kafka.on("data", (chunk: Buffer) => {
      if (onAnswer) {
        onAnswer();
        return;
      }
      const { frames, left } = framesOf(Buffer.concat([rest, chunk]));
      rest = left;
      for (const frame of frames) client.write(withSize(replaceAll(frame, real, ours)));
    });
  });
  const dropAll = () => {
    for (const socket of sockets) socket.destroy();
  };
  const proxy: KafkaProxy = {
    brokers: [`127.0.0.1:${port}`],
    async open() {
      server.listen(port, "127.0.0.1");
      await once(server, "listening");
    },
    async shut() {
      if (!server.listening) return;
      server.close();
      dropAll();
      await once(server, "close");
    },
    cutAtNextAnswer: () =>
      new Promise((resolve) => {
        onAnswer = () => {
          onAnswer = undefined;
          dropAll();
          resolve();
        };
      }),
  };
  onTestFinished(() => proxy.shut());
  return proxy;
}

/** A broker's address as Kafka's answers carry it: the host's length, the host, the port. */
function addressBytes(host: string, port: number): Buffer {
  const bytes = Buffer.alloc(2 + host.length + 4);
  bytes.writeInt16BE(host.length, 0);
  bytes.write(host, 2, "latin1");
  bytes.writeInt32BE(port, 2 + host.length);
  return bytes;
}

/** Kafka's answers, each after its size in four bytes. */
function framesOf(bytes: Buffer): { frames: Buffer[]; left: Buffer<ArrayBuffer> } {
  const frames: Buffer[] = [];
  let at = 0;
  while (bytes.length - at >= 4 && bytes.length - at - 4 >= bytes.readInt32BE(at)) {
    const size = bytes.readInt32BE(at);
    frames.push(bytes.subarray(at + 4, at + 4 + size));
    at += 4 + size;
  }
  return { frames, left: Buffer.from(bytes.subarray(at)) };
}

function withSize(frame: Buffer): Buffer {
  const size = Buffer.alloc(4);
  size.writeInt32BE(frame.length);
  return Buffer.concat([size, frame]);
}

function replaceAll(bytes: Buffer, old: Buffer, replacement: Buffer): Buffer {
  const parts: Buffer[] = [];
  let from = 0;
  for (let at = bytes.indexOf(old); at >= 0; at = bytes.indexOf(old, from)) {
    parts.push(bytes.subarray(from, at), replacement);
    from = at + old.length;
  }
  return Buffer.concat([...parts, bytes.subarray(from)]);
}

/** Waits for a condition; fails with its name after the deadline. */
export async function until(
  label: string,
  condition: () => Promise<boolean> | boolean,
  { deadlineMs = 30_000, everyMs = 50 } = {},
): Promise<void> {
  const endMs = performance.now() + deadlineMs;
  while (!(await condition())) {
    if (performance.now() > endMs) throw new Error(`waited ${deadlineMs} ms for ${label}`);
    await wait(everyMs);
  }
}

/** A port of this machine where nothing listens. */
export async function closedPort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  return port;
}

export function aRequestLog(overrides: Partial<RequestLog> = {}): RequestLog {
  const nowMs = Date.now();
  return {
    v: 1,
    request_id: uuidv7({ msecs: nowMs }),
    timestamp: new Date(nowMs).toISOString(),
    level: "INFO",
    service: "orders",
    instance: "test",
    endpoint: "/orders/:id",
    path: "/orders/7",
    method: "GET",
    status_code: 200,
    response_time_ms: 12.345,
    ...overrides,
  };
}

export function anAppLog(overrides: Partial<AppLog> = {}): AppLog {
  const nowMs = Date.now();
  return {
    v: 1,
    log_id: uuidv7({ msecs: nowMs }),
    timestamp: new Date(nowMs).toISOString(),
    level: "ERROR",
    service: "orders",
    logger: "orders.payment",
    message: "payment of order 7 failed",
    ...overrides,
  };
}

export interface TestConsumer extends RunningConsumer {
  readonly metrics: Metrics;
}

/** Starts a consumer in this process, in a group of its own; closes it once, with the test or as `atEnd` says. */
export function startTestConsumer(
  { writerUrl }: Pick<TestDatabase, "writerUrl">,
  options: Partial<ConsumerOptions> = {},
  atEnd: (end: () => Promise<void>) => void = onTestFinished,
): TestConsumer {
  const metrics = createMetrics();
  const consumer = startConsumer({
    ...{ brokers: testBrokers(), group: randomUUID(), writerUrl, keep: KEEP, logger: silent, metrics },
    onCrash: (error) => {
      throw error;
    },
    ...options,
  });
  let closed: Promise<void> | undefined;
  const close = () => (closed ??= consumer.close());
  atEnd(close);
  return { ...consumer, metrics, close };
}

export interface Role {
  readonly process: ChildProcess;
  readonly url: string; // of its HTTP server
  readonly log: readonly string[];
  readonly exited: Promise<number | NodeJS.Signals>;
}

/** Starts a real process of the program and waits until it listens; ends it with the test, or as `atEnd` says. */
export async function startRole(
  args: readonly string[],
  env: Readonly<Record<string, string>>,
  atEnd: (end: () => Promise<void>) => void = onTestFinished,
): Promise<Role> {
  const spools = mkdtempSync(join(tmpdir(), "rushhour-spools-")); // what one test leaves is nothing to the next
  const servers = { KAFKA_BROKERS: testBrokers().join(","), MYSQL_URL: "", RUSHHOUR_SPOOL_DIR: spools };
  const child = spawn(process.execPath, ["cli/rushhour.js", ...args], {
    env: { ...process.env, ...servers, ...env },
    stdio: ["ignore", "inherit", "pipe"],
  });
  const exited = new Promise<number | NodeJS.Signals>((resolve) => {
    child.once("exit", (code, signal) => resolve(signal ?? code ?? -1));
  });
  atEnd(async () => {
    child.kill("SIGKILL");
    await exited;
    rmSync(spools, { recursive: true, force: true });
  });
  const log: string[] = [];
  const url = new Promise<string>((resolve, reject) => {
    createInterface({ input: child.stderr }).on("line", (line) => {
      log.push(line);
      const found = /(?:"url":"|^control at )(http:[^"/]*\/\/[^"/]+)/.exec(line)?.[1];
      if (found) resolve(found);
    });
    void exited.then((code) =>
      reject(new Error(`rushhour ${args.join(" ")} ended with ${code}:\n${log.join("\n")}`)),
    );
  });
  return { process: child, url: await url, log, exited };
}

/** Runs a command of the program to its end. */
export async function runCli(
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<{ code: number | NodeJS.Signals; stdout: string; stderr: string }> {
  const child = spawn(process.execPath, ["cli/rushhour.js", ...args], {
    env: { ...process.env, NO_COLOR: "1", KAFKA_BROKERS: testBrokers().join(","), MYSQL_URL: "", ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let stdout = "";
  let stderr = "";
  child.stdout.on("data", (chunk: Buffer) => (stdout += chunk.toString()));
  child.stderr.on("data", (chunk: Buffer) => (stderr += chunk.toString()));
  return new Promise((resolve) => {
    child.once("close", (code, signal) => resolve({ code: signal ?? code ?? -1, stdout, stderr }));
  });
}
