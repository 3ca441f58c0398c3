import { beforeEach, describe, expect, test } from "vitest";
import { freshTopics, numberOf, openTestDatabase, runCli, startRole, until } from "./harness.ts";

beforeEach(() => freshTopics());

/** A consumer with a database of its own. */
async function openStore() {
  const database = await openTestDatabase();
  const env = { MYSQL_WRITER_URL: database.writerUrl, CONSUMER_GROUP: database.name };
  await startRole(["consumer", "--port", "0"], env);
  return database;
}

describe("rushhour producer", () => {
  test("as fast as it goes, every record becomes a row, once", async () => {
    const { pool } = await openStore();
    const { code, stdout } = await runCli(["producer", "--count", "30000", "--rate", "max"]);
    expect([code, stdout]).toEqual([0, "30,000 records written, seed 1\n"]);
    const rows = () =>
      numberOf(
        pool,
        "SELECT COALESCE(SUM(rows_in), 0) FROM ingest_offsets WHERE topic IN ('info-logs', 'error-logs', 'debug-logs')",
      );
    await until("all rows", async () => (await rows()) === 30_000);
    expect(await numberOf(pool, "SELECT COUNT(DISTINCT request_id) FROM api_logs")).toBe(30_000);
    expect(await numberOf(pool, "SELECT COUNT(*) FROM dead_letters")).toBe(0);
    expect(
      await numberOf(
        pool,
        "SELECT SUM(duplicates) FROM ingest_offsets WHERE topic IN ('info-logs', 'error-logs', 'debug-logs')",
      ),
    ).toBe(0);
  });

  test("dirty records end as the summary says, and its statements count them", async () => {
    const { pool } = await openStore();
    const shares = "late=5%,duplicate=5%,shuffle=5%,malformed=5%,age=10m";
    const { code, stdout } = await runCli([
      "producer",
      "--count",
      "5000",
      "--rate",
      "max",
      "--dirty",
      shares,
    ]);
    expect(code).toBe(0);
    const expected = [...stdout.matchAll(/^ {2}([\d,]+) (?:rows|dead letters): (SELECT .*)$/gm)];
    expect(expected).toHaveLength(2);
    for (const [, count, sql] of expected) {
      const wanted = Number(count!.replace(",", ""));
      expect(wanted).toBeGreaterThan(0);
      await until(sql!, async () => (await numberOf(pool, sql!)) === wanted);
    }
    const twice = Number(/([\d,]+) twice/.exec(stdout)![1]!.replace(",", ""));
    await until(
      `${twice} duplicates`,
      async () =>
        (await numberOf(
          pool,
          "SELECT SUM(duplicates) FROM ingest_offsets WHERE topic IN ('info-logs', 'error-logs', 'debug-logs')",
        )) === twice,
    );
    const rows = await numberOf(pool, "SELECT COUNT(*) FROM api_logs");
    const numbered = "SELECT MAX(seq) - MIN(seq) + 1 FROM api_logs";
    expect(await numberOf(pool, numbered)).toBe(rows); // no number is missing
    expect(await numberOf(pool, "SELECT COUNT(DISTINCT reason) FROM dead_letters")).toBe(4);
    const unbalanced = "SELECT COUNT(*) FROM publishers WHERE acknowledged <> last_seq OR dropped > 0";
    expect(await numberOf(pool, unbalanced)).toBe(0);
  });

  test("Ctrl-C ends it in order: what was written is in Kafka and counted", async () => {
    const { pool } = await openStore();
    const {
      process: producer,
      exited,
      log,
    } = await startRole(["producer", "--rate", "500/s", "--port", "0"], {});
    await until("some rows", async () => (await numberOf(pool, "SELECT COUNT(*) FROM api_logs")) > 200);
    producer.kill("SIGINT");
    expect(await exited).toBe(105);
    const closed = JSON.parse(log.find((line) => line.includes("publisher closed"))!) as Record<
      string,
      number
    >;
    expect(closed["dropped"]).toBe(0);
    expect(closed["acknowledged"]).toBe(closed["published"]);
    await until(
      "all rows",
      async () => (await numberOf(pool, "SELECT SUM(rows_in) FROM ingest_sources")) === closed["published"],
    );
  });
});
