import { setTimeout as wait } from "node:timers/promises";
import { Command } from "commander";
import { z } from "zod";
import { kafkaSettings, readSettings, seedSetting, sqlSettings } from "../contract/config.ts";
import { messageOf, RushhourError } from "../contract/errors.ts";
import { momentSetting } from "../contract/moment.ts";
import type { Logger } from "../contract/logger.ts";
import { durationSetting, rateSetting } from "../contract/units.ts";
import { connect } from "../init_db/database.ts";
import { ensurePartitions } from "../init_db/partitions.ts";
import { writeFeed } from "../producer/feed.ts";
import { createHistory, type History, type HistoryOptions } from "../producer/history.ts";
import { elapsed, integer, perSecond } from "../simulator/report/format.ts";
import { openPipeline, type Pipeline } from "./pipeline.ts";
import { publishing } from "./publishing.ts";
import { databaseError } from "./reach.ts";
import { openScreen, type Screen } from "./screen.ts";
import { kafkaOf, ownerUrlOf } from "./servers.ts";
import { openSimulations, type Simulations } from "./simulations.ts";

const DAY_MS = 86_400_000;
const COUNT_RULE = "must be a whole number from 1 to 1000000000";

const backfillSettings = (now: Date) =>
  z
    .object({
      ...kafkaSettings.shape,
      ...sqlSettings.shape,
      BACKFILL_FROM: momentSetting(now).prefault("now-30d"),
      BACKFILL_TO: momentSetting(now)
        .refine((to) => to <= now, "must not lie in the future; --live goes on from now")
        .prefault("now"),
      BACKFILL_LIVE: z.enum(["yes", "no"], "must be yes or no").default("no"),
      BACKFILL_COUNT: z.coerce
        .number(COUNT_RULE)
        .int(COUNT_RULE)
        .min(1, COUNT_RULE)
        .max(1e9, COUNT_RULE)
        .optional(),
      BACKFILL_RATE: rateSetting.optional(),
      BACKFILL_DURATION: durationSetting.optional(),
      BACKFILL_SEED: seedSetting.default(1),
    })
    .refine(({ BACKFILL_FROM: from, BACKFILL_TO: to }) => from < to, {
      path: ["BACKFILL_FROM"],
      error: "must be earlier than --to",
    })
    .refine((s) => s.BACKFILL_COUNT === undefined || s.BACKFILL_RATE === undefined, {
      path: ["BACKFILL_COUNT"],
      error: "says how many records there shall be, and so does a rate: leave one of them out",
      when: () => true,
    })
    .refine((s) => s.BACKFILL_LIVE === "no" || s.BACKFILL_TO >= now, {
      path: ["BACKFILL_TO"],
      error: "must be now for --live, which goes on from there: leave it out",
    })
    .refine((s) => s.BACKFILL_LIVE === "yes" || s.BACKFILL_DURATION === undefined, {
      path: ["BACKFILL_DURATION"],
      error: "is how long to stay live: add --live, or leave it out",
      when: () => true,
    });
type Settings = z.output<ReturnType<typeof backfillSettings>>;

const DEFAULT_PER_SECOND = 1;

interface Options {
  from?: string;
  to?: string;
  live?: boolean;
  count?: string;
  rate?: string;
  duration?: string;
  seed?: string;
}

export function backfillCommand(): Command {
  return new Command("backfill")
    .description("Write days of history through Kafka at full speed, and go on live if asked to")
    .option("--from <time>", "now-30d, 2026-11-21, '2026-11-21 10:00' (UTC) or ISO 8601 (default: now-30d)")
    .option("--to <time>", "likewise, not included (default: now)")
    .option("--live", "go on from now as time passes, until Ctrl-C or -d")
    .option("-d, --duration <duration>", "how long to stay live, such as 10m")
    .option("--count <n>", "so many records from --from to --to")
    .option("--rate <rate>", `records on average, such as 5/s (default: ${DEFAULT_PER_SECOND}/s)`)
    .option("--seed <n>", "decides everything: the same seed and times give the same records (default 1)")
    .addHelpText(
      "after",
      `
Repeating the same back-fill adds no row. It runs as fast as Kafka and the consumer go: where the
consumer falls behind by ${integer(MAX_LAG)} records, it waits. Application logs of crashes, orders and pressed buttons
go along; --count and --rate are of request logs.

Examples:
  rushhour backfill --from now-30d --live
  rushhour backfill --from now-7d --count 1000000
  rushhour backfill --from 2026-11-01 --to 2026-11-08 --rate 20/s --seed 7`,
    )
    .action(backfill);
}

