import { readFileSync } from "node:fs";
import { connect as connectSocket, isIP, type Socket } from "node:net";
import { createConnection, createPool } from "mysql2/promise";
import type { Connection, ConnectionOptions, Pool, RowDataPacket } from "mysql2/promise";
import { answerOf } from "./lifeline.ts";

export type { Connection, Pool };
export type Row = RowDataPacket & Readonly<Record<string, unknown>>;

/** Used when a URL names no database. */
const DEFAULT_DATABASE = "monitoring";

export function databaseOf(url: string): string {
  return decodeURIComponent(new URL(url).pathname.slice(1)) || DEFAULT_DATABASE;
}

/** The same server and database under another user. */
export function urlOfUser(url: string, user: string, password: string): string {
  const changed = new URL(url);
  changed.username = encodeURIComponent(user);
  changed.password = encodeURIComponent(password);
  changed.pathname = `/${databaseOf(url)}`;
  return changed.href;
}

/**
 * The same URL for connections that are encrypted and whose server is checked, name and certificate: `?tls=on&tls-ca=/path`. So whoever
 * is given a URL, in this process or the next, connects as it says.
 * @param ca path of the authorities' certificates in PEM; without it those that Node knows are trusted
 */
export function overTls(url: string, ca?: string): string {
  const changed = new URL(url);
  changed.search = `?tls=on${ca === undefined ? "" : `&tls-ca=${encodeURIComponent(ca).replaceAll("%2F", "/")}`}`;
  return changed.href;
}

/** What a URL says of TLS; undefined for plain text. */
export function tlsOf(url: string): { readonly ca: string | undefined } | undefined {
  const { searchParams } = new URL(url);
  return searchParams.get("tls") === "on" ? { ca: searchParams.get("tls-ca") ?? undefined } : undefined;
}

/**
 * mysql2's options for a URL, with what every connection of ours needs: UTC both ways, 64-bit numbers that keep
 * their digits, affected rows that do not count a duplicate (`-FOUND_ROWS`), and no server that asks for files of
 * this machine (`-LOCAL_FILES`).
 */
export function connectionOptions(url: string): ConnectionOptions {
  const { hostname, port: givenPort, username, password } = new URL(url);
  const host = hostname.replace(/^\[|\]$/g, "");
  const port = Number(givenPort || 3306);
  return {
    host,
    port,
    ...tlsOptions(host, port, tlsOf(url)),
    user: decodeURIComponent(username) || "root",
    password: decodeURIComponent(password),
    database: databaseOf(url),
    timezone: "Z",
    supportBigNumbers: true,
    flags: ["-FOUND_ROWS", "-LOCAL_FILES"],
    connectTimeout: 5_000,
    charset: "utf8mb4_unicode_ci",
  };
}

function tlsOptions(host: string, port: number, tls: ReturnType<typeof tlsOf>): ConnectionOptions {
  if (tls === undefined) return {};
  const ca = tls.ca === undefined ? {} : { ca: readFileSync(tls.ca) };
  const ssl = { ...ca, rejectUnauthorized: true, verifyIdentity: true };
  return isIP(host) === 0 ? { ssl } : { ssl, stream: () => addressedSocket(host, port) };
}

/**
 * For a server named by an address mysql2 gives TLS no name to check, and Node would look for `localhost` in its certificate. Node asks
 * the socket for the name before that: it is there when a name was looked up, and here it is the address.
 */
function addressedSocket(host: string, port: number): Socket {
  const socket = connectSocket({ host, port, noDelay: true, keepAlive: true });
  return Object.assign(socket, { _host: host });
}

/** Of connections that are made again and again: who waits for one asks anew rather soon than for long. */
export const promptOptions = (url: string): ConnectionOptions => ({
  ...connectionOptions(url),
  connectTimeout: 3_000,
});

/** What people and panels may run at most, in seconds. */
export const READER_STATEMENT_SECONDS = 30;

const UTC = "SET time_zone = '+00:00'";

/**
 * UTC and the reader's limit. It is set here too because MySQL knows none for an account; each database skips what is
 * written for the other.
 * @see https://mariadb.com/kb/en/comment-syntax/
 */
const READER_SESSION = `${UTC}
  /*!80000 , max_execution_time = ${READER_STATEMENT_SECONDS * 1_000} */
  /*M!100100 , max_statement_time = ${READER_STATEMENT_SECONDS} */`;

/** One connection in UTC. @param options override what {@link connectionOptions} says */
export function connect(url: string, options: ConnectionOptions = {}): Promise<Connection> {
  return openSession(url, options, UTC);
}

/** The same for what people ask: no SELECT runs longer than {@link READER_STATEMENT_SECONDS}. */
export function connectReader(url: string, options: ConnectionOptions = {}): Promise<Connection> {
  return openSession(url, options, READER_SESSION);
}

async function openSession(url: string, options: ConnectionOptions, session: string): Promise<Connection> {
  const connection = await createConnection({ ...connectionOptions(url), ...options });
  await connection.query(session);
  return connection;
}

/**
 * A pool of connections as {@link connectReader} opens them, for panels. None waits for a connection that is dead.
 * @param connections at most this many; others wait
 */
export function openPool(url: string, connections = 4): Pool {
  const options = promptOptions(url);
  const pool = createPool({ ...options, connectionLimit: connections, queueLimit: 1_000 });
  pool.on("connection", (connection) => {
    void connection.query(READER_SESSION);
  });
  const query = async (...question: Parameters<Connection["query"]>) => {
    const connection = await pool.getConnection();
    try {
      return await answerOf(connection, options, connection.query(...question));
    } finally {
      connection.release();
    }
  };
  return Object.assign(pool, { query: query as Pool["query"] });
}

/** The name of a server-wide lock for this database: GET_LOCK takes at most 64 characters. */
export function lockName(database: string, purpose: string): string {
  return `rushhour:${purpose}:${database}`.slice(0, 64);
}

/** Commits what `work` does on the connection, or rolls it back when it fails. */
export async function inTransaction<T>(
  connection: Connection,
  isolation: "READ COMMITTED" | "REPEATABLE READ",
  work: () => Promise<T>,
): Promise<T> {
  await connection.query(`SET TRANSACTION ISOLATION LEVEL ${isolation}`);
  await connection.query("START TRANSACTION");
  try {
    const result = await work();
    await connection.query("COMMIT");
    return result;
  } catch (error) {
    await connection.query("ROLLBACK");
    throw error;
  }
}
