import fc from "fast-check";
import { describe, expect, onTestFinished, test } from "vitest";
import { openIngestConnections } from "../consumer/connection.ts";
import { decodeAll } from "../consumer/decode.ts";
import { isPoison } from "../consumer/faults.ts";
import { bytes, datetime, text } from "../consumer/literals.ts";
import { knownPosition, loadPosition } from "../consumer/position.ts";
import { requestLogs } from "../consumer/request-logs.ts";
import { createStore, storeEntries, type Stored } from "../consumer/store.ts";
import { MAX_LENGTH } from "../contract/request-log.ts";
import type { RequestLogRow } from "../contract/request-log-row.ts";
import { aRequestLog, closedPort, numberOf, openTestDatabase, rowsOf, until } from "./harness.ts";

const AT = { cluster: "cluster-1", topic: "info-logs", partition: 3 };
const kind = requestLogs();
const ROWS = "SELECT COUNT(*) FROM api_logs";

/** Records of one partition from offset `from` on, decoded as the consumer does. */
function entriesOf(values: readonly (object | string)[], from = 0) {
  const records = values.map((value, i) => ({
    ...{ ...AT, offset: BigInt(from + i), timeMs: Date.now(), key: null },
    value: Buffer.from(typeof value === "string" ? value : JSON.stringify(value)),
  }));
  return decodeAll(records, kind);
}

const logs = (count: number) => Array.from({ length: count }, () => aRequestLog());

/** A migrated database, the position of {@link AT} at 0, and the way the consumer stores. */
async function openStore() {
  const database = await openTestDatabase();
  const connections = openIngestConnections(database.writerUrl, 3);
  onTestFinished(() => connections.close());
  await loadPosition(connections, AT, undefined, { partition: AT.partition, start: 0n, end: 1_000n }, "test");

  const rows = createStore(connections);
  const ours = requestLogs(); // remembers what this database holds
  const store = (entries: ReturnType<typeof entriesOf>, start = 0n, owner = "test"): Promise<Stored> => {
    const end = start + BigInt(entries.length);
    return storeEntries(rows, ours, { ...AT, start, end, logEnd: end, owner }, entries);
  };

  /** The position and the counts beside it. */
  async function counts() {
    const [row] = await rowsOf(
      database.pool,
      "SELECT next_offset, rows_in, duplicates, dead_lettered FROM ingest_offsets",
    );
    return Object.fromEntries(Object.entries(row!).map(([name, count]) => [name, Number(count)]));
  }
  return { ...database, connections, store, counts };
}

