import { randomBytes } from "node:crypto";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { Command } from "commander";
import pc from "picocolors";
import { z } from "zod";
import { apiSettings, consumerSettings, readSettings, SHOP_SERVICES } from "../contract/config.ts";
import { EXIT, messageOf, RushhourError } from "../contract/errors.ts";
import { createLogger } from "../contract/logger.ts";
import { allTopics } from "../contract/topics.ts";
import { attachEngines, startEngines } from "../engines/engines.ts";
import { endOrphans } from "../engines/pids.ts";
import { freePorts, isPortFree } from "../engines/ports.ts";
import { supervise, type ProcessSpec, type SupervisedProcess } from "../engines/supervisor.ts";
import type { Run } from "../simulator/engine/run.ts";
import { plannedDuration } from "../simulator/plan/curve.ts";
import type { PlanSource } from "../simulator/plan/load-plan.ts";
import type { LoadPlan } from "../simulator/plan/plan.ts";
import { openOutput } from "../simulator/report/outputs.ts";
import { requestLogger } from "../simulator/report/status-line.ts";
import {
  assertFeasible,
  conduct,
  exportSummary,
  judge,
  printerFor,
  report,
  type ConductedRun,
} from "./conduct.ts";
import { controlRun, KEY_HELP } from "./controls.ts";
import { onShutdownSignal } from "./lifecycle.ts";
import { migrateDatabase } from "./migrate.ts";
import { openPipeline, type Pipeline } from "./pipeline.ts";
import { withKafka } from "./reach.ts";
import { drainSpools } from "./spool.ts";
import { openScreen, type Screen } from "./screen.ts";
import { kafkaOf, ownerUrlOf, userUrlOf } from "./servers.ts";
import {
  flagsOf,
  loadFlags,
  loadSettings,
  planSourceOf,
  repeatArguments,
  shellWord,
  withLoadOptions,
  type LoadOptions,
} from "./load-options.ts";
import {
  controlSettings,
  planFor,
  runFlags,
  runSettings,
  unblockingStderr,
  withRunOptions,
  type RunOptions,
} from "./simulate.ts";
import { openSimulations, type Simulations } from "./simulations.ts";
import { upStatus } from "./up-status.ts";
import { verify } from "./verify.ts";

const upSettings = z.object({
  ...apiSettings.shape,
  ...consumerSettings.shape,
  ...loadSettings.shape,
  ...runSettings.shape,
});
type Settings = z.output<typeof upSettings>;

interface UpOptions extends LoadOptions, RunOptions {
  readonly port?: string;
  readonly consumerPort?: string;
}

export function upCommand(): Command {
  return withRunOptions(withLoadOptions(new Command("up")))
    .description("Start everything: engines, API, consumer, the default workload; end with the ledger")
    .option("--port <port>", "port of the API (API_PORT, default 8000)")
    .option(
      "--consumer-port <port>",
      "port of the consumer's health and metrics (CONSUMER_PORT, default 8082)",
    )
    .addHelpText(
      "after",
      `
Without KAFKA_BROKERS a private Kafka, without MYSQL_URL a private MariaDB is started on a free
loopback port, with its data under .rushhour/. Ctrl-C drains everything and prints the ledger.

Examples:
  rushhour up
  rushhour up -d 20s --rate 200/s --summary-export out.json
  rushhour up examples/scenarios/incidents.yaml
  KAFKA_BROKERS=127.0.0.1:9092 MYSQL_URL=mysql://root@127.0.0.1:3306 rushhour up`,
    )
    .action(up);
}

