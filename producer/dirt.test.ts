import { expect, test } from "vitest";
import type { Destination } from "../contract/record-kind.ts";
import type { Level } from "../contract/request-log.ts";
import { TOPIC_OF_LEVEL } from "../contract/request-log.ts";
import { requestLogRow } from "../contract/request-log-row.ts";
import type { Fields } from "../contract/record.ts";
import { createDirtyWriter } from "./dirt.ts";
import { createSyntheticLogs } from "./synthetic.ts";

const START_MS = Date.UTC(2026, 0, 5, 12);
const COUNT = 20_000;
const SHARES = { late: 0.05, duplicate: 0.04, shuffle: 0.03, malformed: 0.02, age_ms: 600_000 };

interface Sent {
  readonly level: Level;
  readonly value: string;
}

/** One record a millisecond. */
function writeDirty(shares = SHARES) {
  const sent: Sent[] = [];
  let seq = 0;
  const publisher = {
    source: "the-source",
    publishJson({ level }: Destination, json: string) {
      const value = `${json.slice(0, -1)},"source":"the-source","seq":${++seq}}`;
      sent.push({ level, value });
      return value;
    },
    publishAsIs: ({ level }: Destination, value: string) => sent.push({ level, value }) > 0,
  };
  const logs = createSyntheticLogs({ seed: 1, startMs: START_MS, meanPerSecond: 100 });
  const writer = createDirtyWriter(logs, publisher, shares, 1);
  for (let n = 0; n < COUNT; n++) writer.write(START_MS + n);
  writer.flush();
  return { sent, counts: writer.counts, numbered: seq };
}

/** What a consumer makes of a value. */
function rowOf({ level, value }: Sent) {
  let fields: unknown;
  try {
    fields = JSON.parse(value);
  } catch {
    return undefined;
  }
  if (typeof fields !== "object" || fields === null || Array.isArray(fields)) return undefined;
  const record = {
    ...{ cluster: "c", topic: TOPIC_OF_LEVEL[level], partition: 0, offset: 0n, timeMs: 0 },
    ...{ key: null, value: null },
  };
  const decoded = requestLogRow(fields as Fields, record, START_MS + COUNT);
  return "row" in decoded ? decoded.row : undefined;
}

test("each kind of dirt has about its share, and the counts say exactly what a consumer finds", () => {
  const { sent, counts, numbered } = writeDirty();
  const { late, duplicate, shuffle, mended, dead } = counts;
  for (const [count, share] of [
    [late, SHARES.late],
    [duplicate, SHARES.duplicate],
    [shuffle, SHARES.shuffle],
    [mended + dead, SHARES.malformed],
  ] as const)
    expect(count / COUNT / share).toBeCloseTo(1, 0);

  expect(sent).toHaveLength(COUNT + duplicate);
  expect(numbered).toBe(COUNT - dead);
  const rows = sent.flatMap((one) => rowOf(one) ?? []);
  expect(rows).toHaveLength(COUNT - dead + duplicate);
  expect(new Set(rows.map(({ request_id }) => request_id)).size).toBe(COUNT - dead);
  const seqs = new Set(rows.map(({ seq }) => seq));
  expect(seqs.size).toBe(numbered); // no number is missing
  const refused = sent.filter((one) => rowOf(one) === undefined);
  expect(refused).toHaveLength(dead);
  for (const { value } of refused) expect(value).toContain("the-source");
});

test("late records are as late as they may be, and come in between", () => {
  const { sent } = writeDirty({ ...SHARES, duplicate: 0, shuffle: 0, malformed: 0 });
  const ages = sent.map(
    ({ value }, n) => START_MS + n - Date.parse((JSON.parse(value) as { timestamp: string }).timestamp),
  );
  expect(Math.max(...ages)).toBeGreaterThan(SHARES.age_ms * 0.9);
  expect(Math.max(...ages)).toBeLessThanOrEqual(SHARES.age_ms);
  expect(ages.filter((age) => age === 0)).toHaveLength(COUNT - ages.filter((age) => age > 0).length);
});

test("what is out of order comes up to a thousand records later", () => {
  const { sent, counts } = writeDirty({ ...SHARES, late: 0, duplicate: 0, malformed: 0 });
  const times = sent.map(({ value }) => Date.parse((JSON.parse(value) as { timestamp: string }).timestamp));
  const late = times.filter((ms, n) => times.slice(Math.max(0, n - 1_100), n).some((before) => before > ms));
  expect(late.length).toBeGreaterThan(counts.shuffle * 0.98); // one may fall into its own place
  expect(late.length).toBeLessThanOrEqual(counts.shuffle);
});

test("every way to be malformed comes up", () => {
  const { sent } = writeDirty({ ...SHARES, late: 0, duplicate: 0, shuffle: 0, malformed: 1 });
  const some = (pattern: RegExp) =>
    expect(
      sent.some(({ value }) => pattern.test(value)),
      String(pattern),
    ).toBe(true);
  for (const pattern of [/^\[/, /^"/, /"teapot"/, /"response_time_ms":-/, /\\ud83d/, /\+{2000}/, /[^}\]"]$/])
    some(pattern);
});