describe("the store", () => {
  test("moves the position with the rows", async () => {
    const { pool, store, counts } = await openStore();
    expect(await store(entriesOf(logs(3)))).toEqual({
      ...{ position: 3n, inserted: 3, duplicates: 0, deadLettered: 0, expired: 0 },
    });
    expect(await numberOf(pool, ROWS)).toBe(3);
    expect(await counts()).toEqual({ next_offset: 3, rows_in: 3, duplicates: 0, dead_lettered: 0 });
    expect(await store(entriesOf(logs(2), 3), 3n)).toMatchObject({ position: 5n, inserted: 2 });
    expect(await counts()).toMatchObject({ next_offset: 5, rows_in: 5 });
  });

  test("stores nothing when somebody else went ahead, and tells their position", async () => {
    const { pool, store, counts } = await openStore();
    await store(entriesOf(logs(5)), 0n, "another");
    const late = await store(entriesOf(["garbage", ...logs(2)]));
    expect(late).toEqual({ position: 5n, inserted: 0, duplicates: 0, deadLettered: 0, expired: 0 });
    expect(await numberOf(pool, ROWS)).toBe(5);
    expect(await counts()).toEqual({ next_offset: 5, rows_in: 5, duplicates: 0, dead_lettered: 0 });
    expect(await numberOf(pool, "SELECT COUNT(*) FROM dead_letters")).toBe(0);
    expect((await rowsOf(pool, "SELECT owner FROM ingest_offsets"))[0]).toEqual({ owner: "another" });
  });

  test("counts a row that is there already as a duplicate and stores the rest with its exact count", async () => {
    const { pool, store, counts } = await openStore();
    const [twin, ...fresh] = logs(4);
    await store(entriesOf([twin!]));
    await pool.query("UPDATE api_logs SET service = 'the first one stays'");
    expect(await store(entriesOf([fresh[0]!, twin!, fresh[1]!, "garbage", fresh[2]!], 1), 1n)).toEqual({
      ...{ position: 6n, inserted: 3, duplicates: 1, deadLettered: 1, expired: 0 },
    });
    expect(await numberOf(pool, ROWS)).toBe(4);
    expect(await counts()).toEqual({ next_offset: 6, rows_in: 4, duplicates: 1, dead_lettered: 1 });
    expect(
      await rowsOf(pool, "SELECT service FROM api_logs WHERE request_id = ?", [twin!.request_id]),
    ).toEqual([{ service: "the first one stays" }]);
  });

  test("counts repeats inside a batch as duplicates", async () => {
    const { pool, store, counts } = await openStore();
    const [one, two] = logs(2);
    expect(await store(entriesOf([one!, two!, one!, one!]))).toMatchObject({ inserted: 2, duplicates: 2 });
    expect(await numberOf(pool, ROWS)).toBe(2);
    expect(await counts()).toMatchObject({ next_offset: 4, rows_in: 2, duplicates: 2 });
  });

  test("moves on over a batch of nothing but duplicates", async () => {
    const { pool, store, counts } = await openStore();
    const again = logs(3);
    await store(entriesOf(again));
    expect(await store(entriesOf(again, 3), 3n)).toMatchObject({ position: 6n, inserted: 0, duplicates: 3 });
    expect(await numberOf(pool, ROWS)).toBe(3);
    expect(await counts()).toMatchObject({ next_offset: 6, rows_in: 3, duplicates: 3 });
  });

  test("moves on over a batch of nothing but dead letters, which keep what was sent", async () => {
    const { pool, store, counts } = await openStore();
    const broken = { ...aRequestLog({ run_id: "run-1" }), status_code: "many" };
    expect(await store(entriesOf(["not json", broken]))).toMatchObject({
      position: 2n,
      inserted: 0,
      deadLettered: 2,
    });
    expect(await counts()).toEqual({ next_offset: 2, rows_in: 0, duplicates: 0, dead_lettered: 2 });
    const letters = await rowsOf(
      pool,
      "SELECT topic, `partition`, `offset`, reason, CAST(value AS CHAR) AS value, request_id, run_id FROM dead_letters ORDER BY `offset`",
    );
    expect(letters).toMatchObject([
      { topic: AT.topic, partition: 3, offset: 0, reason: "not_json", value: "not json", request_id: null },
      {
        ...{ offset: 1, reason: "invalid_field", value: JSON.stringify(broken) },
        ...{ request_id: broken.request_id, run_id: "run-1" },
      },
    ]);
  });

  test("moves on over an empty span", async () => {
    const { connections, counts } = await openStore();
    const span = { ...AT, start: 0n, end: 7n, logEnd: 7n, owner: "test" };
    expect(await storeEntries(createStore(connections), kind, span, [])).toMatchObject({
      position: 7n,
      inserted: 0,
    });
    expect(await counts()).toMatchObject({ next_offset: 7, rows_in: 0 });
  });

  test("finds the one record the database refuses, keeps it as a dead letter and stores all others", async () => {
    const { pool, store, counts } = await openStore();
    const deep = JSON.parse(`${'{"a":'.repeat(200)}1${"}".repeat(200)}`) as object;
    const values: object[] = logs(40);
    values[17] = { ...aRequestLog(), deep };
    expect(await store(entriesOf(values))).toEqual({
      ...{ position: 40n, inserted: 39, duplicates: 0, deadLettered: 1, expired: 0 },
    });
    expect(await numberOf(pool, ROWS)).toBe(39);
    expect(await counts()).toEqual({ next_offset: 40, rows_in: 39, duplicates: 0, dead_lettered: 1 });
    const [letter] = await rowsOf(
      pool,
      "SELECT `offset`, reason, CAST(value AS CHAR) AS value FROM dead_letters",
    );
    expect(letter).toEqual({ offset: 17, reason: "refused_by_sql", value: JSON.stringify(values[17]) });
  });

  test("takes a NULL where none may be as a refused record, not as somebody else's progress", async () => {
    const { pool, store, counts } = await openStore();
    const entries = entriesOf(logs(3));
    entries[1] = {
      record: entries[1]!.record,
      row: { ...entries[1]!.row!, service: null as unknown as RequestLogRow["service"] },
    };
    expect(await store(entries)).toMatchObject({ position: 3n, inserted: 2, deadLettered: 1 });
    expect(await numberOf(pool, ROWS)).toBe(2);
    expect(await counts()).toEqual({ next_offset: 3, rows_in: 2, duplicates: 0, dead_lettered: 1 });
  });

  test("takes every row that the decoder lets through: its checks are the columns' own", async () => {
    const { pool, store } = await openStore();
    const anyText = fc.oneof(
      fc.string({ unit: "binary" }),
      fc.constantFrom("\ud83d", "\0", "\\", "😀".repeat(5_000)),
    );
    const anyValue = fc.oneof(anyText, fc.jsonValue({ maxDepth: 3 }), fc.double({ noNaN: true }));
    const anyName = fc.oneof(
      fc.constantFrom(...Object.keys(MAX_LENGTH), "request_id", "seq", "timestamp"),
      anyText,
    );
    const anyFields = fc.dictionary(anyName, anyValue, { maxKeys: 6 });
    const required = { endpoint: "/x", method: "GET", status_code: 200, response_time_ms: 1 };
    let [start, rows] = [0, 0];
    await fc.assert(
      fc.asyncProperty(fc.array(anyFields, { minLength: 20, maxLength: 60 }), async (given) => {
        const entries = entriesOf(
          given.map((fields) => ({ ...fields, ...required })),
          start,
        );
        expect(entries.filter(({ rejection }) => rejection !== undefined)).toEqual([]);
        await store(entries, BigInt(start));
        expect(await rowsOf(pool, "SELECT detail, CAST(value AS CHAR) AS value FROM dead_letters")).toEqual(
          [],
        );
        start += entries.length;
        rows += new Set(entries.map(({ row }) => kind.table.identity(row!))).size;
      }),
      { numRuns: 25, endOnFailure: true },
    );
    expect(await numberOf(pool, ROWS)).toBeLessThanOrEqual(rows);
  });

  test("keeps a dead letter of 1 MB whole", async () => {
    const { pool, store } = await openStore();
    const garbage = Buffer.from(Array.from({ length: 2 ** 20 }, (_, i) => (i * 31) % 256));
    const [entry] = entriesOf(["x"]);
    await store([
      { ...entry!, record: { ...entry!.record, value: garbage, key: Buffer.from([0, 39, 92, 255]) } },
    ]);
    const [letter] = await rowsOf(pool, "SELECT value, record_key FROM dead_letters");
    expect((letter!["value"] as Buffer).equals(garbage)).toBe(true);
    expect([...(letter!["record_key"] as Buffer)]).toEqual([0, 39, 92, 255]);
  });

  test("throws what is not the records' fault: with the database away nothing becomes a dead letter", async () => {
    const { writerUrl } = await openTestDatabase();
    const url = new URL(writerUrl);
    url.port = String(await closedPort());
    const away = openIngestConnections(url.href, 1);
    onTestFinished(() => away.close());
    const span = { ...AT, start: 0n, end: 3n, logEnd: 3n, owner: "test" };
    const failure: unknown = await storeEntries(createStore(away), kind, span, entriesOf(logs(3))).catch(
      (e: unknown) => e,
    );
    expect(failure).toMatchObject({ code: "ECONNREFUSED" });
    expect(isPoison(failure)).toBe(false);
  });

  test("leaves neither rows nor position when its connection is killed half-way, and can be repeated", async () => {
    const { pool, accounts, store, counts } = await openStore();
    const entries = entriesOf(logs(50));
    // An uncommitted twin of the last row holds the rows up: behind the fence, before the guard.
    const { timestamp, request_id } = JSON.parse(entries[49]!.record.value!.toString()) as Record<
      string,
      string
    >;
    const obstacle = await pool.getConnection();
    await obstacle.query("BEGIN");
    await obstacle.query(
      "INSERT INTO api_logs (request_id, timestamp, level, service, endpoint, method, status_code, response_time_ms) VALUES (?, ?, 'INFO', 's', '/', 'GET', 200, 1)",
      [request_id, new Date(timestamp!)],
    );
    const outcome = store(entries).catch((error: unknown) => error);
    const loading = async () =>
      (await rowsOf(pool, "SHOW FULL PROCESSLIST")).filter(
        ({ User, Info }) => User === accounts.writer.user && String(Info).includes("INTO TABLE api_logs"),
      );
    await until("the rows to wait", async () => (await loading()).length === 1);
    const [waiting] = await loading();
    await pool.query(`KILL CONNECTION ${Number(waiting!["Id"])}`);
    const failure = await outcome;
    await obstacle.query("ROLLBACK");
    obstacle.release();

    expect(failure).toBeInstanceOf(Error);
    expect(isPoison(failure)).toBe(false);
    expect(await numberOf(pool, ROWS)).toBe(0);
    expect(await counts()).toEqual({ next_offset: 0, rows_in: 0, duplicates: 0, dead_lettered: 0 });
    expect(await store(entries)).toMatchObject({ position: 50n, inserted: 50 });
  });

  test("lets exactly one of two win that race with the same span", async () => {
    const { pool, store, counts } = await openStore();
    for (let round = 0; round < 10; round++) {
      const start = round * 20;
      const entries = entriesOf(logs(20), start);
      const both = await Promise.all([
        store(entries, BigInt(start), "first"),
        store(entries, BigInt(start), "second"),
      ]);
      expect(both.map(({ position }) => position)).toEqual([BigInt(start + 20), BigInt(start + 20)]);
      expect(both.map(({ inserted }) => inserted).sort((a, b) => a - b)).toEqual([0, 20]);
      expect(both.map(({ duplicates }) => duplicates)).toEqual([0, 0]);
    }
    expect(await numberOf(pool, ROWS)).toBe(200);
    expect(await counts()).toEqual({ next_offset: 200, rows_in: 200, duplicates: 0, dead_lettered: 0 });
  });
});

