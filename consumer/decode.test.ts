import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { REJECT_REASONS, type ReceivedRecord } from "../contract/record.ts";
import { decodeAll } from "./decode.ts";
import type { Kind } from "./kind.ts";
import { publisherStatuses } from "./publisher-status.ts";
import { requestLogs } from "./request-logs.ts";
import { simulations } from "./simulations.ts";

const KINDS: readonly Kind<unknown>[] = [requestLogs(), publisherStatuses, simulations] as Kind<unknown>[];

const received = (value: Buffer | null, topic: string): ReceivedRecord => ({
  ...{ cluster: "c-1", topic, partition: 0, offset: 1n, timeMs: Date.UTC(2026, 0, 5), key: null, value },
});

/** One record's fate: a statement that stores it, or a reason why it never can be. */
function fateOf(kind: Kind<unknown>, value: Buffer | null): string {
  const [entry] = decodeAll([received(value, kind.topics[0]!)], kind);
  if (entry!.rejection) {
    expect(REJECT_REASONS).toContain(entry!.rejection.reason);
    expect(entry!.rejection.detail).not.toBe("");
    return entry!.rejection.reason;
  }
  const statements = kind.table.insert([entry!.row]);
  expect(statements.length).toBeGreaterThan(0);
  expect(kind.table.identity(entry!.row)).not.toBe("");
  for (const statement of statements) expect(statement).not.toMatch(/\b(?:undefined|NaN|Infinity)\b/);
  return "row";
}

const VALID: Readonly<Record<string, object>> = {
  request_log: { endpoint: "/users", method: "GET", status_code: 200, response_time_ms: 3.5, v: 1 },
  publisher_status: {
    ...{ v: 1, source: "5f0e3c1a-6c3b-4a56-9f5e-5c5bb1f0a001", service: "api", instance: "" },
    ...{ started_at: "2026-01-05T00:00:00Z", reported_at: "2026-01-05T00:00:00Z" },
    ...{ last_seq: 0, acknowledged: 0, drops: [], closed: false },
  },
  simulation: {
    ...{ v: 1, type: "run", state: "running", reported_at: "2026-01-05T00:00:00Z", run_id: "r" },
    ...{ scenario: "s", target: "t", seed: 1, digest: null, tags: {}, command: "" },
    started_at: "2026-01-05T00:00:00Z",
  },
};

/** A valid record with bytes changed, left out or put in. */
function mutations(valid: object): fc.Arbitrary<Buffer> {
  const bytes = Buffer.from(JSON.stringify(valid));
  const cut = fc.tuple(fc.nat(bytes.length), fc.nat(8), fc.uint8Array({ maxLength: 8 }));
  return fc.array(cut, { minLength: 1, maxLength: 3 }).map((cuts) =>
    cuts.reduce((text, [at, gone, put]) => {
      return Buffer.concat([text.subarray(0, at), put, text.subarray(at + gone)]);
    }, bytes),
  );
}

/** A valid record whose fields hold anything. */
const withOddFields = (valid: object) =>
  fc
    .dictionary(
      fc.constantFrom(...Object.keys(valid), "user_id", "stack", "__proto__", "timestamp"),
      fc.jsonValue(),
    )
    .map((odd) => Buffer.from(JSON.stringify({ ...valid, ...odd })));

describe.each(KINDS)("whatever stands on the topics of $name", (kind) => {
  const valid = VALID[kind.name]!;

  test("a valid record becomes a row", () => {
    expect(fateOf(kind, Buffer.from(JSON.stringify(valid)))).toBe("row");
  });

  test("bytes of every kind become a row or a rejection, never a throw", () => {
    const values = fc.oneof(
      fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes)),
      fc.json().map((json) => Buffer.from(json)),
      mutations(valid),
      withOddFields(valid),
      fc.constant(null),
    );
    fc.assert(
      fc.property(values, (value) => void fateOf(kind, value)),
      { numRuns: 600 },
    );
  });

  test.each([
    ["a mebibyte of brackets", Buffer.from("[".repeat(2 ** 20))],
    ["a mebibyte of nesting", Buffer.from("[".repeat(2 ** 19) + "]".repeat(2 ** 19))],
    ["a mebibyte of zeros", Buffer.alloc(2 ** 20)],
    ["a number of a mebibyte", Buffer.from(`{"status_code":${"9".repeat(2 ** 20)}}`)],
    [
      "a hundred thousand fields",
      Buffer.from(JSON.stringify(Object.fromEntries(Array.from({ length: 100_000 }, (_, n) => [n, n])))),
    ],
  ])("%s is set aside or cut, and that is all", (_what, value) => {
    expect(fateOf(kind, value)).not.toBe("row");
  });

  test("a nested field nobody knows stops nothing", () => {
    const nested = `${JSON.stringify(valid).slice(0, -1)},"x":${'{"a":'.repeat(200_000)}1${"}".repeat(200_000)}}`;
    expect(["row", "invalid_field"]).toContain(fateOf(kind, Buffer.from(nested)));
  });
});
