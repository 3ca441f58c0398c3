import { Command } from "commander";
import { z } from "zod";
import { kafkaSettings, readSettings, redact, sqlSettings } from "../contract/config.ts";
import type { Flags } from "../contract/config.ts";
import { messageOf, RushhourError } from "../contract/errors.ts";
import { createLogger } from "../contract/logger.ts";
import { momentSetting } from "../contract/moment.ts";
import type { Store } from "../simulator/ledger/ledger.ts";
import { LOG_FORMATS } from "../contract/access-log.ts";
import { accessLogTrace } from "../simulator/replay/access-log.ts";
import { conditionProblem, storeTrace } from "../simulator/replay/store.ts";
import { leftOutLines, survey, surveyLines, type Survey } from "../simulator/replay/survey.ts";
import type { TracedRequest } from "../simulator/plan/plan.ts";
import { SAFE_METHODS, type TraceOptions } from "../simulator/replay/trace.ts";
import { readTally } from "../simulator/ledger/tally.ts";
import { DEFAULT_TARGET } from "../simulator/plan/load-plan.ts";
import { flagsOf, flagWords, targetSetting } from "./load-options.ts";
import { openPipeline } from "./pipeline.ts";
import { openScreen } from "./screen.ts";
import { runFlags, runLoad, runSettings, withRunOptions } from "./simulate.ts";
import type { RunOptions } from "./simulate.ts";
import { tallyPathOf } from "./verify.ts";

const COUNT_RULE = "must be a whole number from 1 to 1000000000";
const countSetting = z.coerce.number(COUNT_RULE).int(COUNT_RULE).min(1, COUNT_RULE).max(1e9, COUNT_RULE);

const SPEED_RULE = "must be a factor above 0 and up to 1000, such as 2x or 0.5x";
const speedSetting = z
  .string()
  .regex(/^\d+(?:\.\d+)?x?$/, SPEED_RULE)
  .transform((text) => Number.parseFloat(text))
  .refine((speed) => speed > 0 && speed <= 1_000, SPEED_RULE);

const isSendable = (method: string) => /^[A-Z-]{1,32}$/.test(method) && !/^(?:CONNECT|TRACE)$/.test(method);
const METHODS_RULE =
  "must be HTTP methods parted by commas, such as GET,POST (CONNECT and TRACE are not sent)";
const methodsSetting = z
  .string()
  .transform((list) => list.toUpperCase().split(","))
  .refine((methods) => methods.every(isSendable), METHODS_RULE);

const conditionSetting = z.string().superRefine((where, context) => {
  const problem = conditionProblem(where);
  if (problem !== undefined) context.addIssue(problem);
});

const replaySettings = (now: Date) =>
  z
    .object({
      ...kafkaSettings.shape,
      ...sqlSettings.shape,
      ...runSettings.shape,
      SIMULATOR_TARGET: targetSetting.default(DEFAULT_TARGET),
      REPLAY_LOG: z.string().optional(),
      REPLAY_FORMAT: z.enum(LOG_FORMATS, `must be ${LOG_FORMATS.join(" or ")}`).optional(),
      REPLAY_FROM: momentSetting(now).optional(),
      REPLAY_TO: momentSetting(now).optional(),
      REPLAY_WHERE: conditionSetting.optional(),
      REPLAY_RUN: z
        .string()
        .regex(/^[\w-]{1,64}$/, "must be the id of a run")
        .optional(),
      REPLAY_SPEED: speedSetting.prefault("1x"),
      REPLAY_METHODS: methodsSetting.prefault(SAFE_METHODS.join(",")),
      REPLAY_LIMIT: countSetting.optional(),
      REPLAY_LOOP: countSetting.default(1),
    })
    .refine((s) => !s.REPLAY_LOG || !s.REPLAY_FROM, forTheStore("REPLAY_FROM"))
    .refine((s) => !s.REPLAY_LOG || !s.REPLAY_TO, forTheStore("REPLAY_TO"))
    .refine((s) => !s.REPLAY_LOG || !s.REPLAY_WHERE, forTheStore("REPLAY_WHERE"))
    .refine((s) => !s.REPLAY_LOG || !s.REPLAY_RUN, forTheStore("REPLAY_RUN"))
    .refine((s) => s.REPLAY_LOG !== undefined || !s.REPLAY_FORMAT, {
      path: ["REPLAY_FORMAT"],
      error: "is for a log file, but none is given: name it, or leave the format out",
      when: () => true,
    })
    .refine(({ SIMULATOR_WORKERS }) => SIMULATOR_WORKERS === 1, {
      path: ["SIMULATOR_WORKERS"],
      error: "cannot share a recording: it is read on one thread; leave it out",
      when: () => true,
    })
    .refine(({ REPLAY_FROM: from, REPLAY_TO: to }) => !from || !to || from < to, {
      path: ["REPLAY_TO"],
      error: "must be later than --from",
    });