async function up(file: string | undefined, options: UpOptions): Promise<void> {
  const asked = readSettings(upSettings, process.env, {
    ...loadFlags(options),
    ...runFlags(options),
    ...flagsOf(options, { API_PORT: "port", CONSUMER_PORT: "consumerPort" }),
  });
  if (asked.SIMULATOR_TARGET !== undefined) {
    const message = `--target=${asked.SIMULATOR_TARGET} is for simulate: up sends its load to the API it starts`;
    throw new RushhourError("CONFIG_INVALID", message);
  }
  if (asked.API_SERVICE.length < SHOP_SERVICES.length) {
    const message = `API_SERVICE=${asked.API_SERVICE.join(",")} is for rushhour api: up starts the whole shop, to which its load goes`;
    throw new RushhourError("CONFIG_INVALID", message);
  }
  const source = planSourceOf(file, options, asked);
  const planned = await planFor(source, options);
  const print = printerFor(options.out);
  if (options.summaryExport !== undefined) exportSummary(options.summaryExport, "");
  await endOrphans(asked.RUSHHOUR_HOME); // they may hold the ports
  const settings = await withFreePorts(asked);
  const target = `http://127.0.0.1:${settings.API_PORT}`;
  const load: Load = {
    plan: { ...planned, target },
    source: { ...source, target },
    options,
    commandFor: (elapsedMs) =>
      ["npm", "start", "--", ...repeatArguments(source, planned, elapsedMs)].map(shellWord).join(" "),
  };

  const screen = openScreen(process.stderr);
  const stop = stopRequests(screen);
  await using started = new AsyncDisposableStack(); // closes in the reverse order, whatever happens
  started.defer(() => screen.clear());

  const servers = await startServers(settings, screen, stop, started);
  stop.signal.throwIfAborted();
  const roles = await startRoles(servers, screen, stop, started);
  stop.signal.throwIfAborted();
  const pipeline = await openPipeline(servers, createLogger("up"));
  started.defer(() => pipeline.close());
  const simulations = openSimulations(servers, createLogger("up"));
  started.defer(() => simulations.close());

  const processes = [...servers.processes, ...roles.all];
  const conducted = await conductOn(load, servers, processes, pipeline, simulations, stop, screen);
  screen.say(pc.dim("draining: the API answers what is in flight and flushes its records"));
  await roles.api.stop();
  await drainSpools(servers, AbortSignal.timeout(DRAIN_SPOOLS_MS)); // of an API that was killed at the end
  screen.say(pc.dim("verifying: each answered request against SQL"));
  const { result } = conducted;
  const waitMs = stop.failure && 5_000; // what has died stores nothing more
  const verified = await verify(result.run_id, servers, waitMs).catch((error: unknown) => {
    stop.fail(error instanceof Error ? error : new Error(messageOf(error)));
    return null; // what can be reported still is
  });
  const isEndless = plannedDuration(planned) === undefined; // a Ctrl-C is its proper end
  const record = await judge(
    { ...conducted, result: { ...result, stopped: result.stopped && !isEndless } },
    {
      command: load.commandFor(result.elapsed_ms),
      pipeline: verified,
      query: (sql, values) => pipeline.query(sql, values),
    },
  );
  if (!stop.failure && (await simulations.publishRun(record))) await untilStored(record.run_id, pipeline);
  screen.clear();
  report(record, {
    home: settings.RUSHHOUR_HOME,
    print,
    summaryMode: settings.SIMULATOR_SUMMARY_MODE,
    summaryExport: options.summaryExport,
    ledgerLines: verified?.lines ?? [],
  });
  if (settings.SIMULATOR_SUMMARY_MODE !== "disabled") print(NEXT);
  if (stop.failure) throw stop.failure;
}

/** What shall be sent, and the words that ask for it again. */
interface Load {
  readonly plan: LoadPlan;
  readonly source: PlanSource;
  readonly options: UpOptions;
  readonly commandFor: (elapsedMs?: number) => string;
}

const DRAIN_SPOOLS_MS = 30_000;
const STORED_DEADLINE_MS = 10_000;

/** The consumer ends only after the run's record is stored. */
async function untilStored(runId: string, pipeline: Pipeline): Promise<void> {
  const deadlineMs = performance.now() + STORED_DEADLINE_MS;
  const sql = "SELECT 1 FROM runs WHERE run_id = ? AND state = 'finished'";
  while (performance.now() < deadlineMs) {
    if ((await pipeline.query(sql, [runId])).length > 0) return;
    await wait(50);
  }
}

const NEXT = `next:  eval "$(npx rushhour engines start)"
       npx rushhour sql "SELECT * FROM api_logs ORDER BY timestamp DESC LIMIT 5"`;

/** Asked to stop by a signal, or by a process that cannot be kept alive; a second signal ends at once. */
interface StopRequests {
  readonly signal: AbortSignal;
  readonly failure: Error | undefined;
  fail(cause: Error): void;
}

