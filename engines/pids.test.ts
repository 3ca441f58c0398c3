import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test, vi } from "vitest";
import {
  endOrphans,
  findOrphans,
  livingProcesses,
  parseProcStat,
  registerProcess,
  startTimeOf,
  tryLock,
} from "./pids.ts";

const PIDS = join(import.meta.dirname, "pids.ts");

function aFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "rushhour-pids-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** A Node process running `script`, in a group of its own, ended with the test. */
function aProcess(script: string) {
  const child = spawn(process.execPath, ["--input-type=module", "-e", script], {
    detached: true,
    stdio: ["ignore", "pipe", "inherit"],
  });
  onTestFinished(() => {
    child.kill("SIGKILL");
  });
  return child;
}

const IDLE = "setInterval(() => {}, 1000);";

test("a process is known by its pid and its start time", async () => {
  const child = aProcess(IDLE);
  const startTime = startTimeOf(child.pid!);
  expect(startTime).toBeDefined();
  expect(startTimeOf(child.pid!)).toBe(startTime);
  child.kill("SIGKILL");
  await once(child, "exit");
  expect(startTimeOf(child.pid!)).toBeUndefined();
});

test("the start time is found behind a name with blanks and brackets; a zombie has none", () => {
  const stat = (state: string) =>
    `42 (a (b) c) ${state} ${Array.from({ length: 18 }, (_, n) => n).join(" ")} 777 0`;
  expect(parseProcStat(stat("S"))).toBe("777");
  expect(parseProcStat(stat("Z"))).toBeUndefined();
});

test("what a killed owner left behind is ended by name; others' processes stay", async () => {
  const home = aFolder();
  const owner = aProcess(`
    import { spawn } from "node:child_process";
    import { registerProcess } from ${JSON.stringify(PIDS)};
    const child = spawn(process.execPath, ["-e", "${IDLE}"], { detached: true, stdio: "ignore" });
    registerProcess(${JSON.stringify(home)}, "broker", child.pid, "me");
    console.log(child.pid);
    ${IDLE}`);
  const [line] = (await once(owner.stdout, "data")) as [Buffer];
  const orphan = Number(line.toString());
  const mine = aProcess(IDLE);
  registerProcess(home, "mine", mine.pid!, "me");
  const standing = aProcess(IDLE);
  registerProcess(home, "standing", standing.pid!, "nobody");

  expect(findOrphans(home)).toEqual([]);
  owner.kill("SIGKILL");
  await once(owner, "exit");
  expect(await endOrphans(home)).toEqual(["broker"]);
  expect(startTimeOf(orphan)).toBeUndefined();
  expect(
    livingProcesses(home)
      .map((entry) => entry.name)
      .toSorted(),
  ).toEqual(["mine", "standing"]);
});

test("a pid that the system gave to another process is not touched", async () => {
  const home = aFolder();
  const stranger = aProcess(IDLE);
  registerProcess(home, "broker", stranger.pid!, "me");
  const file = join(home, "processes", `${stranger.pid!}.json`);
  const entry = JSON.parse(readFileSync(file, "utf8")) as object;
  const dead = { pid: 2 ** 22 + 1, startTime: "1" };
  writeFileSync(file, JSON.stringify({ ...entry, startTime: "1", owner: dead }));
  expect(await endOrphans(home)).toEqual([]);
  expect(startTimeOf(stranger.pid!)).toBeDefined();
  expect(readdirSync(join(home, "processes"))).toEqual([]);
});

test("a lock is held once, names its holder, and is free after its release", () => {
  const path = join(aFolder(), "engines.lock");
  const first = tryLock(path);
  expect(tryLock(path)).toMatchObject({ holder: { pid: process.pid } });
  if ("release" in first) first.release();
  expect(tryLock(path)).toHaveProperty("release");
});

test("a lock of a dead process, or a torn one, is taken over", () => {
  const path = join(aFolder(), "engines.lock");
  for (const content of [JSON.stringify({ pid: process.pid, startTime: "another life" }), '{"pid":']) {
    writeFileSync(path, content);
    const lock = tryLock(path);
    expect(lock).toHaveProperty("release");
    if ("release" in lock) lock.release();
  }
});

test("of many processes that want a dead one's lock, one gets it", async () => {
  const folder = aFolder();
  const path = join(folder, "engines.lock");
  writeFileSync(path, JSON.stringify({ pid: process.pid, startTime: "another life" }));
  const rivals = [1, 2, 3, 4].map(() =>
    aProcess(`
      import { tryLock } from ${JSON.stringify(PIDS)};
      console.log("release" in tryLock(${JSON.stringify(path)}) ? "won" : "lost");
      ${IDLE}`),
  );
  const answers: string[] = [];
  for (const rival of rivals)
    rival.stdout.on("data", (chunk: Buffer) => answers.push(chunk.toString().trim()));
  await vi.waitFor(() => expect(answers).toHaveLength(4), { timeout: 10_000 });
  expect(answers.toSorted()).toEqual(["lost", "lost", "lost", "won"]);
});
