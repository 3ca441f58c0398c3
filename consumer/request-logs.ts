import { requestLogRow, type RequestLogRow } from "../contract/request-log-row.ts";
import { REQUEST_LOG_TOPICS } from "../contract/topics.ts";
import type { Kind, TopicPartition } from "./kind.ts";
import { datetime, number, text } from "./literals.ts";
import { createRollup } from "./rollup.ts";

/** Column and literal of each, in the order of the INSERT. */
const COLUMNS: readonly (readonly [column: string, literal: (row: RequestLogRow) => string])[] = [
  ["request_id", (row) => text(row.request_id)],
  ["timestamp", (row) => datetime(row.timestampMs)],
  ["level", (row) => text(row.level)],
  ["service", (row) => text(row.service)],
  ["instance", (row) => text(row.instance)],
  ["endpoint", (row) => text(row.endpoint)],
  ["path", (row) => text(row.path)],
  ["method", (row) => text(row.method)],
  ["status_code", (row) => number(row.status_code)],
  ["response_time_ms", (row) => number(row.response_time_ms)],
  ["user_agent", (row) => text(row.user_agent)],
  ["client_ip", (row) => text(row.client_ip)],
  ["bytes_in", (row) => number(row.bytes_in)],
  ["bytes_out", (row) => number(row.bytes_out)],
  ["user_id", (row) => text(row.user_id)],
  ["client_request_id", (row) => text(row.client_request_id)],
  ["error_type", (row) => text(row.error_type)],
  ["error_message", (row) => text(row.error_message)],
  ["stack", (row) => text(row.stack)],
  ["run_id", (row) => text(row.run_id)],
  ["trace_id", (row) => text(row.trace_id)],
  ["source", (row) => text(row.source)],
  ["seq", (row) => number(row.seq)],
  ["extra", (row) => text(row.extra)],
];

const INSERT = `INSERT INTO api_logs (${COLUMNS.map(([column]) => column).join(",")}) VALUES\n`;

const key = (row: RequestLogRow) => `(${datetime(row.timestampMs)},${text(row.request_id)})`;

/** One number for each partition of the topics that share the rollups. */
const shardOf = ({ topic, partition }: TopicPartition) =>
  (partition * REQUEST_LOG_TOPICS.length + (REQUEST_LOG_TOPICS as readonly string[]).indexOf(topic)) % 65_536;

/**
 * info-logs, error-logs and debug-logs -> `api_logs` and its rollups. One literal multi-row INSERT; a row that is there stays as it is.
 * Never INSERT IGNORE: it would turn truncation and bad values into warnings. One for each database (rollup.ts).
 */
export function requestLogs(): Kind<RequestLogRow> {
  const rollup = createRollup();
  return {
    name: "request_log",
    topics: REQUEST_LOG_TOPICS,
    decode: requestLogRow,
    origin: ({ service, level }) => ({ source: service, status: level }),
    table: {
      identity: (row) => `${row.timestampMs}/${row.request_id}`,
      order: (a, b) => a.timestampMs - b.timestampMs || (a.request_id < b.request_id ? -1 : 1),
      insert: (rows) => [
        `${INSERT}${rows.map((row) => `(${COLUMNS.map(([, literal]) => literal(row)).join(",")})`).join(",\n")}
         ON DUPLICATE KEY UPDATE request_id = api_logs.request_id`,
      ],
      existing: (rows) =>
        `SELECT CONCAT(ROUND(UNIX_TIMESTAMP(timestamp) * 1000), '/', request_id) AS identity FROM api_logs
          WHERE (timestamp, request_id) IN (${rows.map(key).join(",")})`,
      aging: {
        name: "api_logs",
        timeMs: (row) => row.timestampMs,
        account: ({ run_id, level }) => ({ run_id: run_id ?? "", level }),
      },
      derived: (rows, from, kept) => rollup.deltas(rows, shardOf(from), kept),
    },
  };
}
