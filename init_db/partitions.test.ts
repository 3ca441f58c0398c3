import { describe, expect, test } from "vitest";
import {
  CATCH_ALL,
  MOST_COUNTED,
  PARTITIONED,
  PAST,
  planTable,
  type Partition,
  type TableState,
} from "./partitions.ts";

const DAY_MS = 86_400_000;
const at = (text: string) => Date.parse(`${text}Z`);
const table = (name: string) => PARTITIONED.find((one) => one.name === name)!;
const logs = table("api_logs");

const NOW_MS = at("2026-11-21T13:00");
const TIMES = { nowMs: NOW_MS, fromMs: NOW_MS, keptFromMs: at("2026-10-17T00:00") };

const future: Partition = { name: CATCH_ALL, toMs: Infinity };
const past = (day: string): Partition => ({ name: PAST, toMs: at(`${day}T00:00`) });

/** Day partitions, both ends included. */
function days(from: string, to: string): Partition[] {
  const found: Partition[] = [];
  for (let ms = at(`${from}T00:00`); ms <= at(`${to}T00:00`); ms += DAY_MS) {
    found.push({
      name: `p${new Date(ms).toISOString().slice(0, 10).replaceAll("-", "")}`,
      toMs: ms + DAY_MS,
    });
  }
  return found;
}

const state = (partitions: readonly Partition[], rows: Partial<TableState> = {}): TableState => ({
  ...{ partitions, pastRows: 0, oldestInPastMs: Infinity },
  ...rows,
});

