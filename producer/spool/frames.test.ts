import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { encodeFrames, scanFrames, type Frame } from "./frames.ts";

const frame = fc.record({
  topic: fc.constantFrom("info-logs", "error-logs", "debug-logs", "publisher-status"),
  value: fc
    .oneof(fc.json(), fc.string({ unit: "binary", maxLength: 300 }))
    .map((text) => text.toWellFormed()),
  isNumbered: fc.boolean(),
});
const frames = fc.array(frame, { minLength: 1, maxLength: 20 });

/** Offset and length of each frame. */
function spansOf(records: readonly Frame[]): { start: number; end: number }[] {
  let end = 0;
  return records.map((record) => ({ start: end, end: (end += encodeFrames([record]).length) }));
}

test("what is written is read", () => {
  fc.assert(
    fc.property(frames, (records) => {
      expect(scanFrames(encodeFrames(records))).toEqual({ frames: records, torn: 0, damaged: 0 });
    }),
  );
});

test("wherever the file is cut, every whole frame is read and the rest is torn, not damaged", () => {
  fc.assert(
    fc.property(frames, fc.nat(), (records, anywhere) => {
      const bytes = encodeFrames(records);
      const cut = anywhere % bytes.length;
      const whole = spansOf(records).filter(({ end }) => end <= cut);
      expect(scanFrames(bytes.subarray(0, cut))).toEqual({
        frames: records.slice(0, whole.length),
        torn: cut - (whole.at(-1)?.end ?? 0),
        damaged: 0,
      });
    }),
    { numRuns: 500 },
  );
});

test("whichever bits flip, every frame without one is read, and none that was not written", () => {
  const flips = fc.array(fc.tuple(fc.nat(), fc.integer({ min: 0, max: 7 })), { minLength: 1, maxLength: 5 });
  fc.assert(
    fc.property(frames, flips, (records, changes) => {
      const written = encodeFrames(records);
      const bytes = Buffer.from(written);
      for (const [anywhere, bit] of changes) bytes[anywhere % bytes.length]! ^= 1 << bit;
      const spans = spansOf(records);
      const untouched = records.filter((_, n) => {
        const { start, end } = spans[n]!;
        return bytes.subarray(start, end).equals(written.subarray(start, end));
      });
      const scan = scanFrames(bytes);
      expect(scan.frames).toEqual(untouched);
      const lost =
        spans.reduce((sum, { start, end }) => sum + end - start, 0) - encodeFrames(untouched).length;
      expect(scan.torn + scan.damaged).toBe(untouched.length === 0 ? written.length : lost);
    }),
    { numRuns: 500 },
  );
});

describe("what no writer wrote", () => {
  test.each([
    ["nothing", Buffer.alloc(0), { torn: 0, damaged: 0 }],
    ["zeros, as after a power cut", Buffer.alloc(4_096), { torn: 0, damaged: 4_096 }],
    ["half a mark", Buffer.from("RH"), { torn: 2, damaged: 0 }],
    ["something else", Buffer.from("#!/bin/sh\necho hello"), { torn: 0, damaged: 20 }],
    ["marks alone", Buffer.from("RHS1".repeat(1_000)), { torn: 0, damaged: 4_000 }],
  ])("%s holds no frame", (_name, bytes, rest) => {
    expect(scanFrames(bytes)).toEqual({ frames: [], ...rest });
  });

  test("arbitrary bytes are read to their end", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 2_000 }), (bytes) => {
        const { frames, torn, damaged } = scanFrames(Buffer.from(bytes));
        expect(frames).toEqual([]);
        expect(torn + damaged).toBe(bytes.length);
      }),
    );
  });
});
