import "./kafkajs-speedups.ts"; // before kafkajs
import "./kafkajs-mends.ts"; // behind the speedups, which replace what this loads
import { Kafka as KafkaClient, logLevel, type SASLOptions } from "kafkajs";
import type { Logger } from "../contract/logger.ts";
import { registerCodecs } from "./codecs.ts";
import { watchedSocket } from "./sockets.ts";

/** Where Kafka is and how it is spoken to: in plain text and as nobody, unless it is said otherwise. */
export interface KafkaServers {
  readonly brokers: readonly string[]; // host:port
  /** Encrypted; each broker's certificate and name are checked, always. */
  readonly tls?: KafkaTls | undefined;
  readonly sasl?: KafkaUser | undefined;
}

/** All in PEM. */
export interface KafkaTls {
  readonly ca?: string | undefined; // who signs the brokers' certificates; default: those that Node knows
  readonly cert?: string | undefined; // for brokers that ask for a certificate too
  readonly key?: string | undefined;
}

export interface KafkaUser {
  readonly mechanism: "plain" | "scram-sha-256" | "scram-sha-512";
  readonly username: string;
  readonly password: string;
}

/** The client, its name, and what it speaks to: a refusal is to name it (refusal.ts). */
export type Kafka = KafkaClient & { readonly clientId: string; readonly servers: KafkaServers };

export interface KafkaOptions extends KafkaServers {
  readonly clientId: string;
  readonly logger: Logger;
}

/** How soon running publishers and consumers see new partitions and leaders; kafkajs itself looks every 5 minutes. */
export const METADATA_MAX_AGE_MS = 5_000;

/**
 * The client everything else here builds on. Its own retries are short (about 1 s): whoever calls it owns the waiting, so
 * that an outage is seen, said and left in one place.
 */
export function createKafka({ brokers, tls, sasl, clientId, logger }: KafkaOptions): Kafka {
  silenceTimeoutNegativeWarning();
  registerCodecs();
  const client = new KafkaClient({
    brokers: [...brokers],
    clientId,
    ...(tls && { ssl: { ...tls, rejectUnauthorized: true } }),
    ...(sasl && { sasl: { ...sasl } as SASLOptions }),
    socketFactory: watchedSocket,
    connectionTimeout: 2_000,
    requestTimeout: 10_000,
    retry: { initialRetryTime: 100, maxRetryTime: 1_000, retries: 3 },
    logLevel: logLevel.WARN,
    logCreator:
      () =>
      ({ namespace, level, log }) => {
        const { message, error } = log as { message: string; error?: string };
        // What kafkajs calls an error is one attempt that failed; the caller decides what is lost.
        logger[level === logLevel.ERROR || level === logLevel.WARN ? "debug" : "trace"](
          { kafkajs: namespace, error },
          message,
        );
      },
  });
  return Object.assign(client, { clientId, servers: { brokers, tls, sasl } });
}

/**
 * Node 24 warns of each negative timeout, and kafkajs 2.2.4 sets one per connection: `throttledUntil (-1) - Date.now()`.
 * Node then waits 1 ms, which does no harm. Only this warning is silenced.
 * @see https://github.com/tulios/kafkajs/issues/1751
 */
function silenceTimeoutNegativeWarning(): void {
  if (silenced) return;
  silenced = true;
  const emitWarning = process.emitWarning.bind(process) as (...args: unknown[]) => void;
  process.emitWarning = (...args: unknown[]) => {
    const fromKafkaJs = args[1] === "TimeoutNegativeWarning" && (new Error().stack ?? "").includes("kafkajs");
    if (!fromKafkaJs) emitWarning(...args);
  };
}

let silenced = false;
