import { APP_LOG, shedAs } from "../contract/app-log.ts";
import { appLogRow, type AppLogRow } from "../contract/app-log-row.ts";
import type { Kind } from "./kind.ts";
import { recordTable, type Columns } from "./record-table.ts";
import { createAppErrorRollup } from "./rollup-app-errors.ts";

const COLUMNS: Columns<AppLogRow> = [
  ["level", (row) => row.level],
  ["service", (row) => row.service],
  ["logger", (row) => row.logger],
  ["message", (row) => row.message],
  ["host", (row) => row.host],
  ["module", (row) => row.module],
  ["function", (row) => row.function],
  ["line", (row) => row.line],
  ["thread", (row) => row.thread],
  ["process", (row) => row.process],
  ["error_type", (row) => row.error_type],
  ["error_message", (row) => row.error_message],
  ["stack", (row) => row.stack],
  ["fingerprint", (row) => row.fingerprint],
  ["context", (row) => row.context],
  ["request_id", (row) => row.request_id],
  ["trace_id", (row) => row.trace_id],
  ["user_id", (row) => row.user_id],
  ["extra", (row) => row.extra],
];

/** application-logs and application-logs-errors -> `app_logs`, its errors by group and hour. One for each database. */
export function appLogs(): Kind<AppLogRow> {
  const rollup = createAppErrorRollup();
  return {
    name: APP_LOG.name,
    topics: APP_LOG.topics,
    decode: appLogRow,
    origin: ({ service, level }) => ({ source: service, status: level }),
    table: recordTable({
      table: "app_logs",
      id: { column: "log_id", of: (row) => row.log_id },
      columns: COLUMNS,
      levelOf: ({ level }) => shedAs(level),
      derived: (rows, shard, kept) => rollup.deltas(rows, shard, kept),
    }),
  };
}