async function backfill(options: Options): Promise<void> {
  const now = new Date();
  const settings = readSettings(backfillSettings(now), process.env, {
    BACKFILL_FROM: { flag: "--from", value: options.from },
    BACKFILL_TO: { flag: "--to", value: options.to },
    BACKFILL_LIVE: { flag: "--live", value: options.live ? "yes" : undefined },
    BACKFILL_COUNT: { flag: "--count", value: options.count },
    BACKFILL_RATE: { flag: "--rate", value: options.rate },
    BACKFILL_DURATION: { flag: "--duration", value: options.duration },
    BACKFILL_SEED: { flag: "--seed", value: options.seed },
  });
  const screen = openScreen(process.stderr);
  const { history, lag } = await publishing("backfill", kafkaOf(settings), async (parts) => {
    const pipeline = await openPipeline(settings, parts.logger);
    const simulations = openSimulations(settings, parts.logger);
    try {
      await refuseExpired(settings, pipeline);
      await preparePartitions(settings);
      const history = createHistory(historyOptions(settings, simulations), parts.publisher);
      const consumer = watchConsumer(pipeline, screen, parts.logger);
      const startedMs = performance.now();
      const progress = setInterval(
        () => screen.show([progressLine(history, consumer, settings, performance.now() - startedMs)]),
        POLL_MS,
      );
      try {
        await writeFeed(history, parts.publisher, parts.stop, consumer.hasRoom);
        history.end();
        await parts.publisher.close();
      } finally {
        clearInterval(progress);
        await consumer.close();
        screen.clear();
      }
      return { history, lag: consumer.lag };
    } finally {
      await simulations.close();
      await pipeline.close();
    }
  });
  console.log(summaryOf(history, lag, settings));
}

/** @throws RushhourError CONFIG_INVALID when rows of that time would not be kept */
async function refuseExpired({ BACKFILL_FROM: from }: Settings, pipeline: Pipeline): Promise<void> {
  const [row] = await pipeline
    .query("SELECT keep_s, kept_from_s FROM retention WHERE name = 'api_logs'", [])
    .catch((error: unknown) => {
      throw new RushhourError(
        "QUERY_FAILED",
        `the database says: ${messageOf(error)}; npx rushhour migrate brings it up to date`,
        { cause: error },
      );
    });
  if (row === undefined) return; // nothing is dropped by age yet
  const keepMs = Number(row["keep_s"]) * 1_000;
  const youngestDayMs = Math.floor((Date.now() - keepMs) / DAY_MS) * DAY_MS; // whole days are dropped
  const keptFromMs = Math.max(Number(row["kept_from_s"]) * 1_000, youngestDayMs);
  if (from.getTime() >= keptFromMs) return;
  throw new RushhourError(
    "CONFIG_INVALID",
    `--from ${from.toISOString()} lies before ${new Date(keptFromMs).toISOString()}: raw rows are kept for ${keepMs / DAY_MS} days, older ones are dropped. ` +
      "Begin later; or set RETENTION_RAW to a longer time before the first migration of a database",
  );
}

/** Rows of each day go to a partition of their own, also days before the database was made. */
async function preparePartitions(settings: Settings): Promise<void> {
  const url = ownerUrlOf(settings);
  const connection = await connect(url).catch((error: unknown) => {
    throw databaseError(error, url, "MYSQL_URL");
  });
  try {
    await ensurePartitions(connection, { fromMs: settings.BACKFILL_FROM.getTime() });
  } finally {
    await connection.end();
  }
}

function historyOptions(settings: Settings, simulations: Simulations): HistoryOptions {
  const { BACKFILL_COUNT: count, BACKFILL_RATE: rate = DEFAULT_PER_SECOND, BACKFILL_SEED: seed } = settings;
  const [fromMs, toMs] = [settings.BACKFILL_FROM.getTime(), settings.BACKFILL_TO.getTime()];
  return {
    ...{ seed, fromMs, toMs, volume: count === undefined ? { meanPerSecond: rate } : { count } },
    ...(settings.BACKFILL_LIVE === "yes" && { liveUntilMs: toMs + (settings.BACKFILL_DURATION ?? Infinity) }),
    onIncident(incident, run_id, endedMs) {
      const { id, name, kind, route, intensity, startMs, endMs, requests_affected } = incident;
      void simulations.publishIncident({
        ...{ incident_id: id, run_id, name, kind, route: route?.name ?? null, origin: "scenario", intensity },
        started_at: new Date(startMs).toISOString(),
        planned_end_at: new Date(endMs).toISOString(),
        ended_at: endedMs === undefined ? null : new Date(endedMs).toISOString(),
        requests_affected: endedMs === undefined ? null : requests_affected,
      });
    },
  };
}

