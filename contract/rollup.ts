import { createHash } from "node:crypto";

/** Bucket lengths of the rollups `api_rollup_<name>` and `api_latency_<name>`, each a multiple of the one before. */
export const RESOLUTIONS = [
  { name: "10s", seconds: 10 },
  { name: "1m", seconds: 60 },
  { name: "1h", seconds: 3_600 },
  { name: "1d", seconds: 86_400 },
] as const;

export type Resolution = (typeof RESOLUTIONS)[number]["name"];

/** Where the bucket of `seconds` begins that holds a time; both Unix seconds. */
export const bucketStart = (seconds: number, timeS: number): number => timeS - (timeS % seconds);

const RATIO = 1.1;
const LAST_LATENCY_BUCKET = 255; // from 10 hours on

/**
 * The latency bucket of a response time: n for 1.1^n up to 1.1^(n+1) microseconds, 0 for less than one. The SQL twin of
 * this formula is {@link LATENCY_BUCKET_SQL}. Both work on whole microseconds, none of which below 10 hours lies closer to a
 * border than 2e-12 buckets, so that two mathematical libraries cannot disagree.
 */
export function latencyBucket(ms: number): number {
  const us = Math.round(ms * 1_000);
  return us <= 1 ? 0 : Math.min(LAST_LATENCY_BUCKET, Math.floor(Math.log(us) / LN_RATIO));
}

const LN_RATIO = Math.log(RATIO);

export const LATENCY_BUCKET_SQL = `LEAST(${LAST_LATENCY_BUCKET}, FLOOR(LN(GREATEST(1, ROUND(response_time_ms * 1000))) / LN(${RATIO})))`;

/** The geometric middle of a latency bucket, ms: within 5 % of every response time in it. */
export function latencyMiddleMs(bucket: number): number {
  return RATIO ** (bucket + 0.5) / 1_000;
}

/**
 * The number of a route: the first 52 bits of SHA-256 over its names. Whoever stores a request knows it without asking;
 * with 100,000 routes two share a number in one of a million stores.
 */
export function routeId(service: string, method: string, endpoint: string): number {
  const digest = createHash("sha256").update(`${service}\0${method}\0${endpoint}`).digest("hex");
  return parseInt(digest.slice(0, 13), 16);
}

/** The same in SQL, over columns of these names. */
export const ROUTE_ID_SQL =
  "CAST(CONV(LEFT(SHA2(CONCAT_WS(CHAR(0), service, method, endpoint), 256), 13), 16, 10) AS UNSIGNED)";

/** The steps of the shop's funnel and the successful request that makes each: a column of `api_users_1d` each. */
export const FUNNEL_STEPS = [
  { column: "logins", method: "POST", endpoint: "/login" },
  { column: "product_views", method: "GET", endpoint: "/products/:id" },
  { column: "orders", method: "POST", endpoint: "/orders" },
  { column: "payments", method: "POST", endpoint: "/orders/:id/payment" },
] as const;
