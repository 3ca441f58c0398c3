import { EXIT, messageOf, RushhourError } from "../contract/errors.ts";
import { connectReader, READER_STATEMENT_SECONDS, type Connection } from "../init_db/database.ts";
import { onShutdownSignal } from "./lifecycle.ts";
import { databaseError } from "./reach.ts";
import { COUNTED_ROWS, writeResult, type Output } from "./sql-output.ts";
import { cancelQuery, explained, planOf, query } from "./sql-query.ts";
import type { Statement } from "./sql-statements.ts";
import { harmless } from "../contract/harmless.ts";

export interface RunOptions extends Output {
  readonly explain: boolean; // show plans, run nothing
}

/**
 * Runs statements in order, up to the first that fails, and writes what each finds to standard output.
 * @throws RushhourError QUERY_FAILED; STOPPED by a signal, when the statement is cancelled on the server too
 */
export async function runStatements(
  statements: readonly Statement[],
  readerUrl: string,
  options: RunOptions,
): Promise<void> {
  const connection = await connectReader(readerUrl).catch((error: unknown) => {
    throw connectFailure(error, readerUrl);
  });
  const signal = Promise.withResolvers<"signal">();
  const stopListening = onShutdownSignal((_name, forceful) => {
    if (forceful) process.exit(EXIT.stoppedBySignal);
    signal.resolve("signal");
  });
  try {
    if (options.format === "table" && !options.explain)
      await connection.query(`SET sql_select_limit = ${options.limit + COUNTED_ROWS}`);
    const work = runInOrder(connection, statements, readerUrl, options);
    if ((await Promise.race([work, signal.promise])) === "signal")
      throw await stopped(readerUrl, connection.threadId);
  } finally {
    stopListening();
    connection.destroy();
  }
}

async function stopped(readerUrl: string, threadId: number): Promise<RushhourError> {
  const message = (await cancelQuery(readerUrl, threadId))
    ? "stopped by a signal, and the statement on the server with it"
    : `stopped by a signal; the server could not be told, and may work on the statement for ${READER_STATEMENT_SECONDS} s`;
  return new RushhourError("STOPPED", message);
}

async function runInOrder(
  connection: Connection,
  statements: readonly Statement[],
  readerUrl: string,
  options: RunOptions,
): Promise<void> {
  for (const [index, { sql, line }] of statements.entries()) {
    const startMs = performance.now();
    try {
      const result = await query(connection, options.explain ? explained(sql) : sql);
      const shown = result && options.explain && options.format === "table" ? planOf(result) : result;
      if (shown) await writeResult(shown, options, { isFirst: index === 0, startMs });
    } catch (error) {
      const isAlone = statements.length === 1;
      const where = isAlone ? "" : `statement ${index + 1} of ${statements.length}, line ${line}: `;
      throw statementFailure(error, { where, line, readerUrl });
    }
  }
}

const VARIABLES = "MYSQL_READER_URL or MYSQL_URL";

function connectFailure(error: unknown, readerUrl: string): Error {
  const known = databaseError(error, readerUrl, VARIABLES);
  return known instanceof RushhourError ? known : queryFailed(`the database says: ${known.message}`, error);
}

const OVER_THE_LIMIT = new Set([1969, 3024]); // MariaDB, MySQL
const DENIED = new Set([1044, 1045, 1142, 1143, 1227, 1370]);
const NO_SUCH_TABLE = 1146;

/** @param at.line where the statement begins: the database counts from there */
function statementFailure(
  error: unknown,
  { where, line, readerUrl }: { where: string; line: number; readerUrl: string },
): Error {
  const { errno } = error as { errno?: number };
  if (errno !== undefined && OVER_THE_LIMIT.has(errno)) {
    return queryFailed(
      `${where}it was stopped after ${READER_STATEMENT_SECONDS} s, the reader's limit for a statement: narrow its time range, ` +
        "fetch it in parts, or read rollups in place of api_logs (rushhour sql --examples has some)",
      error,
    );
  }
  const message = messageOf(error).replace(/ at line (\d+)$/, (_, n) => ` at line ${line - 1 + Number(n)}`);
  const says = `${where}the database says: ${harmless(message)}`;
  if (errno !== undefined && DENIED.has(errno)) {
    return queryFailed(
      `${says}; this is the reader, who may SELECT, SHOW and EXPLAIN what is in this database: for all else use the user of MYSQL_URL`,
      error,
    );
  }
  if (errno === NO_SUCH_TABLE) {
    return queryFailed(
      `${says}; SHOW TABLES lists what there is, npx rushhour migrate makes what is missing`,
      error,
    );
  }
  const known = databaseError(error, readerUrl, VARIABLES);
  return known instanceof RushhourError ? known : queryFailed(says, error);
}

function queryFailed(message: string, cause: unknown): RushhourError {
  return new RushhourError("QUERY_FAILED", message, { cause });
}
