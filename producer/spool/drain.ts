import { setTimeout as wait } from "node:timers/promises";
import type { Logger } from "../../contract/logger.ts";
import { messageOf } from "../../contract/errors.ts";
import type { PublisherStatus } from "../../contract/publisher-status.ts";
import { PUBLISHER_STATUS_TOPIC } from "../../contract/topics.ts";
import type { TopicBatches } from "../../kafka/producer.ts";
import { nextBatch } from "../buffer.ts";
import type { Frame } from "./frames.ts";
import type { SpoolOwner } from "./folders.ts";
import type { PublisherSpool } from "./open.ts";
import type { ReadSegment } from "./spool.ts";

export interface DrainOptions {
  readonly spool: PublisherSpool;
  /** One attempt. @returns whether Kafka has them */
  readonly send: (topics: TopicBatches) => Promise<boolean>;
  readonly onDelivered: (segment: ReadSegment) => void;
  readonly logger: Logger;
}

export interface Drain {
  /** There is something on disk now. */
  wake(): void;
  /** Resolves when nothing is left, or at once when Kafka takes nothing. */
  finish(): Promise<void>;
  /** Stops after the attempt at hand; what is left stays on disk. */
  stop(): void;
}

const FIRST_RETRY_MS = 50;
const LONGEST_RETRY_MS = 1_000;
const TAKE_OVER_EVERY_MS = 10_000;

/**
 * Sends what lies on disk, oldest first, beside the records that go directly; while Kafka is away its attempts are what finds out that
 * it is back. Also takes over what dead publishers left, and says so for each once all of it is delivered.
 */
export function startDrain({ spool, send, onDelivered, logger }: DrainOptions): Drain {
  const stopped = new AbortController();
  let isFinishing = false;
  let hasNews = true;
  let onNews: () => void = () => undefined;

  async function run(): Promise<void> {
    await takeOver();
    while (!stopped.signal.aborted) {
      hasNews = false;
      const segment = await spool.read();
      if (segment) {
        if (!(await deliver(segment))) return;
      } else if (isFinishing) return;
      else if (!newsCame()) await new Promise<void>((resolve) => (onNews = resolve));
    }
  }

  const newsCame = () => hasNews; // while the spool was read

  function wake(): void {
    hasNews = true;
    onNews();
  }

  async function deliver(segment: ReadSegment): Promise<boolean> {
    for (const topics of batchesOf(segment.frames)) if (!(await sendUntilTaken(topics))) return false;
    if (segment.damage !== undefined)
      logger.error(
        { segment: segment.segment.path, damage: segment.damage },
        "a segment of the spool is damaged; the rest of it was delivered, the file is set aside",
      );
    const lastSeq = spool.isOwn(segment) ? 0 : highestSeq(segment.frames);
    onDelivered(segment);
    const gone = spool.done(segment);
    if (gone)
      await sendUntilTaken(new Map([[PUBLISHER_STATUS_TOPIC, [JSON.stringify(recovered(gone, lastSeq))]]]));
    return true;
  }

  async function sendUntilTaken(topics: TopicBatches): Promise<boolean> {
    for (
      let delayMs = FIRST_RETRY_MS;
      !(await send(topics));
      delayMs = Math.min(delayMs * 2, LONGEST_RETRY_MS)
    ) {
      if (isFinishing || stopped.signal.aborted) return false;
      await wait(delayMs * (0.5 + Math.random() / 2), undefined, { signal: stopped.signal }).catch(
        () => undefined,
      );
    }
    return true;
  }

  async function takeOver(): Promise<void> {
    try {
      const folders = await spool.takeOver();
      if (folders > 0)
        logger.info({ publishers: folders }, "took over the spools of publishers that are gone");
    } catch (error) {
      logger.warn(
        { reason: messageOf(error) },
        "the spools of publishers that are gone cannot be taken over",
      );
    }
    wake();
  }

  const looking = setInterval(() => void takeOver(), TAKE_OVER_EVERY_MS).unref();
  const running = run();
  return {
    wake,
    async finish() {
      isFinishing = true;
      wake();
      await running;
    },
    stop() {
      clearInterval(looking);
      stopped.abort();
      wake();
    },
  };
}

function* batchesOf(frames: readonly Frame[]): Generator<TopicBatches> {
  for (let at = 0; at < frames.length;) {
    const { topics, to } = nextBatch(frames, at, ({ value }) => Buffer.byteLength(value));
    yield topics;
    at = to;
  }
}

/** Of the numbers that a publisher put at the end of its records. */
function highestSeq(frames: readonly Frame[]): number {
  return frames.reduce((highest, { value, isNumbered }) => {
    const seq = isNumbered ? Number(/"seq":(\d+)\}$/.exec(value)?.[1] ?? 0) : 0;
    return Math.max(highest, seq);
  }, 0);
}

/** What is said in the name of a publisher that was killed. When it was last heard of, and its drops up to a second before, it said itself. */
function recovered(owner: SpoolOwner, lastSeq: number): PublisherStatus {
  const { mode, ...publisher } = owner;
  const counts = { last_seq: lastSeq, acknowledged: lastSeq, drops: [], closed: false };
  return {
    v: 1,
    ...publisher,
    reported_at: owner.started_at,
    ...counts,
    spool: mode,
    spooled_bytes: 0,
    recovered: true,
  };
}
