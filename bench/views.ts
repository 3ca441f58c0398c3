import { EXAMPLES } from "../cli/sql-examples.ts";
import { connect, type Connection, type Row } from "../init_db/database.ts";
import { conditions, markdownTable, REPEATS, runBenchmark, spread } from "./harness.ts";

/**
 * How long the views and the examples of docs/sql.md take on a store that is there, such as one that `rushhour backfill`
 * filled: views over a day and over 30 days. MYSQL_READER_URL (or MYSQL_URL) says where.
 */

const DAY_S = 86_400;

/** This looks at every row that is kept. */
const WHOLE = new Set(["v_rollup_drift"]);

interface Question {
  readonly name: string;
  readonly sql: string;
}

await runBenchmark({
  name: "views",
  description: "Time of each view and example on the filled store of MYSQL_READER_URL or MYSQL_URL",
  options: {
    repeats: { ...REPEATS, fallback: 5 },
    whole: { help: "repeats of what looks at every row (0: left out)", fallback: 1, min: 0, max: 20 },
  },
  async measure(bench, values) {
    const url = process.env["MYSQL_READER_URL"] ?? process.env["MYSQL_URL"];
    if (url === undefined) throw new Error("set MYSQL_READER_URL or MYSQL_URL to a filled store");
    const connection = await connect(url, { dateStrings: true });
    bench.onClose(() => connection.end());
    const questions = [...(await viewQuestions(connection)), ...EXAMPLES];
    const lines: string[][] = [];
    for (const { name, sql } of questions) {
      const repeats = WHOLE.has(name) ? values.whole : values.repeats;
      if (repeats === 0) continue;
      const times: number[] = [];
      let rows = 0;
      for (let repeat = 0; repeat < repeats; repeat++) {
        const startMs = performance.now();
        const [found] = await connection.query<Row[]>(sql);
        times.push(performance.now() - startMs);
        rows = found.length;
      }
      lines.push([name, spread(times, 1), String(rows)]);
      bench.progress(`${name}: ${spread(times, 1)} ms`);
    }
    const stored = await oneRow(
      connection,
      "SELECT COUNT(*) AS rows_stored, MIN(timestamp) AS oldest FROM api_logs",
    );
    const { version } = await oneRow(connection, "SELECT VERSION() AS version");
    return [
      "## Views and examples\n",
      conditions(values, [`server ${String(version)}`], ["mysql2"]),
      `- ${Number(stored["rows_stored"]).toLocaleString("en")} rows since ${String(stored["oldest"])}\n`,
      markdownTable(["what", "ms", "rows"], lines),
    ].join("\n");
  },
});

/** Of a view with windows each of two, of a series two ranges, else all of it. */
async function viewQuestions(connection: Connection): Promise<Question[]> {
  const [columns] = await connection.query<Row[]>(
    `SELECT TABLE_NAME AS view_name, GROUP_CONCAT(COLUMN_NAME) AS columns FROM information_schema.COLUMNS
      JOIN information_schema.VIEWS USING (TABLE_SCHEMA, TABLE_NAME)
     WHERE TABLE_SCHEMA = DATABASE() GROUP BY TABLE_NAME ORDER BY TABLE_NAME`,
  );
  return columns.flatMap((row) => {
    const view = String(row["view_name"]);
    const names = new Set(String(row["columns"]).split(","));
    const select = `SELECT * FROM ${view}`;
    if (names.has("span"))
      return ["24h", "30d"].map((span) => ({
        name: `${view} ${span}`,
        sql: `${select} WHERE span = '${span}'`,
      }));
    if (names.has("bucket_s") && !WHOLE.has(view))
      return [1, 30].map((days) => ({
        name: `${view} ${days}d`,
        sql: `${select} WHERE bucket_s >= UNIX_TIMESTAMP() - ${days * DAY_S}`,
      }));
    return [{ name: view, sql: select }];
  });
}

async function oneRow(connection: Connection, sql: string): Promise<Row> {
  const [[row]] = await connection.query<Row[]>(sql);
  return row!;
}
