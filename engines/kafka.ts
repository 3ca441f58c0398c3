import { randomBytes } from "node:crypto";
import { existsSync, mkdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { EngineError } from "./errors.ts";
import { kafkaServes, untilServes } from "./ports.ts";
import { javaCommand } from "./prerequisites.ts";
import { run } from "./run.ts";
import type { ProcessSpec } from "./supervisor.ts";

export interface KafkaOptions {
  readonly home: string;
  /** Of the installed engine: `lib/` with its jars. */
  readonly folder: string;
  readonly port: number;
  readonly controllerPort: number;
  /** Where clients are sent: its own port unless set, another one for a proxy that stands before it. */
  readonly advertisedPort?: number | undefined;
  /** Which of several nodes it is; it is the only one unless set. */
  readonly member?: KafkaMember;
}

/** One node of a cluster whose nodes are numbered from 1, all of them broker and controller. */
export interface KafkaMember {
  readonly nodeId: number;
  /** The cluster's, the same for all: see {@link newClusterId}. */
  readonly clusterId: string;
  /** Of node 1, 2, … */
  readonly controllerPorts: readonly number[];
  /** Largest heap of this node in MB. */
  readonly heapMb: number;
}

/** Enough for a laptop's traffic. */
const HEAP_MB = 512;
/** The quick compiler alone halves the start. */
const JVM = ["-Xms128m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-XX:-UsePerfData"];
/** Its own start takes 2 s; after a kill it reads its segments again. */
const READY_WITHIN_MS = 60_000;

/**
 * One Kafka node, broker and controller at once (KRaft), ready to be supervised. Formats `<home>/kafka/data` when it
 * is new; the cluster's id stays with the data. Each node of a cluster needs a home of its own.
 */
export async function prepareKafka(options: KafkaOptions): Promise<ProcessSpec> {
  const { home, port } = options;
  const folder = join(home, "kafka");
  const data = join(folder, "data");
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, "log4j2.properties"), LOG4J);
  if (!existsSync(join(data, "meta.properties"))) await format(options, folder, data);
  const config = join(folder, "server.properties");
  writeFileSync(config, serverProperties(options, data));
  return {
    name: "kafka",
    command: javaCommand(),
    args: [...javaArgs(options, folder), "kafka.Kafka", config],
    cwd: folder,
    logFile: join(home, "logs", "kafka.log"),
    ready: (signal) => untilServes("Kafka", () => kafkaServes("127.0.0.1", port), signal, READY_WITHIN_MS),
    graceMs: 15_000,
    home,
  };
}

/** Formats beside the place and renames, so that a killed process leaves no half. */
async function format(options: KafkaOptions, folder: string, data: string): Promise<void> {
  const draft = join(folder, "data.new");
  const config = join(folder, "format.properties");
  rmSync(draft, { recursive: true, force: true });
  rmSync(data, { recursive: true, force: true }); // without meta.properties it is nothing Kafka would open
  writeFileSync(config, serverProperties(options, draft));
  const { exitCode, lines } = await run(javaCommand(), [
    ...javaArgs(options, folder),
    ...["kafka.tools.StorageTool", "format", "--cluster-id", options.member?.clusterId ?? newClusterId()],
    ...["--config", config],
  ]);
  if (exitCode !== 0) {
    throw new EngineError(
      "ENGINE_FAILED",
      `Kafka could not format ${draft}:\n${lines.slice(-12).join("\n")}`,
    );
  }
  renameSync(draft, data);
  rmSync(config);
}

/** 16 random bytes as Kafka writes them; a leading "-" would be read as an option. */
export function newClusterId(): string {
  return randomBytes(16).toString("base64url").replace(/^-/, "A");
}

function javaArgs(options: KafkaOptions, folder: string): string[] {
  const log4j = `-Dlog4j2.configurationFile=${join(folder, "log4j2.properties")}`;
  const heap = `-Xmx${options.member?.heapMb ?? HEAP_MB}m`;
  return [...JVM, heap, log4j, "-cp", join(options.folder, "lib", "*")];
}

/** @see https://kafka.apache.org/documentation/#configuration */
export function serverProperties(options: Omit<KafkaOptions, "home" | "folder">, data: string): string {
  const { nodeId, controllerPorts } = options.member ?? {
    nodeId: 1,
    controllerPorts: [options.controllerPort],
  };
  const broker = `127.0.0.1:${options.port}`;
  const controller = `127.0.0.1:${options.controllerPort}`;
  const replication = Math.min(3, controllerPorts.length);
  const minInSync = replication >= 3 ? 2 : 1;
  return properties({
    "process.roles": "broker,controller",
    "node.id": nodeId,
    "controller.quorum.voters": controllerPorts.map((port, i) => `${i + 1}@127.0.0.1:${port}`).join(","),
    listeners: `PLAINTEXT://${broker},CONTROLLER://${controller}`,
    "advertised.listeners": `PLAINTEXT://127.0.0.1:${options.advertisedPort ?? options.port}`,
    "controller.listener.names": "CONTROLLER",
    "inter.broker.listener.name": "PLAINTEXT",
    "log.dirs": data,
    "num.partitions": 6,
    "auto.create.topics.enable": false, // a misspelt topic is an error, not a new topic
    "offsets.topic.replication.factor": replication,
    "offsets.topic.num.partitions": 10, // 50 by default: as many files to open at each start
    "transaction.state.log.replication.factor": replication,
    "transaction.state.log.num.partitions": 10,
    "transaction.state.log.min.isr": minInSync,
    "share.coordinator.state.topic.replication.factor": replication,
    "share.coordinator.state.topic.min.isr": minInSync,
    // A killed broker is let back in once its old session has ended: 9 s by default.
    "broker.session.timeout.ms": 3000,
    "broker.heartbeat.interval.ms": 500,
    "group.initial.rebalance.delay.ms": 0, // the first consumer need not wait for others
  });
}

/** Java's properties format, in which a backslash escapes. */
function properties(values: Readonly<Record<string, string | number | boolean>>): string {
  return Object.entries(values)
    .map(([key, value]) => `${key}=${String(value).replaceAll("\\", "\\\\")}\n`)
    .join("");
}

const LOG4J = properties({
  status: "error",
  "appender.console.type": "Console",
  "appender.console.name": "console",
  "appender.console.layout.type": "PatternLayout",
  "appender.console.layout.pattern": "%d{yyyy-MM-dd'T'HH:mm:ss.SSS'Z'}{UTC} %p %c{1} %m%n",
  "rootLogger.level": "warn",
  "rootLogger.appenderRef.console.ref": "console",
});
