import { appErrorGroup, type AppErrorGroup } from "../contract/app-error-group.ts";
import type { AppLogRow } from "../contract/app-log-row.ts";
import { bucketStart } from "../contract/rollup.ts";
import type { Bounds } from "../init_db/retention.ts";
import { at, keptBuckets, type Buckets } from "./buckets.ts";
import type { Derived } from "./kind.ts";
import { datetime, text } from "./literals.ts";
import { createErrorGroups, type Named } from "./rollup-errors.ts";

const HOUR_S = 3_600;

/** A group of errors with the place where its first one was logged. */
export interface NamedAppError extends AppErrorGroup {
  readonly module: string | null;
  readonly function: string | null;
}

/** The errors of one group in one hour, of one service and level. */
interface ErrorHour {
  readonly service: string;
  readonly level: string;
  readonly fingerprint: string;
  count: number;
  firstMs: number;
  lastMs: number;
  lastLogId: string;
}

const newCells = () => new Map<string, ErrorHour>();

/** What new rows add to `app_errors_1h`. One for each database, because it remembers the groups that are named there. */
export function createAppErrorRollup() {
  const groups = createErrorGroups<NamedAppError>();
  return {
    /** @param rows rows that are really new: what is added twice is counted twice */
    deltas(rows: readonly AppLogRow[], shard: number, kept: Bounds): Derived {
      const hours: Buckets<Map<string, ErrorHour>> = new Map();
      const met = new Map<string, NamedAppError>();
      for (const row of rows) {
        const { fingerprint, service, level, timestampMs, log_id } = row;
        if (fingerprint === null) continue;
        if (!met.has(fingerprint)) met.set(fingerprint, namedAppError(row));
        const hourS = bucketStart(HOUR_S, Math.floor(timestampMs / 1_000));
        const key = `${fingerprint}${level}${service}`;
        const hour = at(at(hours, hourS, newCells), key, () => newHour(row, fingerprint));
        hour.count++;
        hour.firstMs = Math.min(hour.firstMs, timestampMs);
        hour.lastMs = Math.max(hour.lastMs, timestampMs);
        if (log_id > hour.lastLogId) hour.lastLogId = log_id;
      }
      const newGroups = groups.unknown(met);
      return {
        statements: [
          ...insertAppErrorGroups(newGroups),
          ...upsertErrors(keptBuckets(hours, "1h", kept), shard),
        ],
        onCommit: () => groups.onNamed(newGroups),
      };
    },
  };
}

export const namedAppError = (
  row: Pick<AppLogRow, "error_type" | "message" | "stack" | "module" | "function">,
): NamedAppError => ({ ...appErrorGroup(row), module: row.module, function: row.function });

const newHour = ({ service, level, timestampMs, log_id }: AppLogRow, fingerprint: string): ErrorHour => ({
  ...{ service, level, fingerprint, count: 0 },
  ...{ firstMs: timestampMs, lastMs: timestampMs, lastLogId: log_id },
});

/** Of a line longer than that the rest says nothing to people. */
const FRAMES_CHARACTERS = 2_048;

/** Groups stay named for good. Sorted, so that two consumers who meet the same groups first wait in the same order. */
export function insertAppErrorGroups(groups: readonly Named<NamedAppError>[]): string[] {
  if (groups.length === 0) return [];
  const values = groups
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([id, { error_type, message, frames, module, function: name }]) => {
      const lines = frames.length > 0 ? frames.join("\n").slice(0, FRAMES_CHARACTERS) : null;
      return `('${id}',${[error_type, message, lines, module, name].map(text).join(",")})`;
    });
  return [
    `INSERT INTO app_error_groups (fingerprint, error_type, message, frames, module, \`function\`)
     VALUES ${values.join(",")} ON DUPLICATE KEY UPDATE fingerprint = app_error_groups.fingerprint`,
  ];
}

/** Values stand in the order of the primary key, near enough: no other transaction touches this shard's. */
function upsertErrors(hours: readonly [number, Map<string, ErrorHour>][], shard: number): string[] {
  const values = hours.flatMap(([bucketS, cells]) =>
    [...cells]
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(
        ([, { fingerprint, service, level, count, firstMs, lastMs, lastLogId }]) =>
          `(${bucketS},'${fingerprint}',${text(service)},'${level}',${shard},${count},${datetime(firstMs)},${datetime(lastMs)},${text(lastLogId)})`,
      ),
  );
  if (values.length === 0) return [];
  return [
    `INSERT INTO app_errors_1h (bucket_s, fingerprint, service, level, shard, count, first_at, last_at, last_log_id)
     VALUES ${values.join(",")}
     ON DUPLICATE KEY UPDATE count = count + VALUES(count), first_at = LEAST(first_at, VALUES(first_at)),
       last_at = GREATEST(last_at, VALUES(last_at)), last_log_id = GREATEST(last_log_id, VALUES(last_log_id))`,
  ];
}
