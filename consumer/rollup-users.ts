import { bucketStart, FUNNEL_STEPS } from "../contract/rollup.ts";
import type { RequestLogRow } from "../contract/request-log-row.ts";
import type { Bounds } from "../init_db/retention.ts";
import { at, keptBuckets, type Buckets } from "./buckets.ts";
import { datetime, ms, text } from "./literals.ts";

const DAY_S = 86_400;

interface UserDay {
  count: number;
  errors: number;
  steps: number[];
  us: number;
  firstMs: number;
  lastMs: number;
}

const newUsers = () => new Map<string, UserDay>();

/** What a batch adds to `api_users_1d`. */
export class UserSums {
  readonly #kept: Bounds;
  readonly #days: Buckets<Map<string, UserDay>> = new Map();

  constructor(kept: Bounds) {
    this.#kept = kept;
  }

  add(row: RequestLogRow): void {
    if (row.user_id === null) return;
    const dayS = bucketStart(DAY_S, Math.floor(row.timestampMs / 1_000));
    const day = at(at(this.#days, dayS, newUsers), row.user_id, () => newDay(row.timestampMs));
    day.count++;
    day.us += Math.round(row.response_time_ms * 1_000);
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

  statements(shard: number): string[] {
    return upsertUsers(keptBuckets(this.#days, "1d", this.#kept), shard);
  }
}

const newDay = (timeMs: number): UserDay => ({
  ...{ count: 0, errors: 0, us: 0, steps: FUNNEL_STEPS.map(() => 0) },
  ...{ firstMs: timeMs, lastMs: timeMs },
});

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
