import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { openIngestConnections } from "../consumer/connection.ts";
import { decodeAll } from "../consumer/decode.ts";
import { loadPosition } from "../consumer/position.ts";
import { requestLogs } from "../consumer/request-logs.ts";
import { createStore, storeEntries } from "../consumer/store.ts";
import { migrate } from "../init_db/migrate.ts";
import { aRequestLog, createTestDatabase, KEEP, rowsOf, type TestDatabase } from "./harness.ts";

type Range = readonly [first: number, last: number];

/** What a publisher numbered, and what became of it. */
interface Publisher {
  readonly source: string;
  readonly stored: readonly Range[];
  readonly dead?: readonly number[]; // dead letters
  readonly replayed?: readonly number[]; // dead letters that count no more
  readonly last: number; // the highest number, as it says
}

const HOUR_MS = 3_600_000;
const PARTITIONS = 3;

/** One a hundredth of a second after the other, the newest number is now. */
const inOrder = (seq: number, { last }: Publisher, nowMs: number) => nowMs - (last - seq) * 10;

const numbersOf = (ranges: readonly Range[]) =>
  ranges.flatMap(([first, last]) => Array.from({ length: last - first + 1 }, (_, i) => first + i));

/** Stores publishers as the consumers do: turns of 50 records go to one of three partitions each. */
async function openWriter(database: TestDatabase) {
  const connections = openIngestConnections(database.writerUrl, 1);
  const [store, kind] = [createStore(connections), requestLogs()];
  const offsets = Array.from({ length: PARTITIONS }, () => 0n);
  const places = offsets.map((_, partition) => ({ cluster: "cluster-1", topic: "info-logs", partition }));
  for (const place of places)
    await loadPosition(connections, place, undefined, { ...place, start: 0n, end: 0n }, "test");

  async function append(partition: number, values: readonly object[]): Promise<void> {
    const start = offsets[partition]!;
    const end = start + BigInt(values.length);
    const place = { ...places[partition]!, timeMs: Date.now(), key: null };
    const records = values.map((value, i) => ({
      ...{ ...place, offset: start + BigInt(i), value: Buffer.from(JSON.stringify(value)) },
    }));
    const span = { ...places[partition]!, start, end, logEnd: end, owner: "test" };
    await storeEntries(store, kind, span, decodeAll(records, kind));
    offsets[partition] = end;
  }

  async function storeAll(publishers: readonly Publisher[], timeOf = inOrder): Promise<void> {
    const nowMs = Date.now();
    const shares: object[][] = places.map(() => []);
    for (const publisher of publishers) {
      const { source, stored, dead = [], replayed = [] } = publisher;
      const recordOf = (seq: number, status_code = 200) => ({
        ...aRequestLog({ timestamp: new Date(timeOf(seq, publisher, nowMs)).toISOString(), status_code }),
        ...{ source, seq },
      });
      for (const seq of numbersOf(stored)) shares[Math.floor(seq / 50) % PARTITIONS]!.push(recordOf(seq));
      for (const seq of [...dead, ...replayed]) shares[seq % PARTITIONS]!.push(recordOf(seq, 999));
    }
    for (const [partition, values] of shares.entries()) await append(partition, values);
    await tell(database, publishers, nowMs);
  }

  return { close: () => connections.close(), storeAll };
}

async function tell({ pool }: TestDatabase, publishers: readonly Publisher[], nowMs: number): Promise<void> {
  await pool.query(
    `INSERT INTO publishers (source, service, instance, started_at, reported_at, last_seq, acknowledged, dropped, closed) VALUES ?
     ON DUPLICATE KEY UPDATE last_seq = VALUES(last_seq)`,
    [
      publishers.map(({ source, last }) => [
        ...[source, "orders", "test", new Date(nowMs - HOUR_MS), new Date(nowMs), last, last, 0, true],
      ]),
    ],
  );
  for (const { source, replayed } of publishers)
    if (replayed)
      await pool.query("UPDATE dead_letters SET replayed_at = NOW() WHERE source = ? AND seq IN (?)", [
        source,
        replayed,
      ]);
}

