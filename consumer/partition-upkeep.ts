import { Counter, Gauge } from "prom-client";
import type { Logger } from "../contract/logger.ts";
import type { Metrics } from "../contract/metrics.ts";
import { auditDrops } from "../init_db/audit.ts";
import type { Connection, Row } from "../init_db/database.ts";
import {
  alone,
  applyChanges,
  CATCH_ALL,
  heldMessage,
  MOST_COUNTED,
  PARTITIONED,
  planPartitions,
  readTables,
  type Change,
} from "../init_db/partitions.ts";
import { agreedNowMs, KEPT, raiseBounds, type Bounds, type Keep } from "../init_db/retention.ts";
import type { UpkeepTask } from "./upkeep.ts";

export interface PartitionUpkeepOptions {
  readonly keep: Keep;
  readonly logger: Logger;
  readonly metrics: Metrics;
}

export interface PartitionUpkeep extends UpkeepTask {
  /** The alarm of its last run here, for `/health`; undefined without one, and while another consumer leads. */
  warning(): string | undefined;
}

const EVERY_MS = 60_000;
const DAY_MS = 86_400_000;

/**
 * Each minute: raises the bounds of what is kept, makes the partitions ahead, gives late rows theirs, drops what has expired.
 * Behind a long reader it gives up after a second and comes back later.
 */
export function partitionUpkeep({ keep, logger, metrics }: PartitionUpkeepOptions): PartitionUpkeep {
  const own = ownMetrics(metrics);
  let alarming: readonly string[] = []; // tables
  return {
    name: "partitions",
    everyMs: EVERY_MS,
    async run(connection) {
      const nowMs = await agreedNowMs(connection);
      const bounds = await raiseBounds(connection, keep, nowMs);
      alarming = await measure(connection, own, bounds, nowMs, logger);
      const { done, blocked } = await alone(connection, async () =>
        applyChanges(connection, await planPartitions(connection, { nowMs }, bounds)),
      );
      for (const change of done) say(change, logger);
      await auditDrops(connection, done, { via: "consumer", detail: { keep_s: keep } });
      count(own, "done", done);
      count(own, "blocked", blocked);
      if (blocked.length > 0) throw new Error(heldMessage(blocked));
    },
    forget() {
      alarming = [];
      own.gauges.forEach((gauge) => gauge.reset());
    },
    warning: () => (alarming.length > 0 ? `${alarming.join(", ")}: ${LATE}` : undefined),
  };
}

const LATE = `rows in ${CATCH_ALL}: nobody made partitions for days`;

/**
 * Before anything is changed, so that an alarm is seen even where the change ends its cause.
 * @returns the tables with rows in the catch-all
 */
async function measure(
  connection: Connection,
  own: OwnMetrics,
  bounds: Bounds,
  nowMs: number,
  logger: Logger,
): Promise<string[]> {
  const states = await readTables(connection, bounds);
  const alarming: string[] = [];
  for (const { name } of PARTITIONED) {
    const lastMs = states.get(name)!.partitions.at(-2)?.toMs ?? nowMs;
    own.aheadDays.set({ table: name }, Math.floor((lastMs - nowMs) / DAY_MS));
    own.pastRows.set({ table: name }, states.get(name)!.pastRows);
    const late = await countCatchAll(connection, name);
    own.catchAllRows.set({ table: name }, late);
    if (late > 0) {
      alarming.push(name);
      logger.error({ table: name, rows: late }, LATE);
    }
  }
  for (const name of KEPT) own.keptFrom.set({ name }, bounds[name]);
  return alarming;
}

async function countCatchAll(connection: Connection, table: string): Promise<number> {
  const [[row]] = await connection.query<Row[]>(
    `SELECT COUNT(*) AS counted FROM (SELECT 1 FROM ${table} PARTITION (${CATCH_ALL}) LIMIT ${MOST_COUNTED}) AS some_rows`,
  );
  return Number(row?.["counted"]);
}

const DID = { make: "made partitions", drop: "dropped what has expired", empty: "dropped what has expired" };

function say({ kind, table, partitions }: Change, logger: Logger): void {
  logger.info({ table, partitions }, DID[kind]);
}

function count({ changes }: OwnMetrics, status: string, made: readonly Change[]): void {
  for (const { kind } of made) changes.inc({ kind, status });
}

type OwnMetrics = ReturnType<typeof ownMetrics>;

function ownMetrics({ registry }: Metrics) {
  const registers = [registry];
  const gauge = <L extends string>(name: string, help: string, labelNames: L[]) =>
    new Gauge({ name, help, labelNames, registers });
  const gauges = {
    aheadDays: gauge("store_partitions_ahead_days", "Days from now for which partitions are ready", [
      "table",
    ]),
    catchAllRows: gauge(
      "store_catch_all_rows",
      `Rows later than the last partition, counted up to ${MOST_COUNTED}: an alarm when above 0`,
      ["table"],
    ),
    pastRows: gauge("store_past_rows", `Rows older than the first partition, counted up to ${MOST_COUNTED}`, [
      "table",
    ]),
    keptFrom: gauge("store_kept_from_seconds", "What is older is not kept, Unix seconds", ["name"]),
  };
  return {
    ...gauges,
    gauges: Object.values(gauges) as { reset(): void }[],
    changes: new Counter({
      name: "store_partition_changes_total",
      help: "Partitions made, dropped or emptied, a statement each; blocked: a long query held the table",
      labelNames: ["kind", "status"],
      registers,
    }),
  };
}
