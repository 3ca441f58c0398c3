import type { RequestLogRow } from "../contract/request-log-row.ts";
import { number, text } from "./literals.ts";

/**
 * What new rows add to `ingest_sources`: how many numbered records of each publisher are stored. Beside what publishers say of
 * themselves that proves a gap, also long after retention has dropped the rows.
 */
export function sourceCounts(rows: readonly RequestLogRow[], shard: number): string[] {
  const counts = new Map<string, { rows: number; highest: number }>();
  for (const { source, seq } of rows) {
    if (source === null || seq === null) continue;
    const count = counts.get(source);
    if (count) {
      count.rows++;
      count.highest = Math.max(count.highest, seq);
    } else counts.set(source, { rows: 1, highest: seq });
  }
  if (counts.size === 0) return [];
  const values = [...counts]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(
      ([source, { rows, highest }]) =>
        `(${text(source)},${number(shard)},${number(rows)},${number(highest)})`,
    );
  return [
    `INSERT INTO ingest_sources (source, shard, rows_in, highest_seq) VALUES ${values.join(",")}
     ON DUPLICATE KEY UPDATE rows_in = rows_in + VALUES(rows_in), highest_seq = GREATEST(highest_seq, VALUES(highest_seq))`,
  ];
}
