import { APP_LOG } from "../contract/app-log.ts";
import { EXIT, RushhourError } from "../contract/errors.ts";
import { createLogger, type Logger } from "../contract/logger.ts";
import { createMetrics, type Metrics } from "../contract/metrics.ts";
import { REQUEST_LOG } from "../contract/request-log.ts";
import type { KafkaServers } from "../kafka/client.ts";
import { createPublisher, type Publisher } from "../producer/publisher.ts";
import { onShutdownSignal } from "./lifecycle.ts";
import { withKafka } from "./reach.ts";

/** Topics that commands write records to. */
const WRITTEN = [...REQUEST_LOG.topics, ...APP_LOG.topics];

export interface Publishing {
  readonly publisher: Publisher;
  readonly logger: Logger;
  readonly metrics: Metrics;
  readonly stop: AbortSignal; // the first Ctrl-C; a second one ends the process
}

/**
 * Runs the work of a command that writes records until it is done or told to stop; then all that was published goes out, or is
 * counted as dropped. Sets the exit code when it was stopped.
 * @throws RushhourError SERVER_UNREACHABLE without Kafka, CONFIG_INVALID without its topics: a person waits, so not tried for ever
 */
export async function publishing<T>(
  service: string,
  kafka: KafkaServers,
  work: (publishing: Publishing) => Promise<T>,
): Promise<T> {
  const logger = createLogger(service);
  await withKafka(kafka, logger, async (admin) => {
    const known = new Set((await admin.describeTopics()).map(({ name }) => name));
    const missing = WRITTEN.filter((topic) => !known.has(topic));
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
  const publisher = createPublisher({ ...kafka, service, logger, metrics });
  try {
    return await work({ publisher, logger, metrics, stop: stop.signal });
  } finally {
    await publisher.close();
    forget();
    if (stop.signal.aborted) process.exitCode = EXIT.stoppedBySignal;
  }
}
