import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { openPipeline } from "../cli/pipeline.ts";
import { createTally, tallyPath } from "../simulator/ledger/tally.ts";
import { storeTrace, type StoreOptions } from "../simulator/replay/store.ts";
import { collect } from "../simulator/replay/testing.ts";
import { SAFE_METHODS } from "../simulator/replay/trace.ts";
import { createTestDatabase, runCli, silent, testBrokers, type TestDatabase } from "./harness.ts";

const FROM = new Date("2026-01-05T12:00:00.000Z");
const TO = new Date("2026-01-05T13:00:00.000Z");
const ROWS = 11_000; // more than two pages
const RUN = "0192f0c1-7d3a-7cc0-8a51-2f6f0d5b7a10";

let database: TestDatabase;
let home: string;

/** Eleven thousand requests, ten in each millisecond; every tenth is a POST to /orders of RUN. */
beforeAll(async () => {
  database = await createTestDatabase();
  home = mkdtempSync(join(tmpdir(), "rushhour-replay-"));
  const rows = Array.from({ length: ROWS }, (_, n) => [
    `id-${String(n).padStart(6, "0")}`,
    new Date(FROM.getTime() + Math.floor(n / 10)),
    ...(n % 10 === 0 ? ["/orders", "/orders", "POST", RUN] : ["/orders/:id", `/orders/${n}`, "GET", null]),
    n % 2 === 0 ? "what? curl/8" : null,
  ]);
  await database.pool.query(
    `INSERT INTO api_logs (request_id, timestamp, endpoint, path, method, run_id, user_agent, level, service, status_code, response_time_ms)
     VALUES ${rows.map((row) => `(${row.map((value) => database.pool.escape(value)).join(",")}, 'INFO', 's', 200, 1)`).join(",")}`,
  );
  return async () => {
    rmSync(home, { recursive: true });
    await database.close();
  };
});

async function trace(options: Partial<StoreOptions> = {}) {
  const servers = {
    ...{ RUSHHOUR_HOME: home, KAFKA_BROKERS: testBrokers(), MYSQL_READER_URL: database.readerUrl },
  };
  const pipeline = await openPipeline(servers, silent);
  onTestFinished(() => pipeline.close());
  const query = (sql: string, params: readonly unknown[]) => pipeline.query(sql, params);
  return collect(storeTrace(query, { from: FROM, to: TO, speed: 1, methods: SAFE_METHODS, ...options }));
}

test("the store's requests come in the order of their times, every page, with their gaps", async () => {
  const traced = await trace({ methods: ["GET", "POST"] });
  const paths = traced.map(({ step }) => step.path);
  expect(paths).toEqual(Array.from({ length: ROWS }, (_, n) => (n % 10 === 0 ? "/orders" : `/orders/${n}`)));
  expect(traced.map(({ due_ms }) => due_ms)).toEqual(paths.map((_, n) => Math.floor(n / 10)));
});

test("the period's end is not in it, and its start is", async () => {
  const traced = await trace({ to: new Date(FROM.getTime() + 2) });
  expect(traced).toHaveLength(18);
  expect(await trace({ from: new Date(FROM.getTime() + 1), to: new Date(FROM.getTime() + 2) })).toHaveLength(
    9,
  );
});

test("a condition and a run choose rows, on every page, and a question mark in a condition is only text", async () => {
  expect(await trace({ where: "user_agent LIKE 'what?%' OR path = '/orders/1'" })).toHaveLength(
    (ROWS / 10) * 4 + 1,
  );
  const ofRun = await trace({ run_id: RUN, where: "path LIKE '%?%' OR 1 = 1", methods: ["POST"] });
  expect(ofRun).toHaveLength(ROWS / 10);
  expect(await trace({ run_id: RUN })).toEqual([]);
});