/** As the view names them, in order; those that it cannot name last. */
async function gapsOf({ pool }: TestDatabase, source: string) {
  const rows = await rowsOf(
    pool,
    "SELECT first_seq, last_seq, missing_records FROM v_ingest_gaps WHERE source = ? ORDER BY first_seq IS NULL, first_seq",
    [source],
  );
  return rows.map((row) => [row["first_seq"], row["last_seq"], row["missing_records"]] as unknown[]);
}

/** What is in no set of numbers from 1 to the last, range by range. */
function expectedGaps({ stored, dead = [], last }: Publisher): number[][] {
  const there = new Set([...numbersOf(stored), ...dead]);
  const gaps: number[][] = [];
  for (let seq = 1; seq <= last; seq++) {
    if (there.has(seq)) continue;
    const gap = gaps.at(-1);
    if (gap && gap[1] === seq - 1) gap[1] = seq;
    else gaps.push([seq, seq]);
  }
  return gaps.map(([first, end]) => [first!, end!, end! - first! + 1]);
}

const CASES: Readonly<Record<string, Omit<Publisher, "source">>> = {
  nothing: { stored: [[1, 120]], last: 120 },
  everything: { stored: [], last: 25_000 },
  "the first number": { stored: [[2, 120]], last: 120 },
  "the last number": { stored: [[1, 119]], last: 120 },
  "numbers here and there": {
    stored: [
      [1, 3],
      [5, 60],
      [62, 62],
      [64, 300],
    ],
    last: 301,
  },
  "the last number of a block": {
    stored: [
      [9_900, 9_998],
      [10_000, 10_100],
    ],
    last: 10_100,
  },
  "the first number of a block": {
    stored: [
      [9_900, 9_999],
      [10_001, 10_100],
    ],
    last: 10_100,
  },
  "both sides of a border, and a whole one": {
    stored: [
      [1, 9_997],
      [10_002, 19_999],
      [20_000, 20_020],
    ],
    last: 20_020,
  },
  "a block": {
    stored: [
      [9_950, 9_999],
      [20_000, 20_050],
    ],
    last: 20_050,
  },
  "several blocks and parts of two": {
    stored: [
      [1, 100],
      [40_500, 40_600],
    ],
    last: 40_600,
  },
  "what only dead letters stand beside": { stored: [], dead: [3, 4, 10_001], last: 10_003 },
  "what is no dead letter": {
    stored: [
      [1, 50],
      [52, 60],
      [63, 9_999],
      [10_001, 10_050],
    ],
    dead: [51, 61, 10_000, 10_051],
    last: 10_052,
  },
  "dead letters that were replayed": {
    stored: [
      [1, 50],
      [53, 60],
    ],
    dead: [51],
    replayed: [52],
    last: 60,
  },
  "what is below the number of a dead letter": { stored: [[1, 50]], dead: [55], last: 50 },
};

let database: TestDatabase;
let writer: Awaited<ReturnType<typeof openWriter>>;

beforeAll(async () => {
  database = await createTestDatabase();
  writer = await openWriter(database);
});

afterAll(async () => {
  await writer.close();
  await database.close();
});

describe("v_ingest_gaps names what is missing:", () => {
  const publishers = new Map(
    Object.entries(CASES).map(([name, numbers]) => [name, { ...numbers, source: randomUUID() }]),
  );

  beforeAll(() => writer.storeAll([...publishers.values()]));

  test.each(Object.keys(CASES))("%s", async (name) => {
    const publisher = publishers.get(name)!;
    const { last, dead = [] } = publisher;
    const given = { ...publisher, last: Math.max(last, ...dead) };
    expect(await gapsOf(database, publisher.source)).toEqual(expectedGaps(given));
  });

  test("as many as v_publishers counts", async () => {
    const rows = await rowsOf(
      database.pool,
      `SELECT p.source, p.missing_records, COALESCE(SUM(g.missing_records), 0) AS named
         FROM v_publishers p LEFT JOIN v_ingest_gaps g ON g.source = p.source GROUP BY p.source, p.missing_records`,
    );
    expect(rows).toHaveLength(publishers.size);
    for (const row of rows) expect(Number(row["named"])).toBe(Number(row["missing_records"]));
  });
});

