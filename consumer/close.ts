import { bucketStart, RESOLUTIONS, type Resolution } from "../contract/rollup.ts";
import { inTransaction, type Connection, type Row } from "../init_db/database.ts";
import { closedBefore } from "./fold.ts";

/** Written in one transaction, and read for it: bounds what a restart does again. */
const BUCKETS_PER_CLOSE = 360;

/** The last latency buckets whose middle is up to 300 and 1,200 ms: T and 4T of Apdex. */
const SATISFIED_UP_TO = 131;
const TOLERATED_UP_TO = 146;

/** What the rollup says of all routes together, in the columns of `api_traffic_<resolution>`. */
const SUMS = [
  ["requests", "SUM(count)"],
  ["client_errors", "SUM(IF(status_code BETWEEN 400 AND 499, count, 0))"],
  ["server_errors", "SUM(IF(status_code >= 500, count, 0))"],
  ["sum_ms", "SUM(sum_ms)"],
  ["max_ms", "MAX(max_ms)"],
  ["bytes_in", "SUM(bytes_in)"],
  ["bytes_out", "SUM(bytes_out)"],
] as const;

const SELECT_SUMS = SUMS.map(([column, sum]) => `${sum} AS ${column}`).join(", ");

const PERCENTILES = [50, 90, 95, 99] as const;

const COLUMNS = [
  "bucket_s",
  ...SUMS.map(([column]) => column),
  ...PERCENTILES.map((percent) => `p${percent}_bucket`),
  ...["satisfied", "tolerated"],
].join(", ");

/**
 * Closes the buckets of every resolution that have ended and are not closed yet, and closes again those that got more records
 * since. They are taken in order of time, so that up to the newest row of `api_traffic_<resolution>` everything is closed: from there on
 * the views add up the rollups.
 * @param fromS Unix seconds; what was written to since the last call begins here
 * @returns buckets that were written
 */
export async function closeStale(
  connection: Connection,
  { fromS, nowS }: { fromS: number; nowS: number },
): Promise<number> {
  let closed = 0;
  for (const { name, seconds } of RESOLUTIONS) {
    const openFromS = (await closedTo(connection, name)) + 1;
    const startS = Math.min(bucketStart(seconds, fromS), openFromS);
    const buckets = await staleBuckets(connection, name, startS, closedBefore(seconds, nowS));
    await closeBuckets(connection, name, buckets);
    closed += buckets.length;
  }
  return closed;
}

/** Start of the newest closed bucket, Unix seconds; 0 without one. */
export async function closedTo(connection: Connection, resolution: Resolution): Promise<number> {
  const [[row]] = await connection.query<Row[]>(
    `SELECT COALESCE(MAX(bucket_s), 0) AS closed_s FROM api_traffic_${resolution}`,
  );
  return Number(row?.["closed_s"]);
}

/** Buckets of which the rollup says something else than their closed row, or that have none. */
async function staleBuckets(
  connection: Connection,
  resolution: Resolution,
  fromS: number,
  endS: number,
): Promise<number[]> {
  const within = `WHERE bucket_s >= ${fromS} AND bucket_s < ${endS}`;
  const compared = SUMS.filter(([column]) => column !== "max_ms"); // what adds up
  const [rows] = await connection.query<Row[]>(
    `SELECT bucket_s FROM (
       SELECT bucket_s, ${compared.map(([column, sum]) => `${sum} AS ${column}`).join(", ")}
         FROM api_rollup_${resolution} ${within} GROUP BY bucket_s
       UNION ALL
       SELECT bucket_s, ${compared.map(([column]) => `-CAST(${column} AS DECIMAL(22, 3))`).join(", ")}
         FROM api_traffic_${resolution} ${within}
     ) AS sides
     GROUP BY bucket_s HAVING ${compared.map(([column]) => `SUM(${column}) <> 0`).join(" OR ")} ORDER BY bucket_s`,
  );
  return rows.map((row) => Number(row["bucket_s"]));
}

/**
 * Writes these buckets of `api_traffic_<resolution>` anew, in their order. Each SELECT is one snapshot, in which rollup and histogram belong
 * together; READ COMMITTED, so that it locks neither. DELETE, because a bucket may have nothing left; REPLACE, because somebody else may
 * have written the same one in between.
 * @param buckets starts, Unix seconds, ascending
 */
export async function closeBuckets(
  connection: Connection,
  resolution: Resolution,
  buckets: readonly number[],
): Promise<void> {
  for (let i = 0; i < buckets.length; i += BUCKETS_PER_CLOSE) {
    const some = `bucket_s IN (${buckets.slice(i, i + BUCKETS_PER_CLOSE).join(",")})`;
    await inTransaction(connection, "READ COMMITTED", async () => {
      await connection.query(`DELETE FROM api_traffic_${resolution} WHERE ${some}`);
      await connection.query(
        `REPLACE INTO api_traffic_${resolution} (${COLUMNS}) ${closedRows(resolution, some)}`,
      );
    });
  }
}

/** A percentile is the nearest rank in the histogram: the first latency bucket up to which that share of the requests was seen. */
function closedRows(resolution: Resolution, some: string): string {
  const ranks = PERCENTILES.map(
    (percent) =>
      `MIN(CASE WHEN seen >= CEIL(${percent / 100} * total) THEN bucket END) AS p${percent}_bucket`,
  );
  return `SELECT ${COLUMNS}
    FROM (SELECT bucket_s, ${SELECT_SUMS}
            FROM api_rollup_${resolution} WHERE ${some} GROUP BY bucket_s HAVING SUM(count) > 0) AS sums
    JOIN (SELECT bucket_s, ${ranks.join(", ")},
                 SUM(IF(bucket <= ${SATISFIED_UP_TO}, measured, 0)) AS satisfied,
                 SUM(IF(bucket BETWEEN ${SATISFIED_UP_TO + 1} AND ${TOLERATED_UP_TO}, measured, 0)) AS tolerated
            FROM (SELECT bucket_s, bucket, measured,
                         SUM(measured) OVER (PARTITION BY bucket_s ORDER BY bucket) AS seen,
                         SUM(measured) OVER (PARTITION BY bucket_s) AS total
                    FROM (SELECT bucket_s, bucket, SUM(count) AS measured
                            FROM api_latency_${resolution} WHERE ${some} GROUP BY bucket_s, bucket) AS histogram
                 ) AS cumulated
           GROUP BY bucket_s HAVING SUM(measured) > 0) AS ranks USING (bucket_s)`;
}
