import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import fc from "fast-check";
import { afterAll, describe, expect, test } from "vitest";
import { verifyRun, type Store, type VerifyOptions } from "./ledger.ts";
import type { Tally, TallyCounts } from "./tally.ts";

const RUN = "run-1";
const STARTED_MS = Date.UTC(2026, 0, 5, 12);

const folder = mkdtempSync(join(tmpdir(), "rushhour-ledger-"));
afterAll(() => rmSync(folder, { recursive: true }));

interface StoredRow {
  readonly request_id: string;
  readonly timestamp: Date;
  readonly run_id: string;
  readonly delay_ms: number;
}

interface Contents {
  readonly rows: StoredRow[];
  readonly letters: { run_id: string; request_id: string | null }[];
  readonly drops: { run_id: string; reason: string; dropped: number }[];
}

const ids = (count: number, prefix = "id") =>
  Array.from({ length: count }, (_, i) => `${prefix}-${String(i).padStart(6, "0")}`);

const row = (request_id: string, afterMs = 0, run_id = RUN): StoredRow => ({
  ...{ request_id, run_id, delay_ms: 20 },
  timestamp: new Date(STARTED_MS + afterMs),
});

function tallyOf(answered: readonly string[], counts: Partial<TallyCounts> = {}): Tally {
  const { unanswered = 0, unsent = 0, answered_without_id = 0 } = counts;
  const sent = answered.length + answered_without_id + unanswered;
  return {
    path: join(folder, `${RUN}.tally`),
    header: { run_id: RUN, seed: 1, target: "http://shop", started_at: new Date(STARTED_MS).toISOString() },
    counts: {
      ...{ offered: sent + unsent, sent, unsent, unanswered, answered_without_id },
      answered: answered.length + answered_without_id,
    },
    ended_at: new Date(STARTED_MS + 10_000).toISOString(),
    reasons: {},
    ids: () => Readable.from(answered) as AsyncIterable<string>,
  };
}

/** The three tables in memory, answering the ledger's own queries by the table each names. */
function memoryStore(
  contents: Partial<Contents>,
  isCaughtUp: Store["isCaughtUp"] = () => Promise.resolve(true),
) {
  const { rows = [], letters = [], drops = [] } = contents;
  const queries: string[] = [];
  const store: Store = {
    isCaughtUp,
    query(sql, params) {
      queries.push(sql);
      if (sql.includes("FROM dead_letters"))
        return Promise.resolve(pageOfLetters(letters, params, Number(/LIMIT (\d+)/.exec(sql)?.[1])));
      if (sql.includes("FROM publisher_drops"))
        return Promise.resolve(drops.filter(({ run_id }) => run_id === params[0]));
      return Promise.resolve(page(rows, params, Number(/LIMIT (\d+)/.exec(sql)?.[1])));
    },
  };
  return { store, queries };
}

/** What `WHERE timestamp >= ? AND timestamp <= ? AND (timestamp > ? OR request_id > ?) AND run_id = ? … LIMIT` selects. */
function page(
  rows: readonly StoredRow[],
  params: readonly unknown[],
  limit: number,
): Record<string, unknown>[] {
  const [from, until, after, afterId, run_id] = params as [Date, Date, Date, string, string];
  return rows
    .filter((row) => row.timestamp >= from && row.timestamp <= until && row.run_id === run_id)
    .filter((row) => row.timestamp > after || row.request_id > afterId)
    .sort((a, b) => a.timestamp.getTime() - b.timestamp.getTime() || (a.request_id < b.request_id ? -1 : 1))
    .slice(0, limit)
    .map((row) => ({ ...row }));
}

/** What `WHERE run_id = ? AND id > ? ORDER BY id LIMIT` selects; an id is the letter's number from 1. */
function pageOfLetters(letters: Contents["letters"], params: readonly unknown[], limit: number) {
  const [run_id, after] = params as [string, number];
  return letters
    .map((letter, n) => ({ ...letter, id: n + 1 }))
    .filter((letter) => letter.run_id === run_id && letter.id > after)
    .slice(0, limit);
}

