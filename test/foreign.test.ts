import { spawnSync } from "node:child_process";
import { beforeEach, expect, onTestFinished, test } from "vitest";
import {
  freshTopics,
  numberOf,
  openTestDatabase,
  rowsOf,
  startTestConsumer,
  testBrokers,
  testKafka,
  until,
  type TestDatabase,
} from "./harness.ts";

beforeEach(() => freshTopics());

const YESTERDAY = new Date(Math.floor(Date.now() / 1_000 - 86_400) * 1_000);

/** The plain shape, as a class writes it. */
const plain = (n: number, fields: object = {}) => ({
  ...{
    request_id: `class-${n}`,
    endpoint: "/users",
    method: "GET",
    status_code: 200,
    response_time_ms: 12.5,
  },
  user_agent: "python-requests/2.32",
  timestamp: YESTERDAY.toISOString().slice(0, 19).replace("T", " "),
  ...fields,
});

const withoutId = plain(4, { request_id: undefined });

const RECORDS = {
  "info-logs": [plain(1), plain(2, { level: "INFO" })].map((record) => JSON.stringify(record)),
  "error-logs": [JSON.stringify(plain(3, { status_code: 500, error: "boom" }))],
  "debug-logs": [
    JSON.stringify(withoutId),
    JSON.stringify({ ...withoutId, log_id: "class-5", level: "DEBUG" }),
  ],
};
/** Deeper than the stack can follow. */
const BOTTOMLESS = `${JSON.stringify(plain(8)).slice(0, -1)},"deep":${"[".repeat(20_000)}${"]".repeat(20_000)}}`;
const GARBAGE = [
  BOTTOMLESS,
  "not json at all",
  "[1, 2, 3]",
  '"text"',
  "{",
  JSON.stringify(plain(9, { status_code: "OK" })),
];

/** Garbage in front of and behind every good record. */
const linesOf = (records: readonly string[]) => [
  ...GARBAGE,
  ...records.flatMap((record) => [record, ...GARBAGE]),
];

async function expectStored({ pool }: TestDatabase): Promise<void> {
  const garbage = Object.values(RECORDS).reduce(
    (sum, records) => sum + linesOf(records).length - records.length,
    0,
  );
  await until("five rows", async () => (await numberOf(pool, "SELECT COUNT(*) FROM api_logs")) === 5);
  await until(
    "the garbage",
    async () => (await numberOf(pool, "SELECT COUNT(*) FROM dead_letters")) === garbage,
  );

  const rows = await rowsOf(
    pool,
    "SELECT request_id, level, service, endpoint, status_code, response_time_ms, user_agent, timestamp FROM api_logs ORDER BY request_id",
  );
  const common = {
    service: "unknown",
    endpoint: "/users",
    response_time_ms: 12.5,
    user_agent: "python-requests/2.32",
  };
  expect(rows.filter(({ request_id }) => String(request_id).startsWith("class-"))).toMatchObject([
    { ...common, request_id: "class-1", level: "INFO", timestamp: YESTERDAY },
    { ...common, request_id: "class-2", level: "INFO" },
    { ...common, request_id: "class-3", level: "ERROR", status_code: 500 },
    { ...common, request_id: "class-5", level: "DEBUG" },
  ]);
  expect(
    rows.filter(({ request_id }) => /^[0-9a-f]{8}-[0-9a-f]{4}-5/.test(String(request_id))),
  ).toMatchObject([{ ...common, level: "DEBUG" }]);
  const letters = await rowsOf(
    pool,
    "SELECT DISTINCT CAST(value AS CHAR) AS value, reason FROM dead_letters ORDER BY reason, value",
  );
  expect(letters.map(({ value }) => value as string).sort()).toEqual([...GARBAGE].sort());
  expect(new Set(letters.map(({ reason }) => reason as string))).toEqual(
    new Set(["not_json", "not_an_object", "invalid_field"]),
  );
}

test("A-14: records of a plain producer appear in api_logs, and its garbage in dead_letters", async () => {
  const database = await openTestDatabase();
  startTestConsumer(database);
  const producer = testKafka().producer();
  await producer.connect();
  onTestFinished(() => producer.disconnect());
  for (const [topic, records] of Object.entries(RECORDS)) {
    for (const value of linesOf(records)) await producer.send({ topic, messages: [{ value }] });
  }
  await expectStored(database);
});

const hasKcat = spawnSync("kcat", ["-V"]).status === 0;

test.runIf(hasKcat).each(["none", "gzip", "snappy", "lz4", "zstd"])(
  "A-14: the same written with kcat, compression %s",
  async (compression) => {
    const database = await openTestDatabase();
    startTestConsumer(database);
    for (const [topic, records] of Object.entries(RECORDS)) {
      const { status, stderr } = spawnSync(
        "kcat",
        ["-b", testBrokers().join(","), "-P", "-t", topic, "-z", compression],
        { input: linesOf(records).join("\n") + "\n", encoding: "utf8" },
      );
      expect(status, stderr).toBe(0);
    }
    await expectStored(database);
  },
);
