import "./kafkajs-speedups.ts"; // before kafkajs
import { Kafka, logLevel } from "kafkajs";
import type { Logger } from "../contract/logger.ts";
import { registerCodecs } from "./codecs.ts";

export type { Kafka };

export interface KafkaOptions {
  readonly brokers: readonly string[]; // host:port
  readonly clientId: string;
  readonly logger: Logger;
}

/** How soon running publishers and consumers see new partitions and leaders; kafkajs itself looks every 5 minutes. */
export const METADATA_MAX_AGE_MS = 5_000;

/**
 * The client everything else here builds on. Its own retries are short (about 1 s): whoever calls it owns the waiting, so
 * that an outage is seen, said and left in one place.
 */
export function createKafka({ brokers, clientId, logger }: KafkaOptions): Kafka {
  silenceTimeoutNegativeWarning();
  registerCodecs();
  return new Kafka({
    brokers: [...brokers],
    clientId,
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
