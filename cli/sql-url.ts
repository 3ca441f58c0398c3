import { connectionOptions, tlsOf } from "../init_db/database.ts";

/**
 * What other clients of the database need to read as the reader.
 * @param origin where the password is kept, for people
 */
export function clientLines(readerUrl: string, origin: string): string {
  const { host, port, user, password, database } = connectionOptions(readerUrl);
  const address = host?.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
  const url = new URL(readerUrl);
  url.port = String(port);
  url.pathname = `/${database}`;
  url.search = "";
  const tls = tlsOf(readerUrl);
  return `${url.href}

mysql (or mariadb)
  MYSQL_PWD=${quoted(password!)} mysql -h ${host} -P ${port} -u ${quoted(user!)}${tls ? mysqlFlags(tls) : ""} ${database}

A GUI client, such as DBeaver or DataGrip
  Host      ${host}
  Port      ${port}
  Database  ${database}
  User      ${user}
  Password  ${password}
  JDBC      jdbc:mysql://${address}/${database} (jdbc:mariadb://… for MariaDB's driver)

Grafana, data source MySQL
  Host URL          ${address}
  Database name     ${database}
  Username          ${user}
  Password          ${password}
  Session timezone  +00:00
${tls ? tlsLines(tls) : ""}
Whoever has the password may read all tables and views. It is kept in ${origin}.
`;
}

type Tls = NonNullable<ReturnType<typeof tlsOf>>;

const mysqlFlags = ({ ca }: Tls) =>
  ` --ssl-mode=VERIFY_IDENTITY${ca === undefined ? "" : ` --ssl-ca=${quoted(ca)}`}`;

const tlsLines = ({ ca }: Tls) => `
TLS is on: have each client check the server's certificate and name
  Authority  ${ca ?? "one that is known everywhere"}
  mariadb    --ssl-verify-server-cert in place of --ssl-mode
  JDBC       ?sslMode=VERIFY_IDENTITY (verify-full for MariaDB's driver)
  Grafana    TLS/SSL: with CA certificate, without skipping verification
`;

/** For a POSIX shell. */
function quoted(text: string): string {
  return `'${text.replaceAll("'", String.raw`'\''`)}'`;
}