describe("literals", () => {
  /** Several expressions read back by one SELECT of the consumer's own connection. */
  async function openSelect() {
    const { writerUrl } = await openTestDatabase();
    const connections = openIngestConnections(writerUrl, 1);
    onTestFinished(() => connections.close());
    return (expressions: readonly string[]) =>
      connections.use(async (connection) => {
        const columns = expressions.map((expression, i) => `${expression} AS c${i}`);
        const [row] = (await connection.run(`SELECT ${columns.join(", ")}`)) as [Record<string, unknown>];
        return Object.values(row);
      });
  }

  test("any text comes back as it was, whatever quotes, backslashes or emoji it holds", async () => {
    const select = await openSelect();
    const nasty = fc.constantFrom(
      "'",
      '"',
      "\\",
      "\\'",
      "\0",
      "\n",
      "\r",
      "\x1a",
      "%",
      "_",
      "--",
      ";",
      "`",
      "ß",
      "😀",
      "\ud83d",
    );
    const anyText = fc.oneof(
      fc.array(fc.oneof(nasty, fc.string())).map((parts) => parts.join("")),
      fc.string({ unit: "binary" }),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(anyText, { minLength: 1, maxLength: 20 }), async (texts) => {
        // UTF-8 has no half of a surrogate pair: that becomes U+FFFD.
        expect(await select(texts.map(text))).toEqual(texts.map((value) => value.toWellFormed()));
      }),
      { numRuns: 200 },
    );
  });

  test("any bytes come back as they were", async () => {
    const select = await openSelect();
    const anyBytes = fc.uint8Array({ maxLength: 500 }).map((array) => Buffer.from(array));
    await fc.assert(
      fc.asyncProperty(fc.array(anyBytes, { minLength: 1, maxLength: 20 }), async (buffers) => {
        const hex = (await select(buffers.map((buffer) => `HEX(${bytes(buffer)})`))) as string[];
        expect(hex).toEqual(buffers.map((buffer) => buffer.toString("hex").toUpperCase()));
      }),
      { numRuns: 50 },
    );
  });

  test("any millisecond from 1970 to 9999 comes back as it was", async () => {
    const select = await openSelect();
    const anyMs = fc.integer({ min: 0, max: Date.UTC(9999, 11, 31, 23, 59, 59, 999) });
    await fc.assert(
      fc.asyncProperty(fc.array(anyMs, { minLength: 1, maxLength: 20 }), async (times) => {
        const read = (await select(times.map((ms) => `CAST(${datetime(ms)} AS DATETIME(3))`))) as Date[];
        expect(read.map((date) => date.getTime())).toEqual(times);
      }),
      { numRuns: 50 },
    );
  });

  test("NULL is NULL", async () => {
    const select = await openSelect();
    expect(await select([text(null), bytes(null)])).toEqual([null, null]);
  });
});