describe("a day a partition", () => {
  test("a new table gets today, 14 days ahead and what was before, in one statement", () => {
    const [only, ...rest] = planTable(logs, state([future]), TIMES);
    expect(rest).toEqual([]);
    expect(only!.partitions).toEqual(days("2026-11-21", "2026-12-05").map(({ name }) => name));
    expect(only!.sql).toMatch(
      /^ALTER TABLE api_logs REORGANIZE PARTITION p_future INTO \(PARTITION p_past VALUES LESS THAN \('2026-11-21'\), PARTITION p20261121 VALUES LESS THAN \('2026-11-22'\), .*, PARTITION p20261205 VALUES LESS THAN \('2026-12-06'\), PARTITION p_future VALUES LESS THAN \(MAXVALUE\)\)$/,
    );
  });

  test("a table that has all it needs is left alone", () => {
    const ready = [past("2026-11-01"), ...days("2026-11-01", "2026-12-05"), future];
    expect(planTable(logs, state(ready), TIMES)).toEqual([]);
  });

  test("days that have become due are split off the catch-all", () => {
    const [only] = planTable(
      logs,
      state([past("2026-11-01"), ...days("2026-11-01", "2026-12-03"), future]),
      TIMES,
    );
    expect(only).toMatchObject({ kind: "make", partitions: ["p20261204", "p20261205"] });
  });

  test("after weeks without anybody the days that are kept are made, and no others", () => {
    const [made, dropped] = planTable(
      logs,
      state([past("2026-08-01"), ...days("2026-08-01", "2026-08-03"), future]),
      TIMES,
    );
    expect(made!.partitions).toEqual(days("2026-10-17", "2026-12-05").map(({ name }) => name));
    expect(dropped).toMatchObject({ kind: "drop", partitions: ["p20260801", "p20260802", "p20260803"] });
  });

  test("a back-fill gets its days out of what was before, as far as they are kept", () => {
    const ready = state([past("2026-11-20"), ...days("2026-11-20", "2026-12-05"), future]);
    const [some] = planTable(logs, ready, { ...TIMES, fromMs: at("2026-11-17T23:59") });
    expect(some!.sql).toBe(
      "ALTER TABLE api_logs REORGANIZE PARTITION p_past INTO (PARTITION p_past VALUES LESS THAN ('2026-11-17'), PARTITION p20261117 VALUES LESS THAN ('2026-11-18'), PARTITION p20261118 VALUES LESS THAN ('2026-11-19'), PARTITION p20261119 VALUES LESS THAN ('2026-11-20'))",
    );
    const [all] = planTable(logs, ready, { ...TIMES, fromMs: 0 });
    expect(all!.partitions).toEqual(days("2026-10-17", "2026-11-19").map(({ name }) => name));
  });

  test("late rows get their days", () => {
    const late = { pastRows: 1, oldestInPastMs: at("2026-11-19T05:00") };
    const [only] = planTable(
      logs,
      state([past("2026-11-21"), ...days("2026-11-21", "2026-12-05"), future], late),
      TIMES,
    );
    expect(only!.partitions).toEqual(["p20261119", "p20261120"]);
  });

  test("late rows get a month at once, and so many that it would take long get none", () => {
    const ready = (pastRows: number) =>
      state([past("2026-11-21"), ...days("2026-11-21", "2026-12-05"), future], {
        ...{ pastRows, oldestInPastMs: at("2026-10-18T05:00") },
      });
    const [only] = planTable(logs, ready(1), TIMES);
    expect(only!.partitions).toEqual(days("2026-10-21", "2026-11-20").map(({ name }) => name));
    expect(planTable(logs, ready(MOST_COUNTED), TIMES)).toEqual([]);
  });

  test("a table from before there was a p_past gets one", () => {
    const [only] = planTable(logs, state([...days("2026-11-20", "2026-12-05"), future]), TIMES);
    expect(only!.sql).toBe(
      "ALTER TABLE api_logs REORGANIZE PARTITION p20261120 INTO (PARTITION p_past VALUES LESS THAN ('2026-11-20'), PARTITION p20261120 VALUES LESS THAN ('2026-11-21'))",
    );
  });

  test("a day is dropped once all of it is below the bound, and what was before is emptied", () => {
    const ready = [past("2026-10-14"), ...days("2026-10-14", "2026-12-05"), future];
    const [dropped, ...rest] = planTable(logs, state(ready), TIMES);
    expect(dropped!.sql).toBe("ALTER TABLE api_logs DROP PARTITION p20261014, p20261015, p20261016");
    expect(rest).toEqual([]); // nothing to empty
    const [, emptied] = planTable(logs, state(ready, { pastRows: 1 }), TIMES);
    expect(emptied!.sql).toBe("ALTER TABLE api_logs TRUNCATE PARTITION p_past");
  });

  test("what was before stays while a part of it is kept", () => {
    const ready = state([past("2026-10-18"), ...days("2026-10-18", "2026-12-05"), future], {
      pastRows: 1,
    });
    expect(planTable(logs, ready, TIMES)).toEqual([]);
  });
});

describe("longer partitions", () => {
  const MONTHS = 30 * DAY_MS;
  const hours = table("api_rollup_1h");

  test("begin at multiples of their span, in Unix seconds", () => {
    const [only] = planTable(hours, state([future]), { ...TIMES, keptFromMs: at("2024-11-21T00:00") });
    expect(only!.sql).toBe(
      "ALTER TABLE api_rollup_1h REORGANIZE PARTITION p_future INTO (PARTITION p_past VALUES LESS THAN (1793664000), PARTITION p20261103 VALUES LESS THAN (1796256000), PARTITION p20261203 VALUES LESS THAN (1798848000), PARTITION p_future VALUES LESS THAN (MAXVALUE))",
    );
    expect((1793664000 * 1_000) % MONTHS).toBe(0);
  });

  test("are dropped only when their last day has expired", () => {
    const first = { name: "p20241024", toMs: 1732406400_000 }; // ends 2024-11-24
    const rest = { name: "p20261203", toMs: 1798848000_000 };
    const ready = state([{ name: PAST, toMs: first.toMs - MONTHS }, first, rest, future]);
    const plan = (day: string) => planTable(hours, ready, { ...TIMES, keptFromMs: at(`${day}T00:00`) });
    expect(plan("2024-11-23")).toEqual([]);
    expect(plan("2024-11-24")).toMatchObject([{ kind: "drop", partitions: ["p20241024"] }]);
  });
});
