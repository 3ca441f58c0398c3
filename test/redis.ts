import { spawn, spawnSync, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { connect } from "node:net";
import { onTestFinished } from "vitest";
import { closedPort, until } from "./harness.ts";

/** Whether there is a Redis to be started; its tests are skipped without. */
export const hasRedis = spawnSync("redis-server", ["--version"]).status === 0;

export interface TestRedis {
  readonly url: string;
  start(): Promise<void>;
  signal(signal: "SIGSTOP" | "SIGCONT"): void;
  /** kill -9, so that it loses all it knew: it writes nothing to disk. */
  kill(): Promise<void>;
}

/**
 * A real Redis on a free port, of the test's own.
 * @param secured with a password, and TLS by these files in place of plain text
 */
export async function openTestRedis(secured?: {
  readonly password: string;
  readonly certFile: string;
  readonly keyFile: string;
}): Promise<TestRedis> {
  const port = await closedPort();
  let server: ChildProcess | undefined;
  const redis: TestRedis = {
    url: secured ? `rediss://:${secured.password}@127.0.0.1:${port}` : `redis://127.0.0.1:${port}`,
    async start() {
      const options = {
        ...{ bind: "127.0.0.1", save: "", appendonly: "no" },
        ...(secured === undefined
          ? { port }
          : {
              ...{ port: 0, "tls-port": port, "tls-auth-clients": "no", requirepass: secured.password },
              ...{ "tls-cert-file": secured.certFile, "tls-key-file": secured.keyFile },
              "tls-ca-cert-file": secured.certFile, // it wants some
            }),
      };
      const args = Object.entries(options).flatMap(([name, value]) => [`--${name}`, String(value)]);
      server = spawn("redis-server", args, { stdio: "ignore" });
      await until("Redis to listen", () => canConnect(port));
    },
    signal: (signal) => void server?.kill(signal),
    async kill() {
      if (server?.exitCode !== null || server.signalCode !== null) return;
      const exited = once(server, "exit");
      server.kill("SIGKILL");
      await exited;
    },
  };
  onTestFinished(() => redis.kill());
  await redis.start();
  return redis;
}

async function canConnect(port: number): Promise<boolean> {
  const socket = connect(port, "127.0.0.1");
  const isOpen = await once(socket, "connect").then(
    () => true,
    () => false,
  );
  socket.destroy();
  return isOpen;
}
