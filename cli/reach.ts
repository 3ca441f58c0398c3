import { messageOf, RushhourError } from "../contract/errors.ts";
import { redact } from "../contract/config.ts";
import type { Logger } from "../contract/logger.ts";
import { databaseCertificateProblem } from "../contract/tls.ts";
import { tlsOf } from "../init_db/database.ts";
import { connectAdmin, type KafkaAdmin } from "../kafka/admin.ts";
import { createKafka, type KafkaServers } from "../kafka/client.ts";
import { clearly } from "../kafka/refusal.ts";

/**
 * Runs one command's work on Kafka.
 * @throws RushhourError SERVER_UNREACHABLE when no broker answers, CONFIG_INVALID when it refuses us or is not to be trusted
 */
export async function withKafka<T>(
  servers: KafkaServers,
  logger: Logger,
  work: (admin: KafkaAdmin) => Promise<T>,
): Promise<T> {
  let admin: KafkaAdmin | undefined;
  try {
    admin = await connectAdmin(createKafka({ ...servers, clientId: "rushhour-cli", logger }));
    return await work(admin);
  } catch (error) {
    throw admin === undefined || isConnectionLost(error) ? kafkaError(error, servers) : error;
  } finally {
    await admin?.close();
  }
}

/** Some refusals come late: a broker that wants a user ends the connection at the first question. */
const isConnectionLost = (error: unknown) =>
  error instanceof Error && error.name.startsWith("KafkaJSConnection");

function kafkaError(error: unknown, servers: KafkaServers): unknown {
  const refusal = clearly(error, servers);
  if (refusal instanceof RushhourError) return refusal;
  const reason = messageOf(error);
  const wayOut =
    reason === "Closed connection"
      ? "it may want TLS or a user (KAFKA_TLS, KAFKA_SASL_MECHANISM); otherwise start it, or correct KAFKA_BROKERS"
      : "start it, or correct KAFKA_BROKERS";
  return new RushhourError(
    "SERVER_UNREACHABLE",
    `Kafka does not answer at ${servers.brokers.join(", ")} (${reason}): ${wayOut}`,
    { cause: error },
  );
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
const NO_TLS = "HANDSHAKE_NO_SSL_SUPPORT";
const TLS_DEMANDED = "ER_SECURE_TRANSPORT_REQUIRED";
const DENIED = new Set(["ER_ACCESS_DENIED_ERROR", "ER_DBACCESS_DENIED_ERROR"]);

/** Turns what mysql2 says into what a person can do. @param variable which setting named the server */
export function databaseError(error: unknown, url: string, variable: string): Error {
  const code = (error as { code?: unknown }).code;
  const tls = tlsOf(url);
  const problem =
    code === NO_TLS
      ? "it does not speak TLS: leave MYSQL_TLS out, or have it given a certificate"
      : code === TLS_DEMANDED
        ? "it wants TLS: set MYSQL_TLS=on"
        : tls && databaseCertificateProblem(error, tls.ca !== undefined);
  if (problem !== undefined)
    return new RushhourError(
      "CONFIG_INVALID",
      `the database at ${redact(url)} is not connected to: ${problem}`,
      {
        cause: error,
      },
    );
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
