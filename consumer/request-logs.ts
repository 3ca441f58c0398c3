import { REQUEST_LOG } from "../contract/request-log.ts";
import { requestLogRow, type RequestLogRow } from "../contract/request-log-row.ts";
import type { Kind } from "./kind.ts";
import { recordTable, type Columns } from "./record-table.ts";
import { createRollup } from "./rollup.ts";

/** Each column with its value, in the order of INSERT and LOAD DATA. */
const COLUMNS: Columns<RequestLogRow> = [
  ["level", (row) => row.level],
  ["service", (row) => row.service],
  ["instance", (row) => row.instance],
  ["endpoint", (row) => row.endpoint],
  ["path", (row) => row.path],
  ["method", (row) => row.method],
  ["status_code", (row) => row.status_code],
  ["response_time_ms", (row) => row.response_time_ms],
  ["user_agent", (row) => row.user_agent],
  ["client_ip", (row) => row.client_ip],
  ["bytes_in", (row) => row.bytes_in],
  ["bytes_out", (row) => row.bytes_out],
  ["user_id", (row) => row.user_id],
  ["client_request_id", (row) => row.client_request_id],
  ["error_type", (row) => row.error_type],
  ["error_message", (row) => row.error_message],
  ["stack", (row) => row.stack],
  ["trace_id", (row) => row.trace_id],
  ["extra", (row) => row.extra],
];

/** info-logs, error-logs and debug-logs -> `api_logs` and its rollups. One for each database (rollup.ts). */
export function requestLogs(): Kind<RequestLogRow> {
  const rollup = createRollup();
  return {
    name: REQUEST_LOG.name,
    topics: REQUEST_LOG.topics,
    decode: requestLogRow,
    origin: ({ service, level }) => ({ source: service, status: level }),
    table: recordTable({
      table: "api_logs",
      id: { column: "request_id", of: (row) => row.request_id },
      columns: COLUMNS,
      levelOf: ({ level }) => level,
      derived: (rows, shard, kept) => rollup.deltas(rows, shard, kept),
    }),
  };
}
