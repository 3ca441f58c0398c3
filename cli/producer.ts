import { setTimeout as wait } from "node:timers/promises";
import { Command } from "commander";
import type { z } from "zod";
import { producerSettings, readSettings } from "../contract/config.ts";
import { EXIT } from "../contract/errors.ts";
import { listen, type HttpServer } from "../contract/listen.ts";
import { createLogger, type Logger } from "../contract/logger.ts";
import { createMetrics, type Metrics } from "../contract/metrics.ts";
import { statusApp } from "../contract/status.ts";
import { createPublisher, type Publisher } from "../producer/publisher.ts";
import { syntheticLogs } from "../producer/synthetic.ts";
import { onShutdownSignal } from "./lifecycle.ts";
import { withKafka } from "./reach.ts";
import { brokersOf } from "./servers.ts";

interface Options {
  rate?: string;
  count?: string;
  duration?: string;
  seed?: string;
  port?: string;
}

export function producerCommand(): Command {
  return new Command("producer")
    .description("Write synthetic request logs to the three topics, without the API")
    .option("--rate <rate>", "records, such as 50/s or 3000/m (default 50/s)")
    .option("--count <n>", "end after so many records")
    .option("-d, --duration <duration>", "end after 30s, 5m, 1h30m … (default: until Ctrl-C)")
    .option("--seed <n>", "decides endpoints, statuses, times (default 1)")
    .option(
      "--port <port>",
      "serve /health and /metrics there, 0 for a free one (PRODUCER_PORT, default: not served)",
    )
    .addHelpText(
      "after",
      `
Examples:
  rushhour producer --rate 200/s -d 1m
  rushhour producer --count 100000 --rate 20000/s --seed 7`,
    )
    .action(produce);
}

async function produce(options: Options): Promise<void> {
  const settings = readSettings(producerSettings, process.env, {
    PRODUCER_RATE: { flag: "--rate", value: options.rate },
    PRODUCER_COUNT: { flag: "--count", value: options.count },
    PRODUCER_DURATION: { flag: "--duration", value: options.duration },
    PRODUCER_SEED: { flag: "--seed", value: options.seed },
    PRODUCER_PORT: { flag: "--port", value: options.port },
  });
  const brokers = brokersOf(settings);
  const logger = createLogger("producer");
  await withKafka(brokers, logger, (admin) => admin.clusterId()); // a person waits for this one: fail now, not for ever

  const stop = new AbortController();
  const forget = onShutdownSignal((_signal, forceful) => {
    if (forceful) process.exit(EXIT.stoppedBySignal);
    stop.abort();
  });
  const metrics = createMetrics();
  const publisher = createPublisher({ brokers, service: "producer", logger, metrics });
  let server: HttpServer | undefined;
  let written: number;
  try {
    if (settings.PRODUCER_PORT !== undefined)
      server = await serveStatus(settings, publisher, metrics, logger);
    written = await write(publisher, settings, stop.signal);
  } finally {
    await publisher.close();
    await server?.close(1_000);
  }
  forget();
  console.log(`${written.toLocaleString("en")} records written, seed ${settings.PRODUCER_SEED}`);
  if (stop.signal.aborted) process.exitCode = EXIT.stoppedBySignal;
}

async function serveStatus(
  { PRODUCER_HOST: host, PRODUCER_PORT: port = 0 }: z.output<typeof producerSettings>,
  publisher: Publisher,
  metrics: Metrics,
  logger: Logger,
): Promise<HttpServer> {
  const app = statusApp("producer", metrics, () => ({ kafka: publisher.readiness() }));
  const wayOut = "choose another with --port or PRODUCER_PORT (0 takes a free one)";
  const server = await listen(app, { service: "producer", host, port, metrics, wayOut });
  logger.info({ url: server.url }, "listening");
  return server;
}

const TICK_MS = 10;

/** Writes at the rate, however late a tick is; waits while the buffer is half full. */
async function write(
  publisher: Publisher,
  settings: z.output<typeof producerSettings>,
  stop: AbortSignal,
): Promise<number> {
  const {
    PRODUCER_RATE: rate,
    PRODUCER_COUNT: count = Infinity,
    PRODUCER_DURATION: durationMs = Infinity,
  } = settings;
  const logs = syntheticLogs(settings.PRODUCER_SEED);
  const total = Math.min(count, Math.round((rate * durationMs) / 1_000));
  const stopped = new Promise<void>((resolve) => stop.addEventListener("abort", () => resolve()));
  const startedMs = performance.now();
  let written = 0;
  while (written < total && !stop.aborted) {
    const due = Math.min(total, Math.ceil(((performance.now() - startedMs) * rate) / 1_000));
    for (let burst = 0; written < due && burst < 1_000; burst++, written++)
      publisher.publish(logs.next().value);
    await Promise.race([publisher.room(), stopped]);
    await (written < due ? wait(0) : wait(TICK_MS));
  }
  return written;
}
