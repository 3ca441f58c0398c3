import { setTimeout as wait } from "node:timers/promises";
import { Command } from "commander";
import { consumerSettings, keepOf, readSettings } from "../contract/config.ts";
import { EXIT } from "../contract/errors.ts";
import { listen } from "../contract/listen.ts";
import { createLogger } from "../contract/logger.ts";
import { createMetrics } from "../contract/metrics.ts";
import { statusApp } from "../contract/status.ts";
import { startConsumer } from "../consumer/consumer.ts";
import { shutdownSignal } from "./lifecycle.ts";
import { kafkaOf, userUrlOf } from "./servers.ts";

/** Less than the 10 s a container has before SIGKILL. A transaction that is cut off leaves nothing behind. */
const CLOSE_MS = 7_000;

export function consumerCommand(): Command {
  return new Command("consumer")
    .description("Store the records of all topics in SQL")
    .option("--host <address>", "address of /health and /metrics (CONSUMER_HOST, default 127.0.0.1)")
    .option("--port <port>", "their port, 0 for a free one (CONSUMER_PORT, default 8082)")
    .option(
      "--group <name>",
      "consumer group; its members share the partitions (CONSUMER_GROUP, default rushhour)",
    )
    .addHelpText(
      "after",
      `
Start as many as you like: they share the partitions, and each row is stored once.

Examples:
  rushhour consumer
  rushhour consumer --port 0
  KAFKA_BROKERS=127.0.0.1:9092 MYSQL_WRITER_URL=mysql://writer:secret@127.0.0.1/monitoring rushhour consumer`,
    )
    .action(runConsumer);
}

async function runConsumer(options: { host?: string; port?: string; group?: string }): Promise<void> {
  const settings = readSettings(consumerSettings, process.env, {
    CONSUMER_HOST: { flag: "--host", value: options.host },
    CONSUMER_PORT: { flag: "--port", value: options.port },
    CONSUMER_GROUP: { flag: "--group", value: options.group },
  });
  const logger = createLogger("consumer");
  const metrics = createMetrics();
  const writerUrl = userUrlOf("writer", settings);

  const crash = Promise.withResolvers<Error>();
  const consumer = startConsumer({
    ...{ ...kafkaOf(settings), group: settings.CONSUMER_GROUP, writerUrl, logger, metrics },
    instance: settings.RUSHHOUR_INSTANCE,
    incidents: settings.CONSUMER_INCIDENTS === "on",
    breakerRecords: settings.CONSUMER_BREAKER_RECORDS,
    keep: keepOf(settings),
    onCrash: (error) => crash.resolve(error),
  });
  const server = await listen(statusApp("consumer", metrics, consumer.readiness), {
    ...{ service: "consumer", host: settings.CONSUMER_HOST, port: settings.CONSUMER_PORT, metrics },
    wayOut: "choose another with --port or CONSUMER_PORT (0 takes a free one)",
  }).catch(async (error: unknown) => {
    await consumer.close();
    throw error;
  });
  logger.info({ url: server.url, group: settings.CONSUMER_GROUP }, "listening");

  const ended = await Promise.race([shutdownSignal(EXIT.failure), crash.promise]);
  if (ended instanceof Error) {
    logger.fatal({ err: ended }, "the consumer cannot go on");
    process.exit(EXIT.failure); // Kafka gives its partitions to others
  }
  logger.info({ signal: ended }, "finishing the batches at hand");
  const isClosed = consumer.close().then(() => true);
  if (!(await Promise.race([isClosed, wait(CLOSE_MS, false, { ref: false })]))) {
    logger.warn(
      "Kafka or the database does not answer: ends without leaving the group; what was not committed is read again",
    );
    process.exit(EXIT.ok);
  }
  await server.close(1_000);
  logger.info("closed");
  process.exit(EXIT.ok); // a client may still try to reach a server that is away
}
