import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test, vi } from "vitest";
import type { EngineError } from "./errors.ts";
import { livingProcesses, startTimeOf } from "./pids.ts";
import { restartDelayMs, supervise } from "./supervisor.ts";
import type { ProcessSpec, ProcessState, SupervisedProcess } from "./supervisor.ts";

/** Supervises `node -e script`; it is ready once it has printed "ready". */
function aProcess(script: string, spec: Partial<ProcessSpec> = {}) {
  const folder = mkdtempSync(join(tmpdir(), "rushhour-supervisor-"));
  const logFile = join(folder, "logs", "child.log");
  const states: ProcessState[] = [];
  const gaveUp: EngineError[] = [];
  const readiesSeen = { count: 0 };
  const process_ = supervise(
    {
      name: "child",
      command: process.execPath,
      args: ["-e", script],
      logFile,
      home: folder,
      firstDelayMs: 10,
      ready: async (signal) => {
        const before = readiesSeen.count;
        while (!signal.aborted && readies(logFile) <= before) await new Promise((r) => setTimeout(r, 10));
        readiesSeen.count = readies(logFile);
      },
      ...spec,
    },
    { onState: (one) => states.push(one.state), onGiveUp: (cause) => gaveUp.push(cause) },
  );
  onTestFinished(async () => {
    await process_.stop();
    rmSync(folder, { recursive: true, force: true });
  });
  return { process: process_, states, gaveUp, folder, logFile };
}

const readies = (file: string) =>
  existsSync(file) ? readFileSync(file, "utf8").split("ready\n").length - 1 : 0;
const SERVE = `console.log("ready"); setInterval(() => {}, 1000);`;
const becomes = (process: SupervisedProcess, state: ProcessState) =>
  vi.waitFor(() => expect(process.state).toBe(state), { timeout: 10_000, interval: 20 });

test("a process serves, is registered, and ends when it is stopped", async () => {
  const { process, states, folder } = aProcess(SERVE);
  await process.start();
  const pid = process.pid!;
  expect(livingProcesses(folder).map((entry) => [entry.name, entry.pid])).toEqual([["child", pid]]);
  await process.stop();
  await process.stop();
  expect(states).toEqual(["starting", "running", "stopping", "stopped"]);
  expect(startTimeOf(pid)).toBeUndefined();
  expect(livingProcesses(folder)).toEqual([]);
});

test("a killed process comes back, and its end is told", async () => {
  const { process: child, gaveUp } = aProcess(SERVE);
  await child.start();
  const first = child.pid!;
  process.kill(first, "SIGKILL");
  await vi.waitFor(() => expect([child.state, child.restarts]).toEqual(["running", 1]), { timeout: 10_000 });
  expect(child.pid).not.toBe(first);
  expect(child.lastExit).toBe("killed by SIGKILL");
  expect(gaveUp).toEqual([]);
});

test("five failures in a row give up with the last lines of the log", async () => {
  const { process, logFile } = aProcess(`console.error("the reason"); process.exit(3)`);
  await expect(process.start()).rejects.toMatchObject({
    code: "ENGINE_FAILED",
    message: expect.stringContaining("the reason") as string,
  });
  expect(process.state).toBe("failed");
  expect(process.lastExit).toBe("exit 3: the reason");
  expect(readFileSync(logFile, "utf8").match(/the reason/g)).toHaveLength(5);
});

test("a process that served and cannot be kept alive is reported once", async () => {
  const { process, gaveUp } = aProcess(`console.log("ready"); setTimeout(() => process.exit(1), 100)`);
  await process.start();
  await becomes(process, "failed");
  expect(gaveUp.map((cause) => cause.code)).toEqual(["ENGINE_FAILED"]);
});

