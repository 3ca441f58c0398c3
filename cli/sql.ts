import Table from "cli-table3";
import { Command } from "commander";
import type { FieldPacket } from "mysql2/promise";
import { z } from "zod";
import { readSettings, sqlSettings } from "../contract/config.ts";
import { messageOf, RushhourError } from "../contract/errors.ts";
import { connect, type Row } from "../init_db/database.ts";
import { databaseError } from "./reach.ts";
import { userUrlOf } from "./servers.ts";

const FORMATS = ["table", "csv", "json"] as const;
type Format = (typeof FORMATS)[number];

const sqlCommandSettings = sqlSettings.extend({
  SQL_FORMAT: z.enum(FORMATS, `must be ${FORMATS.join(", ")}`).default("table"),
});

export function sqlCommand(): Command {
  return new Command("sql")
    .description("Run one query as the reader, who may only look")
    .argument("<query>", "one SELECT, SHOW or EXPLAIN")
    .option("--format <format>", "table, csv or json", undefined)
    .addHelpText(
      "after",
      `
Examples:
  rushhour sql "SELECT endpoint, COUNT(*) AS requests FROM api_logs GROUP BY endpoint ORDER BY 2 DESC"
  rushhour sql --format csv "SELECT * FROM api_logs ORDER BY timestamp DESC LIMIT 100" > logs.csv
  rushhour sql --format json "SHOW TABLES"`,
    )
    .action(async (query: string, options: { format?: string }) => {
      const settings = readSettings(sqlCommandSettings, process.env, {
        SQL_FORMAT: { flag: "--format", value: options.format },
      });
      const url = userUrlOf("reader", settings);
      const connection = await connect(url, { dateStrings: true }).catch((error: unknown) => {
        throw databaseError(error, url, "MYSQL_READER_URL or MYSQL_URL");
      });
      try {
        const [rows, fields] = await connection.query<Row[]>({ sql: query, timeout: 60_000 });
        console.log(render(rows, fields, settings.SQL_FORMAT));
      } catch (error) {
        throw new RushhourError("QUERY_FAILED", `the database says: ${messageOf(error)}`, { cause: error });
      } finally {
        connection.destroy();
      }
    });
}

function render(rows: readonly Row[], fields: readonly FieldPacket[], format: Format): string {
  if (format === "json") return JSON.stringify(rows, null, 2);
  const names = fields.map(({ name }) => name);
  const cells = rows.map((row) => names.map((name) => shown(row[name])));
  if (format === "csv") return [names, ...cells].map((line) => line.map(csvCell).join(",")).join("\r\n");
  const table = new Table({ head: names, style: { head: [], border: [] } });
  table.push(...cells);
  return `${table.toString()}\n${rows.length} ${rows.length === 1 ? "row" : "rows"}`;
}

function shown(value: unknown): string {
  if (value === null || value === undefined) return "";
  if (Buffer.isBuffer(value)) return value.toString("utf8");
  return typeof value === "string" ? value : JSON.stringify(value);
}

/** @see https://www.rfc-editor.org/rfc/rfc4180 */
function csvCell(text: string): string {
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
