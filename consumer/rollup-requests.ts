import { bucketStart, latencyBucket, RESOLUTIONS, type Resolution } from "../contract/rollup.ts";
import { LEVELS } from "../contract/request-log.ts";
import type { RequestLogRow } from "../contract/request-log-row.ts";
import type { Bounds } from "../init_db/retention.ts";
import { at, keptBuckets, type Buckets } from "./buckets.ts";
import { ms } from "./literals.ts";
import type { Route } from "./rollup-routes.ts";

interface Sum {
  count: number;
  us: number; // microseconds add up exactly, milliseconds with fractions do not
  maxUs: number;
  bytesIn: number;
  bytesOut: number;
}

/** Of one route in one bucket: sums by status and level (status * 4 + level), counts by latency bucket. */
interface RouteSums {
  readonly byStatus: Map<number, Sum>;
  readonly byLatency: Map<number, number>;
}

type Bucket = Map<Route, RouteSums>;

const newBucket = (): Bucket => new Map();
const newRouteSums = (): RouteSums => ({ byStatus: new Map(), byLatency: new Map() });

const MINUTE_S = 60;

/**
 * What a batch adds to `api_rollup_…` and `api_latency_…`. Rows are added up in the finest buckets that are kept; the coarser
 * ones are sums of those.
 */
export class RequestSums {
  readonly #kept: Bounds;
  readonly #tens: Buckets<Bucket> = new Map();
  readonly #minutes: Buckets<Bucket> = new Map();

  constructor(kept: Bounds) {
    this.#kept = kept;
  }

  add(row: RequestLogRow, route: Route): void {
    const timeS = Math.floor(row.timestampMs / 1_000);
    const us = Math.round(row.response_time_ms * 1_000);
    const tenS = bucketStart(10, timeS);
    const isFine = tenS >= this.#kept["10s"];
    const bucket = at(
      isFine ? this.#tens : this.#minutes,
      isFine ? tenS : bucketStart(MINUTE_S, timeS),
      newBucket,
    );
    const { byStatus, byLatency } = at(bucket, route, newRouteSums);
    addSum(byStatus, row.status_code * 4 + LEVELS.indexOf(row.level), {
      ...{ count: 1, us, maxUs: us },
      bytesIn: row.bytes_in ?? 0,
      bytesOut: row.bytes_out ?? 0,
    });
    const latency = latencyBucket(row.response_time_ms);
    byLatency.set(latency, (byLatency.get(latency) ?? 0) + 1);
  }

  routes(): Route[] {
    const buckets = [...this.#tens.values(), ...this.#minutes.values()];
    return [...new Set(buckets.flatMap((bucket) => [...bucket.keys()]))];
  }

  statements(shard: number): string[] {
    const statements: string[] = [];
    let sums = this.#tens;
    for (const { name, seconds } of RESOLUTIONS) {
      if (seconds > 10)
        sums = coarsened(sums, seconds, name === "1m" ? this.#minutes : new Map<number, Bucket>());
      statements.push(...upserts(name, keptBuckets(sums, name, this.#kept), shard));
    }
    return statements;
  }
}

function addSum(sums: Map<number, Sum>, key: number, { count, us, maxUs, bytesIn, bytesOut }: Sum): void {
  const sum = sums.get(key);
  if (!sum) {
    sums.set(key, { count, us, maxUs, bytesIn, bytesOut });
    return;
  }
  sum.count += count;
  sum.us += us;
  sum.maxUs = Math.max(sum.maxUs, maxUs);
  sum.bytesIn += bytesIn;
  sum.bytesOut += bytesOut;
}

/** Adds `fine` to buckets of so many seconds. */
function coarsened(fine: Buckets<Bucket>, seconds: number, into: Buckets<Bucket>): Buckets<Bucket> {
  for (const [bucketS, bucket] of fine) {
    const coarse = at(into, bucketStart(seconds, bucketS), newBucket);
    for (const [route, { byStatus, byLatency }] of bucket) {
      const sums = at(coarse, route, newRouteSums);
      for (const [key, sum] of byStatus) addSum(sums.byStatus, key, sum);
      for (const [latency, count] of byLatency)
        sums.byLatency.set(latency, (sums.byLatency.get(latency) ?? 0) + count);
    }
  }
  return into;
}

/** Values stand in the order of the primary key. */
function upserts(name: Resolution, buckets: readonly [number, Bucket][], shard: number): string[] {
  const sums: string[] = [];
  const counts: string[] = [];
  for (const [bucketS, bucket] of buckets) {
    const histogram: [latency: number, id: number, count: number][] = [];
    for (const [{ id }, { byStatus, byLatency }] of [...bucket].sort(([a], [b]) => a.id - b.id)) {
      for (const [key, sum] of [...byStatus].sort(([a], [b]) => a - b)) {
        sums.push(
          `(${bucketS},${id},${key >> 2},'${LEVELS[key & 3]!}',${shard},${sum.count},${ms(sum.us)},${ms(sum.maxUs)},${sum.bytesIn},${sum.bytesOut})`,
        );
      }
      for (const [latency, count] of byLatency) histogram.push([latency, id, count]);
    }
    histogram.sort(([a, id], [b, other]) => a - b || id - other);
    for (const [latency, id, count] of histogram)
      counts.push(`(${bucketS},${latency},${id},${shard},${count})`);
  }
  if (sums.length === 0) return [];
  return [
    `INSERT INTO api_rollup_${name} (bucket_s, route_id, status_code, level, shard, count, sum_ms, max_ms, bytes_in, bytes_out)
     VALUES ${sums.join(",")}
     ON DUPLICATE KEY UPDATE count = count + VALUES(count), sum_ms = sum_ms + VALUES(sum_ms),
       max_ms = GREATEST(max_ms, VALUES(max_ms)), bytes_in = bytes_in + VALUES(bytes_in),
       bytes_out = bytes_out + VALUES(bytes_out)`,
    `INSERT INTO api_latency_${name} (bucket_s, bucket, route_id, shard, count) VALUES ${counts.join(",")}
     ON DUPLICATE KEY UPDATE count = count + VALUES(count)`,
  ];
}
