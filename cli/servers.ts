import { RushhourError } from "../contract/errors.ts";
import { mariadbUrl } from "../engines/mariadb.ts";
import { passwordOf, readPassword } from "../engines/credentials.ts";
import { runningEngines } from "../engines/engines.ts";
import { databaseOf, urlOfUser } from "../init_db/database.ts";
import { userName, type Accounts } from "../init_db/users.ts";

/** The part of a role's settings that says where the servers are. */
export interface ServerSettings {
  readonly RUSHHOUR_HOME: string;
  readonly KAFKA_BROKERS?: string[] | undefined;
  readonly MYSQL_URL?: string | undefined;
  readonly MYSQL_WRITER_URL?: string | undefined;
  readonly MYSQL_READER_URL?: string | undefined;
  readonly RUSHHOUR_SPOOL_DIR?: string | undefined;
}

type Role = "writer" | "reader";

const WAYS_OUT =
  'set it, or start the private engines first: npm start, or eval "$(npx rushhour engines start)"';

/** KAFKA_BROKERS, else the private Kafka that runs for this checkout, else Kafka's usual port. */
export function brokersOf({
  KAFKA_BROKERS,
  RUSHHOUR_HOME,
}: Pick<ServerSettings, "KAFKA_BROKERS" | "RUSHHOUR_HOME">): string[] {
  if (KAFKA_BROKERS) return KAFKA_BROKERS;
  const kafka = runningEngines(RUSHHOUR_HOME).find(({ name }) => name === "kafka");
  return [kafka?.address ?? "127.0.0.1:9092"];
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

function findOwnerUrl({ MYSQL_URL, RUSHHOUR_HOME }: ServerSettings): string | undefined {
  if (MYSQL_URL !== undefined) return MYSQL_URL;
  const mariadb = runningEngines(RUSHHOUR_HOME).find(({ name }) => name === "mariadb");
  return mariadb && mariadbUrl(RUSHHOUR_HOME, Number(mariadb.address.split(":").at(-1)));
}

/**
 * MYSQL_WRITER_URL or MYSQL_READER_URL, else the user that `migrate` made on the owner's server.
 * @throws RushhourError CONFIG_INVALID when there is no server, or no password because nothing was migrated yet
 */
export function userUrlOf(role: Role, settings: ServerSettings): string {
  const given = role === "writer" ? settings.MYSQL_WRITER_URL : settings.MYSQL_READER_URL;
  if (given !== undefined) return given;
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
