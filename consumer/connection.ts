import { Readable } from "node:stream";
import { createPool } from "mysql2/promise";
import type { PoolConnection } from "mysql2/promise";
import { databaseCertificateProblem } from "../contract/tls.ts";
import { promptOptions, tlsOf } from "../init_db/database.ts";
import { answerOf } from "../init_db/lifeline.ts";

export type { PoolConnection };

/**
 * What the ingest transaction relies on: errors stay errors (without a strict mode the fence would write 0), times are
 * UTC, and a frozen process gives its locks back after 30 s, or 4 s in the midst of its rows.
 */
const SESSION = [
  "SET SESSION sql_mode = 'STRICT_ALL_TABLES', time_zone = '+00:00', wait_timeout = 30, net_read_timeout = 4, innodb_lock_wait_timeout = 10",
  "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED",
].join("; ");

const STATEMENT_TIMEOUT_MS = 30_000;

const NO_LINES = Buffer.alloc(0);

export interface IngestConnections {
  /** Runs `work` on a connection of its own; one that failed below SQL is thrown away. */
  use<T>(work: (connection: IngestConnection) => Promise<T>): Promise<T>;
  /** Open connections. */
  count(): number;
  close(): Promise<void>;
}

export interface IngestConnection {
  /**
   * One round trip for several statements.
   * @param lines what a LOAD DATA LOCAL among them is given, whatever file it names
   * @returns mysql2's result of each
   */
  run(sql: string, lines?: Buffer): Promise<unknown>;
}

/** Connections of the consumer alone, because only they may send several statements at once. */
export function openIngestConnections(writerUrl: string, size: number): IngestConnections {
  const options = promptOptions(writerUrl);
  const pool = createPool({
    ...options,
    multipleStatements: true,
    flags: ["-FOUND_ROWS", "LOCAL_FILES"], // the server may ask for a file; it is given `lines` and nothing else
    queryFormat: (sql: string) => sql, // statements are literal: spares a search for placeholders in megabytes
    connectionLimit: size,
    maxIdle: 0,
    idleTimeout: 15_000, // below wait_timeout
  });
  const prepared = new WeakSet();
  let open = 0;
  pool.on("connection", (connection) => {
    open++;
    connection.once("end", () => open--);
  });

  async function acquire(): Promise<PoolConnection> {
    const connection = await pool.getConnection().catch((error: unknown) => {
      const problem = databaseCertificateProblem(error, tlsOf(writerUrl)?.ca !== undefined);
      throw problem === undefined
        ? error
        : new Error(`the database is not trusted: ${problem}`, { cause: error });
    });
    if (prepared.has(connection.connection)) return connection;
    try {
      await answerOf(connection, options, connection.query(SESSION));
    } catch (error) {
      connection.destroy();
      throw error;
    }
    prepared.add(connection.connection);
    return connection;
  }

  return {
    async use(work) {
      const connection = await acquire();
      try {
        const result = await work({
          run: async (sql, lines = NO_LINES) => {
            // One chunk always: mysql2 ends all these streams with the same buffer, into which it writes the number of the
            // packet. Were the numbers different, a connection could send another one's.
            const infileStreamFactory = () => Readable.from([lines]);
            const statements = { sql, timeout: STATEMENT_TIMEOUT_MS, infileStreamFactory };
            return (await answerOf(connection, options, connection.query(statements)))[0];
          },
        });
        connection.release();
        return result;
      } catch (error) {
        connection.destroy(); // ends its transaction as well
        throw error;
      }
    },
    count: () => open,
    close: () => pool.end().catch(() => undefined), // what is open and fails is closed as well
  };
}
