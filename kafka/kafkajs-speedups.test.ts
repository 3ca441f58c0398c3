import { readFileSync } from "node:fs";
import { createRequire, Module } from "node:module";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { crc32C, groupMessagesPerPartition, quickEncoder, textRecordOr } from "./kafkajs-speedups.ts";

const require = createRequire(import.meta.url);

/** kafkajs's own function, past the replacement. */
function original(path: string): unknown {
  const file = require.resolve(path);
  const module = new Module(file) as NodeJS.Module & {
    _compile(code: string, file: string): void;
    paths: string[];
  };
  module.filename = file;
  module._compile(readFileSync(file, "utf8"), file);
  return module.exports;
}

interface Encoder {
  readonly buffer: Buffer;
  writeEncoderArray(records: readonly Encoder[]): Encoder;
}

describe("the replaced functions of kafkajs give what the originals give:", () => {
  test("crc32C", () => {
    const theirs = original("kafkajs/src/protocol/recordBatch/crc32C/crc32C.js") as typeof crc32C;
    expect(crc32C(Buffer.from("123456789"))).toBe(0xe3069283); // the check value of CRC-32C
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
        expect(crc32C(bytes)).toBe(theirs(bytes));
      }),
    );
  });

  test("groupMessagesPerPartition", () => {
    const theirs = original(
      "kafkajs/src/producer/groupMessagesPerPartition.js",
    ) as typeof groupMessagesPerPartition;
    fc.assert(
      fc.property(
        fc.array(fc.nat(5)),
        fc.array(fc.constant({}), { maxLength: 6 }),
        (messages, partitionMetadata) => {
          const grouping = {
            topic: "t",
            partitionMetadata,
            messages,
            partitioner: ({ message }: { message: number }) => message,
          };
          expect(groupMessagesPerPartition(grouping)).toEqual(theirs(grouping));
        },
      ),
    );
  });

  test("records of a batch, byte for byte", () => {
    type MakeRecord = (fields: object) => Encoder;
    const theirs = original("kafkajs/src/protocol/recordBatch/record/v0/index.js") as MakeRecord;
    const ours = textRecordOr(theirs as never) as unknown as MakeRecord;
    const TheirEncoder = original("kafkajs/src/protocol/encoder.js") as new () => Encoder;
    const OurEncoder = class extends TheirEncoder {};
    Object.assign(OurEncoder.prototype, quickEncoder);
    const fields = fc.record({
      offsetDelta: fc.nat(100_000),
      timestampDelta: fc.constantFrom(0, 0, 0, 7),
      key: fc.constantFrom(undefined, null, "key"),
      value: fc.oneof(
        fc.string({ unit: "binary", maxLength: 20_000 }),
        fc.constant(null),
        fc.constant(Buffer.from([1, 255])),
      ),
    });
    fc.assert(
      fc.property(fc.array(fields, { maxLength: 5 }), (records) => {
        const batch = new OurEncoder().writeEncoderArray(records.map(ours)).buffer;
        const expected = new TheirEncoder().writeEncoderArray(records.map(theirs)).buffer;
        expect(batch.toString("hex")).toBe(expected.toString("hex"));
      }),
    );
  });
});