/** A conflict is named beside the values that are wrong by themselves. */
function forTheStore(key: string) {
  const error = "is for what is stored, but a log file is given: leave one of them out";
  return { path: [key], error, when: () => true };
}

type ReplaySettings = z.output<ReturnType<typeof replaySettings>>;

interface ReplayOptions extends RunOptions {
  ledger: boolean;
  target?: string;
  format?: string;
  from?: string;
  to?: string;
  where?: string;
  run?: string;
  speed?: string;
  methods?: string;
  limit?: string;
  loop?: string;
  dryRun?: boolean;
}

export function replayCommand(): Command {
  return withRunOptions(new Command("replay"))
    .description("Send requests again that were stored or logged, with the gaps they had")
    .argument("[log]", "an access log of nginx or Apache, plain or gzip (default: what is stored in SQL)")
    .option("--from <time>", "of the store, from this time on: now-1h, '2026-11-21 10:00' (UTC), ISO 8601")
    .option("--to <time>", "up to this time (default: now)")
    .option("--where <condition>", "only rows of api_logs for which this SQL condition holds")
    .option("--run <run>", "only requests of this run (--from and --to then default to its time)")
    .option("--format <format>", "of the log: combined or common (default: combined)")
    .option("--speed <factor>", "2x is twice as fast as it was (default: 1x)")
    .option("--methods <list>", `send these methods (default: ${SAFE_METHODS.join(",")})`)
    .option("--limit <n>", "stop after this many requests of the recording")
    .option("--loop <n>", "replay it this many times, one after the other (default: 1)")
    .option("--target <url>", "where the API is (default: http://127.0.0.1:8000)")
    .option("--no-ledger", "do not compare with what was stored in SQL")
    .option("--dry-run", "say what would be sent, how long it takes and what is left out; send nothing")
    .addHelpText(
      "after",
      `
Bodies are not recorded: POST, PUT and PATCH, where --methods allows them, are sent with the body {}.

Examples:
  rushhour replay --from now-1h --speed 2x
  rushhour replay --from '2026-11-21 10:00' --to '2026-11-21 10:15' --where "endpoint = '/orders'"
  rushhour replay access.log.gz --target http://127.0.0.1:3000 --dry-run`,
    )
    .action(async (log: string | undefined, options: ReplayOptions) => {
      const now = new Date();
      const settings = readSettings(replaySettings(now), process.env, replayFlags(log, options));
      const recording = await openRecording(settings, now);
      try {
        const plan = await surveyOf(recording, settings, options);
        const lines = surveyLines(`replay of ${recording.name} at ${settings.REPLAY_SPEED}x`, plan);
        if (options.dryRun) {
          console.log(lines.join("\n"));
        } else {
          console.error(lines.join("\n"));
          const requests = () => recording.trace(traceOptions(settings));
          await replayTrace(requests, settings, options, log);
        }
      } finally {
        await recording.close();
      }
    });
}

/** Reads the recording once, which for a million requests takes seconds, and says how far it is. */
async function surveyOf(
  recording: Recording,
  settings: ReplaySettings,
  options: ReplayOptions,
): Promise<Survey> {
  const screen = openScreen(process.stderr);
  const plan = await survey(
    (onLeftOut) => recording.trace({ ...traceOptions(settings), loop: 1, onLeftOut }),
    { speed: settings.REPLAY_SPEED, loop: settings.REPLAY_LOOP },
    (requests) =>
      options.quiet || screen.show([`${requests.toLocaleString("en")} requests read of ${recording.name}`]),
  ).finally(() => screen.clear());
  assertNotEmpty(plan, recording.name);
  return plan;
}

function replayFlags(log: string | undefined, options: ReplayOptions): Flags {
  return {
    ...runFlags(options),
    REPLAY_LOG: { flag: "LOG", value: log },
    ...flagsOf(options, {
      SIMULATOR_TARGET: "target",
      REPLAY_FORMAT: "format",
      REPLAY_FROM: "from",
      REPLAY_TO: "to",
      REPLAY_WHERE: "where",
      REPLAY_RUN: "run",
      REPLAY_SPEED: "speed",
      REPLAY_METHODS: "methods",
      REPLAY_LIMIT: "limit",
      REPLAY_LOOP: "loop",
    }),
  };
}

function traceOptions(settings: ReplaySettings): TraceOptions {
  return {
    speed: settings.REPLAY_SPEED,
    methods: settings.REPLAY_METHODS,
    limit: settings.REPLAY_LIMIT,
    loop: settings.REPLAY_LOOP,
  };
}

/** Where requests were recorded; it can be read as often as needed. */
interface Recording {
  readonly name: string; // for people
  trace(options: TraceOptions): AsyncIterable<TracedRequest>;
  close(): Promise<void>;
}

