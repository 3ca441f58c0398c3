import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { expect, onTestFinished, test, vi } from "vitest";
import { onShutdownSignal } from "./lifecycle.ts";

/** Listens in this process; signals are emitted as Node does, and the clock is ours. */
function listen() {
  vi.useFakeTimers({ toFake: ["performance"] });
  const heard: [NodeJS.Signals, boolean][] = [];
  const forget = onShutdownSignal((signal, forceful) => heard.push([signal, forceful]));
  onTestFinished(() => {
    forget();
    vi.useRealTimers();
  });
  return { heard, forget };
}

test("the first signal asks to stop in order, a later one is forceful", () => {
  const { heard } = listen();
  process.emit("SIGINT", "SIGINT");
  vi.advanceTimersByTime(1_500);
  process.emit("SIGTERM", "SIGTERM");
  expect(heard).toEqual([
    ["SIGINT", false],
    ["SIGTERM", true],
  ]);
});

test("repeats within a second are the same request: npm passes a ^C on that the terminal sent too", () => {
  const { heard } = listen();
  process.emit("SIGINT", "SIGINT");
  process.emit("SIGINT", "SIGINT");
  vi.advanceTimersByTime(999);
  process.emit("SIGTERM", "SIGTERM");
  expect(heard).toEqual([["SIGINT", false]]);
});

test("once forgotten nothing is heard, and no listener is left", () => {
  const before = process.listenerCount("SIGINT");
  const { heard, forget } = listen();
  expect(process.listenerCount("SIGINT")).toBe(before + 1);
  forget();
  expect(process.listenerCount("SIGINT")).toBe(before);
  expect(heard).toEqual([]);
});

test("a process waits for the first signal, and a forceful one ends it with the code given", async () => {
  const script = `
    import { shutdownSignal } from ${JSON.stringify(new URL("./lifecycle.ts", import.meta.url).href)};
    const signal = shutdownSignal(7);
    setInterval(() => undefined, 1_000); // work that does not end
    console.log("ready");
    console.log(await signal);`;
  const child = spawn(process.execPath, ["--input-type=module", "-e", script], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  onTestFinished(() => void child.kill("SIGKILL"));
  const exited = new Promise((resolve) => child.once("exit", (code) => resolve(code)));
  const lines: string[] = [];
  for await (const line of createInterface(child.stdout)) {
    lines.push(line);
    if (line === "ready") child.kill("SIGTERM");
    else break;
  }
  expect(lines).toEqual(["ready", "SIGTERM"]);
  const again = setInterval(() => child.kill("SIGINT"), 200); // heard as forceful once a second has passed
  onTestFinished(() => clearInterval(again));
  expect(await exited).toBe(7);
}, 15_000);
