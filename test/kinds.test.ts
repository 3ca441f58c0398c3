import { v7 as uuidv7 } from "uuid";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { APP_LOG, type AppLog } from "../contract/app-log.ts";
import { createMetrics } from "../contract/metrics.ts";
import type { Destination, Publishable, RecordKind } from "../contract/record-kind.ts";
import { createKinds } from "../consumer/kinds.ts";
import { REQUEST_LOG } from "../contract/request-log.ts";
import { SHOP_EVENT, type ShopEvent } from "../contract/shop-event.ts";
import { RECORD_TOPICS } from "../contract/topics.ts";
import { UI_EVENT, type UiEvent } from "../contract/ui-event.ts";
import { RAW_TABLES } from "../init_db/partitions.ts";
import { createPublisher, type Publisher } from "../producer/publisher.ts";
import {
  aRequestLog,
  createTestDatabase,
  freshTopics,
  numberOf,
  openTestDatabase,
  rowsOf,
  silent,
  startRole,
  startTestConsumer,
  testBrokers,
  until,
  type TestDatabase,
} from "./harness.ts";

/** What holds for records of every kind, whatever they are: the guarantees of publisher, position, dead letters, retention and gaps. */
interface Sample<R extends Publishable = Publishable> {
  readonly kind: RecordKind<R>;
  readonly table: string;
  readonly id: string; // column and field
  readonly make: (id: string, timestamp: string) => R;
}

const sample = <R extends Publishable>(one: Sample<R>) => one as unknown as Sample;

/** One of each kind; a further kind is added here. */
const SAMPLES: readonly Sample[] = [
  sample({
    ...{ kind: REQUEST_LOG, table: "api_logs", id: "request_id" },
    make: (request_id, timestamp) => aRequestLog({ request_id, timestamp, user_agent: "test" }),
  }),
  sample({
    ...{ kind: APP_LOG, table: "app_logs", id: "log_id" },
    make: (log_id, timestamp): AppLog => ({
      ...{
        v: 1,
        log_id,
        timestamp,
        level: "ERROR",
        logger: "orders.payment",
        message: "order 7 was not paid",
      },
      ...{ service: "orders", host: "test", module: "payment.ts", function: "pay", line: 42, thread: "main" },
      ...{ process: "7", request_id: uuidv7(), trace_id: "0".repeat(32), user_id: "12" },
      exception: {
        type: "TypeError",
        message: "no bank",
        stack: "TypeError: no bank\n    at pay (payment.ts:42:7)",
      },
      context: { tenant: "acme" },
    }),
  }),
  sample({
    ...{ kind: UI_EVENT, table: "ui_events", id: "event_id" },
    make: (event_id, timestamp): UiEvent => ({
      ...{ v: 1, event_id, timestamp, name: "buy-now", page: "/ui", session_id: "tab-1", user_id: "12" },
      ...{ request_id: uuidv7(), properties: { basket: [1, 2] } },
    }),
  }),
  sample({
    ...{ kind: SHOP_EVENT, table: "shop_events", id: "event_id" },
    make: (event_id, timestamp): ShopEvent => ({
      ...{ v: 1, event_id, timestamp, type: "order_paid", order_id: "7", user_id: "12", total_cents: 500 },
      ...{ items: [{ product_id: 1, quantity: 2, price_cents: 250 }], trace_id: "0".repeat(32) },
      request_id: uuidv7(),
    }),
  }),
];

const NAMED = SAMPLES.map((one) => ({ name: one.kind.name, ...one }));

const now = () => new Date().toISOString();
const countOf = ({ pool }: TestDatabase, table: string) => numberOf(pool, `SELECT COUNT(*) FROM ${table}`);

function openPublisher(): Publisher {
  return createPublisher({
    ...{ brokers: testBrokers(), service: "kinds", logger: silent, metrics: createMetrics() },
  });
}

test("every kind of record that is published or stored, and every table of one, has a sample here", () => {
  const { requests, records } = createKinds(() => undefined);
  expect(SAMPLES.map(({ kind }) => kind.name)).toEqual([requests, ...records].map(({ name }) => name));
  expect(SAMPLES.flatMap(({ kind }) => kind.topics)).toEqual(RECORD_TOPICS);
  expect(SAMPLES.map(({ table }) => table)).toEqual(RAW_TABLES);
});

