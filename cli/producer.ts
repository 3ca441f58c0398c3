import { Command } from "commander";
import type { z } from "zod";
import { producerSettings, readSettings } from "../contract/config.ts";
import { USUAL_DIRT } from "../contract/dirt.ts";
import { listen, type HttpServer } from "../contract/listen.ts";
import { statusApp } from "../contract/status.ts";
import { createDirtyWriter, type DirtyWriter } from "../producer/dirt.ts";
import { writeFeed, type Feed } from "../producer/feed.ts";
import { createSyntheticLogs, publishSynthetic } from "../producer/synthetic.ts";
import { integer } from "../simulator/report/format.ts";
import { publishing, type Publishing } from "./publishing.ts";
import { kafkaOf } from "./servers.ts";

interface Options {
  rate?: string;
  count?: string;
  duration?: string;
  seed?: string;
  dirty?: string | true;
  port?: string;
}

export function producerCommand(): Command {
  return new Command("producer")
    .description("Write synthetic request logs to the three topics, without the API")
    .option("--rate <rate>", "records, such as 50/s or 3000/m, or max for as fast as it goes (default 50/s)")
    .option("--count <n>", "end after so many records")
    .option("-d, --duration <duration>", "end after 30s, 5m, 1h30m … (default: until Ctrl-C)")
    .option("--seed <n>", "decides all but the times (default 1)")
    .option(
      "--dirty [shares]",
      `write some late, twice, out of order or malformed: ${USUAL_DIRT} unless given; age=1h says how late`,
    )
    .option(
      "--port <port>",
      "serve /health and /metrics there, 0 for a free one (PRODUCER_PORT, default: not served)",
    )
    .addHelpText(
      "after",
      `
Beside the request logs go the application logs of crashes, orders and pressed buttons, unless --dirty; counts are of
request logs.

Examples:
  rushhour producer --rate 200/s -d 1m
  rushhour producer --count 1000000 --rate max --seed 7
  rushhour producer --count 100000 --rate 20000/s --dirty
  rushhour producer --count 100000 --rate max --dirty late=5%,duplicate=2%,age=6h`,
    )
    .action(produce);
}

type Settings = z.output<typeof producerSettings>;

async function produce(options: Options): Promise<void> {
  const settings = readSettings(producerSettings, process.env, {
    PRODUCER_RATE: { flag: "--rate", value: options.rate },
    PRODUCER_COUNT: { flag: "--count", value: options.count },
    PRODUCER_DURATION: { flag: "--duration", value: options.duration },
    PRODUCER_SEED: { flag: "--seed", value: options.seed },
    PRODUCER_DIRTY: { flag: "--dirty", value: options.dirty === true ? USUAL_DIRT : options.dirty },
    PRODUCER_PORT: { flag: "--port", value: options.port },
  });
  const written = await publishing("producer", kafkaOf(settings), (parts) => write(settings, parts));
  console.log(summaryOf(written, settings));
}

interface Written {
  readonly records: number;
  readonly startedAt: string; // ISO 8601
  readonly source: string;
  readonly dirty: DirtyWriter | undefined;
}

/** Rates above this are no shop's any more: visitors then think less. */
const BUSY_PER_SECOND = 1_000;

async function write(settings: Settings, parts: Publishing): Promise<Written> {
  const { PRODUCER_RATE: rate, PRODUCER_SEED: seed, PRODUCER_DIRTY: dirt } = settings;
  const { publisher, stop } = parts;
  const startMs = Date.now();
  const meanPerSecond = Math.min(rate, BUSY_PER_SECOND);
  const logs = createSyntheticLogs({ seed, startMs, meanPerSecond });
  const dirty = dirt && createDirtyWriter(logs, publisher, dirt, seed);
  const writeClean = (timeMs: number) => publishSynthetic(publisher, logs.next(timeMs));

  let records = 0;
  const server = await serveStatus(settings, parts);
  try {
    const feed = steadyFeed(settings, () => {
      records++;
      if (dirty) dirty.write(Date.now());
      else writeClean(Date.now());
    });
    await writeFeed(feed, publisher, stop);
    dirty?.flush();
  } finally {
    await server?.close(1_000);
  }
  return { records, startedAt: new Date(startMs).toISOString(), source: publisher.source, dirty };
}

/** Records at a constant rate, however late a tick is; without a rate, as many as there is room for. */
function steadyFeed(settings: Settings, write: () => void): Feed {
  const { PRODUCER_RATE: rate, PRODUCER_COUNT: count = Infinity } = settings;
  const { PRODUCER_DURATION: durationMs = Infinity } = settings;
  const total = rate === Infinity ? count : Math.min(count, Math.round((rate * durationMs) / 1_000));
  const startedMs = performance.now();
  let written = 0;
  return {
    isDone: () => written >= total || (rate === Infinity && performance.now() - startedMs >= durationMs),
    isDue: () => rate === Infinity || written < ((performance.now() - startedMs) * rate) / 1_000,
    write() {
      written++;
      write();
    },
  };
}

async function serveStatus(
  { PRODUCER_HOST: host, PRODUCER_PORT: port }: Settings,
  { publisher, metrics, logger }: Publishing,
): Promise<HttpServer | undefined> {
  if (port === undefined) return undefined;
  const app = statusApp("producer", metrics, () => ({ kafka: publisher.readiness() }));
  const wayOut = "choose another with --port or PRODUCER_PORT (0 takes a free one)";
  const server = await listen(app, { service: "producer", host, port, metrics, wayOut });
  logger.info({ url: server.url }, "listening");
  return server;
}

/** What was written and, of dirty records, what SQL will show of them. */
function summaryOf(
  { records, startedAt, source, dirty }: Written,
  { PRODUCER_SEED: seed }: Settings,
): string {
  const total = `${integer(records)} records written, seed ${seed}`;
  if (dirty === undefined) return total;
  const { late, duplicate, shuffle, mended, dead } = dirty.counts;
  const since = startedAt.slice(0, 19).replace("T", " ");
  return [
    total,
    `  ${integer(late)} late, ${integer(duplicate)} twice, ${integer(shuffle)} out of order, ${integer(mended + dead)} malformed`,
    "to expect in SQL once they are stored:",
    `  ${integer(records - dead)} rows: SELECT COUNT(*) FROM api_logs WHERE source = '${source}'`,
    `  ${integer(dead)} dead letters: SELECT COUNT(*) FROM dead_letters WHERE stored_at >= '${since}' AND value LIKE '%${source}%'`,
  ].join("\n");
}
