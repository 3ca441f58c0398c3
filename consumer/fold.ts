import { bucketStart } from "../contract/rollup.ts";
import { inTransaction, type Connection, type Row } from "../init_db/database.ts";
import { FOLDED_SHARD, ROLLUP_TABLES, type RollupTable } from "./rollup-tables.ts";

/** A bucket is left alone for so long after its end: its last records may be under way. */
const GRACE_S = 60;

/** The end of the last bucket of `seconds` that is closed; Unix seconds. */
export const closedBefore = (seconds: number, nowS: number): number => bucketStart(seconds, nowS - GRACE_S);

/** Buckets folded in one transaction: bounds the rows it locks. */
const BUCKETS_PER_FOLD = 10;

/** Up to where each table is folded, Unix seconds; kept by whoever folds again and again. */
export type FoldedTo = Map<string, number>;

/**
 * Adds up the shards of closed buckets, so that readers and disks hold one row where each partition of the topics wrote
 * its own. Late records may open a shard again; the next call folds it in.
 * @param fromS Unix seconds; what was written to since the last call begins here
 * @param foldedTo what earlier calls have done; updated
 * @returns cells that were folded
 */
export async function foldShards(
  connection: Connection,
  { fromS, nowS, foldedTo }: { fromS: number; nowS: number; foldedTo: FoldedTo },
): Promise<number> {
  let folded = 0;
  for (const table of ROLLUP_TABLES) {
    const { name, seconds } = table;
    const closedS = closedBefore(seconds, nowS);
    const startS = bucketStart(seconds, Math.min(fromS, foldedTo.get(name) ?? fromS));
    const split = await splitBuckets(connection, table, startS, closedS);
    for (let i = 0; i < split.length; i += BUCKETS_PER_FOLD) {
      const part = split.slice(i, i + BUCKETS_PER_FOLD);
      folded += await foldBuckets(connection, table, part[0]!, part.at(-1)! + seconds);
    }
    foldedTo.set(name, closedS);
  }
  return folded;
}

/** Buckets with a cell in several shards, or with one that sums to nothing (what a correction leaves). */
async function splitBuckets(
  connection: Connection,
  { name, key }: RollupTable,
  fromS: number,
  toS: number,
): Promise<number[]> {
  const [rows] = await connection.query<Row[]>(
    `SELECT DISTINCT bucket_s FROM (
       SELECT bucket_s FROM ${name} WHERE bucket_s >= ${fromS} AND bucket_s < ${toS}
        GROUP BY ${key.join(", ")} HAVING COUNT(*) > 1 OR SUM(count) = 0) AS split_cells ORDER BY bucket_s`,
  );
  return rows.map((row) => Number(row["bucket_s"]));
}

/**
 * REPEATABLE READ and the first statement keep others out of these buckets, also out of the gaps between their rows, until
 * the sums stand: a record that comes too late waits for milliseconds.
 */
async function foldBuckets(
  connection: Connection,
  { name, key, added, extremes }: RollupTable,
  fromS: number,
  toS: number,
): Promise<number> {
  const keys = key.join(", ");
  const within = (alias = "") => `${alias}bucket_s >= ${fromS} AND ${alias}bucket_s < ${toS}`;
  const sums = [
    ...added.map((column) => ({ column, sum: `SUM(${column})` })),
    ...Object.entries(extremes).map(([column, take]) => ({ column, sum: `${take}(${column})` })),
  ];
  const columns = sums.map(({ column }) => column);
  return inTransaction(connection, "REPEATABLE READ", async () => {
    await connection.query(`SELECT COUNT(*) FROM ${name} WHERE ${within()} FOR UPDATE`);
    const [inserted] = await connection.query(
      `INSERT INTO ${name} (${keys}, shard, ${columns.join(", ")})
       SELECT ${keys}, ${FOLDED_SHARD}, ${sums.map(({ sum }) => sum).join(", ")}
         FROM ${name} WHERE ${within()} GROUP BY ${keys} HAVING COUNT(*) > 1
       ON DUPLICATE KEY UPDATE ${columns.map((column) => `${column} = VALUES(${column})`).join(", ")}`,
    );
    await connection.query(
      `DELETE shards FROM ${name} AS shards JOIN ${name} AS folded
          ON ${key.map((column) => `folded.${column} = shards.${column}`).join(" AND ")} AND folded.shard = ${FOLDED_SHARD}
       WHERE ${within("shards.")} AND shards.shard <> ${FOLDED_SHARD}`,
    );
    await connection.query(`DELETE FROM ${name} WHERE ${within()} AND shard = ${FOLDED_SHARD} AND count = 0`);
    return Number((inserted as { info?: string }).info?.match(/Records: (\d+)/)?.[1] ?? 0);
  });
}
