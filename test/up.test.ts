import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { beforeEach, describe, expect, onTestFinished, test } from "vitest";
import { livingProcesses } from "../engines/pids.ts";
import { freePorts } from "../engines/ports.ts";
import { freshTopics, numberOf, openTestDatabase, testBrokers, until, type TestDatabase } from "./harness.ts";

beforeEach(() => freshTopics());

/** `rushhour up` on the test's servers, with ports and a home of its own. */
async function startUp(args: readonly string[], env: Readonly<Record<string, string>> = {}) {
  const home = mkdtempSync(join(tmpdir(), "rushhour-up-"));
  const [api, consumer] = await freePorts([undefined, undefined]);
  const child = spawn(
    process.execPath,
    ["cli/rushhour.js", "up", "--port", String(api), "--consumer-port", String(consumer), ...args],
    {
      env: {
        ...process.env,
        NO_COLOR: "1",
        RUSHHOUR_HOME: home,
        KAFKA_BROKERS: testBrokers().join(","),
        ...env,
      },
      stdio: ["ignore", "pipe", "pipe"],
    },
  );
  let stdout = "";
  let stderr = "";
  child.stdout.on("data", (chunk: Buffer) => (stdout += chunk.toString()));
  child.stderr.on("data", (chunk: Buffer) => (stderr += chunk.toString()));
  const ended = new Promise<number | NodeJS.Signals>((resolve) => {
    child.once("close", (code, signal) => resolve(signal ?? code ?? -1));
  });
  onTestFinished(async () => {
    child.kill("SIGKILL");
    await ended;
    for (const { pid } of livingProcesses(home)) process.kill(-pid, "SIGKILL");
    rmSync(home, { recursive: true });
  });
  return {
    child,
    home,
    api: `http://127.0.0.1:${api}`,
    consumer,
    ended,
    stdout: () => stdout,
    stderr: () => stderr,
  };
}

const servers = ({ ownerUrl, writerUrl, readerUrl }: TestDatabase) => ({
  MYSQL_URL: ownerUrl,
  MYSQL_WRITER_URL: writerUrl,
  MYSQL_READER_URL: readerUrl,
});

/** The same in files, behind variables that are there and empty. */
function serversInFiles(database: TestDatabase): Record<string, string> {
  const folder = mkdtempSync(join(tmpdir(), "rushhour-urls-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const variables = Object.entries(servers(database)).map(([name, url]) => {
    writeFileSync(join(folder, name), url, { mode: 0o600 });
    return { [name]: "", [`${name}_FILE`]: join(folder, name) };
  });
  return Object.assign({}, ...variables) as Record<string, string>;
}

/** Names of the variables about the database that a process was given, by role. */
function databaseVariables(home: string): Record<string, string[]> {
  const roles = livingProcesses(home).map(({ name, pid }) => {
    const variables = readFileSync(`/proc/${pid}/environ`, "utf8").split("\0");
    const names = variables.map((variable) => variable.split("=")[0]!);
    return [name, names.filter((variable) => variable.startsWith("MYSQL_"))];
  });
  return Object.fromEntries(roles) as Record<string, string[]>;
}

interface Summary {
  readonly exit_code: number;
  readonly ledger: Readonly<Record<string, number>>;
  readonly delay_to_row_ms: { readonly p50: number };
}