function stopRequests(screen: Screen): StopRequests {
  const controller = new AbortController();
  let failure: Error | undefined;
  onShutdownSignal((_signal, forceful) => {
    if (forceful) process.exit(EXIT.stoppedBySignal); // the next start ends what is left
    controller.abort(new RushhourError("STOPPED", "stopped before the load began"));
  });
  return {
    signal: controller.signal,
    get failure() {
      return failure;
    },
    fail(cause) {
      if (!failure) screen.say(pc.red(`stopping: ${cause.message}`));
      failure ??= cause;
      controller.abort(cause);
    },
  };
}

interface Servers extends Settings {
  readonly processes: readonly SupervisedProcess[];
}

/** Servers that are given, or engines that run, or engines started now; with tables, users and topics. */
async function startServers(
  settings: Settings,
  screen: Screen,
  stop: StopRequests,
  started: AsyncDisposableStack,
): Promise<Servers> {
  const attached = attachEngines(settings.RUSHHOUR_HOME);
  const engines = await startEngines({
    home: settings.RUSHHOUR_HOME,
    kafka: settings.KAFKA_BROKERS === undefined && attached.kafkaBrokers === undefined,
    mariadb: settings.MYSQL_URL === undefined && attached.mysqlUrl === undefined,
    signal: stop.signal,
    onProgress: (text) => screen.show([text]),
    onGiveUp: (cause) => stop.fail(cause),
  });
  started.defer(() => engines.stop());
  const servers = {
    ...settings,
    KAFKA_BROKERS: settings.KAFKA_BROKERS ?? (engines.kafkaBrokers ?? attached.kafkaBrokers)!.split(","),
    MYSQL_URL: settings.MYSQL_URL ?? (engines.mysqlUrl ?? attached.mysqlUrl)!,
    processes: engines.processes,
  };
  screen.show(["creating topics, tables and users"]);
  await withKafka(kafkaOf(servers), createLogger("up"), (admin) =>
    admin.createTopics(allTopics(settings.KAFKA_PARTITIONS, settings.KAFKA_REPLICATION)),
  );
  await migrateDatabase(ownerUrlOf(servers), servers);
  return servers;
}

const DATABASE_URLS = ["MYSQL_URL", "MYSQL_WRITER_URL", "MYSQL_READER_URL"];
const WITHOUT_DATABASE = Object.fromEntries(
  DATABASE_URLS.flatMap((name) => [name, `${name}_FILE`]).map((name) => [name, undefined]),
);

/** API and consumer as processes of their own; each gets the least it needs. */
async function startRoles(
  servers: Servers,
  screen: Screen,
  stop: StopRequests,
  started: AsyncDisposableStack,
) {
  screen.show(["starting the API and the consumer"]);
  const events = { onGiveUp: (cause: Error) => stop.fail(cause) };
  const kafka = { KAFKA_BROKERS: servers.KAFKA_BROKERS!.join(",") };
  const env = { ...process.env, ...WITHOUT_DATABASE };
  const consumer = supervise(
    roleSpec("consumer", servers, servers.CONSUMER_PORT, {
      ...{ ...env, ...kafka, CONSUMER_PORT: String(servers.CONSUMER_PORT) },
      MYSQL_WRITER_URL: userUrlOf("writer", servers),
    }),
    events,
  );
  started.defer(() => consumer.stop());
  const api = supervise(
    roleSpec("api", servers, servers.API_PORT, {
      ...{ ...env, ...kafka, API_PORT: String(servers.API_PORT), API_SEED: String(servers.API_SEED) },
      API_SESSION_KEY: servers.API_SESSION_KEY ?? randomBytes(16).toString("hex"), // an API that is started again knows its sessions
    }),
    events,
  );
  started.defer(() => api.stop());
  await Promise.all([consumer.start(), api.start()]);
  return { api, all: [api, consumer] };
}

function roleSpec(
  name: string,
  { RUSHHOUR_HOME: home }: Servers,
  port: number,
  env: NodeJS.ProcessEnv,
): ProcessSpec {
  return {
    ...{ name, env, home },
    command: process.execPath,
    args: [process.argv[1]!, name],
    logFile: join(home, "logs", `${name}.log`),
    ready: (signal) => untilReady(`http://127.0.0.1:${port}/health/ready`, signal),
    graceMs: 15_000,
  };
}

const START_DEADLINE_MS = 30_000;

