import { createRequire } from "node:module";

/** What kafkajs 2.2.4, the last release, does wrong when something goes wrong, put right. With another version nothing is changed. */
const KAFKAJS = "2.2.4";

const require = createRequire(import.meta.url);

const SIZE_BYTES = 4; // before each answer

interface Connection {
  chunks: Buffer[];
  bytesBuffered: number;
  bytesNeeded: number;
  isConnected(): boolean;
  connect(): Promise<boolean>;
}

/**
 * A connection that is cut in the midst of an answer keeps the half it has, and puts the first bytes of its next socket behind it: from
 * then on no answer is understood, and a consumer stands still for half a minute. Here each socket begins afresh.
 */
function beginAfresh(prototype: Connection): void {
  const connect = Reflect.get(prototype, "connect");
  prototype.connect = function (this: Connection) {
    if (!this.isConnected()) Object.assign(this, { chunks: [], bytesBuffered: 0, bytesNeeded: SIZE_BYTES });
    return connect.call(this);
  };
}

interface ConsumerGroup {
  lastRequest: number; // Unix ms
  heartbeat(options: { interval: number }): Promise<void>;
}

/**
 * Heartbeats are due by the time of day: after the clock was set back by an hour none is sent for an hour, the group gives the partitions
 * to others, and this consumer goes on reading them.
 */
function beatOnWhenSetBack(prototype: ConsumerGroup): void {
  const heartbeat = Reflect.get(prototype, "heartbeat");
  prototype.heartbeat = function (this: ConsumerGroup, options) {
    this.lastRequest = Math.min(this.lastRequest, Date.now());
    return heartbeat.call(this, options);
  };
}

const prototypeOf = (path: string) => (require(path) as { readonly prototype: unknown }).prototype;

if ((require("kafkajs/package.json") as { readonly version: string }).version === KAFKAJS) {
  beginAfresh(prototypeOf("kafkajs/src/network/connection") as Connection);
  beatOnWhenSetBack(prototypeOf("kafkajs/src/consumer/consumerGroup") as ConsumerGroup);
}