describe("records of all kinds", () => {
  const EACH = 400;

  test("are stored once, counted and without a gap, though their consumer is killed; a number that has no row is named", async () => {
    await freshTopics();
    const database = await openTestDatabase();
    const { pool, writerUrl } = database;
    const startConsumer = () =>
      startRole(["consumer", "--group", "kinds", "--port", "0"], { MYSQL_WRITER_URL: writerUrl });
    const stored = async () =>
      (await Promise.all(SAMPLES.map(({ table }) => countOf(database, table)))).reduce((a, b) => a + b);
    const publisher = openPublisher();
    const publishers = SAMPLES.map(({ kind, make }) => ({ make, publish: publisher.publishOf(kind) }));
    const publishAll = () => {
      for (let n = 0; n < EACH / 2; n++)
        for (const { make, publish } of publishers) expect(publish(make(uuidv7(), now()))).toBe(true);
    };

    const first = await startConsumer();
    publishAll();
    await until("the first rows", async () => (await stored()) > 0);
    const tooOld = aRequestLog({ timestamp: "2020-01-01T00:00:00.000Z" });
    publisher.publishJson(REQUEST_LOG.destinationOf(tooOld), JSON.stringify(tooOld)); // a number without a row
    publishAll();
    first.process.kill("SIGKILL");
    await startConsumer();
    await until("all rows", async () => (await stored()) === SAMPLES.length * EACH);
    for (const { table } of SAMPLES) expect([table, await countOf(database, table)]).toEqual([table, EACH]);

    await publisher.close();
    await until(
      "the publisher's last word",
      async () => (await countOf(database, "publishers WHERE closed")) === 1,
    );
    expect(
      await rowsOf(
        pool,
        "SELECT CAST(stored_rows AS SIGNED) AS stored_rows, missing_records, dropped, tail FROM v_publishers",
      ),
    ).toEqual([{ stored_rows: SAMPLES.length * EACH, missing_records: 1, dropped: 0, tail: "closed" }]);
    // Found among the rows of all tables.
    const seq = (SAMPLES.length * EACH) / 2 + 1;
    expect(await rowsOf(pool, "SELECT first_seq, last_seq, missing_records FROM v_ingest_gaps")).toEqual([
      { first_seq: seq, last_seq: seq, missing_records: 1 },
    ]);
  });
});

describe.each(NAMED)("$name", ({ kind, table, id, make }) => {
  let database: TestDatabase;
  let publisher: Publisher;
  const ends: (() => Promise<void>)[] = [];

  beforeAll(async () => {
    await freshTopics();
    database = await createTestDatabase();
    ends.push(() => database.close());
    startTestConsumer(database, {}, (end) => ends.unshift(end));
    publisher = openPublisher();
    ends.unshift(() => publisher.close());
  });
  afterAll(async () => {
    for (const end of ends) await end();
  });

  const toOf = (record: Publishable): Destination => kind.destinationOf(record);
  const one = (values: object = {}) => ({ ...make(uuidv7(), now()), ...values });
  const rows = () => countOf(database, table);
  const deadLetters = () => countOf(database, "dead_letters");

  test("a record delivered or published again adds no row, and leaves no gap", async () => {
    const before = await rows();
    const record = one();
    const sent = publisher.publishJson(toOf(record), JSON.stringify(record))!;
    for (let again = 0; again < 3; again++) publisher.publishAsIs(toOf(record), sent);
    publisher.publishJson(toOf(record), JSON.stringify(record)); // as a client that had no answer
    const last = one();
    publisher.publishJson(toOf(last), JSON.stringify(last));
    await until("both rows", async () => (await rows()) === before + 2);
    await until(
      "the four others",
      async () => (await numberOf(database.pool, "SELECT SUM(duplicates) FROM ingest_offsets")) === 4,
    );
    expect(await rows()).toBe(before + 2);
  });

  test("one older than what is kept is counted as dropped, by its topic", async () => {
    const before = await rows();
    const old = { ...make(uuidv7(), new Date(Date.now() - 400 * 86_400_000).toISOString()) };
    publisher.publishAsIs(toOf(old), JSON.stringify(old));
    const dropped = () => rowsOf(database.pool, "SELECT topic, reason, dropped FROM ingest_drops");
    await until("the drop", async () => (await dropped()).length > 0);
    expect(await dropped()).toEqual([{ topic: toOf(old).topic, reason: "expired", dropped: 1 }]);
    expect(await rows()).toBe(before);
  });

  test("a hostile value in any field makes a row or a dead letter, and neither stops nor bends the others", async () => {
    const [rowsBefore, lettersBefore] = [await rows(), await deadLetters()];
    const fields = Object.keys(make(uuidv7(), now()));
    const hostile = fields.flatMap((field) => HOSTILE.map((value) => one({ [field]: value })));
    for (const record of hostile) {
      const { topic, level } = toOf(make(uuidv7(), now()));
      publisher.publishJson({ topic, level }, JSON.stringify(record));
    }
    const marker = uuidv7();
    const last = make(marker, now());
    publisher.publishJson(toOf(last), JSON.stringify(last));
    // Ids that repeat, such as the hostile ones without a field of their own, are one row with their time.
    const accounted = async () =>
      await numberOf(
        database.pool,
        "SELECT SUM(rows_in + duplicates + dead_lettered + expired) FROM ingest_offsets WHERE topic IN (?)",
        [kind.topics],
      );
    const sent = hostile.length + 1 + 6 + 1;
    await until("all of them", async () => (await accounted()) === sent);
    expect(await numberOf(database.pool, `SELECT COUNT(*) FROM ${table} WHERE ${id} = ?`, [marker])).toBe(1);
    expect((await rows()) - rowsBefore).toBeGreaterThan(1);
    expect((await deadLetters()) - lettersBefore).toBeLessThan(hostile.length);
    await publisher.close();
    await until(
      "no gap",
      async () => (await rowsOf(database.pool, "SELECT * FROM v_ingest_gaps")).length === 0,
    );
  });
});

/** What breaks programs: in place of any value. */
const HOSTILE: readonly unknown[] = [
  "",
  "'; DROP TABLE api_logs; -- \\' \" `",
  "<script>alert(1)</script>",
  "tab\tnewline\nnul\0back\\slash\\N",
  "\ud800 half a character, 😀 and \u202e the other way round",
  "x".repeat(70_000),
  "9".repeat(40),
  -1,
  1e308,
  null,
  true,
  [],
  [[["deep"]]],
  {},
  { __proto__: 1, constructor: { prototype: 1 }, "a.b$c": "\u0000" },
];
