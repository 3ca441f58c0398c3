import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Command, CommanderError } from "commander";
import { expect, onTestFinished, test, vi } from "vitest";
import { EXIT, RushhourError } from "../contract/errors.ts";
import { harmless } from "../contract/harmless.ts";

const NONSENSE = "\x1b[2Jnonsense!";

/** What is a name, a path or a text, so that anything may stand there, or what is looked at only after the rest is right. */
const FREE: Readonly<Record<string, readonly string[]>> = {
  api: ["--host"],
  consumer: ["--host", "--group"],
  "find-max": ["--threshold"],
  quick: ["--body", "--out", "--target", "--summary-export"],
  replay: ["--out", "--where", "--run", "--summary-export"],
  report: ["--out"],
  runs: ["--scenario"],
  simulate: ["--out", "--summary-export"],
  tail: ["--service"],
  up: ["--out", "--summary-export"],
  compare: ["--html"],
  "dead-letters list": ["--run"],
  "dead-letters replay": ["--run"],
  "dead-letters purge": ["--run"],
};

/** Of a choice of flags that exclude each other the command names what excludes what. */
const EXCLUSIVE: Readonly<Record<string, readonly (readonly string[])[]>> = {
  quick: [["--methods", "--auth"]],
  sql: [["--file"], ["--format"], ["--limit"], ["--example"]],
};

const ARGUMENTS: Readonly<Record<string, readonly string[]>> = {
  quick: ["http://127.0.0.1:1"],
  compare: ["a", "b"],
  sql: ["SELECT 1"],
};

/** A command with those below it, by what is typed for it. */
const walk = (command: Command, typed = command.name()): (readonly [string, Command])[] => [
  [typed, command],
  ...command.commands.flatMap((one) => walk(one, `${typed} ${one.name()}`)),
];

async function allCommands(): Promise<(readonly [string, Command])[]> {
  const folder = new URL(".", import.meta.url);
  const files: string[] = readdirSync(folder).filter(
    (file) => /^[\w-]+\.ts$/.test(file) && file !== "main.ts",
  );
  const commands: Command[] = [];
  for (const file of files) {
    const module = (await import(/* @vite-ignore */ `./${file}`)) as Record<string, unknown>;
    for (const [name, make] of Object.entries(module)) {
      if (name.endsWith("Command")) commands.push((make as () => Command)());
    }
  }
  return commands.flatMap((command) => walk(command));
}

const commands = await allCommands();
const valueFlags = (command: Command) =>
  command.options.filter(({ required, optional }) => required || optional).map(({ long }) => long!);

/** What the program would print, and with which code it would end. */
async function refusalOf(command: Command, args: readonly string[]): Promise<{ code: number; text: string }> {
  let text = "";
  const write = (more: string) => (text += harmless(more)); // as main.ts does
  command.exitOverride().configureOutput({ writeOut: write, writeErr: write });
  try {
    await command.parseAsync([...args], { from: "user" });
  } catch (error) {
    if (error instanceof CommanderError) return { code: error.exitCode === 0 ? 0 : EXIT.invalidUsage, text };
    if (error instanceof RushhourError) return { code: error.exitCode, text: harmless(error.message) };
    throw error; // what the program would print with its stack
  }
  throw new Error(`${command.name()} ${args.join(" ")} was taken`);
}

function stubServers(): void {
  const home = mkdtempSync(join(tmpdir(), "rushhour-nonsense-"));
  onTestFinished(() => rmSync(home, { recursive: true }));
  onTestFinished(() => void vi.unstubAllEnvs());
  vi.stubEnv("RUSHHOUR_HOME", home);
  vi.stubEnv("KAFKA_BROKERS", "127.0.0.1:1");
  for (const name of ["MYSQL_URL", "MYSQL_READER_URL", "MYSQL_WRITER_URL"])
    vi.stubEnv(name, "mysql://x:y@127.0.0.1:1/x");
}

test("all commands are walked", () => {
  expect(commands.map(([name]) => name)).toEqual(
    expect.arrayContaining(["api", "simulate", "sql", "spool drain", "up"]),
  );
});

test.each(commands)("%s --help names every flag", async (_name, command) => {
  const { code, text } = await refusalOf(command, ["--help"]);
  expect(code).toBe(0);
  for (const { long, hidden } of command.options) if (!hidden) expect(text).toContain(long);
});

test.each(commands)("%s refuses a flag nobody knows by its name", async (_name, command) => {
  const { code, text } = await refusalOf(command, ["--nonsense=1"]);
  expect(code).toBe(EXIT.invalidUsage);
  if (command.commands.length === 0) expect(text).toContain("--nonsense"); // else its help
});

const checked = commands
  .filter(([name, command]) => valueFlags(command).some((flag) => !FREE[name]?.includes(flag)))
  .filter(([name]) => !name.startsWith("spool")); // a folder that is not there is an empty one

test.each(checked)(
  "%s names every flag with nonsense in it, and prints none of its escapes",
  async (name, command) => {
    stubServers();
    const flags = valueFlags(command).filter((flag) => !FREE[name]?.includes(flag));
    for (const together of EXCLUSIVE[name] ?? [flags]) {
      const args = together.map((flag) => `${flag}=${NONSENSE}`);
      const { code, text } = await refusalOf(command, [...(ARGUMENTS[name] ?? []), ...args]);
      expect(text).not.toContain("\x1b");
      if (name === "sql" && together[0] !== "--format" && together[0] !== "--limit") continue; // a file, a name, a server
      expect(code, text).toBe(EXIT.invalidUsage);
      for (const flag of together) expect(text).toContain(flag);
    }
  },
);