async function openRecording(settings: ReplaySettings, now: Date): Promise<Recording> {
  const { REPLAY_LOG: log, REPLAY_FORMAT: format = "combined" } = settings;
  if (log === undefined) return openStore(settings, now);
  return {
    name: log,
    trace: (options) => accessLogTrace(log, { ...options, format }),
    close: () => Promise.resolve(),
  };
}

async function openStore(settings: ReplaySettings, now: Date): Promise<Recording> {
  const { REPLAY_WHERE: where, REPLAY_RUN: run_id } = settings;
  const { from, to } = await periodOf(settings, now);
  const pipeline = await openPipeline(settings, createLogger("replay"));
  const query: Store["query"] = (sql, params) =>
    pipeline.query(sql, params).catch((error: unknown) => {
      throw queryError(error, where);
    });
  return {
    name: `api_logs from ${from.toISOString()} to ${to.toISOString()}`,
    trace: (options) => storeTrace(query, { ...options, from, to, where, run_id }),
    close: () => pipeline.close(),
  };
}

const CLOCK_SLACK_MS = 60_000; // between the simulator's clock and the server's

/** The period asked for; of a run without one, what its tally says. */
async function periodOf(settings: ReplaySettings, now: Date): Promise<{ from: Date; to: Date }> {
  const { REPLAY_FROM, REPLAY_TO = now, REPLAY_RUN, RUSHHOUR_HOME } = settings;
  if (REPLAY_FROM !== undefined) return { from: REPLAY_FROM, to: REPLAY_TO };
  if (REPLAY_RUN === undefined) {
    throw new RushhourError(
      "CONFIG_INVALID",
      "nothing says what to replay: give --from with a time such as now-1h, --run with the id of a run, or an access log",
    );
  }
  const { header, ended_at } = await readTally(tallyPathOf(REPLAY_RUN, RUSHHOUR_HOME));
  const ended = ended_at === undefined ? now : new Date(Date.parse(ended_at) + CLOCK_SLACK_MS);
  return {
    from: new Date(Date.parse(header.started_at) - CLOCK_SLACK_MS),
    to: settings.REPLAY_TO ?? ended,
  };
}

/** ER_STATEMENT_TIMEOUT of MariaDB, ER_QUERY_TIMEOUT of MySQL. */
const TIME_LIMIT_CODES = [1969, 3024];

/** What the database says about a condition it does not understand is a matter of configuration. */
function queryError(error: unknown, where: string | undefined): RushhourError {
  const isOfSyntax = String((error as { sqlState?: unknown }).sqlState).startsWith("42");
  if (where !== undefined && isOfSyntax) {
    return new RushhourError(
      "CONFIG_INVALID",
      `--where=${where} is not understood by the database: ${messageOf(error)}; it must be a condition on the columns of api_logs`,
      { cause: error },
    );
  }
  const isTooSlow = TIME_LIMIT_CODES.includes((error as { errno?: number }).errno ?? 0);
  const wayOut = isTooSlow
    ? "; a statement reads 5,000 rows at most, so leave what is slow out of --where, such as a query inside it"
    : "";
  return new RushhourError("QUERY_FAILED", `the database says: ${messageOf(error)}${wayOut}`, {
    cause: error,
  });
}

function assertNotEmpty(plan: Survey, name: string): void {
  if (plan.requests > 0) return;
  throw new RushhourError(
    "CONFIG_INVALID",
    [`there is nothing to replay in ${name}`, ...leftOutLines(plan)].join("\n"),
  );
}

/** Sends the requests to the target and reports how it did. */
async function replayTrace(
  requests: () => AsyncIterable<TracedRequest>,
  settings: ReplaySettings,
  options: ReplayOptions,
  log: string | undefined,
): Promise<void> {
  const scenario = {
    ...{ name: "replay", start_ms: 0, graceful_stop_ms: 0, journeys: [], tags: {} },
    executor: { kind: "trace", requests } as const,
  };
  await runLoad({
    plan: {
      ...{ name: "replay", target: settings.SIMULATOR_TARGET, seed: 0, tags: {}, starts_at: new Date() },
      ...{ scenarios: [scenario], incidents: [], thresholds: [] },
    },
    source: undefined,
    command: ["rushhour", "replay", ...replayArguments(log, options)],
    ...{ options, settings },
    pipeline: options.ledger ? settings : undefined,
  });
}

/** The words that make the same replay again. */
function replayArguments(log: string | undefined, options: ReplayOptions): string[] {
  const { format, from, to, where, run, speed, methods, limit, loop } = options;
  const target = options.target && redact(options.target);
  return [
    ...(log === undefined ? [] : [log]),
    ...flagWords({ format, from, to, where, run, speed, methods, limit, loop, target }),
    ...(options.ledger ? [] : ["--no-ledger"]),
  ];
}
