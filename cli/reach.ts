import { messageOf, RushhourError } from "../contract/errors.ts";
import { redact } from "../contract/config.ts";
import type { Logger } from "../contract/logger.ts";
import { connectAdmin, type KafkaAdmin } from "../kafka/admin.ts";
import { createKafka } from "../kafka/client.ts";

/**
 * Runs one command's work on Kafka.
 * @throws RushhourError SERVER_UNREACHABLE when no broker answers
 */
export async function withKafka<T>(
  brokers: readonly string[],
  logger: Logger,
  work: (admin: KafkaAdmin) => Promise<T>,
): Promise<T> {
  const admin = await connectAdmin(createKafka({ brokers, clientId: "rushhour-cli", logger })).catch(
    (error: unknown) => {
      throw new RushhourError(
        "SERVER_UNREACHABLE",
        `Kafka does not answer at ${brokers.join(", ")} (${messageOf(error)}): start it, or correct KAFKA_BROKERS`,
        { cause: error },
      );
    },
  );
  try {
    return await work(admin);
  } finally {
    await admin.close();
  }
}

const UNREACHABLE = new Set([
  "ECONNREFUSED",
  "ETIMEDOUT",
  "ENOTFOUND",
  "EHOSTUNREACH",
  "ECONNRESET",
  "EAI_AGAIN",
  "PROTOCOL_CONNECTION_LOST",
]);
const DENIED = new Set(["ER_ACCESS_DENIED_ERROR", "ER_DBACCESS_DENIED_ERROR"]);

/** Turns what mysql2 says into what a person can do. @param variable which setting named the server */
export function databaseError(error: unknown, url: string, variable: string): Error {
  const code = (error as { code?: unknown }).code;
  if (typeof code === "string" && UNREACHABLE.has(code)) {
    return new RushhourError(
      "SERVER_UNREACHABLE",
      `the database does not answer at ${redact(url)} (${code}): start it, or correct ${variable}`,
      { cause: error },
    );
  }
  if (typeof code === "string" && DENIED.has(code)) {
    return new RushhourError(
      "CONFIG_INVALID",
      `the database refuses the user of ${redact(url)} (${messageOf(error)}): correct ${variable}`,
      {
        cause: error,
      },
    );
  }
  return error instanceof Error ? error : new Error(String(error));
}