/**
 * Kafka keeps 1 GiB of a topic; what the consumer has not read by then is gone. So many records of ours are some
 * 300 MB.
 */
const MAX_LAG = 500_000;
const POLL_MS = 500;
const SILENT_MS = 30_000;

interface ConsumerWatch {
  /** Whether the consumer is near enough for more to be written. */
  readonly hasRoom: () => boolean;
  readonly lag: number | undefined; // records; undefined: not known
  close(): Promise<void>;
}

/** Asks how far the consumer is, and says so when it has not moved for 30 s though there was something to store. */
function watchConsumer(pipeline: Pipeline, screen: Screen, logger: Logger): ConsumerWatch {
  const closing = new AbortController();
  let lag: number | undefined;
  let stored = NaN;
  let movedMs = performance.now();

  async function look(): Promise<void> {
    const state = await pipeline.state().catch((error: unknown) => {
      logger.debug({ reason: messageOf(error) }, "the lag is not known");
      return undefined;
    });
    const hasMoved = state !== undefined && (state.stored !== stored || state.lag === 0);
    lag = state?.lag;
    stored = state?.stored ?? stored;
    if (hasMoved) movedMs = performance.now();
    else if (performance.now() - movedMs > SILENT_MS) {
      movedMs = performance.now();
      screen.say(
        state === undefined
          ? "the lag of the consumer could not be read for 30 s: is the database there? Nothing is written until it can"
          : `nothing was stored for 30 s, and ${integer(state.lag)} records wait: start a consumer with npx rushhour consumer`,
      );
    }
  }

  const looking = (async () => {
    while (!closing.signal.aborted) {
      await look();
      await wait(POLL_MS, undefined, { signal: closing.signal }).catch(() => undefined);
    }
  })();
  return {
    hasRoom: () => lag !== undefined && lag < MAX_LAG,
    get lag() {
      return lag;
    },
    async close() {
      closing.abort();
      await looking;
      await look();
    },
  };
}

function progressLine(
  history: History,
  consumer: ConsumerWatch,
  settings: Settings,
  elapsedMs: number,
): string {
  const { written, planned, atMs } = history;
  const rate = (written / elapsedMs) * 1_000;
  const behind =
    consumer.lag === undefined ? "consumer not known" : `consumer ${integer(consumer.lag)} behind`;
  const waits = consumer.hasRoom() ? "" : ` (waits until it is less than ${integer(MAX_LAG)})`;
  if (atMs >= settings.BACKFILL_TO.getTime()) {
    return `live  ${integer(written)} records, the last of ${minuteText(atMs)}; ${behind}${waits}`;
  }
  const left = rate > 0 ? elapsed((planned - written) / rate) : "some time";
  return (
    `${((100 * written) / planned).toFixed(1)} %  ${integer(written)} of ${integer(planned)} records, at ${minuteText(atMs)}, ` +
    `${perSecond(rate)}, ${left} left; ${behind}${waits}`
  );
}

/** What was written, how far the consumer is, and what to do next. */
function summaryOf({ written, atMs }: History, lag: number | undefined, settings: Settings): string {
  const { BACKFILL_FROM: from, BACKFILL_SEED: seed } = settings;
  const total = `${integer(written)} records written, from ${from.toISOString()} to ${new Date(atMs).toISOString()}, seed ${seed}`;
  if (lag === undefined) return `${total}\nhow far the consumer is could not be read`;
  if (lag > 0) {
    return `${total}\n${integer(lag)} of the topics' records are not stored yet: leave the consumer running, or start one with npx rushhour consumer`;
  }
  return `${total}\nall are stored: look at them with npx rushhour sql "SELECT * FROM incidents", or in Grafana`;
}

/** `2026-11-21 10:00`, UTC */
const minuteText = (unixMs: number) => new Date(unixMs).toISOString().slice(0, 16).replace("T", " ");
