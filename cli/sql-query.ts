import type { Connection as CoreConnection, FieldPacket } from "mysql2";
import { connectReader, type Connection } from "../init_db/database.ts";
import { columnOf, type Column, type Result, type Row } from "./sql-result.ts";

/** Sends one statement. @returns undefined when it gives no rows, such as SET. @throws what the database says */
export async function query(connection: Connection, sql: string): Promise<Result | undefined> {
  // The promise wrapper reads a whole result; what it wraps reads rows one by one.
  const { connection: core } = connection as unknown as { connection: CoreConnection };
  const stream = core.query({ sql, rowsAsArray: true, typeCast: false }).stream();
  const columns = await new Promise<Column[] | undefined>((resolve, reject) => {
    stream.once("error", reject);
    stream.once("fields", (fields?: FieldPacket[]) => {
      resolve(fields?.map(columnOf));
      stream.once("fields", () => {
        stream.destroy(
          new Error("several results of one statement: send its queries as statements of their own"),
        );
      });
    });
  });
  if (columns) return { columns, rows: stream as AsyncIterable<Row> };
  stream.destroy();
  return undefined;
}

/**
 * Ends what the connection `threadId` runs. A closed socket would not: the server looks for its client only when it sends.
 * @returns whether the server took it
 */
export async function cancelQuery(readerUrl: string, threadId: number): Promise<boolean> {
  try {
    const connection = await connectReader(readerUrl);
    await connection.query(`KILL QUERY ${threadId}`);
    connection.destroy();
    return true;
  } catch {
    return false;
  }
}

/**
 * The plan of a statement, which is not run: a row for each table, alike on both databases, each of which skips what is
 * written for the other.
 */
export const explained = (sql: string): string =>
  `EXPLAIN /*!80000 FORMAT=TRADITIONAL */ /*M! PARTITIONS */ ${sql}`;

/** What of a plan matters first; the rest is in the other formats. */
const PLAN = ["table", "partitions", "type", "key", "rows", "filtered", "Extra"];

export function planOf({ columns, rows }: Result): Result {
  const chosen = PLAN.map((name) => columns.findIndex((column) => column.name === name)).filter(
    (i) => i >= 0,
  );
  const pick = async function* () {
    for await (const row of rows) yield chosen.map((i) => row[i]!);
  };
  return { columns: chosen.map((i) => columns[i]!), rows: pick() };
}
