import { datetime, number, text } from "./literals.ts";
import type { RecordRow } from "./record-table.ts";

/** Numbers of a publisher that are counted together. `v_ingest_gaps` counts its dead letters by the same blocks. */
const BLOCK = 10_000;

interface Block {
  rows: number;
  lowest: number; // numbers
  highest: number;
  firstMs: number;
  lastMs: number;
}

/**
 * What new rows add to `ingest_sources`, how many numbered records of each publisher are stored, and to `ingest_blocks`, the same for each block of
 * numbers. The first, beside what publishers say of themselves, proves a gap, also long after retention has dropped the rows; the second says
 * where the rows are among which it must be, so that nobody reads the others.
 */
export function sourceCounts(rows: readonly RecordRow[], shard: number): string[] {
  const sources = [...blocksOf(rows)].sort(([a], [b]) => (a < b ? -1 : 1));
  if (sources.length === 0) return [];
  const totals = sources.map(([source, blocks]) => {
    const stored = [...blocks.values()].reduce((sum, block) => sum + block.rows, 0);
    const highest = Math.max(...[...blocks.values()].map((block) => block.highest));
    return `(${text(source)},${number(shard)},${number(stored)},${number(highest)})`;
  });
  const parts = sources.flatMap(([source, blocks]) =>
    [...blocks]
      .sort(([a], [b]) => a - b)
      .map(
        ([block, { rows: stored, lowest, highest, firstMs, lastMs }]) =>
          `(${text(source)},${number(shard)},${number(block)},${number(stored)},${number(lowest)},${number(highest)},` +
          `${datetime(firstMs)},${datetime(lastMs)})`,
      ),
  );
  return [
    `INSERT INTO ingest_sources (source, shard, rows_in, highest_seq) VALUES ${totals.join(",")}
     ON DUPLICATE KEY UPDATE rows_in = rows_in + VALUES(rows_in), highest_seq = GREATEST(highest_seq, VALUES(highest_seq))`,
    `INSERT INTO ingest_blocks (source, shard, block, rows_in, lowest_seq, highest_seq, first_at, last_at) VALUES ${parts.join(",")}
     ON DUPLICATE KEY UPDATE rows_in = rows_in + VALUES(rows_in),
       lowest_seq = LEAST(lowest_seq, VALUES(lowest_seq)), highest_seq = GREATEST(highest_seq, VALUES(highest_seq)),
       first_at = LEAST(first_at, VALUES(first_at)), last_at = GREATEST(last_at, VALUES(last_at))`,
  ];
}

/** By source, then by the number of the block. */
function blocksOf(rows: readonly RecordRow[]): Map<string, Map<number, Block>> {
  const sources = new Map<string, Map<number, Block>>();
  for (const { source, seq, timestampMs } of rows) {
    if (source === null || seq === null) continue;
    let blocks = sources.get(source);
    if (!blocks) sources.set(source, (blocks = new Map<number, Block>()));
    const number = Math.floor(seq / BLOCK);
    const block = blocks.get(number);
    if (block) {
      block.rows++;
      block.lowest = Math.min(block.lowest, seq);
      block.highest = Math.max(block.highest, seq);
      block.firstMs = Math.min(block.firstMs, timestampMs);
      block.lastMs = Math.max(block.lastMs, timestampMs);
    } else
      blocks.set(number, {
        ...{ rows: 1, lowest: seq, highest: seq },
        ...{ firstMs: timestampMs, lastMs: timestampMs },
      });
  }
  return sources;
}
