import { spawn, spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { expect, onTestFinished, test } from "vitest";
import { aRun } from "../simulator/control/testing.ts";
import { keysOf, KEY_HELP } from "./controls.ts";

function pressed() {
  const recorded = aRun();
  const said: string[] = [];
  const keys = keysOf(recorded.run, (line) => said.push(line));
  return { ...recorded, said, press: (...sequences: string[]) => sequences.forEach((key) => keys[key]!()) };
}

test("space pauses and resumes, q stops, ? says what there is", () => {
  const { press, changes, run, said } = pressed();
  press(" ", " ", "?", "q");
  expect(changes).toEqual([{ paused: true }, { paused: false }]);
  expect(said).toEqual([KEY_HELP]);
  expect(run.status().state).toBe("stopping");
});

test("plus and minus change the rate by a tenth, undo each other and end at the limits", () => {
  const { press, changes } = pressed();
  press("+", "=", "-", "-", "-");
  expect(changes.map(({ rate_factor }) => rate_factor)).toEqual([1.1, 1.21, 1.1, 1, 0.909]);
  press(...Array<string>(200).fill("+"));
  expect(changes.at(-1)).toEqual({ rate_factor: 100 });
  press(...Array<string>(200).fill("-"));
  expect(changes.at(-1)).toEqual({ rate_factor: 0.1 });
});

test("f and s start a fault and end it again, each start under a name of its own", async () => {
  const { press, started, faults } = pressed();
  press("f", "s");
  await expect.poll(() => [...faults.keys()]).toEqual(["key-error-burst-1", "key-slow-1"]);
  expect(started[0]).toMatchObject({ kind: "error-burst", route: undefined, intensity: { rate: 0.3 } });
  press("f");
  await expect.poll(() => [...faults.keys()]).toEqual(["key-slow-1"]);
  press("f", "f", "f"); // faster than the target answers
  await expect.poll(() => started.length).toBe(4);
  expect([...faults.keys()]).toEqual(["key-slow-1", "key-error-burst-3"]);
});

test("a fault that the target does not take is said, and may be tried again", async () => {
  const { run, started } = aRun();
  const refusal = new Error("the target has no fault control");
  const said: string[] = [];
  let refuses = true;
  const startFault: typeof run.startFault = (fault) =>
    refuses ? Promise.reject(refusal) : run.startFault(fault);
  const keys = keysOf({ ...run, startFault }, (line) => said.push(line));
  keys["f"]!();
  await expect.poll(() => said).toEqual([refusal.message]);
  refuses = false;
  keys["f"]!();
  await expect.poll(() => started.length).toBe(1);
});

test("input that is no terminal is left alone", () => {
  const script = `
    import { readKeys } from ${JSON.stringify(new URL("./controls.ts", import.meta.url).href)};
    readKeys(process.stdin, {});
    console.log(process.listenerCount("SIGTSTP"), process.stdin.isPaused());`;
  const { stdout } = spawnSync(process.execPath, ["--input-type=module", "-e", script], { input: "f" });
  expect(stdout.toString()).toBe("0 false\n"); // and it ended, so nothing waits for input
});

// From here on a real terminal: python's pty makes one, and hands on what is typed and shown.
const hasPty = process.platform === "linux" && spawnSync("python3", ["-c", "import pty"]).status === 0;

const READER = `
  const { readKeys } = await import(${JSON.stringify(new URL("./controls.ts", import.meta.url).href)});
  const say = (text) => console.log("<" + text + ">");
  setInterval(() => undefined, 1_000); // a run that goes on
  process.on("SIGINT", () => say("SIGINT"));
  const release = readKeys(process.stdin, {
    a: () => say("a"),
    x: () => { throw new Error("thrown at the key"); },
    e: () => process.exit(3),
    r: () => { release(); say("released"); },
  });
  say("pid " + process.pid);`;

/** Runs the reader in a terminal, and after it \`stty\`, which shows how the terminal was left. */
function openTerminal() {
  const shell = [process.execPath, "--input-type=module", "-e", READER].map(
    (word) => `'${word.replaceAll("'", `'\\''`)}'`,
  );
  const python = "import pty, sys; pty.spawn(['sh', '-c', sys.argv[1]])";
  const child = spawn("python3", [
    "-c",
    python,
    `trap : INT QUIT TSTP; ${shell.join(" ")}; echo "<left $?>"; stty -a; echo "<end>"`,
  ]);
  onTestFinished(() => void child.kill("SIGKILL"));
  let shown = "";
  child.stdout.on("data", (chunk: Buffer) => (shown += chunk.toString()));
  const until = (pattern: RegExp) =>
    expect.poll(() => shown, { timeout: 20_000, interval: 20 }).toMatch(pattern);
  return {
    type: (keys: string) => child.stdin.write(keys),
    until,
    shown: () => shown,
    async pid() {
      await until(/<pid \d+>/);
      return Number(/<pid (\d+)>/.exec(shown)![1]);
    },
  };
}

function modesOf(pid: number): string {
  return spawnSync("stty", ["-F", `/proc/${pid}/fd/0`, "-a"], { encoding: "utf8" }).stdout;
}

const COOKED = /[^-]isig [^-]*icanon/;

test.skipIf(!hasPty)(
  "keys act at once, others do nothing, and Ctrl-C is SIGINT still",
  { timeout: 30_000 },
  async () => {
    const terminal = openTerminal();
    await terminal.pid();
    terminal.type("zb\x1b[A");
    terminal.type("a");
    await terminal.until(/<a>/);
    terminal.type("\x03");
    await terminal.until(/<SIGINT>/);
    terminal.type("a");
    await terminal.until(/<a>[^]*<a>/);
    terminal.type("e");
    await terminal.until(/<left 3>[^]*<end>/);
    expect(terminal.shown()).not.toMatch(/<[zbA]>/);
  },
);

test.skipIf(!hasPty).each([
  ["the process exits", "e", /<left 3>/],
  ["a handler throws", "x", /thrown at the key[^]*<left 1>/],
  ["Ctrl-\\ ends the process", "\x1c", /<left 131>/],
])("the terminal is as it was after %s", { timeout: 30_000 }, async (_, key, left) => {
  const terminal = openTerminal();
  const pid = await terminal.pid();
  expect(modesOf(pid)).toMatch(/-isig -icanon/);
  terminal.type(key);
  await terminal.until(left);
  await terminal.until(/<end>/);
  expect(terminal.shown().split("<left")[1]).toMatch(COOKED);
});

test.skipIf(!hasPty)(
  "Ctrl-Z stops with the terminal as it was, and keys act again after it",
  { timeout: 30_000 },
  async () => {
    const terminal = openTerminal();
    const pid = await terminal.pid();
    const state = () => / ([A-Z]) /.exec(readFileSync(`/proc/${pid}/stat`, "utf8"))![1];
    terminal.type("\x1a");
    await expect.poll(state, { timeout: 10_000 }).toBe("T");
    expect(modesOf(pid)).toMatch(COOKED);
    process.kill(pid, "SIGCONT");
    await expect.poll(() => modesOf(pid), { timeout: 10_000 }).toMatch(/-isig -icanon/);
    terminal.type("a");
    await terminal.until(/<a>/);
    terminal.type("r");
    await terminal.until(/<released>/);
    expect(modesOf(pid)).toMatch(COOKED);
    process.kill(pid, "SIGKILL");
    await terminal.until(/<end>/);
  },
);
