import { createRequire } from "node:module";

/**
 * A connection of kafkajs 2.2.4 that is cut in the midst of an answer keeps the half it has, and puts the first bytes of its next socket
 * behind it: from then on no answer is understood, and a consumer stands still for half a minute. Here each socket begins afresh.
 * With another version of kafkajs nothing is changed.
 */
const KAFKAJS = "2.2.4";
const SIZE_BYTES = 4; // before each answer

const require = createRequire(import.meta.url);

interface Connection {
  chunks: Buffer[];
  bytesBuffered: number;
  bytesNeeded: number;
  isConnected(): boolean;
  connect(): Promise<boolean>;
}

const { version } = require("kafkajs/package.json") as { readonly version: string };
if (version === KAFKAJS) {
  const { prototype } = require("kafkajs/src/network/connection") as { readonly prototype: Connection };
  const connect = Reflect.get(prototype, "connect");
  prototype.connect = function (this: Connection) {
    if (!this.isConnected()) Object.assign(this, { chunks: [], bytesBuffered: 0, bytesNeeded: SIZE_BYTES });
    return connect.call(this);
  };
}
