import type { Resolution } from "../contract/rollup.ts";
import type { Bounds } from "../init_db/retention.ts";

/** What a batch adds to a rollup, by the start of the bucket, Unix seconds. */
export type Buckets<Sums> = Map<number, Sums>;

/** What stands at `key`, made if there is nothing yet. */
export function at<K, V>(map: Map<K, V>, key: K, create: () => V): V {
  let value = map.get(key);
  if (value === undefined) map.set(key, (value = create()));
  return value;
}

/** Those buckets that `resolution` still keeps, in order of time. */
export function keptBuckets<Sums>(
  buckets: ReadonlyMap<number, Sums>,
  resolution: Resolution,
  kept: Bounds,
): [bucketS: number, sums: Sums][] {
  const fromS = kept[resolution];
  return [...buckets].filter(([bucketS]) => bucketS >= fromS).sort(([a], [b]) => a - b);
}
