import { errorGroup, fingerprint, isError, type ErrorGroup } from "../contract/error-group.ts";
import { bucketStart } from "../contract/rollup.ts";
import type { RequestLogRow } from "../contract/request-log-row.ts";
import type { Bounds } from "../init_db/retention.ts";
import { at, keptBuckets, type Buckets } from "./buckets.ts";
import { datetime, text } from "./literals.ts";

const HOUR_S = 3_600;

/** The errors of one group in one hour. */
interface ErrorHour {
  count: number;
  firstMs: number;
  lastMs: number;
  lastRequestId: string;
}

const newGroups = () => new Map<string, ErrorHour>();

/** What a batch adds to `api_errors_1h`. */
export class ErrorSums {
  readonly #kept: Bounds;
  readonly #hours: Buckets<Map<string, ErrorHour>> = new Map();
  /** The groups it met, by fingerprint. */
  readonly groups = new Map<string, ErrorGroup>();

  constructor(kept: Bounds) {
    this.#kept = kept;
  }

  add(row: RequestLogRow): void {
    if (!isError(row.level)) return;
    const group = errorGroup(row);
    const id = fingerprint(group);
    this.groups.set(id, group);
    const hourS = bucketStart(HOUR_S, Math.floor(row.timestampMs / 1_000));
    const hour = at(at(this.#hours, hourS, newGroups), id, () => newHour(row));
    hour.count++;
    hour.firstMs = Math.min(hour.firstMs, row.timestampMs);
    hour.lastMs = Math.max(hour.lastMs, row.timestampMs);
    if (row.request_id > hour.lastRequestId) hour.lastRequestId = row.request_id;
  }

  statements(shard: number): string[] {
    return upsertErrors(keptBuckets(this.#hours, "1h", this.#kept), shard);
  }
}

const newHour = ({ timestampMs, request_id }: RequestLogRow): ErrorHour => ({
  ...{ count: 0, firstMs: timestampMs, lastMs: timestampMs, lastRequestId: request_id },
});

/** Groups remembered at most: whoever writes to the topics words the messages. */
const MAX_GROUPS = 50_000;

/** The groups that `api_error_groups`, or another table of its kind, names, as far as is known. */
export function createErrorGroups<Group>() {
  const named = new Set<string>();
  return {
    unknown: (groups: ReadonlyMap<string, Group>): Named<Group>[] =>
      [...groups].filter(([id]) => !named.has(id)),
    onNamed(groups: readonly Named<Group>[]): void {
      if (named.size >= MAX_GROUPS) named.clear();
      for (const [id] of groups) named.add(id);
    },
  };
}

export type Named<Group> = readonly [fingerprint: string, group: Group];

/** Groups stay named for good. Sorted, so that two consumers who meet the same groups first wait in the same order. */
export function insertErrorGroups(groups: readonly Named<ErrorGroup>[]): string[] {
  if (groups.length === 0) return [];
  const values = groups
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(
      ([id, { service, method, endpoint, status_code, error_type, message }]) =>
        `('${id}',${text(service)},${text(method)},${text(endpoint)},${status_code},${text(error_type)},${text(message)})`,
    );
  return [
    `INSERT INTO api_error_groups (fingerprint, service, method, endpoint, status_code, error_type, message)
     VALUES ${values.join(",")} ON DUPLICATE KEY UPDATE fingerprint = api_error_groups.fingerprint`,
  ];
}

/** Values stand in the order of the primary key. */
function upsertErrors(hours: readonly [number, Map<string, ErrorHour>][], shard: number): string[] {
  const values = hours.flatMap(([bucketS, groups]) =>
    [...groups]
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(
        ([id, { count, firstMs, lastMs, lastRequestId }]) =>
          `(${bucketS},'${id}',${shard},${count},${datetime(firstMs)},${datetime(lastMs)},${text(lastRequestId)})`,
      ),
  );
  if (values.length === 0) return [];
  return [
    `INSERT INTO api_errors_1h (bucket_s, fingerprint, shard, count, first_at, last_at, last_request_id)
     VALUES ${values.join(",")}
     ON DUPLICATE KEY UPDATE count = count + VALUES(count), first_at = LEAST(first_at, VALUES(first_at)),
       last_at = GREATEST(last_at, VALUES(last_at)),
       last_request_id = GREATEST(last_request_id, VALUES(last_request_id))`,
  ];
}
