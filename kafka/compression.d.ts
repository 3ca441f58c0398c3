// Two libraries without types of their own.
declare module "lz4js" {
  /** The content of one LZ4 frame. */
  export function decompress(frame: Uint8Array): Uint8Array;
}

declare module "snappyjs" {
  /** The content of one plain Snappy block. */
  export function uncompress(block: Uint8Array): Uint8Array;
  /** One plain Snappy block. */
  export function compress(content: Uint8Array): Uint8Array;
}
