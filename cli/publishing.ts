import { EXIT, RushhourError } from "../contract/errors.ts";
import { createLogger, type Logger } from "../contract/logger.ts";
import { createMetrics, type Metrics } from "../contract/metrics.ts";
import { RECORD_TOPICS } from "../contract/topics.ts";
import type { KafkaServers } from "../kafka/client.ts";
import { createPublisher, type Publisher } from "../producer/publisher.ts";
import type { PublisherSpool } from "../producer/spool/open.ts";
import { onShutdownSignal } from "./lifecycle.ts";
import { withKafka } from "./reach.ts";

export interface Publishing {
  readonly publisher: Publisher;
  readonly logger: Logger;
  readonly metrics: Metrics;
  readonly stop: AbortSignal; // the first Ctrl-C; a second one ends the process
}

/**
 * Runs the work of a command that writes records until it is done or told to stop; then all that was published goes out, or is counted
 * as dropped, or stays in the spool. Sets the exit code when it was stopped.
 * @throws RushhourError SERVER_UNREACHABLE without Kafka, CONFIG_INVALID without its topics: a person waits, so not tried for ever
 */
export async function publishing<T>(
  service: string,
  kafka: KafkaServers,
  work: (publishing: Publishing) => Promise<T>,
  openSpool?: () => Promise<PublisherSpool>,
): Promise<T> {
  const logger = createLogger(service);
  await withKafka(kafka, logger, async (admin) => {
    const known = new Set(await admin.topicNames());
    const missing = RECORD_TOPICS.filter((topic) => !known.has(topic));
    if (missing.length === 0) return;
    throw new RushhourError(
      "CONFIG_INVALID",
      `Kafka at ${kafka.brokers.join(", ")} has no topic ${missing.join(", ")}: npx rushhour topics makes them`,
    );
  });
  const stop = new AbortController();
  const forget = onShutdownSignal((_signal, forceful) => {
    if (forceful) process.exit(EXIT.stoppedBySignal);
    stop.abort();
  });
  const metrics = createMetrics();
  const publisher = createPublisher({ ...kafka, service, logger, metrics, spool: await openSpool?.() });
  try {
    return await work({ publisher, logger, metrics, stop: stop.signal });
  } finally {
    await publisher.close();
    forget();
    if (stop.signal.aborted) process.exitCode = EXIT.stoppedBySignal;
  }
}
