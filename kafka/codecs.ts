import { promisify } from "node:util";
import { zstdCompress, zstdDecompress } from "node:zlib";
import kafkajs from "kafkajs";
import { decompress as decompressLz4 } from "lz4js";
import { uncompress as uncompressSnappy } from "snappyjs";

const { CompressionCodecs, CompressionTypes } = kafkajs;

/**
 * kafkajs reads gzip alone, and a record batch it cannot read stops its partition for good. Other producers compress as they
 * like, so zstd, Snappy and LZ4 are read too. We ourselves write without compression.
 */
export function registerCodecs(): void {
  CompressionCodecs[CompressionTypes.ZSTD] = () => ({
    compress: ({ buffer }: { buffer: Buffer }) => promisify(zstdCompress)(buffer),
    decompress: (buffer: Buffer) => promisify(zstdDecompress)(buffer),
  });
  CompressionCodecs[CompressionTypes.Snappy] = readOnly("Snappy", decompressSnappy);
  CompressionCodecs[CompressionTypes.LZ4] = readOnly("LZ4", (buffer) => Buffer.from(decompressLz4(buffer)));
}

function readOnly(name: string, decompress: (buffer: Buffer) => Buffer) {
  return () => ({
    compress: () => Promise.reject(new Error(`${name} is read, not written`)),
    decompress: (buffer: Buffer) => Promise.resolve(decompress(buffer)),
  });
}

const XERIAL_MAGIC = Buffer.from([0x82, 0x53, 0x4e, 0x41, 0x50, 0x50, 0x59, 0x00]);
const XERIAL_HEADER_BYTES = 16; // magic, version, oldest compatible version

/**
 * Java's clients write Snappy in blocks, each behind its length (the format of xerial's snappy-java); others write one
 * plain block.
 * @see https://github.com/xerial/snappy-java#compatibility-notes
 */
function decompressSnappy(buffer: Buffer): Buffer {
  if (!buffer.subarray(0, XERIAL_MAGIC.length).equals(XERIAL_MAGIC))
    return Buffer.from(uncompressSnappy(buffer));
  const blocks: Buffer[] = [];
  for (let at = XERIAL_HEADER_BYTES; at < buffer.length;) {
    const end = at + 4 + buffer.readUInt32BE(at);
    blocks.push(Buffer.from(uncompressSnappy(buffer.subarray(at + 4, end))));
    at = end;
  }
  return Buffer.concat(blocks);
}
