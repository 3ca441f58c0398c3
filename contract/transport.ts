import { z } from "zod";
import { isLoopback } from "./loopback.ts";
import { isPair, pemProblem } from "./tls.ts";

/** The path of a PEM file that can be used as what it is for. */
const pemFile = (kind: "certificates" | "key") =>
  z.string().superRefine((path, context) => {
    const problem = pemProblem(path, kind);
    if (problem !== undefined) context.addIssue({ code: "custom", message: problem });
  });

const MECHANISMS = "must be plain, scram-sha-256 or scram-sha-512";

/** How Kafka is spoken to. See {@link checkTransport} for what ties these together. */
export const kafkaTransport = {
  KAFKA_TLS: z
    .enum(["on", "off"], "must be on (encrypted, and the brokers' certificates are checked) or off")
    .default("off"),
  KAFKA_TLS_CA: pemFile("certificates").optional(),
  KAFKA_TLS_CERT: pemFile("certificates").optional(), // the client's own, for brokers that ask for one
  KAFKA_TLS_KEY: pemFile("key").optional(),
  KAFKA_SASL_MECHANISM: z.enum(["plain", "scram-sha-256", "scram-sha-512"], MECHANISMS).optional(),
  KAFKA_SASL_USERNAME: z.string().optional(),
  KAFKA_SASL_PASSWORD: z.string().optional(),
};

/** How the database is spoken to, for all three URLs. */
export const mysqlTransport = {
  MYSQL_TLS: z
    .enum(["on", "off"], "must be on (encrypted, and the server's certificate is checked) or off")
    .default("off"),
  MYSQL_TLS_CA: pemFile("certificates").optional(),
};

/** The rules that tie these settings together, wherever they are read. A rule waits until what it ties is right by itself. */
export function checkTransport(settings: Readonly<Record<string, unknown>>, context: z.RefinementCtx): void {
  const report = (key: string, message: string) => context.addIssue({ code: "custom", path: [key], message });
  checkKafka(settings, report);
  const { MYSQL_TLS: tls, MYSQL_TLS_CA: ca } = settings;
  if (ca !== undefined && tls === "off") report("MYSQL_TLS", "must be on for MYSQL_TLS_CA");
  const urls = ["MYSQL_URL", "MYSQL_WRITER_URL", "MYSQL_READER_URL"];
  if (tls === "on" && urls.every((key) => settings[key] === undefined))
    report("MYSQL_URL", "must name the server for MYSQL_TLS: the private one speaks plain text on loopback");
}

function checkKafka(
  settings: Readonly<Record<string, unknown>>,
  report: (key: string, message: string) => void,
): void {
  const { KAFKA_BROKERS: brokers, KAFKA_TLS: tls, KAFKA_SASL_MECHANISM: mechanism } = settings;
  const given = (keys: readonly string[]) => keys.filter((key) => settings[key] !== undefined);

  const [file] = given(["KAFKA_TLS_CA", "KAFKA_TLS_CERT", "KAFKA_TLS_KEY"]);
  if (file !== undefined && tls === "off") report("KAFKA_TLS", `must be on for ${file}`);
  const { KAFKA_TLS_CERT: cert, KAFKA_TLS_KEY: key } = settings;
  if (cert !== undefined && key === undefined)
    report("KAFKA_TLS_KEY", "must name the private key of KAFKA_TLS_CERT");
  if (key !== undefined && cert === undefined)
    report("KAFKA_TLS_CERT", "must name the certificate of KAFKA_TLS_KEY");
  if (isUsable(cert, "certificates") && isUsable(key, "key") && !isPair(cert, key))
    report("KAFKA_TLS_KEY", "must be the private key of the certificate in KAFKA_TLS_CERT");

  const [user] = given(["KAFKA_SASL_USERNAME", "KAFKA_SASL_PASSWORD"]);
  if (mechanism === undefined && user !== undefined)
    report("KAFKA_SASL_MECHANISM", `${MECHANISMS} for ${user}`);
  for (const needed of ["KAFKA_SASL_USERNAME", "KAFKA_SASL_PASSWORD"])
    if (mechanism !== undefined && settings[needed] === undefined)
      report(needed, "must be set for KAFKA_SASL_MECHANISM");

  const [secured] = given(["KAFKA_SASL_MECHANISM", ...(tls === "on" ? ["KAFKA_TLS"] : [])]);
  if (brokers === undefined && secured !== undefined)
    report("KAFKA_BROKERS", `must be set for ${secured}: the private Kafka speaks plain text on loopback`);
  const addresses: readonly unknown[] = Array.isArray(brokers) ? brokers : [];
  const remote = addresses.map(String).find((broker) => !isLoopback(hostOf(broker)));
  if (mechanism !== undefined && tls === "off" && remote !== undefined)
    report("KAFKA_TLS", `must be on: KAFKA_SASL_PASSWORD would go to ${remote} unencrypted`);
}

const hostOf = (broker: string) => broker.slice(0, broker.lastIndexOf(":"));

const isUsable = (path: unknown, kind: "certificates" | "key"): path is string =>
  typeof path === "string" && pemProblem(path, kind) === undefined;
