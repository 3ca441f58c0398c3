import { requestLogRow, type RequestLogRow } from "../contract/request-log-row.ts";
import { REQUEST_LOG_TOPICS } from "../contract/topics.ts";
import type { Kind, TopicPartition } from "./kind.ts";
import { datetime, field, literal, text, time } from "./literals.ts";
import { createRollup } from "./rollup.ts";
import { sourceCounts } from "./source-counts.ts";

/** Each column with its value, in the order of INSERT and LOAD DATA. */
const COLUMNS: readonly (readonly [column: string, value: (row: RequestLogRow) => string | number | null])[] =
  [
    ["request_id", (row) => row.request_id],
    ["timestamp", (row) => time(row.timestampMs)],
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
    ["run_id", (row) => row.run_id],
    ["trace_id", (row) => row.trace_id],
    ["source", (row) => row.source],
    ["seq", (row) => row.seq],
    ["extra", (row) => row.extra],
  ];

const NAMES = COLUMNS.map(([column]) => column).join(",");
const VALUES = COLUMNS.map(([, value]) => value);

const rowLiteral = (row: RequestLogRow) => `(${VALUES.map((value) => literal(value(row))).join(",")})`;

function linesOf(rows: readonly RequestLogRow[]): Buffer {
  let lines = "";
  for (const row of rows) {
    let separator = "";
    for (const value of VALUES) {
      lines += separator + field(value(row));
      separator = "\t";
    }
    lines += "\n";
  }
  return Buffer.from(lines);
}

const key = (row: RequestLogRow) => `(${datetime(row.timestampMs)},${text(row.request_id)})`;

/** One number for each partition of the topics that share the rollups. */
const shardOf = ({ topic, partition }: TopicPartition) =>
  (partition * REQUEST_LOG_TOPICS.length + (REQUEST_LOG_TOPICS as readonly string[]).indexOf(topic)) % 65_536;

/**
 * info-logs, error-logs and debug-logs -> `api_logs` and its rollups. A row that is there stays as it is. Never INSERT IGNORE: it
 * would turn truncation and bad values into warnings. One for each database (rollup.ts).
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
        `INSERT INTO api_logs (${NAMES}) VALUES\n${rows.map(rowLiteral).join(",\n")}
         ON DUPLICATE KEY UPDATE request_id = api_logs.request_id`,
      ],
      load: (rows) => ({
        statement: `LOAD DATA LOCAL INFILE 'rows' INTO TABLE api_logs CHARACTER SET utf8mb4 (${NAMES})`,
        lines: linesOf(rows),
      }),
      existing: (rows) =>
        `SELECT CONCAT(ROUND(UNIX_TIMESTAMP(timestamp) * 1000), '/', request_id) AS identity FROM api_logs
          WHERE (timestamp, request_id) IN (${rows.map(key).join(",")})`,
      aging: {
        name: "api_logs",
        timeMs: (row) => row.timestampMs,
        account: ({ run_id, level }) => ({ run_id: run_id ?? "", level }),
      },
      derived(rows, from, kept) {
        const shard = shardOf(from);
        const { statements, onCommit } = rollup.deltas(rows, shard, kept);
        return { statements: [...statements, ...sourceCounts(rows, shard)], onCommit };
      },
    },
  };
}
