import { createConnection, createPool } from "mysql2/promise";
import type { Connection, ConnectionOptions, Pool, RowDataPacket } from "mysql2/promise";

export type { Connection, Pool };
export type Row = RowDataPacket & Readonly<Record<string, unknown>>;

/** Used when a URL names no database. */
export const DEFAULT_DATABASE = "monitoring";

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
 * mysql2's options for a URL, with what every connection of ours needs: UTC both ways, 64-bit numbers that keep
 * their digits, and affected rows that do not count a duplicate (`-FOUND_ROWS`).
 */
export function connectionOptions(url: string): ConnectionOptions {
  const { hostname, port, username, password } = new URL(url);
  return {
    host: hostname.replace(/^\[|\]$/g, ""),
    port: Number(port || 3306),
    user: decodeURIComponent(username) || "root",
    password: decodeURIComponent(password),
    database: databaseOf(url),
    timezone: "Z",
    supportBigNumbers: true,
    flags: ["-FOUND_ROWS"],
    connectTimeout: 5_000,
    charset: "utf8mb4_unicode_ci",
  };
}

/** One connection in UTC. @param options override what {@link connectionOptions} says */
export async function connect(url: string, options: ConnectionOptions = {}): Promise<Connection> {
  const connection = await createConnection({ ...connectionOptions(url), ...options });
  await connection.query("SET time_zone = '+00:00'");
  return connection;
}

/** A pool in UTC for the queries of people and panels. @param connections at most this many; others wait */
export function openPool(url: string, connections = 4): Pool {
  const pool = createPool({ ...connectionOptions(url), connectionLimit: connections, queueLimit: 1_000 });
  pool.on("connection", (connection) => {
    void connection.query("SET time_zone = '+00:00'");
  });
  return pool;
}

/** The name of a server-wide lock for this database: GET_LOCK takes at most 64 characters. */
export function lockName(database: string, purpose: string): string {
  return `rushhour:${purpose}:${database}`.slice(0, 64);
}
