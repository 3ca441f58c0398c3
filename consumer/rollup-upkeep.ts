import { Counter } from "prom-client";
import type { Logger } from "../contract/logger.ts";
import type { Metrics } from "../contract/metrics.ts";
import { bucketStart } from "../contract/rollup.ts";
import type { Connection, Row } from "../init_db/database.ts";
import { RAW_TABLES } from "../init_db/partitions.ts";
import { closeStale } from "./close.ts";
import { foldShards, type FoldedTo } from "./fold.ts";
import { reconcile, type Corrections } from "./reconcile.ts";
import type { UpkeepTask } from "./upkeep.ts";

export interface RollupUpkeepOptions {
  readonly logger: Logger;
  readonly metrics: Metrics;
}

const FOLD_EVERY_MS = 60_000;
const RECONCILE_EVERY_MS = 600_000;

const HOUR_S = 3_600;
const DAY_S = 86_400;
const NEVER_S = 4_294_967_295; // `touched_from_s` of a partition that wrote nothing since

const nowS = () => Math.floor(Date.now() / 1_000);

/** Keeps the rollups small (one row a cell) and true (what their rows say). */
export function rollupUpkeep({ logger, metrics }: RollupUpkeepOptions): UpkeepTask[] {
  return [foldTask(metrics), reconcileTask(logger, metrics)];
}

/** Folds and closes what was written to since the last time; a new leader begins folding with today. */
function foldTask({ registry }: Metrics): UpkeepTask {
  const registers = [registry];
  const cells = new Counter({
    name: "rollup_folded_cells_total",
    help: "Rollup cells whose shards were added up after their bucket closed",
    registers,
  });
  const buckets = new Counter({
    name: "rollup_closed_buckets_total",
    help: "Buckets of all routes together that were written once they ended, or again after late records",
    registers,
  });
  let foldedTo: FoldedTo = new Map();
  return {
    name: "fold",
    everyMs: FOLD_EVERY_MS,
    async run(connection) {
      const touchedS = await takeTouched(connection);
      const now = nowS();
      const fromS = Math.min(touchedS, foldedTo.size > 0 ? NEVER_S : bucketStart(DAY_S, now));
      cells.inc(await foldShards(connection, { fromS, nowS: now, foldedTo }));
      buckets.inc(await closeStale(connection, { fromS: touchedS, nowS: now }));
      await connection.query(
        `UPDATE ingest_offsets SET folding_from_s = ${NEVER_S} WHERE folding_from_s < ${NEVER_S}`,
      );
    },
    forget() {
      foldedTo = new Map();
    },
  };
}

/**
 * Unix seconds of the oldest row that came in since the last run that reached its end. The marks are taken before anything is read: a
 * record that comes later sets its partition's anew.
 */
async function takeTouched(connection: Connection): Promise<number> {
  await connection.query(
    `UPDATE ingest_offsets SET folding_from_s = LEAST(folding_from_s, touched_from_s), touched_from_s = ${NEVER_S}
      WHERE touched_from_s < ${NEVER_S}`,
  );
  const [[row]] = await connection.query<Row[]>(
    "SELECT MIN(folding_from_s) AS touched_s FROM ingest_offsets",
  );
  return Number(row?.["touched_s"] ?? NEVER_S);
}

/**
 * Compares the last two hours with their rows, and one older hour each time, back to the oldest that is kept and over again. What
 * it finds is put right and is an alarm: by construction there is nothing.
 */
function reconcileTask(logger: Logger, { registry }: Metrics): UpkeepTask {
  const cells = new Counter({
    name: "rollup_corrected_cells_total",
    help: "Rollup cells that did not say what their rows say, and were put right: an alarm when it rises",
    labelNames: ["table"],
    registers: [registry],
  });
  let olderS = 0; // the older hour looked at last

  function say(corrections: Corrections): void {
    for (const [table, count] of corrections) {
      cells.inc({ table }, count);
      logger.error({ table, cells: count }, "rollups differed from their rows; put right");
    }
  }

  return {
    name: "reconcile",
    everyMs: RECONCILE_EVERY_MS,
    async run(connection) {
      const recentS = bucketStart(HOUR_S, nowS()) - HOUR_S;
      say(await reconcile(connection, { fromS: recentS, toS: nowS(), withoutUsers: true }));
      const oldestS = await oldestRow(connection);
      olderS = (olderS > oldestS ? olderS : recentS) - HOUR_S;
      if (olderS + HOUR_S <= oldestS) return; // the store is younger than that
      const withoutUsers = olderS % DAY_S !== 0; // once a day
      say(await reconcile(connection, { fromS: olderS, toS: olderS + HOUR_S, withoutUsers }));
    },
  };
}

async function oldestRow(connection: Connection): Promise<number> {
  const oldest = RAW_TABLES.map((table) => `SELECT MIN(timestamp) AS oldest FROM ${table}`);
  const [[row]] = await connection.query<Row[]>(
    `SELECT UNIX_TIMESTAMP(MIN(oldest)) AS oldest_s FROM (${oldest.join(" UNION ALL ")}) AS raw_tables`,
  );
  return Number(row?.["oldest_s"] ?? Infinity);
}
