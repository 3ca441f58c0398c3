import { APP_LOG, type AppLog } from "../contract/app-log.ts";
import { messageOf } from "../contract/errors.ts";
import type { Logger } from "../contract/logger.ts";
import { requestIdAt } from "../contract/request-id.ts";
import type { BatchProducer } from "../kafka/producer.ts";

/**
 * What a stage says of its work, under the name of the service that it is.
 * @param timeMs Unix ms: when what it worked on happened, so that history has its lines where it has its rows
 */
export type LogStage = (
  timeMs: number,
  line: Pick<AppLog, "level" | "logger" | "message" | "service"> & Partial<AppLog>,
) => void;

export interface StageLog {
  readonly log: LogStage;
  /** Sends what waits, once. */
  close(): Promise<void>;
}

const FLUSH_MS = 250;
const MOST_WAITING = 10_000;

/**
 * Writes what stages log to the topics of application logs. The work itself is in SQL by then, so a line that Kafka does not take is told
 * of and let go: no stage waits for its log, and a consumer has no records of its own to account for.
 */
export function createStageLog(producer: BatchProducer, host: string, logger: Logger): StageLog {
  let waiting: AppLog[] = [];
  let timer: NodeJS.Timeout | undefined;
  let sending: Promise<void> | undefined;

  async function send(): Promise<void> {
    const lines = waiting;
    waiting = [];
    const topics = new Map<string, string[]>();
    for (const line of lines) {
      const { topic } = APP_LOG.destinationOf(line);
      topics.set(topic, [...(topics.get(topic) ?? []), JSON.stringify(line)]);
    }
    await producer
      .send(topics)
      .catch((error: unknown) =>
        logger.warn({ reason: messageOf(error), lines: lines.length }, "lines of stages were not logged"),
      );
  }

  function flush(): void {
    timer = undefined;
    sending = send().finally(() => {
      sending = undefined;
      if (waiting.length > 0) timer ??= setTimeout(flush, FLUSH_MS);
    });
  }

  return {
    log(timeMs, line) {
      if (waiting.length >= MOST_WAITING) return;
      const own = { v: 1, log_id: requestIdAt(timeMs), timestamp: new Date(timeMs).toISOString() } as const;
      waiting.push({ ...own, host, process: String(process.pid), ...line });
      if (!sending) timer ??= setTimeout(flush, FLUSH_MS);
    },
    async close() {
      clearTimeout(timer);
      await sending;
      if (waiting.length > 0) await send();
      await producer.close();
    },
  };
}
