import { RushhourError } from "../contract/errors.ts";
import { certificateProblem } from "../contract/tls.ts";
import type { KafkaServers } from "./client.ts";

/**
 * Turns a refusal, by Kafka or of its certificate, into what a person can do about it. What waiting may mend is left as it is.
 * @returns RushhourError CONFIG_INVALID, or the error itself
 */
export function clearly(error: unknown, servers: KafkaServers): unknown {
  if (error instanceof RushhourError) return error;
  const problem = causesOf(error)
    .map((cause) => problemOf(cause, servers))
    .find((found) => found !== undefined);
  return problem === undefined ? error : new RushhourError("CONFIG_INVALID", problem, { cause: error });
}

/** kafkajs wraps what it has tried several times. */
function causesOf(error: unknown): Error[] {
  return error instanceof Error ? [error, ...causesOf(error.cause)] : [];
}

/** What kafkajs puts on its errors, each on some of them. */
interface KafkaJsError extends Error {
  readonly broker?: string; // host:port of a connection
  readonly type?: string; // of an error that Kafka answered
}

function problemOf(error: KafkaJsError, { brokers, tls, sasl }: KafkaServers): string | undefined {
  const { message, broker, type } = error;
  const kafka = `Kafka at ${broker ?? brokers.join(", ")}`;
  const untrusted = certificateProblem(message, { name: "KAFKA_TLS_CA", isSet: tls?.ca !== undefined });
  if (untrusted !== undefined) return `${kafka} is not trusted: ${untrusted}`;
  const alert = /alert (?:bad certificate|certificate \w+|unknown ca)/.exec(message)?.[0];
  if (alert !== undefined)
    return `${kafka} refuses this client's certificate (${alert}): correct KAFKA_TLS_CERT and KAFKA_TLS_KEY`;
  if (tls !== undefined && /before secure TLS connection|wrong version number/i.test(message))
    return `${kafka} ends the connection before TLS begins (${message}): if it speaks plain text at this port, correct KAFKA_BROKERS or KAFKA_TLS`;
  if (sasl === undefined) return undefined;
  if (type === "UNSUPPORTED_SASL_MECHANISM" || /mechanism is not supported/.test(message))
    return `${kafka} does not take ${sasl.mechanism} (${message}): correct KAFKA_SASL_MECHANISM`;
  if (type === "ILLEGAL_SASL_STATE")
    return `${kafka} lets everybody in at this port (${message}): correct KAFKA_BROKERS, or leave KAFKA_SASL_MECHANISM out`;
  if (error.name === "KafkaJSSASLAuthenticationError")
    return `${kafka} refuses the user (${message}): correct KAFKA_SASL_USERNAME or KAFKA_SASL_PASSWORD`;
  return undefined;
}
