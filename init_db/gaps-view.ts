import type { Connection } from "./database.ts";
import { RAW_TABLES } from "./partitions.ts";

/** What a publisher's numbers are counted in, of one table. */
const numbersIn = (table: string) => `\
      SELECT b.source, l.seq DIV 64 AS word, BIT_OR(1 << (l.seq % 64)) AS there, MIN(l.seq) AS lowest_seq, MAX(l.seq) AS highest_seq
        FROM blocks b STRAIGHT_JOIN ${table} l
          ON l.timestamp BETWEEN b.first_at AND b.last_at AND l.source = b.source AND l.seq BETWEEN b.lowest_seq AND b.highest_seq
       WHERE NOT b.is_whole AND NOT b.is_old GROUP BY b.source, l.seq DIV 64
       UNION ALL
`;

/**
 * Numbers that publishers gave to records and that no row, dead letter or repeat has, range by range: on their way as long as the tail is alive, then lost.
 * A tail that is unknown is a row of its own, without an end. Of publishers that lack some, a block of numbers that is whole stands for itself, and
 * only the rows of the others are read, by their time, into words of 64 bits. Where retention has dropped rows of such a block, and where ingest_blocks
 * does not have all of a publisher (rows that were dropped, or came from an earlier version, while it was made), it says how many are missing, but not which.
 *
 * Rows of a publisher lie in the tables of all its kinds, so this view alone is no migration: it follows from {@link RAW_TABLES}.
 */
export const gapsView = (tables: readonly string[]) => `
CREATE OR REPLACE SQL SECURITY INVOKER VIEW v_ingest_gaps AS
WITH RECURSIVE bits (n) AS (
  SELECT 0 UNION ALL SELECT n + 1 FROM bits WHERE n < 63
), gappy AS (
  SELECT source, missing_records, stored_rows + dead_letters + repeats + missing_records AS given,
         stored_rows = (SELECT COALESCE(SUM(b.rows_in), 0) FROM ingest_blocks b WHERE b.source = v_publishers.source) AS is_counted
    FROM v_publishers WHERE missing_records > 0
), blocks AS (
  SELECT source, SUM(records) AS records, MIN(lowest_seq) AS lowest_seq, MAX(highest_seq) AS highest_seq, MIN(first_at) AS first_at, MAX(last_at) AS last_at,
         SUM(records) > MAX(highest_seq) - MIN(lowest_seq) AS is_whole,
         COALESCE(MIN(first_at) < (SELECT TIMESTAMP('1970-01-01') + INTERVAL kept_from_s SECOND FROM retention WHERE name = 'api_logs'), 0) AS is_old
    FROM (
      SELECT b.source, b.block, b.rows_in AS records, b.lowest_seq, b.highest_seq, b.first_at, b.last_at
        FROM gappy g JOIN ingest_blocks b ON b.source = g.source WHERE g.is_counted
       UNION ALL
      SELECT d.source, d.seq DIV 10000, COUNT(DISTINCT d.seq), MIN(d.seq), MAX(d.seq), NULL, NULL
        FROM gappy g JOIN dead_letters d ON d.source = g.source
       WHERE g.is_counted AND d.seq IS NOT NULL AND d.replayed_at IS NULL GROUP BY d.source, d.seq DIV 10000
       UNION ALL
      SELECT r.source, r.seq DIV 10000, COUNT(*), MIN(r.seq), MAX(r.seq), NULL, NULL
        FROM gappy g JOIN ingest_repeats r ON r.source = g.source WHERE g.is_counted GROUP BY r.source, r.seq DIV 10000
    ) AS parts GROUP BY source, block
), words AS (
  SELECT source, word, BIT_OR(there) AS there, MIN(lowest_seq) AS lowest_seq, MAX(highest_seq) AS highest_seq,
         BIT_COUNT(BIT_OR(there)) > MAX(highest_seq) - MIN(lowest_seq) AS is_whole
    FROM (
${tables.map(numbersIn).join("")}      SELECT b.source, d.seq DIV 64 AS word, BIT_OR(1 << (d.seq % 64)) AS there, MIN(d.seq) AS lowest_seq, MAX(d.seq) AS highest_seq
        FROM blocks b JOIN dead_letters d ON d.source = b.source AND d.seq BETWEEN b.lowest_seq AND b.highest_seq AND d.replayed_at IS NULL
       WHERE NOT b.is_whole AND NOT b.is_old GROUP BY b.source, d.seq DIV 64
       UNION ALL
      SELECT b.source, r.seq DIV 64, BIT_OR(1 << (r.seq % 64)), MIN(r.seq), MAX(r.seq)
        FROM blocks b JOIN ingest_repeats r ON r.source = b.source AND r.seq BETWEEN b.lowest_seq AND b.highest_seq
       WHERE NOT b.is_whole AND NOT b.is_old GROUP BY b.source, r.seq DIV 64
    ) AS parts GROUP BY source, word
), known AS (
  SELECT source, lowest_seq AS first_seq, highest_seq AS last_seq FROM blocks WHERE is_whole OR is_old
   UNION ALL
  SELECT w.source, IF(w.is_whole, w.lowest_seq, w.word * 64 + bits.n), IF(w.is_whole, w.highest_seq, w.word * 64 + bits.n)
    FROM words w JOIN bits ON IF(w.is_whole, bits.n = 0, w.there & (1 << bits.n) <> 0)
   UNION ALL
  SELECT source, given + 1, given + 1 FROM gappy WHERE is_counted
), gaps AS (
  SELECT source, CAST(previous_seq + 1 AS SIGNED) AS first_seq, CAST(first_seq - 1 AS SIGNED) AS last_seq, CAST(first_seq - 1 - previous_seq AS SIGNED) AS missing_records
    FROM (SELECT source, first_seq, COALESCE(LAG(last_seq) OVER (PARTITION BY source ORDER BY first_seq), 0) AS previous_seq FROM known) AS neighbours
   WHERE first_seq > previous_seq + 1
   UNION ALL
  SELECT source, NULL, NULL, CAST(SUM(highest_seq - lowest_seq + 1 - records) AS SIGNED) FROM blocks WHERE NOT is_whole AND is_old GROUP BY source
   UNION ALL
  SELECT source, NULL, NULL, CAST(missing_records AS SIGNED) FROM gappy WHERE NOT is_counted
   UNION ALL
  SELECT source, CAST(stored_rows + dead_letters + repeats + missing_records + 1 AS SIGNED), NULL, NULL FROM v_publishers WHERE tail = 'unknown'
)
SELECT p.source, p.service, p.instance, p.started_at, p.tail, p.dropped, g.first_seq, g.last_seq, g.missing_records
  FROM gaps g JOIN v_publishers p ON p.source = g.source`;

/** Makes the view `v_ingest_gaps`, anew where it is there. */
export async function makeGapsView(connection: Connection): Promise<void> {
  await connection.query(gapsView(RAW_TABLES));
}
