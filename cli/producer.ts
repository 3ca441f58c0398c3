import { setTimeout as wait } from "node:timers/promises";
import { Command } from "commander";
import { z } from "zod";
import { countSetting, kafkaSettings, readSettings, seedSetting } from "../contract/config.ts";
import { EXIT } from "../contract/errors.ts";
import { createLogger } from "../contract/logger.ts";
import { createMetrics } from "../contract/metrics.ts";
import { durationSetting, rateSetting } from "../contract/units.ts";
import { createPublisher, type Publisher } from "../producer/publisher.ts";
import { syntheticLogs } from "../producer/synthetic.ts";
import { onShutdownSignal } from "./lifecycle.ts";
import { withKafka } from "./reach.ts";
import { brokersOf } from "./servers.ts";

const producerSettings = z.object({
  ...kafkaSettings.shape,
  PRODUCER_RATE: rateSetting.prefault("50/s"),
  PRODUCER_COUNT: countSetting("must be a whole number from 1 to 1000000000", 1, 1_000_000_000).optional(),
  PRODUCER_DURATION: durationSetting.optional(),
  PRODUCER_SEED: seedSetting.default(1),
});

interface Options {
  rate?: string;
  count?: string;
  duration?: string;
  seed?: string;
}

export function producerCommand(): Command {
  return new Command("producer")
    .description("Write synthetic request logs to the three topics, without the API")
    .option("--rate <rate>", "records, such as 50/s or 3000/m (default 50/s)")
    .option("--count <n>", "end after so many records")
    .option("-d, --duration <duration>", "end after 30s, 5m, 1h30m … (default: until Ctrl-C)")
    .option("--seed <n>", "decides endpoints, statuses, times (default 1)")
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
  });
  const brokers = brokersOf(settings);
  const logger = createLogger("producer");
  await withKafka(brokers, logger, (admin) => admin.clusterId()); // a person waits for this one: fail now, not for ever

  const stop = new AbortController();
  const forget = onShutdownSignal((_signal, forceful) => {
    if (forceful) process.exit(EXIT.stoppedBySignal);
    stop.abort();
  });
  const publisher = createPublisher({ brokers, service: "producer", logger, metrics: createMetrics() });
  const written = await write(publisher, settings, stop.signal);
  await publisher.close();
  forget();
  console.log(`${written.toLocaleString("en")} records written, seed ${settings.PRODUCER_SEED}`);
  if (stop.signal.aborted) process.exitCode = EXIT.stoppedBySignal;
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
  const startedMs = performance.now();
  let written = 0;
  while (written < total && !stop.aborted) {
    const due = Math.min(total, Math.ceil(((performance.now() - startedMs) * rate) / 1_000));
    for (let burst = 0; written < due && burst < 1_000; burst++, written++)
      publisher.publish(logs.next().value);
    await publisher.room();
    await (written < due ? wait(0) : wait(TICK_MS));
  }
  return written;
}