describe("LOAD DATA", () => {
  const NASTY = [
    "\\N",
    "\t",
    "a\nb\r\nc",
    "back\\slash\\",
    "\\t",
    "NULL",
    "'\"`",
    "\0\u0001\u001a",
    "ü🚀é",
    " x ",
    "\\\\N",
    ",;|",
  ];
  const COLUMNS = `SELECT request_id, timestamp, level, service, instance, endpoint, path, method, status_code, response_time_ms,
    user_agent, client_ip, bytes_in, bytes_out, user_id, client_request_id, error_type, error_message, stack, run_id, trace_id,
    source, seq, extra FROM api_logs ORDER BY timestamp, request_id`;

  test("stores what INSERT stores, whatever the texts hold", async () => {
    const records = NASTY.flatMap((text, i) => [
      aRequestLog({
        path: text,
        user_agent: text,
        error_message: text,
        stack: text,
        endpoint: `/x${text}`,
        user_id: `u${text}`,
      }),
      {
        ...aRequestLog({ service: text, bytes_in: i, response_time_ms: i / 1_000 }),
        seq: i,
        more: { text, list: [text] },
      },
    ]);
    const [loaded, inserted] = [await openStore(), await openStore()];
    const table = { ...kind.table };
    delete table.load;
    const span = { ...AT, start: 0n, end: BigInt(records.length), logEnd: 0n, owner: "test" };
    await loaded.store(entriesOf(records));
    await storeEntries(createStore(inserted.connections), { ...kind, table }, span, entriesOf(records));
    const [one, two] = await Promise.all([loaded, inserted].map(({ pool }) => rowsOf(pool, COLUMNS)));
    expect(one).toHaveLength(records.length);
    expect(one).toEqual(two);
  });

  test("is done without where the server forbids it", async () => {
    const { pool, store, counts } = await openStore();
    await pool.query("SET GLOBAL local_infile = 0");
    try {
      expect(await store(entriesOf(logs(5)))).toMatchObject({ position: 5n, inserted: 5 });
      expect(await store(entriesOf(logs(5)), 5n)).toMatchObject({ position: 10n, inserted: 5 });
    } finally {
      await pool.query("SET GLOBAL local_infile = 1");
    }
    expect(await counts()).toMatchObject({ next_offset: 10, rows_in: 10 });
  });

  test("bends nothing: a value that does not fit is refused, its neighbours are stored as they are", async () => {
    const { pool, store } = await openStore();
    const entries = entriesOf(logs(4));
    const bent = entries.map((entry, i) =>
      i === 2 ? { ...entry, row: { ...entry.row!, service: "x".repeat(65) } } : entry,
    );
    expect(await store(bent as typeof entries)).toMatchObject({ position: 4n, inserted: 3, deadLettered: 1 });
    expect(await rowsOf(pool, "SELECT reason FROM dead_letters")).toEqual([{ reason: "refused_by_sql" }]);
    expect(await numberOf(pool, "SELECT COUNT(*) FROM api_logs WHERE service = 'orders'")).toBe(3);
  });
});

describe("the position", () => {
  test("is no gap when another consumer went beyond the end that was read meanwhile", async () => {
    const { pool, connections, store } = await openStore();
    const known = await knownPosition(connections, AT);
    await store(entriesOf(logs(5)), 0n, "another");
    const log = { partition: AT.partition, start: 3n, end: 3n }; // as it was, and has since been cut
    expect(await loadPosition(connections, AT, known, log, "test")).toEqual({ position: 5n });
    expect(await numberOf(pool, "SELECT COUNT(*) FROM ingest_gaps")).toBe(0);
  });

  test("outside the log is a gap, once", async () => {
    const { pool, connections, store } = await openStore();
    await store(entriesOf(logs(5)));
    const log = { partition: AT.partition, start: 8n, end: 20n };
    expect(await loadPosition(connections, AT, 5n, log, "test")).toEqual({
      ...{ position: 8n, gap: { from: 5n, to: 8n } },
    });
    expect(await loadPosition(connections, AT, 5n, log, "late")).toEqual({ position: 8n });
    expect(await rowsOf(pool, "SELECT from_offset, to_offset, log_end FROM ingest_gaps")).toEqual([
      { from_offset: 5, to_offset: 8, log_end: 20 },
    ]);
  });
});
