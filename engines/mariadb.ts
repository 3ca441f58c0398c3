import { createHash } from "node:crypto";
import { existsSync, mkdirSync, renameSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { passwordOf, readPassword } from "./credentials.ts";
import { EngineError } from "./errors.ts";
import { writeWhole } from "./pids.ts";
import { mysqlServes, untilServes } from "./ports.ts";
import { run } from "./run.ts";
import type { ProcessSpec } from "./supervisor.ts";

export interface MariadbOptions {
  readonly home: string;
  /** Of the installed engine: `bin/`, `scripts/`, `share/`. */
  readonly folder: string;
  readonly port: number;
}

const ROOT_PASSWORD = "MYSQL_ROOT_PASSWORD";
/** The server runs as the user who starts it; it refuses root unless told so. */
const AS_ROOT = process.getuid?.() === 0 ? ["--user=root"] : [];
/** Its own start takes 0.5 s; after a kill it replays its log. */
const READY_WITHIN_MS = 60_000;
/** What the address of a Unix socket holds, its final zero byte included, on macOS; Linux has 108. */
const SOCKET_PATH_BYTES = 104;

/** A MariaDB server, ready to be supervised. Makes `<home>/mariadb/data` when it is new. */
export async function prepareMariadb(options: MariadbOptions): Promise<ProcessSpec> {
  const { home, folder, port } = options;
  const own = join(home, "mariadb");
  const data = join(own, "data");
  mkdirSync(join(own, TMP), { recursive: true });
  if (!existsSync(join(data, "mysql"))) await createDataFolder(folder, own, data);
  const config = join(own, "my.cnf");
  const initFile = join(own, "init.sql");
  writeWhole(initFile, initSql(passwordOf(home, ROOT_PASSWORD)), 0o600);
  writeWhole(config, serverConfig(options, data, initFile), 0o600);
  return {
    name: "mariadb",
    command: join(folder, "bin", "mariadbd"),
    args: [`--defaults-file=${config}`, ...AS_ROOT],
    cwd: own,
    logFile: join(home, "logs", "mariadb.log"),
    ready: (signal) => untilServes("MariaDB", () => mysqlServes("127.0.0.1", port), signal, READY_WITHIN_MS),
    graceMs: 15_000,
    home,
  };
}

/** Of its own: at its start a server removes the temporary tables it finds, and in /tmp they may be another one's. */
const TMP = "tmp";

/** The owner's URL; the database in it is made by `migrate`. undefined before the first start. */
export function mariadbUrl(home: string, port: number): string | undefined {
  const password = readPassword(home, ROOT_PASSWORD);
  return password === undefined ? undefined : `mysql://root:${password}@127.0.0.1:${port}/monitoring`;
}

/** Made beside the place and renamed, so that a killed process leaves no half. */
async function createDataFolder(folder: string, own: string, data: string): Promise<void> {
  const draft = join(own, "data.new");
  rmSync(draft, { recursive: true, force: true });
  rmSync(data, { recursive: true, force: true }); // without its own tables it is nothing MariaDB would open
  const { exitCode, lines } = await run(join(folder, "scripts", "mariadb-install-db"), [
    "--no-defaults",
    `--basedir=${folder}`,
    `--datadir=${draft}`,
    `--lc-messages-dir=${join(folder, "share")}`,
    `--tmpdir=${join(own, TMP)}`,
    "--auth-root-authentication-method=normal", // a password, set by the init file
    "--skip-test-db",
    ...AS_ROOT,
  ]);
  if (exitCode !== 0) {
    throw new EngineError(
      "ENGINE_FAILED",
      `MariaDB could not set up its data folder ${draft}:\n${lines.slice(-12).join("\n")}`,
    );
  }
  renameSync(draft, data);
}

/** One root with a password, on this machine only. Run at each start, before the first connection is taken. */
function initSql(password: string): string {
  const hosts = ["localhost", "127.0.0.1"]; // the socket's name, and TCP's (names are not resolved)
  return [
    ...hosts.flatMap((host) => [
      `CREATE USER IF NOT EXISTS 'root'@'${host}' IDENTIFIED BY '${password}';`,
      `ALTER USER 'root'@'${host}' IDENTIFIED BY '${password}';`,
      `GRANT ALL PRIVILEGES ON *.* TO 'root'@'${host}' WITH GRANT OPTION;`,
    ]),
    "DELETE FROM mysql.global_priv WHERE User IN ('', 'root') AND Host NOT IN ('localhost', '127.0.0.1');",
    "FLUSH PRIVILEGES;",
    "",
  ].join("\n");
}

/** @see https://mariadb.com/kb/en/server-system-variables/ */
function serverConfig(options: MariadbOptions, data: string, initFile: string): string {
  const { folder, port, home } = options;
  const settings = {
    basedir: folder,
    datadir: data,
    "lc-messages-dir": join(folder, "share"),
    tmpdir: join(home, "mariadb", TMP),
    port,
    "bind-address": "127.0.0.1",
    socket: socketPath(join(home, "mariadb")),
    "pid-file": join(home, "mariadb", "mariadb.pid"),
    "init-file": initFile,
    ssl: 0, // else each start makes a new 4096-bit key: up to 20 s, for loopback
    "skip-name-resolve": "ON",
    "local-infile": 1,
    max_connections: 200,
    "character-set-server": "utf8mb4",
    default_time_zone: "'+00:00'",
    innodb_buffer_pool_size: "512M", // as in compose
    innodb_autoinc_lock_mode: 2, // as MySQL: several LOAD DATA at once do not wait for each other
    innodb_flush_log_at_trx_commit: 1, // an answered COMMIT survives a power cut
  };
  const lines = Object.entries(settings).map(([key, value]) => `${key}=${quoted(String(value))}`);
  return ["[mariadbd]", ...lines, ""].join("\n");
}

/** Option files cut at "#" unless the value is quoted. */
const quoted = (value: string) => (value.includes("#") ? `"${value}"` : value);

/** Inside the data folder's parent, or a short name of its own in the temporary folder. */
export function socketPath(folder: string): string {
  const path = join(folder, "mariadb.sock");
  if (Buffer.byteLength(path) < SOCKET_PATH_BYTES) return path;
  const digest = createHash("sha256").update(folder).digest("hex").slice(0, 16);
  return join(tmpdir(), `rushhour-${digest}.sock`);
}