async function untilReady(url: string, signal: AbortSignal): Promise<void> {
  const deadlineMs = performance.now() + START_DEADLINE_MS;
  for (;;) {
    signal.throwIfAborted();
    const answer = await fetch(url, { signal }).catch(() => undefined);
    if (answer?.ok) return;
    const reason = await answer?.text().catch(() => undefined);
    if (performance.now() > deadlineMs)
      throw new Error(`${url} is not ready after 30 s: ${reason ?? "no answer"}`);
    await wait(50, undefined, { signal });
  }
}

/** Sends the load until its end, a signal or a failure, with the status on the screen. */
async function conductOn(
  { plan, source, options, commandFor }: Load,
  settings: Settings,
  processes: readonly SupervisedProcess[],
  pipeline: Pipeline,
  simulations: Simulations,
  stop: StopRequests,
  screen: Screen,
): Promise<ConductedRun> {
  const links = [
    `  API ${plan.target}/docs`,
    `  consumer http://127.0.0.1:${settings.CONSUMER_PORT}/metrics   logs ${join(settings.RUSHHOUR_HOME, "logs")}`,
    pc.dim(`  in another terminal: npx rushhour sql "SELECT * FROM api_logs LIMIT 5"`),
    pc.dim(`  keys: ${KEY_HELP}`),
    pc.dim("  Ctrl-C drains everything and prints the ledger"),
  ];
  const { API_ADMIN_TOKEN: adminToken, SIMULATOR_WORKERS: workers, RUSHHOUR_HOME: home } = settings;
  await assertFeasible(plan, { simulations, adminToken });
  const before = await pipeline.state();
  screen.say(`serving at ${pc.bold(plan.target)}, seed ${plan.seed}`);
  const requests = options.logRequests ? requestLogger(unblockingStderr()) : undefined;
  const shown = options.quiet || requests !== undefined ? undefined : screen;
  return conduct(plan, {
    ...{ home, source, workers, adminToken, simulations },
    command: commandFor(),
    outputs: (options.out ?? []).map(openOutput),
    logRequests: requests?.log,
    async onRun(run, incidents) {
      stop.signal.addEventListener("abort", () => run.stop());
      if (stop.signal.aborted) run.stop();
      const leaveControl = await controlRun(plan, run, incidents, {
        ...controlSettings(settings),
        audit: simulations.audit,
        say: (line) => screen.say(line),
      });
      const hide = shown && keepShowing(run, pipeline, before.stored, processes, links, shown);
      return async () => {
        hide?.();
        requests?.close();
        await leaveControl();
      };
    },
  });
}

/** Draws the status twice a second until the returned function is called; asks the pipeline once a second. */
function keepShowing(
  run: Run,
  pipeline: Pipeline,
  storedBefore: number,
  processes: readonly SupervisedProcess[],
  links: readonly string[],
  screen: Screen,
): () => void {
  let state: Awaited<ReturnType<Pipeline["state"]>> | string | undefined;
  let asking = false;
  const ask = () => {
    if (asking) return;
    asking = true;
    void pipeline
      .state()
      .then(
        (known) => (state = known),
        (error: unknown) => (state = messageOf(error)),
      )
      .finally(() => (asking = false));
  };
  const draw = () =>
    screen.show(upStatus({ progress: run.progress(), pipeline: state, storedBefore, processes }), links);
  const timers = [setInterval(ask, 1_000), setInterval(draw, 500)];
  return () => {
    for (const timer of timers) clearInterval(timer);
    screen.clear();
  };
}

/** The settings with ports that are free now; 0 takes any. @throws RushhourError PORT_IN_USE naming every port that is taken */
async function withFreePorts(settings: Settings): Promise<Settings> {
  const { API_PORT, CONSUMER_PORT } = settings;
  const asked = [
    { port: API_PORT, what: "API", wayOut: "--port or API_PORT" },
    { port: CONSUMER_PORT, what: "consumer", wayOut: "--consumer-port or CONSUMER_PORT" },
  ];
  const problems: string[] = [];
  for (const { port, what, wayOut } of asked) {
    if (port === 0 || (await isPortFree(port))) continue;
    problems.push(
      `port ${port} for the ${what} is taken: stop what listens there, or choose another with ${wayOut} (0 takes a free one)`,
    );
  }
  if (problems.length > 0) throw new RushhourError("PORT_IN_USE", problems.join("\n"));
  const [api, consumer] = await freePorts([API_PORT || undefined, CONSUMER_PORT || undefined]);
  return { ...settings, API_PORT: api!, CONSUMER_PORT: consumer! };
}
