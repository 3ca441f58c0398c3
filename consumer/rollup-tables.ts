import { FUNNEL_STEPS, RESOLUTIONS, type Resolution } from "../contract/rollup.ts";

/** One table of sums: what identifies a cell beside the shard (in the order of the primary key), which columns add up, which keep an extreme. */
export interface RollupTable {
  readonly name: string;
  readonly resolution: Resolution; // also its name in table `retention`
  readonly seconds: number; // of a bucket
  readonly key: readonly string[];
  readonly added: readonly string[];
  readonly extremes: Readonly<Record<string, "MAX" | "MIN">>;
}

export const USERS_TABLE: RollupTable = {
  ...{ name: "api_users_1d", resolution: "1d", seconds: 86_400 },
  key: ["bucket_s", "user_id"],
  added: ["count", "errors", ...FUNNEL_STEPS.map(({ column }) => column), "sum_ms"],
  extremes: { first_at: "MIN", last_at: "MAX" },
};

export const ERRORS_TABLE: RollupTable = {
  ...{ name: "api_errors_1h", resolution: "1h", seconds: 3_600 },
  key: ["bucket_s", "fingerprint"],
  added: ["count"],
  extremes: { first_at: "MIN", last_at: "MAX", last_request_id: "MAX" },
};

export const APP_ERRORS_TABLE: RollupTable = {
  ...{ name: "app_errors_1h", resolution: "1h", seconds: 3_600 },
  key: ["bucket_s", "fingerprint", "service", "level"],
  added: ["count"],
  extremes: { first_at: "MIN", last_at: "MAX", last_log_id: "MAX" },
};

/** From the finest to the coarsest, those of requests before those of users and errors. */
export const ROLLUP_TABLES: readonly RollupTable[] = [
  ...RESOLUTIONS.flatMap(({ name, seconds }): RollupTable[] => [
    {
      ...{ name: `api_rollup_${name}`, resolution: name, seconds },
      key: ["bucket_s", "route_id", "status_code", "level"],
      added: ["count", "sum_ms", "bytes_in", "bytes_out"],
      extremes: { max_ms: "MAX" },
    },
    {
      ...{ name: `api_latency_${name}`, resolution: name, seconds },
      key: ["bucket_s", "bucket", "route_id"],
      added: ["count"],
      extremes: {},
    },
  ]),
  USERS_TABLE,
  ERRORS_TABLE,
  APP_ERRORS_TABLE,
];

/** Partitions of topics write to shards of their own below this one; here are folded sums and corrections. */
export const FOLDED_SHARD = 65_535;
