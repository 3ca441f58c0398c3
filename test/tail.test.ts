import { spawn } from "node:child_process";
import { once } from "node:events";
import { appendFileSync, mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { beforeEach, expect, onTestFinished, test } from "vitest";
import {
  freshTopics,
  numberOf,
  openTestDatabase,
  runCli,
  startTestConsumer,
  testBrokers,
  until,
} from "./harness.ts";

beforeEach(() => freshTopics());

function openHome() {
  const home = mkdtempSync(join(tmpdir(), "rushhour-tail-"));
  onTestFinished(() => rmSync(home, { recursive: true, force: true }));
  return { path: join(home, "access.log"), env: { RUSHHOUR_HOME: home } };
}

const SECOND = new Date(Date.now() - 3_600_000).toUTCString().slice(5, 25).split(" ");
const TIME = `${SECOND.slice(0, 3).join("/")}:${SECOND[3]!} +0000`;

let written = 0;
const lines = (count: number) =>
  Array.from(
    { length: count },
    () => `::1 - - [${TIME}] "GET /x${++written} HTTP/1.1" 200 5 "-" "curl" 0.002\n`,
  ).join("");

/** Follows in a process of its own. */
function start(args: readonly string[], env: Readonly<Record<string, string>>) {
  const child = spawn(process.execPath, ["cli/rushhour.js", "tail", ...args], {
    env: { ...process.env, KAFKA_BROKERS: testBrokers().join(","), ...env },
    stdio: ["ignore", "pipe", "inherit"],
  });
  onTestFinished(() => void child.kill("SIGKILL"));
  return child;
}

test("killed -9 while a log grows and is rotated, it adds no row twice and loses none", async () => {
  const { pool, writerUrl } = await openTestDatabase();
  startTestConsumer({ writerUrl });
  const { path, env } = openHome();
  const rows = () => numberOf(pool, "SELECT COUNT(*) FROM api_logs");
  written = 0;
  writeFileSync(path, lines(500));
  for (let round = 1; round <= 3; round++) {
    const follower = start(["--service", "shop", ...(round === 1 ? ["--from-start"] : []), path], env);
    const before = written - 300;
    await until("the first rows of a round", async () => (await rows()) > Math.max(0, before));
    appendFileSync(path, lines(2_000));
    follower.kill("SIGKILL");
    await once(follower, "exit");
    if (round === 2) {
      appendFileSync(path, lines(10));
      renameSync(path, `${path}.1`);
    }
    appendFileSync(path, lines(300));
  }
  const last = start([path], env);
  await until("all rows", async () => (await rows()) === written);
  last.kill("SIGINT");
  expect(await text(last.stdout)).toMatch(/^[\d,]+ published\n$/);
  expect(await once(last, "exit")).toEqual([105, null]);
  expect(
    await numberOf(pool, "SELECT COUNT(DISTINCT path) FROM api_logs WHERE service = 'shop'"),
  ).toBeGreaterThan(0);
  expect(await numberOf(pool, "SELECT COUNT(DISTINCT path) FROM api_logs")).toBe(written);
}, 60_000);

test("--once reads to the end and says what was left out, also of standard input", async () => {
  const { pool, writerUrl } = await openTestDatabase();
  startTestConsumer({ writerUrl });
  const { path, env } = openHome();
  writeFileSync(path, `${lines(3)}garbage\n${lines(1)}half a li`);
  const first = await runCli(["tail", "--once", "--verbose", path], env);
  expect(first).toMatchObject({ code: 0, stdout: "4 published, 1 left out: 1 unreadable\n" });
  expect(first.stderr).toContain("unreadable: garbage");
  expect(await runCli(["tail", "--once", path], env)).toMatchObject({ code: 0, stdout: "0 published\n" });
  expect(await runCli(["tail", "--once", "--from-start", path], env)).toMatchObject({ code: 0 });
  expect(await runCli(["tail", "-"], env)).toMatchObject({ code: 0, stdout: "0 published\n" });
  await until("four rows", async () => (await numberOf(pool, "SELECT COUNT(*) FROM api_logs")) === 4);
  expect(await runCli(["tail", `${path}.none`], env)).toMatchObject({ code: 104 });
});
