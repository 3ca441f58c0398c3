import { crc32 } from "node:zlib";

/** A record as it lies on disk. */
export interface Frame {
  readonly topic: string;
  readonly value: string; // JSON
  readonly isNumbered: boolean; // part of the publisher's account
}

export interface Scan {
  readonly frames: readonly Frame[];
  /** Bytes behind the last frame that are the beginning of another: its writer was killed. */
  readonly torn: number;
  /** Bytes that are no frame although whole ones, or enough bytes for one, follow: something changed them. */
  readonly damaged: number;
}

/**
 * A frame is
 *
 *     "RHS1"  length of the payload  CRC-32 of the payload  payload       4 + 4 + 4 bytes, little endian
 *
 * and its payload a byte of flags, the length of the topic in a byte, the topic, the value, both in UTF-8. The mark lets reading go on
 * behind damage; the checksum tells a frame from bytes that look like one.
 */
const MARK = Buffer.from("RHS1");
const HEADER_BYTES = 12;
const NUMBERED = 1;
/** No record is larger than what Kafka takes, by far; a length beyond it is damage. */
const MAX_PAYLOAD_BYTES = 16 * 2 ** 20;

/** All frames in one buffer, for one write. */
export function encodeFrames(records: readonly Frame[]): Buffer {
  const lengths = records.map(({ topic, value }) => 2 + Buffer.byteLength(topic) + Buffer.byteLength(value));
  const buffer = Buffer.allocUnsafe(lengths.reduce((sum, length) => sum + HEADER_BYTES + length, 0));
  let at = 0;
  for (const [index, { topic, value, isNumbered }] of records.entries()) {
    const length = lengths[index]!;
    const payload = buffer.subarray(at + HEADER_BYTES, at + HEADER_BYTES + length);
    payload[0] = isNumbered ? NUMBERED : 0;
    payload[1] = payload.write(topic, 2);
    payload.write(value, 2 + payload[1]);
    MARK.copy(buffer, at);
    buffer.writeUInt32LE(length, at + 4);
    buffer.writeUInt32LE(crc32(payload), at + 8);
    at += HEADER_BYTES + length;
  }
  return buffer;
}

/** Every whole frame of a segment, in order; never throws, whatever the bytes are. */
export function scanFrames(bytes: Buffer): Scan {
  const frames: Frame[] = [];
  let damaged = 0;
  let at = 0;
  while (at < bytes.length) {
    const length = payloadLengthAt(bytes, at);
    if (length !== undefined && isWhole(bytes, at, length)) {
      frames.push(frameOf(bytes.subarray(at + HEADER_BYTES, at + HEADER_BYTES + length)));
      at += HEADER_BYTES + length;
      continue;
    }
    const next = nextWholeFrame(bytes, at + 1);
    if (next === undefined && isTorn(bytes, at, length)) return { frames, damaged, torn: bytes.length - at };
    damaged += (next ?? bytes.length) - at;
    at = next ?? bytes.length;
  }
  return { frames, damaged, torn: 0 };
}

/** Undefined where no frame can begin, for want of bytes or for what they are. */
function payloadLengthAt(bytes: Buffer, at: number): number | undefined {
  if (at + HEADER_BYTES > bytes.length || bytes.compare(MARK, 0, MARK.length, at, at + MARK.length) !== 0)
    return undefined;
  const length = bytes.readUInt32LE(at + 4);
  return length >= 2 && length <= MAX_PAYLOAD_BYTES ? length : undefined;
}

function isWhole(bytes: Buffer, at: number, length: number): boolean {
  const end = at + HEADER_BYTES + length;
  return end <= bytes.length && crc32(bytes.subarray(at + HEADER_BYTES, end)) === bytes.readUInt32LE(at + 8);
}

function nextWholeFrame(bytes: Buffer, from: number): number | undefined {
  for (let at = bytes.indexOf(MARK, from); at >= 0; at = bytes.indexOf(MARK, at + 1)) {
    const length = payloadLengthAt(bytes, at);
    if (length !== undefined && isWhole(bytes, at, length)) return at;
  }
  return undefined;
}

/** Whether what is there may be the beginning of a frame that goes beyond the end. */
function isTorn(bytes: Buffer, at: number, length: number | undefined): boolean {
  if (length !== undefined) return at + HEADER_BYTES + length > bytes.length;
  const begun = bytes.subarray(at, at + MARK.length);
  return bytes.length - at < HEADER_BYTES && MARK.subarray(0, begun.length).equals(begun);
}

function frameOf(payload: Buffer): Frame {
  const valueAt = 2 + payload[1]!;
  return {
    topic: payload.toString("utf8", 2, valueAt),
    value: payload.toString("utf8", valueAt),
    isNumbered: (payload[0]! & NUMBERED) !== 0,
  };
}
