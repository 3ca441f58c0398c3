import { connect, type Row } from "../init_db/database.ts";
import {
  conditions,
  databaseServer,
  REPEATS,
  runBenchmark,
  SEED,
  startMariadb,
  type DatabaseServer,
} from "./harness.ts";
import { LAYOUTS, measureLayouts } from "./store-layouts.ts";
import { INSERT_PATHS, measurePaths } from "./store-paths.ts";

/** Which indexes `api_logs` has, and which way rows take into it: docs/store.md has the decisions. */

/** Those worth the time of a large store, unless `--only` names others. */
const FINALISTS = ["none", "level-run", "classic"];
const LARGE = 3_000_000; // rows

await runBenchmark({
  name: "store",
  description:
    "Layouts of api_logs and ways to write it: on the private MariaDB, and on the server of MYSQL_URL when it is set; its CPU is measured when it runs here as MYSQL_PID",
  options: {
    rows: { help: "in the store, over 30 days", fallback: 1_000_000, min: 10_000, max: 100_000_000 },
    repeats: { ...REPEATS, fallback: 1 },
    seed: SEED,
  },
  parts: [...Object.keys(LAYOUTS), ...Object.keys(INSERT_PATHS)],
  async measure(bench, values) {
    const { MYSQL_URL, MYSQL_PID } = process.env;
    const servers = [
      await startMariadb(bench),
      ...(MYSQL_URL ? [await databaseServer(MYSQL_URL, MYSQL_PID ? Number(MYSQL_PID) : undefined)] : []),
    ];
    const isWanted = (name: string) =>
      bench.only?.has(name) ?? (values.rows < LARGE || FINALISTS.includes(name));
    const layouts = Object.keys(LAYOUTS).filter(isWanted);
    const paths = Object.keys(INSERT_PATHS).filter(isWanted);
    const sections: string[] = [];
    for (const server of servers) {
      sections.push(`### ${server.label}\n`, await settingsOf(server));
      if (layouts.length > 0) sections.push(await measureLayouts(bench, server, layouts, values));
      if (paths.length > 0) sections.push(await measurePaths(bench, server, paths, values));
    }
    return [
      "## Layout and insert path of the store\n",
      conditions(
        values,
        servers.map(({ label }) => label),
        ["mysql2"],
      ),
      "- a store of 30 days in day partitions, filled in order of time by two connections, 4,000 rows a transaction, without position and rollups",
      "- bytes after ANALYZE TABLE: the clustered index, the others, and what the files take",
      "- questions: medians of 20 rows from anywhere, fewer when slow; what was asked once may have come from the disk",
      "- insert paths: up to 300,000 rows made before, into the layout `none`\n",
      ...sections,
    ].join("\n");
  },
});

/** What the figures depend on most. */
async function settingsOf({ url }: DatabaseServer): Promise<string> {
  const connection = await connect(url, { database: "" });
  const [[row]] = await connection.query<Row[]>(
    "SELECT @@innodb_buffer_pool_size / 1048576 AS megabytes, @@innodb_flush_log_at_trx_commit AS flushed",
  );
  await connection.end();
  return `Buffer pool ${Number(row!["megabytes"])} MB, innodb_flush_log_at_trx_commit ${String(row!["flushed"])}.\n`;
}
