import { hostname } from "node:os";
import { Command } from "commander";
import type { z } from "zod";
import { createApp } from "../api/app.ts";
import { openRedis } from "../api/redis.ts";
import { APP_LOG } from "../contract/app-log.ts";
import { apiSettings, readSettings, spoolRoot } from "../contract/config.ts";
import { EXIT } from "../contract/errors.ts";
import { listen } from "../contract/listen.ts";
import { createLogger } from "../contract/logger.ts";
import { isLoopback } from "../contract/loopback.ts";
import { createMetrics } from "../contract/metrics.ts";
import { createKafka } from "../kafka/client.ts";
import { probeKafka } from "../kafka/probe.ts";
import { openAuditTrail } from "../producer/audit-trail.ts";
import { createPublisher } from "../producer/publisher.ts";
import { openSpool } from "../producer/spool/open.ts";
import { shutdownSignal } from "./lifecycle.ts";
import { kafkaOf } from "./servers.ts";

/** For requests in flight, then for their records: together less than the 10 s a container has before SIGKILL. */
const DRAIN_MS = 4_500;
/** Clients use no connection that has been idle for longer: each answer says that it is kept for 5 s. */
const LAST_REQUEST_MS = 4_000;
const FLUSH_MS = 4_000;

interface Options {
  readonly host?: string;
  readonly port?: string;
  readonly reusePort?: boolean;
  readonly seed?: string;
  readonly model?: string;
  readonly simHeaders?: boolean;
  readonly service?: string;
  readonly spool?: string;
}

/** `rushhour api`: serves the mock shop until SIGTERM or SIGINT. */
export function apiCommand(): Command {
  return new Command("api")
    .description(
      "Serve the mock shop API: each answer becomes a record on info-logs, error-logs or debug-logs",
    )
    .option("--host <address>", "address to listen on (API_HOST, default 127.0.0.1)")
    .option("--port <port>", "port to listen on, 0 for a free one (API_PORT, default 8000)")
    .option(
      "--reuse-port",
      "share the port with other APIs that do so, to replace one without a gap (API_REUSE_PORT=on)",
    )
    .option(
      "--service <names>",
      "serve only some of users, products, orders, inventory, auth, parted by commas (API_SERVICE, default all)",
    )
    .option("--seed <n>", "seed of users, products, latency and errors (API_SEED, default 1)")
    .option("--model <name>", "realistic or off: latency and errors as in production (API_MODEL)")
    .option(
      "--sim-headers",
      "let a request ask for its own delay and error: x-sim-delay, x-sim-error, x-sim-error-percentage (API_SIM_HEADERS=on)",
    )
    .option(
      "--spool <mode>",
      "what goes to disk: off, spill (default: what Kafka does not take), always (each record before its response ends) (RUSHHOUR_SPOOL)",
    )
    .addHelpText(
      "after",
      `
Faults are started and ended at /__admin/faults (docs/faults.md), with API_ADMIN_TOKEN as bearer token when it is set;
without one only from this machine, and only while --host is a loopback address. Logs of other programs are taken at
/ingest/logs, /v1/logs and /v1/traces (docs/ingest.md), with API_INGEST_TOKEN in the same way. Sessions, cache and
services: docs/shop.md.

Examples:
  rushhour api                            the shop at http://127.0.0.1:8000, its docs at /docs
  rushhour api --port 0 --model off       a free port, no latency, no errors of its own
  KAFKA_BROKERS=kafka:9092 rushhour api --host 0.0.0.0 --seed 7
  rushhour api --service orders,auth --port 8001      a part of the shop as a process of its own
  REDIS_URL=redis://127.0.0.1:6379 rushhour api       sessions, cache and stock shared with other APIs
  rushhour api --reuse-port               a second one on the same port; once it is ready, end the first (docs/operations.md)`,
    )
    .action(serveApi);
}

async function serveApi(options: Options): Promise<void> {
  const settings = readSettings(apiSettings, process.env, {
    API_HOST: { flag: "--host", value: options.host },
    API_PORT: { flag: "--port", value: options.port },
    API_REUSE_PORT: { flag: "--reuse-port", value: options.reusePort ? "on" : undefined },
    API_SERVICE: { flag: "--service", value: options.service },
    API_SEED: { flag: "--seed", value: options.seed },
    API_MODEL: { flag: "--model", value: options.model },
    API_SIM_HEADERS: { flag: "--sim-headers", value: options.simHeaders ? "on" : undefined },
    RUSHHOUR_SPOOL: { flag: "--spool", value: options.spool },
  });
  const log = createLogger("api");
  const metrics = createMetrics();
  const who = { service: "api", instance: settings.RUSHHOUR_INSTANCE ?? hostname() };
  const publisher = createPublisher({
    ...{ ...who, ...kafkaOf(settings), logger: log, metrics },
    bufferRecords: settings.API_BUFFER_RECORDS,
    spool: await openSpoolOf(settings, who),
  });
  // The publisher notices an outage when it has something to send, and a frozen Kafka later than that.
  const probe = probeKafka(
    createKafka({ ...kafkaOf(settings), clientId: "rushhour-api-probe", logger: log }),
    log,
  );
  const redis = settings.REDIS_URL === undefined ? undefined : await openRedis(settings.REDIS_URL, log);
  const readiness = () => {
    const publishing = publisher.readiness();
    return {
      kafka: publishing.ready ? probe.state() : publishing,
      ...(redis && { redis: redis.state() }),
    };
  };
  const trail = openAuditTrail(kafkaOf(settings), log);
  const { publish, publishOf } = publisher;
  const app = createApp({
    ...{ publish, publishLog: publishOf(APP_LOG), sink: publisher, audit: trail.audit },
    ...{ metrics, settings, readiness, redis },
  });
  try {
    const server = await listen(app, {
      ...{ service: "api", host: settings.API_HOST, port: settings.API_PORT, metrics },
      reusePort: settings.API_REUSE_PORT === "on",
      wayOut: "choose another with --port or API_PORT (0 takes a free one)",
    });
    const { API_MODEL: model, API_SEED: seed, API_SERVICE: services } = settings;
    log.info({ url: server.url, services, model, seed }, "listening");
    if (!isLoopback(settings.API_HOST)) log.warn({ host: settings.API_HOST }, OPEN_TO_ALL);

    const signal = await shutdownSignal(EXIT.failure);
    log.info({ signal }, "finishing the requests in flight");
    await server.close(DRAIN_MS, LAST_REQUEST_MS);
  } finally {
    probe.close();
    redis?.close();
    await Promise.all([trail.close(FLUSH_MS), publisher.close(FLUSH_MS)]); // last: the requests in flight leave their records too
  }
  process.exit(EXIT.ok); // a client may still try to reach a Kafka that is away
}

async function openSpoolOf(
  settings: z.output<typeof apiSettings>,
  who: { service: string; instance: string },
) {
  const { RUSHHOUR_SPOOL: mode, RUSHHOUR_SPOOL_MAX: capBytes, RUSHHOUR_SPOOL_FSYNC: fsync } = settings;
  if (mode === "off") return undefined;
  return openSpool({ ...who, root: spoolRoot(settings), mode, capBytes, fsync });
}

const OPEN_TO_ALL = "the shop asks nobody to sign in: whoever reaches this address can use it";
