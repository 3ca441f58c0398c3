import { appendFileSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { installEngines } from "../engines/install.ts";
import { newClusterId, prepareKafka, serverProperties, type KafkaOptions } from "../engines/kafka.ts";
import { mariadbUrl, prepareMariadb } from "../engines/mariadb.ts";
import { endOrphans } from "../engines/pids.ts";
import { freePorts } from "../engines/ports.ts";
import { javaCommand } from "../engines/prerequisites.ts";
import { run } from "../engines/run.ts";
import { supervise, type ProcessSpec } from "../engines/supervisor.ts";
import { createAuthority, type Certificate } from "./certificates.ts";

export const USER = "alice";
export const PASSWORD = "top-secret-of-alice";

/** A real Kafka and a real MariaDB that ask for TLS, with certificates of an authority of their own for `127.0.0.1`. */
export interface SecuredServers {
  /** Each host:port of the same broker. */
  readonly brokers: {
    readonly users: string; // SASL_SSL: PLAIN and both SCRAM, for USER
    readonly mutual: string; // SSL, for clients with a certificate
    readonly elsewhere: string; // SSL with a certificate for another name
    readonly plain: string;
  };
  readonly mysqlUrl: string; // of root; refuses connections without TLS
  /** Paths of PEM files. */
  readonly files: {
    readonly ca: string;
    readonly otherCa: string;
    readonly clientCert: string;
    readonly clientKey: string;
  };
  readonly clientKey: string; // PEM
  stop(): Promise<void>;
}

/** @param home the servers' own folder: what an earlier start left there is ended and removed */
export async function startSecured(home: string, enginesFolder: string): Promise<SecuredServers> {
  const root = resolve(home);
  await endOrphans(root);
  rmSync(root, { recursive: true, force: true });
  mkdirSync(root, { recursive: true });
  const engines = await installEngines({
    ...{ home: root, enginesFolder: resolve(enginesFolder), kafka: true, mariadb: true },
  });
  const file = (name: string, text: string) => {
    writeFileSync(join(root, name), text, { mode: 0o600 });
    return join(root, name);
  };
  const both = ({ cert, key }: Certificate) => cert + key;
  const authority = createAuthority("rushhour test");
  const [server, client] = [authority.issue("127.0.0.1"), authority.issue("client")];
  const ca = file("ca.pem", authority.cert);

  const [port, controllerPort, users, mutual, elsewhere, mysqlPort] = await freePorts(
    Array(6).fill(undefined),
  );
  const kafka = await prepareSecuredKafka(
    { home: root, folder: engines.kafka!.folder, port: port!, controllerPort: controllerPort! },
    { users: users!, mutual: mutual!, elsewhere: elsewhere! },
    {
      ca,
      server: file("kafka.pem", both(server)),
      elsewhere: file("elsewhere.pem", both(authority.issue("kafka.example"))),
    },
  );
  const mariadb = await prepareMariadb({ home: root, folder: engines.mariadb!.folder, port: mysqlPort! });
  const tls = [
    ...["--ssl=1", "--require-secure-transport=1", `--ssl-ca=${ca}`],
    ...[`--ssl-cert=${file("mariadb.pem", server.cert)}`, `--ssl-key=${file("mariadb.key", server.key)}`],
  ];
  const specs: ProcessSpec[] = [
    { ...kafka, stopSignal: "SIGKILL" }, // nobody needs the data afterwards
    { ...mariadb, args: [...mariadb.args, ...tls], stopSignal: "SIGKILL" },
  ];
  const processes = specs.map((spec) =>
    supervise(spec, { onGiveUp: (cause) => console.error(cause.message) }),
  );
  const stop = async () => {
    await Promise.all(processes.map((process) => process.stop()));
    rmSync(root, { recursive: true, force: true });
  };
  try {
    await Promise.all(processes.map((process) => process.start()));
  } catch (error) {
    await stop();
    throw error;
  }
  const at = (number: number | undefined) => `127.0.0.1:${number}`;
  return {
    brokers: { users: at(users), mutual: at(mutual), elsewhere: at(elsewhere), plain: at(port) },
    mysqlUrl: mariadbUrl(root, mysqlPort!)!,
    files: {
      ...{ ca, otherCa: file("other-ca.pem", createAuthority("somebody else").cert) },
      ...{ clientCert: file("client.pem", client.cert), clientKey: file("client.key", client.key) },
    },
    clientKey: client.key,
    stop,
  };
}

/** What brokers and controller need is said by the engine; listeners come beside its own, and users into the new log. */
async function prepareSecuredKafka(
  options: KafkaOptions,
  ports: Readonly<Record<"users" | "mutual" | "elsewhere", number>>,
  files: Readonly<Record<"ca" | "server" | "elsewhere", string>>,
): Promise<ProcessSpec> {
  const folder = join(options.home, "kafka");
  const data = join(folder, "data");
  const config = join(folder, "server.properties");
  mkdirSync(folder, { recursive: true });
  writeFileSync(config, serverProperties(options, data));
  const scram = ["SCRAM-SHA-256", "SCRAM-SHA-512"];
  const { exitCode, lines } = await run(javaCommand(), [
    ...["-XX:TieredStopAtLevel=1", "-cp", join(options.folder, "lib", "*")],
    ...["kafka.tools.StorageTool", "format", "--cluster-id", newClusterId(), "--config", config],
    ...scram.flatMap((name) => ["--add-scram", `${name}=[name=${USER},password=${PASSWORD}]`]),
  ]);
  if (exitCode !== 0) throw new Error(lines.join("\n"));
  const spec = await prepareKafka(options);

  const modules = "org.apache.kafka.common.security";
  const listeners = Object.entries(ports).map(([name, port]) => `${name.toUpperCase()}://127.0.0.1:${port}`);
  const keys = (listener: string, pem: string) => [
    `listener.name.${listener}.ssl.keystore.type=PEM`,
    `listener.name.${listener}.ssl.keystore.location=${pem}`,
  ];
  const properties = [
    `listeners=PLAINTEXT://127.0.0.1:${options.port},CONTROLLER://127.0.0.1:${options.controllerPort},${listeners.join(",")}`,
    `advertised.listeners=PLAINTEXT://127.0.0.1:${options.port},${listeners.join(",")}`,
    "listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,USERS:SASL_SSL,MUTUAL:SSL,ELSEWHERE:SSL",
    ...keys("users", files.server),
    `listener.name.users.sasl.enabled.mechanisms=PLAIN,${scram.join(",")}`,
    `listener.name.users.plain.sasl.jaas.config=${modules}.plain.PlainLoginModule required user_${USER}="${PASSWORD}";`,
    ...scram.map(
      (name) =>
        `listener.name.users.${name.toLowerCase()}.sasl.jaas.config=${modules}.scram.ScramLoginModule required;`,
    ),
    ...keys("mutual", files.server),
    "listener.name.mutual.ssl.client.auth=required",
    "listener.name.mutual.ssl.truststore.type=PEM",
    `listener.name.mutual.ssl.truststore.location=${files.ca}`,
    ...keys("elsewhere", files.elsewhere),
  ];
  appendFileSync(config, `${properties.join("\n")}\n`); // a later line takes the place of an earlier one
  return spec;
}
