import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { expect, onTestFinished, test } from "vitest";
import { apiCommand } from "./api.ts";

/** `rushhour api` as a process of its own, with no Kafka to be found. */
function startApi(...args: string[]) {
  const script = `
    const { apiCommand } = await import(${JSON.stringify(new URL("./api.ts", import.meta.url).href)});
    await apiCommand().parseAsync(${JSON.stringify(args)}, { from: "user" });`;
  const child = spawn(process.execPath, ["--input-type=module", "-e", script], {
    env: { ...process.env, KAFKA_BROKERS: "127.0.0.1:1", API_MODEL: "off", LOG_LEVEL: "info" },
    stdio: ["ignore", "pipe", "pipe"],
  });
  onTestFinished(() => void child.kill("SIGKILL"));
  return child;
}

test("starts and serves with Kafka away, logs the URL of a free port, and ends with 0 at SIGTERM", async () => {
  const child = startApi("--port", "0");
  let stdout = "";
  child.stdout.on("data", (chunk: Buffer) => (stdout += chunk.toString()));
  let url: string | undefined;
  for await (const line of createInterface(child.stderr)) {
    const entry = JSON.parse(line) as { msg: string; url?: string };
    if (entry.msg !== "listening") continue;
    url = entry.url;
    break;
  }
  child.stderr.resume();
  expect(url).toMatch(/^http:\/\/127\.0\.0\.1:[1-9]\d*$/);
  expect((await fetch(`${url!}/users/1`)).status).toBe(200);
  const health = await fetch(`${url!}/health`);
  expect(health.status).toBe(503);
  expect(await health.json()).toMatchObject({ dependencies: { kafka: { ready: false } } });
  const exited = once(child, "exit");
  child.kill("SIGTERM");
  expect(await exited).toEqual([0, null]);
  expect(stdout).toBe(""); // the log is on standard error
}, 30_000);

test("names all settings that break a rule together, by flag, before anything opens", async () => {
  const args = ["--port", "99999", "--model", "fast", "--seed", "-1"];
  const refusal: unknown = await apiCommand()
    .parseAsync(args, { from: "user" })
    .catch((error: unknown) => error);
  expect(refusal).toMatchObject({ code: "CONFIG_INVALID", exitCode: 104 });
  for (const named of ["--port=99999", "--model=fast", "--seed=-1"]) {
    expect((refusal as Error).message).toContain(named);
  }
});
