import { setImmediate as turn, setTimeout as wait } from "node:timers/promises";
import type { Publisher } from "./publisher.ts";

/** Records to be written, each when it is due. */
export interface Feed {
  isDone(): boolean;
  /** Whether the next record may be written now. */
  isDue(): boolean;
  write(): void;
}

/** Written in one go; what the publisher can hold is many times that (see its buffer). */
const BURST = 1_000;
const TICK_MS = 5;

/**
 * Writes a feed to its end, or until `stop`: what is due at once, however late it is, as fast as the publisher takes it.
 * @param mayGoOn asked before each burst; what is held back then is written later
 */
export async function writeFeed(
  feed: Feed,
  publisher: Pick<Publisher, "hasRoom">,
  stop: AbortSignal,
  mayGoOn: () => boolean = () => true,
): Promise<void> {
  while (!stop.aborted && !feed.isDone()) {
    let burst = 0;
    if (publisher.hasRoom() && mayGoOn()) {
      for (; burst < BURST && !feed.isDone() && feed.isDue(); burst++) feed.write();
    }
    await (burst === BURST ? turn() : wait(TICK_MS));
  }
}