describe("rushhour up", () => {
  test("ends by itself, with a balanced ledger, all three topics filled and no process left", async () => {
    const database = await openTestDatabase();
    const file = join(mkdtempSync(join(tmpdir(), "rushhour-summary-")), "out.json");
    const up = await startUp(
      ["-d", "6s", "--rate", "80/s", "--seed", "11", "--summary-export", file],
      servers(database),
    );
    expect([0, 112], up.stderr()).toContain(await up.ended); // 112: this machine was too busy to send in time
    expect(up.stdout()).toContain("balanced: every answered request is accounted for");

    const summary = JSON.parse(readFileSync(file, "utf8")) as Summary;
    const { offered, answered, stored, missing, duplicates } = summary.ledger;
    expect(offered).toBeGreaterThan(400);
    expect({ stored, missing, duplicates }).toEqual({ stored: answered, missing: 0, duplicates: 0 });
    expect(await numberOf(database.pool, "SELECT COUNT(*) FROM api_logs WHERE run_id IS NOT NULL")).toBe(
      stored,
    );
    expect(summary.delay_to_row_ms.p50).toBeGreaterThan(0);
    expect(
      await numberOf(
        database.pool,
        "SELECT COUNT(DISTINCT topic) FROM ingest_offsets WHERE rows_in > 0 AND topic IN ('info-logs', 'error-logs', 'debug-logs')",
      ),
    ).toBe(3);
    expect(await numberOf(database.pool, "SELECT COUNT(*) FROM publishers WHERE closed = 1")).toBe(1);
    expect(livingProcesses(up.home)).toEqual([]);
  });

  test("Ctrl-C drains and proves the ledger, though the consumer was killed in between", async () => {
    const database = await openTestDatabase();
    const up = await startUp(["--rate", "100/s"], serversInFiles(database));
    await until("rows", async () => (await numberOf(database.pool, "SELECT COUNT(*) FROM api_logs")) > 100);
    if (process.platform === "linux")
      expect(databaseVariables(up.home)).toEqual({ api: [], consumer: ["MYSQL_WRITER_URL"] });
    const consumer = livingProcesses(up.home).find(({ name }) => name === "consumer")!;
    process.kill(consumer.pid, "SIGKILL");
    await until("another consumer", () =>
      livingProcesses(up.home).some(({ name, pid }) => name === "consumer" && pid !== consumer.pid),
    );
    up.child.kill("SIGINT");
    up.child.kill("SIGINT"); // as npm and the terminal both send it: one request, not two
    expect([0, 112], up.stderr()).toContain(await up.ended);
    expect(up.stdout()).toContain("balanced: every answered request is accounted for");
    expect(livingProcesses(up.home)).toEqual([]);
  });

  test("a start that follows a killed one ends what that left and takes its ports", async () => {
    const database = await openTestDatabase();
    const first = await startUp([], servers(database));
    await until("the load", () => first.stderr().includes("serving at"));
    first.child.kill("SIGKILL");
    await first.ended;
    const orphans = livingProcesses(first.home);
    expect(orphans.map(({ name }) => name).sort()).toEqual(["api", "consumer"]);

    const again = spawn(
      process.execPath,
      [
        "cli/rushhour.js",
        "up",
        "-d",
        "1s",
        "--port",
        new URL(first.api).port,
        "--consumer-port",
        String(first.consumer),
      ],
      {
        env: {
          ...process.env,
          ...servers(database),
          KAFKA_BROKERS: testBrokers().join(","),
          RUSHHOUR_HOME: first.home,
        },
        stdio: "ignore",
      },
    );
    const code = await new Promise((resolve) => again.once("exit", resolve));
    expect([0, 112]).toContain(code);
    expect(livingProcesses(first.home)).toEqual([]);
  });

  test("port 0 takes a free one and says which", async () => {
    const database = await openTestDatabase();
    const up = await startUp(["--port", "0", "--consumer-port", "0", "-d", "1s"], servers(database));
    expect([0, 112], up.stderr()).toContain(await up.ended);
    expect(up.stderr()).toMatch(/serving at http:\/\/127\.0\.0\.1:[1-9]\d+/);
  });

  test("a port in use is named before anything starts, with the way out", async () => {
    const server = createServer();
    const port = await new Promise<number>((resolve) => {
      server.listen(0, "127.0.0.1", () => resolve((server.address() as AddressInfo).port));
    });
    onTestFinished(() => void server.close());
    const up = await startUp(["--port", String(port), "--consumer-port", String(port)]);
    expect(await up.ended).toBe(104);
    expect(up.stderr()).toContain(`port ${port} for the API is taken`);
    expect(up.stderr()).toContain("--consumer-port or CONSUMER_PORT");
  });

  test.each([
    [
      "Kafka",
      { KAFKA_BROKERS: "127.0.0.1:1", MYSQL_URL: "mysql://root@127.0.0.1:1/x" },
      "Kafka does not answer at 127.0.0.1:1",
    ],
    [
      "the database",
      { MYSQL_URL: "mysql://root:secret@127.0.0.1:1/x" },
      "the database does not answer at mysql://root:***@127.0.0.1:1/x",
    ],
  ])("%s out of reach is one clear message", async (_, env, message) => {
    const up = await startUp([], env);
    expect(await up.ended).toBe(1);
    expect(up.stderr()).toContain(message);
    expect(up.stderr()).not.toContain("    at ");
  });
});