test.each([
  [
    "PORT_IN_USE",
    `throw Object.assign(new Error("listen EADDRINUSE: address already in use 127.0.0.1:8000"))`,
  ],
  ["DISK_FULL", `console.error("write failed: No space left on device"); process.exit(1)`],
  ["ENGINE_FAILED", `console.error("rushhour: API_PORT=x must be a port"); process.exit(104)`],
])("a first start that is certain to fail again (%s) is tried once", async (code, script) => {
  const { process } = aProcess(script);
  await expect(process.start()).rejects.toMatchObject({ code });
  expect([process.state, process.restarts]).toEqual(["failed", 0]);
});

test("a command that does not exist is a missing prerequisite", async () => {
  const { process } = aProcess("", { command: "/nowhere/mariadbd" });
  await expect(process.start()).rejects.toMatchObject({ code: "PREREQUISITE_MISSING" });
});

test("a log that cannot be opened rejects the start with its path", async () => {
  const { process } = aProcess(SERVE, { logFile: "/dev/null/child.log" });
  await expect(process.start()).rejects.toMatchObject({
    code: "ENGINE_FAILED",
    message: expect.stringContaining("/dev/null/child.log") as string,
  });
});

test("a process that lives but never gets ready is ended and counted as a failure", async () => {
  const { process } = aProcess(`setInterval(() => {}, 1000)`, {
    ready: () => Promise.reject(new Error("no answer")),
  });
  await expect(process.start()).rejects.toMatchObject({ code: "ENGINE_FAILED" });
  expect(process.lastExit).toBe("no answer");
});

test("a process deaf to SIGTERM is killed with its children after the grace time", async () => {
  const deaf = `process.on("SIGTERM", () => {}); setInterval(() => {}, 1000);`;
  const { process: child, logFile } = aProcess(
    `const c = require("node:child_process").spawn(process.execPath, ["-e", ${JSON.stringify(deaf)}]);
     console.log("child " + c.pid); ${deaf} console.log("ready");`,
    { graceMs: 100 },
  );
  await child.start();
  const grandchild = Number(/child (\d+)/.exec(readFileSync(logFile, "utf8"))![1]);
  expect(startTimeOf(grandchild)).toBeDefined();
  await child.stop();
  await vi.waitFor(() => expect(startTimeOf(grandchild)).toBeUndefined());
});

test("stopping during a back-off does not wait for it, and during a start rejects the start", async () => {
  const backingOff = aProcess(`process.exit(1)`, { firstDelayMs: 60_000 });
  const started = backingOff.process.start();
  await becomes(backingOff.process, "backing-off");
  await backingOff.process.stop();
  await expect(started).rejects.toMatchObject({ code: "ENGINE_FAILED" });
  expect(backingOff.process.state).toBe("stopped");
});

test("the pause before a restart doubles from half a second to eight, a tenth more or less", () => {
  const middle = [1, 2, 3, 4, 5, 6].map((n) => restartDelayMs(n, 500, 0.5));
  expect(middle).toEqual([500, 1000, 2000, 4000, 8000, 8000]);
  expect([restartDelayMs(1, 500, 0), restartDelayMs(1, 500, 1)]).toEqual([450, 550]);
});

test("what has served and finds the disk full is started until there is space", async () => {
  const cwd = mkdtempSync(join(tmpdir(), "rushhour-lives-"));
  onTestFinished(() => rmSync(cwd, { recursive: true, force: true }));
  const { process, gaveUp } = aProcess(
    `const { existsSync, readdirSync, writeFileSync } = require("node:fs");
     const lives = readdirSync(".").length;
     writeFileSync("life-" + lives, "");
     if (lives === 0 || lives > 7) { console.log("ready"); setInterval(() => {}, 1000); }
     else { console.error("java.io.IOException: No space left on device\\n" + "\\tat a.b.c\\n".repeat(100)); process.exit(1); }
     if (lives === 0) setTimeout(() => { console.error("ENOSPC"); process.exit(1); }, 50);`,
    { cwd },
  );
  await process.start();
  await vi.waitFor(() => expect([process.restarts, process.state]).toEqual([8, "running"]), {
    timeout: 20_000,
  });
  expect(gaveUp).toEqual([]);
});
