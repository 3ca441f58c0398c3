import { globSync, readFileSync } from "node:fs";
import { expect, onTestFinished, test } from "vitest";
import { REQUEST_LOG_TOPICS } from "../contract/request-log.ts";
import {
  freshTopics,
  KEEP,
  numberOf,
  openTestDatabase,
  rowsOf,
  startTestConsumer,
  testKafka,
  until,
} from "./harness.ts";

/**
 * Records of every version must go in for ever: they wait in Kafka and in files while the program is exchanged.
 * test/corpus holds one file a shape: its topic, the record, and the row it becomes (columns left out are NULL; `(any)` is
 * another at each run); each has an endpoint of its own. A new version of the record gets a folder of its own with its shapes;
 * files that are there are never changed, for what they describe has been written.
 */
interface Shape {
  readonly topic: string;
  readonly record: Readonly<Record<string, unknown>>;
  readonly row: Readonly<Record<string, unknown>>;
}

const FOLDER = new URL("corpus/", import.meta.url);
const SHAPES = globSync("*/*.json", { cwd: FOLDER })
  .sort()
  .map((file) => [file, JSON.parse(readFileSync(new URL(file, FOLDER), "utf8")) as Shape] as const);

const FOR_EVER_S = 4_000_000_000; // the corpus grows old

const GIVEN_BY_THE_DATABASE = ["id", "stored_at"];

test("records of every version and shape become the rows they always became", async () => {
  expect(new Set(SHAPES.map(([, { row }]) => row["endpoint"])).size).toBe(SHAPES.length);
  await freshTopics();
  const { pool, writerUrl, name } = await openTestDatabase();
  await pool.query("UPDATE retention SET kept_from_s = 0");
  startTestConsumer({ writerUrl }, { keep: { ...KEEP, api_logs: FOR_EVER_S } });
  const producer = testKafka().producer();
  await producer.connect();
  onTestFinished(() => producer.disconnect());
  for (const [file, { topic, record }] of SHAPES) {
    expect(REQUEST_LOG_TOPICS, file).toContain(topic);
    await producer.send({ topic, messages: [{ value: JSON.stringify(record) }] });
  }
  await until(
    "all records to be rows or dead letters",
    async () =>
      (await numberOf(
        pool,
        "SELECT (SELECT COUNT(*) FROM api_logs) + (SELECT COUNT(*) FROM dead_letters)",
      )) === SHAPES.length,
  );
  expect(await rowsOf(pool, "SELECT detail FROM dead_letters")).toEqual([]);

  const columns = await rowsOf(
    pool,
    "SELECT COLUMN_NAME AS name FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = ? AND TABLE_NAME = 'api_logs'",
    [name],
  );
  const nothing = Object.fromEntries(columns.map((column) => [String(column["name"]), null]));
  for (const [file, { row }] of SHAPES) {
    const [stored] = await rowsOf(pool, "SELECT * FROM api_logs WHERE endpoint = ?", [row["endpoint"]]);
    const { timestamp, extra, ...rest } = stored!;
    const read = { ...rest, timestamp: (timestamp as Date).toISOString(), extra: parsed(extra) };
    const given = Object.keys(nothing).filter(
      (key) => GIVEN_BY_THE_DATABASE.includes(key) || row[key] === "(any)",
    );
    const any = Object.fromEntries(given.map((key) => [key, expect.anything() as unknown]));
    expect(read, file).toEqual({ ...nothing, ...row, ...any });
  }
});

/** MariaDB gives JSON as text, MySQL as what it says. */
const parsed = (json: unknown): unknown => (typeof json === "string" ? JSON.parse(json) : (json ?? null));