const verify = (tally: Tally, contents: Partial<Contents>, options?: VerifyOptions) =>
  verifyRun(tally, memoryStore(contents).store, options);

describe.concurrent("the ledger", () => {
  test("balances at once when every answered request has one row", async () => {
    const { store, queries } = memoryStore({ rows: ids(5).map((id) => row(id)) });
    const report = await verifyRun(tallyOf(ids(5)), store);
    expect(report.balanced).toBe(true);
    expect(report.ledger).toMatchObject({ answered: 5, stored: 5, missing: 0, duplicates: 0, pending: 0 });
    expect(report.delay_to_row_ms!.p50).toBeCloseTo(20, 0);
    expect(report.lines.at(-1)).toBe("balanced: every answered request is accounted for");
    expect(queries).toHaveLength(5); // no second look
  });

  test("an answered request that is nowhere is missing, once the pipeline has caught up", async () => {
    const report = await verify(tallyOf(ids(5)), { rows: ids(4).map((id) => row(id)) }, { settledMs: 300 });
    expect(report.balanced).toBe(false);
    expect(report.ledger).toMatchObject({ answered: 5, stored: 4, missing: 1, pending: 0 });
    expect(report.lines.at(-1)).toBe("NOT balanced: 1 answered requests have no row");
  });

  test("it is pending, not missing, while the pipeline is behind when the wait ends", async () => {
    const behind = () => Promise.resolve(false);
    const unknown = () => Promise.reject(new Error("Kafka is away"));
    for (const isCaughtUp of [behind, unknown]) {
      const { store } = memoryStore({ rows: ids(4).map((id) => row(id)) }, isCaughtUp);
      const report = await verifyRun(tallyOf(ids(5)), store, { waitMs: 300 });
      expect(report.ledger).toMatchObject({ stored: 4, missing: 0, pending: 1 });
      expect(report.balanced).toBe(false);
    }
  });

  test("waits for rows that are still on their way and says so", async () => {
    const rows = ids(4).map((id) => row(id));
    const { store } = memoryStore({ rows });
    const seen: number[] = [];
    const report = await verifyRun(tallyOf(ids(5)), store, {
      onWait({ pending }) {
        seen.push(pending);
        rows.push(row("id-000004"));
      },
    });
    expect(seen).toEqual([1]);
    expect(report.balanced).toBe(true);
  });

  test("a second row of one request is a duplicate, under whatever timestamp", async () => {
    const rows = [...ids(3).map((id) => row(id)), row("id-000001", 5), row("id-000001", 9_000)];
    const report = await verify(tallyOf(ids(3)), { rows });
    expect(report.ledger).toMatchObject({ stored: 3, duplicates: 2, missing: 0 });
    expect(report.balanced).toBe(false);
    expect(report.lines.at(-1)).toContain("2 rows are duplicates");
  });

  test("a dead letter accounts for its request, once, and only where no row does", async () => {
    const letters = [
      { run_id: RUN, request_id: "id-000004" },
      { run_id: RUN, request_id: "id-000004" }, // the same record at another offset
      { run_id: RUN, request_id: "id-000000" }, // has a row
      { run_id: RUN, request_id: "nobody's" },
      { run_id: RUN, request_id: null },
      { run_id: "another", request_id: "id-000003" },
    ];
    const report = await verify(tallyOf(ids(5)), { rows: ids(4).map((id) => row(id)), letters });
    expect(report.ledger).toMatchObject({ stored: 4, dead_lettered: 1, missing: 0 });
    expect(report.balanced).toBe(true);
  });

  test("what publishers say they dropped accounts for as many, by reason", async () => {
    const drops = [
      { run_id: RUN, reason: "buffer_full", dropped: 2 },
      { run_id: RUN, reason: "closed", dropped: 1 },
      { run_id: "another", reason: "closed", dropped: 9 },
    ];
    const report = await verify(tallyOf(ids(5)), { rows: ids(2).map((id) => row(id)), drops });
    expect(report.ledger).toMatchObject({
      ...{ stored: 2, dropped: 3, missing: 0 },
      dropped_by_reason: { buffer_full: 2, closed: 1 },
    });
    expect(report.balanced).toBe(true);
    expect(report.lines[1]).toContain("3 dropped (buffer_full: 2, closed: 1)");
  });

  test("drops of requests nobody waited for hide nothing: never more are dropped than are open", async () => {
    const drops = [{ run_id: RUN, reason: "buffer_full", dropped: 9 }];
    const report = await verify(tallyOf(ids(5), { unanswered: 8 }), {
      rows: ids(4).map((id) => row(id)),
      drops,
    });
    expect(report.ledger).toMatchObject({ stored: 4, dropped: 1, missing: 0 });
  });

  test("rows of unanswered requests are allowed up to their number and never count as stored", async () => {
    const rows = [...ids(3).map((id) => row(id)), row("late-1"), row("late-2")];
    const allowed = await verify(tallyOf(ids(3), { unanswered: 2 }), { rows });
    expect(allowed.ledger).toMatchObject({ stored: 3, stored_unanswered: 2, unanswered: 2 });
    expect(allowed.balanced).toBe(true);
    const tooMany = await verify(tallyOf(ids(3), { unanswered: 1 }), { rows });
    expect(tooMany.balanced).toBe(false);
    expect(tooMany.lines.at(-1)).toBe("NOT balanced: 1 rows belong to no request of the tally");
  });

  test("a second row of an unanswered request is a duplicate too", async () => {
    const rows = [row("late-1"), row("late-1", 3)];
    const report = await verify(tallyOf([], { unanswered: 5 }), { rows });
    expect(report.ledger).toMatchObject({ stored_unanswered: 1, duplicates: 1 });
    expect(report.balanced).toBe(false);
  });

  test("rows of other runs are not looked at", async () => {
    const report = await verify(tallyOf(ids(2)), {
      rows: [...ids(2).map((id) => row(id)), row("id-000000", 4, "another"), row("x", 0, "another")],
    });
    expect(report.ledger).toMatchObject({ stored: 2, stored_unanswered: 0, duplicates: 0 });
  });

  test("answers without a request id are said and not accounted for", async () => {
    const report = await verify(tallyOf(ids(2), { answered_without_id: 3 }), {
      rows: ids(2).map((id) => row(id)),
    });
    expect(report.ledger).toMatchObject({ answered: 2, answered_without_id: 3, stored: 2, missing: 0 });
    expect(report.lines.join("\n")).toContain("3 more answers carried no request id");
  });

  test("a run without any row has no delay", async () => {
    const report = await verify(tallyOf([]), {});
    expect(report).toMatchObject({ balanced: true, delay_to_row_ms: null });
  });

  test("finds every row page by page, also where many share a millisecond", async () => {
    const all = ids(45_000);
    const rows = all.map((id, i) => row(id, Math.floor(i / 30_000))); // 30,000 in the first millisecond
    const { store, queries } = memoryStore({ rows });
    const report = await verifyRun(tallyOf(all), store);
    expect(report.ledger).toMatchObject({ stored: 45_000, duplicates: 0, missing: 0 });
    expect(queries.filter((sql) => sql.includes("FROM api_logs"))).toHaveLength(5);
  });

  test("finds rows that a server whose clock was wrong has dated otherwise; their delay says nothing", async () => {
    const all = ids(4);
    const daysMs = [-2 * 86_400_000, 0, 0, 3_600_000];
    const rows = all.map((id, i) => row(id, daysMs[i]));
    const inMemory = await verify(tallyOf(all), { rows });
    const byDisk = await verify(tallyOf(all), { rows }, { maxInMemory: 1 });
    expect(inMemory.ledger).toMatchObject({ stored: 4, duplicates: 0, missing: 0 });
    expect(byDisk).toEqual(inMemory);
    expect(inMemory.delay.count).toBe(2);
  });

  test("a run too large for memory is compared by way of the disk, with the same result", async () => {
    const all = ids(30_000);
    const contents = {
      rows: all.slice(0, 29_990).map((id, n) => ({ ...row(id, n), delay_ms: n / 7 })),
      letters: all.slice(29_980, 29_995).map((request_id) => ({ run_id: RUN, request_id })),
      drops: [{ run_id: RUN, reason: "buffer_full", dropped: 5 }],
    };
    const inMemory = await verify(tallyOf(all), contents);
    const byDisk = await verify(tallyOf(all), contents, { maxInMemory: 1_000 });
    expect(inMemory.ledger).toMatchObject({ stored: 29_990, dead_lettered: 5, dropped: 5 });
    expect(byDisk).toEqual(inMemory);
    expect(byDisk.delay.count).toBe(29_990);
  });

  test("what is on the disk meanwhile has no name, so that a killed process leaves nothing", async () => {
    const { store } = memoryStore({ rows: ids(50).map((id) => row(id)) });
    const own = mkdtempSync(join(folder, "own-"));
    const files: string[][] = [];
    const query: Store["query"] = (sql, params) => {
      files.push(readdirSync(own));
      return store.query(sql, params);
    };
    const tally = { ...tallyOf(ids(50)), path: join(own, "x.tally") };
    const report = await verifyRun(tally, { ...store, query }, { maxInMemory: 10 });
    expect(report.balanced).toBe(true);
    expect(files).toEqual([[], [], [], [], []]);
  });

  test("a disk that takes nothing fails the ledger with a clear error", async () => {
    const tally = { ...tallyOf(ids(50)), path: join(folder, "not there", "x.tally") };
    await expect(verify(tally, {}, { maxInMemory: 10 })).rejects.toMatchObject({
      code: "DISK_FULL",
      message: expect.stringMatching(/x\.tally into a file beside it.*ENOENT/) as string,
    });
  });

  test("a large run is compared once its pipeline has caught up, not while it is behind", async () => {
    let polls = 0;
    const { store, queries } = memoryStore({ rows: ids(5).map((id) => row(id)) }, () =>
      Promise.resolve(++polls > 2),
    );
    const tally = tallyOf(ids(5), { unanswered: 1_000_000 });
    const report = await verifyRun(tally, store, { maxInMemory: Infinity });
    expect(report.balanced).toBe(true);
    expect(queries).toHaveLength(5);
  });

  test("whatever became of the requests, answered = stored + dead-lettered + dropped + missing + pending", async () => {
    const fate = fc.constantFrom("stored", "doubled", "dead", "nowhere");
    await fc.assert(
      fc.asyncProperty(
        fc.array(fate, { maxLength: 40 }),
        fc.nat(10),
        fc.nat(10),
        async (fates, dropped, extra) => {
          const all = ids(fates.length);
          const of = (...wanted: string[]) => all.filter((_, i) => wanted.includes(fates[i]!));
          const contents = {
            rows: [...of("stored", "doubled"), ...ids(extra, "other")]
              .map((id, n) => ({ ...row(id), delay_ms: 0.1 * n }))
              .concat(of("doubled").map((id) => ({ ...row(id, 1), delay_ms: 500 }))),
            letters: of("dead").map((request_id) => ({ run_id: RUN, request_id })),
            drops: [{ run_id: RUN, reason: "buffer_full", dropped }],
          };
          const report = await verify(tallyOf(all), contents, { waitMs: 0 });
          const byDisk = await verify(tallyOf(all), contents, { waitMs: 0, maxInMemory: 7 });
          expect(byDisk).toEqual(report);
          const { ledger } = report;
          expect(
            ledger.stored + ledger.dead_lettered + ledger.dropped + ledger.missing + ledger.pending,
          ).toBe(fates.length);
          expect(ledger).toMatchObject({ duplicates: of("doubled").length, stored_unanswered: extra });
          expect(report.balanced).toBe(
            ledger.duplicates === 0 && extra === 0 && of("nowhere").length <= dropped,
          );
        },
      ),
    );
  });
});