/** Lacks 500, the end of a block, and 10,500. */
const gappy = (): Publisher => ({
  source: randomUUID(),
  stored: [
    [1, 499],
    [501, 600],
    [9_900, 10_499],
    [10_501, 10_900],
  ],
  last: 10_900,
});

test("times that have nothing to do with the numbers change nothing", async () => {
  const publisher = gappy();
  await writer.storeAll([publisher], (seq, _, nowMs) => nowMs - ((seq * 7_919) % 25) * 24 * HOUR_MS);
  expect(await gapsOf(database, publisher.source)).toEqual(expectedGaps(publisher));
});

test("a gap closes when its record comes late, from another partition and of another time", async () => {
  const publisher = gappy();
  await writer.storeAll([publisher]);
  const late = { ...publisher, stored: [[500, 500]] as const };
  await writer.storeAll([late], (_, __, nowMs) => nowMs - 48 * HOUR_MS);
  await writer.storeAll([{ ...publisher, stored: [[601, 9_899]] }]);
  expect(await gapsOf(database, publisher.source)).toEqual([[10_500, 10_500, 1]]);
  await writer.storeAll([{ ...publisher, stored: [[10_500, 10_500]] }]);
  expect(await gapsOf(database, publisher.source)).toEqual([]);
});

test("of a block whose rows were dropped by age it says how many, of later ones which", async () => {
  const publisher = gappy();
  await writer.storeAll([publisher], (seq, _, nowMs) => nowMs - (seq < 10_000 ? 50 : 1) * HOUR_MS);
  const { pool } = database;
  await pool.query("UPDATE retention SET kept_from_s = UNIX_TIMESTAMP() - 24 * 3600 WHERE name = 'api_logs'");
  await pool.query("DELETE FROM api_logs WHERE timestamp < UTC_TIMESTAMP() - INTERVAL 24 HOUR");
  expect(await gapsOf(database, publisher.source)).toEqual([
    [10_500, 10_500, 1],
    [null, null, 1 + 9_299],
  ]);
});

describe("a database that was filled before there were blocks", () => {
  /** What an earlier version leaves is brought up to date. */
  async function upgrade(): Promise<void> {
    await database.pool.query("DROP TABLE ingest_blocks");
    await database.pool.query("DELETE FROM schema_migrations WHERE version >= 124");
    await migrate(database.ownerUrl, database.accounts, KEEP);
  }

  test("gets them of its rows, and they add up with new ones", async () => {
    const publisher = gappy();
    const [older, newer] = [publisher.stored.slice(0, 3), publisher.stored.slice(3)];
    await writer.storeAll([{ ...publisher, stored: older }]);
    await upgrade();
    expect(await gapsOf(database, publisher.source)).toEqual(expectedGaps({ ...publisher, stored: older }));
    await writer.storeAll([{ ...publisher, stored: newer }]);
    expect(await gapsOf(database, publisher.source)).toEqual(expectedGaps(publisher));
  });

  test("of rows that were dropped before, it says how many are missing, and names none that is not", async () => {
    const publisher = gappy();
    await writer.storeAll([publisher]);
    await database.pool.query("DELETE FROM api_logs WHERE source = ? AND seq < 100", [publisher.source]);
    await upgrade();
    expect(await gapsOf(database, publisher.source)).toEqual([[null, null, 1 + 9_299 + 1]]);
  });
});
