import {
  bucketStart,
  FUNNEL_STEPS,
  latencyBucket,
  RESOLUTIONS,
  routeId,
  type Resolution,
} from "../contract/rollup.ts";
import { LEVELS } from "../contract/request-log.ts";
import type { RequestLogRow } from "../contract/request-log-row.ts";
import type { Bounds } from "../init_db/retention.ts";
import type { Derived } from "./kind.ts";
import { datetime, text } from "./literals.ts";

/** What new rows add to the rollups. One for each database, because it remembers the routes that are stored there. */
export interface Rollup {
  /**
   * @param rows rows that are really new: what is added twice is counted twice
   * @param shard a number of their partition alone, so that no other transaction touches the same rollup rows
   */
  deltas(rows: readonly RequestLogRow[], shard: number, kept: Bounds): Derived;
}

/** Routes remembered at most: whoever writes to the topics names them. */
const MAX_ROUTES = 50_000;

export function createRollup(): Rollup {
  const routes = new Map<string, Route>();

  function routeOf({ service, method, endpoint }: RequestLogRow): Route {
    const name = `${service}\0${method}\0${endpoint}`;
    let route = routes.get(name);
    if (!route) {
      if (routes.size >= MAX_ROUTES) routes.clear();
      const id = routeId(service, method, endpoint);
      route = { service, method, endpoint, id, isStored: false };
      routes.set(name, route);
    }
    return route;
  }

  return {
    deltas(rows, shard, kept) {
      const batch = new BatchSums(kept);
      for (const row of rows) batch.add(row, routeOf(row));
      const unknown = batch.routes().filter(({ isStored }) => !isStored);
      return {
        statements: [...insertRoutes(unknown), ...batch.statements(shard)],
        onCommit() {
          for (const route of unknown) route.isStored = true;
        },
      };
    },
  };
}

interface Route {
  readonly service: string;
  readonly method: string;
  readonly endpoint: string;
  readonly id: number;
  isStored: boolean;
}

interface Sum {
  count: number;
  us: number; // microseconds add up exactly, milliseconds with fractions do not
  maxUs: number;
  bytesIn: number;
  bytesOut: number;
}

interface UserDay {
  count: number;
  errors: number;
  steps: number[];
  us: number;
  firstMs: number;
  lastMs: number;
}

/** Of one route in one bucket: sums by status and level (status * 4 + level), counts by latency bucket. */
interface RouteSums {
  readonly byStatus: Map<number, Sum>;
  readonly byLatency: Map<number, number>;
}

type Bucket = Map<Route, RouteSums>;
type Buckets = Map<number, Bucket>; // by start, Unix seconds

const MINUTE_S = 60;
const DAY_S = 86_400;

/** Rows are added up in the finest buckets that are kept; the coarser ones are sums of those. */
class BatchSums {
  readonly #kept: Bounds;
  readonly #tens: Buckets = new Map();
  readonly #minutes: Buckets = new Map();
  readonly #userDays = new Map<number, Map<string, UserDay>>();

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
    if (row.user_id !== null)
      addUser(at(this.#userDays, bucketStart(DAY_S, timeS), newUsers), row.user_id, row, us);
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
      statements.push(...upserts(name, this.#keptOf(name, sums), shard));
    }
    return [...statements, ...upsertUsers(this.#keptOf("1d", this.#userDays), shard)];
  }

  #keptOf<T>(resolution: Resolution, buckets: ReadonlyMap<number, T>): [number, T][] {
    return [...buckets].filter(([bucketS]) => bucketS >= this.#kept[resolution]).sort(([a], [b]) => a - b);
  }
}

const newBucket = (): Bucket => new Map();
const newRouteSums = (): RouteSums => ({ byStatus: new Map(), byLatency: new Map() });
const newUsers = () => new Map<string, UserDay>();

function at<K, V>(map: Map<K, V>, key: K, create: () => V): V {
  let value = map.get(key);
  if (value === undefined) map.set(key, (value = create()));
  return value;
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

function addUser(users: Map<string, UserDay>, userId: string, row: RequestLogRow, us: number): void {
  const day = at(users, userId, () => ({
    ...{ count: 0, errors: 0, us: 0, steps: FUNNEL_STEPS.map(() => 0) },
    ...{ firstMs: row.timestampMs, lastMs: row.timestampMs },
  }));
  day.count++;
  day.us += us;
  day.firstMs = Math.min(day.firstMs, row.timestampMs);
  day.lastMs = Math.max(day.lastMs, row.timestampMs);
  if (row.status_code >= 400) {
    day.errors++;
    return;
  }
  const step = FUNNEL_STEPS.findIndex(
    ({ method, endpoint }) => method === row.method && endpoint === row.endpoint,
  );
  if (step >= 0) day.steps[step]!++;
}

/** Adds `fine` to buckets of so many seconds. */
function coarsened(fine: Buckets, seconds: number, into: Buckets): Buckets {
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

/** Routes stay named for good. Sorted, so that two consumers who meet the same routes first wait in the same order. */
export function insertRoutes(routes: readonly Omit<Route, "isStored">[]): string[] {
  if (routes.length === 0) return [];
  const values = routes
    .toSorted((a, b) => a.id - b.id)
    .map(({ id, service, method, endpoint }) => `(${id},${text(service)},${text(method)},${text(endpoint)})`);
  return [
    `INSERT INTO api_routes (route_id, service, method, endpoint) VALUES ${values.join(",")}
     ON DUPLICATE KEY UPDATE route_id = api_routes.route_id`,
  ];
}

const ms = (us: number) => (us / 1_000).toFixed(3);

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

const STEP_COLUMNS = FUNNEL_STEPS.map(({ column }) => column);

function upsertUsers(days: readonly [number, Map<string, UserDay>][], shard: number): string[] {
  const values = days.flatMap(([bucketS, users]) =>
    [...users].map(
      ([userId, day]) =>
        `(${bucketS},${text(userId)},${shard},${day.count},${day.errors},${day.steps.join(",")},${ms(day.us)},` +
        `${datetime(day.firstMs)},${datetime(day.lastMs)})`,
    ),
  );
  if (values.length === 0) return [];
  const added = ["count", "errors", ...STEP_COLUMNS, "sum_ms"].map(
    (column) => `${column} = ${column} + VALUES(${column})`,
  );
  return [
    `INSERT INTO api_users_1d (bucket_s, user_id, shard, count, errors, ${STEP_COLUMNS.join(", ")}, sum_ms, first_at, last_at)
     VALUES ${values.join(",")}
     ON DUPLICATE KEY UPDATE ${added.join(", ")}, first_at = LEAST(first_at, VALUES(first_at)),
       last_at = GREATEST(last_at, VALUES(last_at))`,
  ];
}