describe("replay --dry-run", () => {
  const replay = (...args: string[]) =>
    runCli(["replay", ...args], { RUSHHOUR_HOME: home, MYSQL_READER_URL: database.readerUrl });
  const period = ["--from", FROM.toISOString(), "--to", TO.toISOString()];

  test("says how many requests, of which routes, how long, and what is left out", async () => {
    const { code, stdout } = await replay(...period, "--speed", "0.5x", "--loop", "2", "--dry-run");
    expect(code).toBe(0);
    expect(stdout).toContain("replay of api_logs from 2026-01-05T12:00:00.000Z to 2026-01-05T13:00:00.000Z");
    expect(stdout).toContain("19,800 requests in 2 loops, 4.4 s");
    expect(stdout).toContain("  GET 9,900\n");
    expect(stdout).toMatch(/ {2}GET \/orders\/:id \.+ 9,900\n/);
    expect(stdout).toMatch(/left out\n {2}1,100 {2}method POST\n$/);
  });

  test("takes the period of a run from its tally", async () => {
    const tally = createTally(tallyPath(home, RUN), {
      ...{ run_id: RUN, seed: 1, target: "http://x", started_at: FROM.toISOString() },
    });
    const counts = { offered: 0, sent: 0, unsent: 0, answered: 0, answered_without_id: 0, unanswered: 0 };
    await tally.close({ ...counts, ended_at: TO.toISOString() });
    const { code, stdout } = await replay("--run", RUN, "--methods", "post", "--dry-run");
    expect(code).toBe(0);
    expect(stdout).toContain("1,100 requests, 1.1 s");
  });

  test("reads an access log without any server, and names the lines it cannot read", async () => {
    const log = join(home, "access.log");
    const line = '::1 - - [21/Nov/2026:10:00:00 +0000] "GET /a HTTP/1.1" 200 5 "-" "-"\n';
    writeFileSync(log, `${line}what is this\n${line}`);
    const { code, stdout } = await runCli(["replay", log, "--dry-run"], { RUSHHOUR_HOME: home });
    expect(code).toBe(0);
    expect(stdout).toContain("2 requests, 500 ms");
    expect(stdout).toContain("left out\n  1  unreadable\n    line 2: what is this\n");
  });

  test.each<[string, string[], RegExp]>([
    ["no source", [], /nothing says what to replay: give --from/],
    [
      "a period without rows",
      ["--from", "2020-01-01", "--to", "2020-01-02"],
      /there is nothing to replay in api_logs/,
    ],
    [
      "an unknown column",
      [...period, "--where", "colour = 1"],
      /--where=colour = 1 is not understood.*colour/,
    ],
    ["a condition that is none", [...period, "--where", "1 = = 1"], /--where=1 = = 1 is not understood/],
    ["a run that is not here", ["--run", "nobody"], /run "nobody" has no tally/],
    [
      "a period that ends first",
      ["--from", "now-1h", "--to", "now-2h"],
      /--to=now-2h must be later than --from/,
    ],
    ["a log that is not there", ["none.log"], /the access log none.log cannot be read: ENOENT/],
    ["a format of the store", [...period, "--format", "common"], /--format=common is for a log file/],
  ])("refuses %s with 104", async (_what, args, reason) => {
    const { code, stdout, stderr } = await replay(...args, "--dry-run");
    expect([code, stdout]).toEqual([104, ""]);
    expect(stderr).toMatch(reason);
    expect(stderr).not.toMatch(/^ +at /m);
  });

  test("names everything that is wrong at once", async () => {
    const wrong = [
      "a.log",
      "--from",
      "noon",
      "--where",
      "1;",
      "--speed",
      "0x",
      "--methods",
      "TRACE",
      "--loop",
      "0",
    ];
    const { code, stderr } = await replay(...wrong);
    expect(code).toBe(104);
    for (const problem of [
      ...["--from=noon must be", "--where=1; must be", "--speed=0x must be", "--methods=TRACE must be"],
      ...["--loop=0 must be", "--where=1; is for what is stored"],
    ])
      expect(stderr).toContain(problem);
  });
});
