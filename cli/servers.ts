import { readFileSync } from "node:fs";
import { RushhourError } from "../contract/errors.ts";
import { mariadbUrl } from "../engines/mariadb.ts";
import { passwordOf, readPassword } from "../engines/credentials.ts";
import { runningEngines } from "../engines/engines.ts";
import { databaseOf, overTls, urlOfUser } from "../init_db/database.ts";
import { userName, type Accounts } from "../init_db/users.ts";
import type { KafkaServers, KafkaUser } from "../kafka/client.ts";

/** The part of a role's settings that says where the servers are. */
export interface ServerSettings {
  readonly RUSHHOUR_HOME: string;
  readonly KAFKA_BROKERS?: string[] | undefined;
  readonly KAFKA_TLS?: "on" | "off";
  readonly KAFKA_TLS_CA?: string | undefined;
  readonly KAFKA_TLS_CERT?: string | undefined;
  readonly KAFKA_TLS_KEY?: string | undefined;
  readonly KAFKA_SASL_MECHANISM?: KafkaUser["mechanism"] | undefined;
  readonly KAFKA_SASL_USERNAME?: string | undefined;
  readonly KAFKA_SASL_PASSWORD?: string | undefined;
  readonly MYSQL_URL?: string | undefined;
  readonly MYSQL_WRITER_URL?: string | undefined;
  readonly MYSQL_READER_URL?: string | undefined;
  readonly MYSQL_TLS?: "on" | "off";
  readonly MYSQL_TLS_CA?: string | undefined;
  readonly RUSHHOUR_SPOOL_DIR?: string | undefined;
}

type Role = "writer" | "reader";

const WAYS_OUT =
  'set it, or start the private engines first: npm start, or eval "$(npx rushhour engines start)"';

/** KAFKA_BROKERS as KAFKA_TLS and KAFKA_SASL say, else the private Kafka that runs for this checkout, else Kafka's usual port. */
export function kafkaOf(settings: ServerSettings): KafkaServers {
  const { KAFKA_BROKERS: brokers, RUSHHOUR_HOME } = settings;
  if (brokers) return { brokers, tls: kafkaTlsOf(settings), sasl: kafkaUserOf(settings) };
  const kafka = runningEngines(RUSHHOUR_HOME).find(({ name }) => name === "kafka");
  return { brokers: [kafka?.address ?? "127.0.0.1:9092"] };
}

function kafkaTlsOf(settings: ServerSettings): KafkaServers["tls"] {
  if (settings.KAFKA_TLS !== "on") return undefined;
  const read = (path: string | undefined) => (path === undefined ? undefined : readFileSync(path, "utf8"));
  return {
    ca: read(settings.KAFKA_TLS_CA),
    cert: read(settings.KAFKA_TLS_CERT),
    key: read(settings.KAFKA_TLS_KEY),
  };
}

function kafkaUserOf(settings: ServerSettings): KafkaUser | undefined {
  const { KAFKA_SASL_MECHANISM: mechanism } = settings;
  const { KAFKA_SASL_USERNAME: username = "", KAFKA_SASL_PASSWORD: password = "" } = settings;
  return mechanism && { mechanism, username, password };
}

/** MYSQL_URL, else the private MariaDB that runs for this checkout. @throws RushhourError CONFIG_INVALID when there is neither */
export function ownerUrlOf(settings: ServerSettings): string {
  const url = findOwnerUrl(settings);
  if (url === undefined)
    throw new RushhourError(
      "CONFIG_INVALID",
      `MYSQL_URL is not set and no private database runs: ${WAYS_OUT}`,
    );
  return url;
}

function findOwnerUrl({ MYSQL_URL, RUSHHOUR_HOME, ...tls }: ServerSettings): string | undefined {
  if (MYSQL_URL !== undefined) return secured(MYSQL_URL, tls);
  const mariadb = runningEngines(RUSHHOUR_HOME).find(({ name }) => name === "mariadb");
  return mariadb && mariadbUrl(RUSHHOUR_HOME, Number(mariadb.address.split(":").at(-1)));
}

/** A given URL as MYSQL_TLS says; the private server needs none. */
function secured(url: string, settings: Pick<ServerSettings, "MYSQL_TLS" | "MYSQL_TLS_CA">): string {
  return settings.MYSQL_TLS === "on" ? overTls(url, settings.MYSQL_TLS_CA) : url;
}

/**
 * MYSQL_WRITER_URL or MYSQL_READER_URL, else the user that `migrate` made on the owner's server.
 * @throws RushhourError CONFIG_INVALID when there is no server, or no password because nothing was migrated yet
 */
export function userUrlOf(role: Role, settings: ServerSettings): string {
  const given = role === "writer" ? settings.MYSQL_WRITER_URL : settings.MYSQL_READER_URL;
  if (given !== undefined) return secured(given, settings);
  const owner = findOwnerUrl(settings);
  if (owner === undefined) {
    throw new RushhourError(
      "CONFIG_INVALID",
      `neither MYSQL_${role.toUpperCase()}_URL nor MYSQL_URL is set and no private database runs: ${WAYS_OUT}`,
    );
  }
  const password = readPassword(settings.RUSHHOUR_HOME, passwordKey(role));
  if (password === undefined) {
    throw new RushhourError(
      "CONFIG_INVALID",
      `${settings.RUSHHOUR_HOME}/credentials holds no password of the ${role}: run npx rushhour migrate first, or set MYSQL_${role.toUpperCase()}_URL`,
    );
  }
  return urlOfUser(owner, userName(role, databaseOf(owner)), password);
}

/** The users `migrate` shall make: those of the given URLs, else ours with random passwords kept in `<home>/credentials`. */
export function accountsFor(ownerUrl: string, settings: ServerSettings): Accounts {
  const account = (role: Role, url: string | undefined) => {
    if (url === undefined) {
      return {
        user: userName(role, databaseOf(ownerUrl)),
        password: passwordOf(settings.RUSHHOUR_HOME, passwordKey(role)),
      };
    }
    const { username, password } = new URL(url);
    return { user: decodeURIComponent(username), password: decodeURIComponent(password) };
  };
  return {
    writer: account("writer", settings.MYSQL_WRITER_URL),
    reader: account("reader", settings.MYSQL_READER_URL),
  };
}

const passwordKey = (role: Role) => `MYSQL_${role.toUpperCase()}_PASSWORD`;
