import { openIngestConnections } from "../consumer/connection.ts";
import { requestLogs } from "../consumer/request-logs.ts";
import { stream } from "../contract/random.ts";
import { connect, type Connection, type Row } from "../init_db/database.ts";
import {
  createDatabase,
  markdownTable,
  median,
  spread,
  stopwatchOfCpu,
  type Bench,
  type BenchDatabase,
  type DatabaseServer,
} from "./harness.ts";
import { DAY_MS, DAYS, HOUR_MS, historyOf, laneOf, runOf, take, type History } from "./store-history.ts";

/** How `api_logs` can be laid out: what a fill costs, what it takes on disk, what questions take then. */

interface Layout {
  readonly title: string;
  readonly keys: readonly string[];
  readonly options?: (server: DatabaseServer) => string; // of the table
  readonly isClassic?: true; // not partitioned, found by request_id alone
  readonly hasBinaryIds?: true;
}

const CLUSTERED = ["PRIMARY KEY (timestamp, request_id)", "KEY id (id)"];
const isMariadb = ({ label }: DatabaseServer) => label.startsWith("MariaDB");

export const LAYOUTS: Readonly<Record<string, Layout>> = {
  none: { title: "clustered by time, `KEY (id)`", keys: CLUSTERED },
  level: { title: "+ `(level, timestamp)`", keys: [...CLUSTERED, "KEY level_time (level, timestamp)"] },
  run: { title: "+ `(run_id)`", keys: [...CLUSTERED, "KEY run_id (run_id)"] },
  "level-run": {
    title: "+ `(level, timestamp)`, `(run_id)`",
    keys: [...CLUSTERED, "KEY level_time (level, timestamp)", "KEY run_id (run_id)"],
  },
  trace: { title: "+ `(trace_id)`", keys: [...CLUSTERED, "KEY trace_id (trace_id)"] },
  "run-trace": {
    title: "+ `(run_id)`, `(trace_id)`",
    keys: [...CLUSTERED, "KEY run_id (run_id)", "KEY trace_id (trace_id)"],
  },
  user: { title: "+ `(user_id, timestamp)`", keys: [...CLUSTERED, "KEY user_time (user_id, timestamp)"] },
  endpoint: {
    title: "+ `(endpoint, timestamp)`",
    keys: [...CLUSTERED, "KEY endpoint_time (endpoint, timestamp)"],
  },
  service: {
    title: "+ `(service, timestamp)`",
    keys: [...CLUSTERED, "KEY service_time (service, timestamp)"],
  },
  binary: { title: "`BINARY(16)` ids, `KEY (id)`", keys: CLUSTERED, hasBinaryIds: true },
  classic: {
    title: "`id` first, unique `request_id`, keys on time and endpoint",
    keys: [
      "PRIMARY KEY (id)",
      "UNIQUE KEY request_id (request_id)",
      "KEY timestamp (timestamp)",
      "KEY endpoint (endpoint)",
    ],
    isClassic: true,
  },
  compressed: {
    title: "`ROW_FORMAT=COMPRESSED`, `KEY (id)`",
    keys: CLUSTERED,
    options: () => "ROW_FORMAT = COMPRESSED",
  },
  pages: {
    title: "page compression, `KEY (id)`",
    keys: CLUSTERED,
    options: (server) => (isMariadb(server) ? "PAGE_COMPRESSED = 1" : "COMPRESSION = 'zlib'"),
  },
};

const { table } = requestLogs();
/** As the consumer does it (kafka/consumer.ts, consumer/consumer.ts). */
const ROWS_PER_TRANSACTION = 4_000;
const CONNECTIONS = 2;

interface Figures {
  readonly rowsPerSecond: number;
  readonly lastTenth: number; // rows/s
  readonly databaseCpuUs: number | undefined; // a row; undefined where it cannot be read
  readonly dataBytes: number; // a row, the clustered index
  readonly indexBytes: number; // a row, the others
  readonly fileBytes: number; // a row, as the file system has it
  readonly answersMs: readonly number[]; // of QUESTIONS, the median of each
}

/** Fills an empty table of each layout, asks it what people and our tools ask, and drops it. @returns Markdown */
export async function measureLayouts(
  bench: Bench,
  server: DatabaseServer,
  names: readonly string[],
  { rows, repeats, seed }: { rows: number; repeats: number; seed: number },
): Promise<string> {
  const history = historyOf(rows, seed);
  const figures = new Map<string, Figures[]>(names.map((name) => [name, []]));
  for (let repeat = 1; repeat <= repeats; repeat++) {
    for (const name of names) {
      const measured = await measureLayout(bench, server, name, history);
      figures.get(name)!.push(measured);
      bench.progress(
        `${repeat}/${repeats} ${server.label} ${name}: ${Math.round(measured.rowsPerSecond)} rows/s, ${measured.databaseCpuUs?.toFixed(1)} µs/row, ${Math.round(measured.fileBytes)} bytes/row, ms: ${measured.answersMs.map((ms) => ms.toFixed(1)).join(" ")}`,
      );
    }
  }
  return `${costTable(figures)}\n\n${answerTable(figures)}\n`;
}

async function measureLayout(
  bench: Bench,
  server: DatabaseServer,
  name: string,
  history: History,
): Promise<Figures> {
  const layout = LAYOUTS[name]!;
  const database = await createDatabase(bench, server);
  const connection = await connect(database.ownerUrl);
  bench.onClose(() => connection.end());
  await layOut(connection, server, layout, history);
  const cpu = stopwatchOfCpu(server.pid, history.rows);
  const rates = await fill(bench, `${server.label} ${name}`, database, layout, history);
  const databaseCpuUs = cpu();
  const sizes = await sizesOf(connection, server, database.name, history.rows);
  const answersMs = await ask(connection, layout, history);
  await connection.end();
  await database.drop();
  return { ...rates, databaseCpuUs, ...sizes, answersMs };
}

/** Puts a table with the columns of the migrated one and the keys of `layout` in its place. */
export async function layOut(
  connection: Connection,
  server: DatabaseServer,
  { keys, options, isClassic, hasBinaryIds }: Layout,
  { startMs }: History,
): Promise<void> {
  const [[row]] = await connection.query<Row[]>("SHOW CREATE TABLE api_logs");
  const columns = String(row!["Create Table"])
    .split("\n")
    .filter((line) => line.startsWith("  `"))
    .map((line) => line.trim().replace(/,$/, ""))
    .map((line) =>
      hasBinaryIds && line.startsWith("`request_id`") ? "request_id BINARY(16) NOT NULL" : line,
    );
  const days = Array.from({ length: DAYS }, (_, n) => {
    const before = new Date(startMs + (n + 1) * DAY_MS).toISOString().slice(0, 10);
    return `PARTITION p${n} VALUES LESS THAN ('${before}')`;
  });
  const partitions = `PARTITION BY RANGE COLUMNS (timestamp) (${days.join()}, PARTITION p_future VALUES LESS THAN (MAXVALUE))`;
  await connection.query("DROP TABLE api_logs");
  await connection.query(
    `CREATE TABLE api_logs (${[...columns, ...keys].join(",\n")})
     ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci ${options?.(server) ?? ""}
     ${isClassic ? "" : partitions}`,
  );
}

/** Transactions of the consumer's INSERT, without position and rollups, which are the same for every layout. */
async function fill(
  bench: Bench,
  label: string,
  { writerUrl }: BenchDatabase,
  { hasBinaryIds }: Layout,
  history: History,
): Promise<{ rowsPerSecond: number; lastTenth: number }> {
  const connections = openIngestConnections(writerUrl, CONNECTIONS);
  const tenthsMs = [performance.now()]; // when each was full
  let stored = 0;
  const writeLane = (lane: number) =>
    connections.use(async (connection) => {
      const rows = laneOf(history, lane, CONNECTIONS);
      for (
        let batch = take(rows, ROWS_PER_TRANSACTION);
        batch.length > 0;
        batch = take(rows, ROWS_PER_TRANSACTION)
      ) {
        const inserts = table.insert(batch).map(hasBinaryIds ? withBinaryIds : (sql) => sql);
        const results = await connection.run(["BEGIN", ...inserts, "COMMIT"].join(";\n"));
        const { affectedRows } = (results as { affectedRows: number }[])[inserts.length]!;
        if (affectedRows !== batch.length)
          throw new Error(`${affectedRows} of ${batch.length} rows were new`);
        stored += batch.length;
        if (stored < (history.rows * tenthsMs.length) / 10) continue;
        const seconds = (performance.now() - tenthsMs[0]!) / 1_000;
        bench.progress(`${label}: ${tenthsMs.length * 10} %, ${Math.round(stored / seconds)} rows/s`);
        tenthsMs.push(performance.now());
      }
    });
  try {
    await Promise.all(Array.from({ length: CONNECTIONS }, (_, lane) => writeLane(lane)));
  } finally {
    await connections.close();
  }
  const [startMs, endMs] = [tenthsMs[0]!, tenthsMs.at(-1)!];
  return {
    rowsPerSecond: (stored / (endMs - startMs)) * 1_000,
    lastTenth: (stored / 10 / (endMs - tenthsMs.at(-2)!)) * 1_000,
  };
}

/** The id begins its row, and a row its line. */
const withBinaryIds = (insert: string) =>
  insert.replace(/^\('([\da-f-]{36})'/gm, (_, id: string) => `(0x${id.replaceAll("-", "")}`);

async function sizesOf(
  connection: Connection,
  server: DatabaseServer,
  name: string,
  rows: number,
): Promise<Pick<Figures, "dataBytes" | "indexBytes" | "fileBytes">> {
  await connection.query("ANALYZE TABLE api_logs");
  await connection.query("FLUSH TABLES api_logs FOR EXPORT"); // writes what is only in memory yet
  await connection.query("UNLOCK TABLES");
  if (!isMariadb(server)) await connection.query("SET SESSION information_schema_stats_expiry = 0");
  const [[lengths]] = await connection.query<Row[]>(
    "SELECT DATA_LENGTH AS data, INDEX_LENGTH AS indexes FROM information_schema.TABLES WHERE TABLE_SCHEMA = ? AND TABLE_NAME = 'api_logs'",
    [name],
  );
  const [[files]] = await connection.query<Row[]>(
    `SELECT SUM(ALLOCATED_SIZE) AS bytes FROM information_schema.${isMariadb(server) ? "INNODB_SYS_TABLESPACES" : "INNODB_TABLESPACES"}
      WHERE NAME = ? OR NAME LIKE ?`,
    [`${name}/api_logs`, `${name.replaceAll("_", String.raw`\_`)}/api\\_logs#p#%`],
  );
  return {
    dataBytes: Number(lengths!["data"]) / rows,
    indexBytes: Number(lengths!["indexes"]) / rows,
    fileBytes: Number(files!["bytes"]) / rows,
  };
}

/* ---- questions ---- */

/** A row of the store, and what can be asked about it. */
interface Probe {
  readonly timestamp: Date;
  readonly request_id: string | Buffer;
  readonly trace_id: string;
  readonly user_id: string;
  readonly endpoint: string;
}

interface Question {
  readonly title: string;
  readonly ask: (
    probe: Probe,
    history: History,
    layout: Layout,
  ) => readonly [sql: string, params: readonly unknown[]];
}

const dayOf = ({ timestamp }: Probe) => {
  const ms = Math.floor(timestamp.getTime() / DAY_MS) * DAY_MS;
  return [new Date(ms), new Date(ms + DAY_MS)];
};
const hourOf = ({ timestamp }: Probe) => [timestamp, new Date(timestamp.getTime() + HOUR_MS)];
const WITHIN = "timestamp >= ? AND timestamp < ?";

const QUESTIONS: readonly Question[] = [
  {
    title: "one request by its id, which carries its time",
    ask: ({ timestamp, request_id }, _, { isClassic }) =>
      isClassic
        ? ["SELECT * FROM api_logs WHERE request_id = ?", [request_id]]
        : ["SELECT * FROM api_logs WHERE timestamp = ? AND request_id = ?", [timestamp, request_id]],
  },
  {
    title: "newest 100",
    ask: (_, __, { isClassic }) => [
      `SELECT * FROM api_logs ORDER BY ${isClassic ? "id DESC" : "timestamp DESC, request_id DESC"} LIMIT 100`,
      [],
    ],
  },
  {
    title: "errors of the last hour",
    ask: (_, { endMs }) => [
      `SELECT * FROM api_logs WHERE level IN ('ERROR', 'CRITICAL') AND timestamp >= ? ORDER BY timestamp DESC`,
      [new Date(endMs - HOUR_MS)],
    ],
  },
  {
    title: "errors of a day by type and endpoint",
    ask: (probe) => [
      `SELECT error_type, endpoint, COUNT(*) FROM api_logs WHERE level IN ('ERROR', 'CRITICAL') AND ${WITHIN} GROUP BY error_type, endpoint`,
      dayOf(probe),
    ],
  },
  {
    title: "20 slowest of an endpoint in an hour",
    ask: (probe) => [
      `SELECT * FROM api_logs WHERE endpoint = ? AND ${WITHIN} ORDER BY response_time_ms DESC LIMIT 20`,
      [probe.endpoint, ...hourOf(probe)],
    ],
  },
  {
    title: "one user over 24 h",
    ask: (probe) => [
      `SELECT timestamp, method, endpoint, status_code, response_time_ms FROM api_logs WHERE user_id = ? AND ${WITHIN} ORDER BY timestamp`,
      [probe.user_id, ...dayOf(probe)],
    ],
  },
  {
    title: "one run between its times (verify)",
    ask: ({ timestamp }) => {
      const { run_id, fromMs, untilMs } = runOf(timestamp.getTime());
      return [
        `SELECT request_id, timestamp FROM api_logs WHERE ${WITHIN} AND run_id = ? ORDER BY timestamp, request_id LIMIT 20000`,
        [new Date(fromMs - 60_000), new Date(untilMs + 60_000), run_id],
      ];
    },
  },
  {
    title: "one run without its times (`sqlThresholds`)",
    ask: ({ timestamp }) => [
      "SELECT COUNT(*) FROM api_logs WHERE run_id = ? AND status_code >= 500",
      [runOf(timestamp.getTime()).run_id],
    ],
  },
  {
    title: "one trace within its hour",
    ask: (probe) => [
      `SELECT * FROM api_logs WHERE trace_id = ? AND ${WITHIN}`,
      [
        probe.trace_id,
        new Date(probe.timestamp.getTime() - HOUR_MS / 2),
        new Date(probe.timestamp.getTime() + HOUR_MS / 2),
      ],
    ],
  },
  {
    title: "one trace, time unknown",
    ask: ({ trace_id }) => ["SELECT * FROM api_logs WHERE trace_id = ?", [trace_id]],
  },
];

const PROBES = 20;
/** No further probe of a question after this; a scan of everything is asked once. */
const BUDGET_MS = 2_000;

/** The median of each question over rows from anywhere in the history. */
async function ask(connection: Connection, layout: Layout, history: History): Promise<number[]> {
  const probes = await probesOf(connection, history);
  const answersMs: number[] = [];
  for (const question of QUESTIONS) {
    const took: number[] = [];
    const startedMs = performance.now();
    for (const probe of probes) {
      const [sql, params] = question.ask(probe, history, layout);
      const beganMs = performance.now();
      await connection.query(sql, [...params]);
      took.push(performance.now() - beganMs);
      if (performance.now() - startedMs > BUDGET_MS) break;
    }
    answersMs.push(median(took));
  }
  return answersMs;
}

async function probesOf(connection: Connection, { startMs, endMs, seed }: History): Promise<Probe[]> {
  const rng = stream(seed, "probes");
  const probes: Probe[] = [];
  while (probes.length < PROBES) {
    const fromMs = startMs + rng.float() * (endMs - HOUR_MS - startMs);
    const [[row]] = await connection.query<Row[]>(
      "SELECT timestamp, request_id, trace_id, user_id, endpoint FROM api_logs WHERE timestamp >= ? ORDER BY timestamp LIMIT 1",
      [new Date(fromMs)],
    );
    probes.push(row as unknown as Probe);
  }
  return probes;
}

/* ---- tables ---- */

function costTable(figures: ReadonlyMap<string, readonly Figures[]>): string {
  const rows = [...figures].map(([name, own]) => [
    `${name}: ${LAYOUTS[name]!.title}`,
    spread(own.map(({ rowsPerSecond }) => rowsPerSecond)),
    spread(own.map(({ lastTenth }) => lastTenth)),
    spread(
      own.flatMap(({ databaseCpuUs }) => databaseCpuUs ?? []),
      1,
    ),
    spread(own.map(({ dataBytes }) => dataBytes)),
    spread(own.map(({ indexBytes }) => indexBytes)),
    spread(own.map(({ fileBytes }) => fileBytes)),
  ]);
  return markdownTable(
    [
      "layout",
      "rows/s",
      "of the last tenth",
      "database CPU µs/row",
      "data bytes/row",
      "other indexes",
      "files",
    ],
    rows,
  );
}

function answerTable(figures: ReadonlyMap<string, readonly Figures[]>): string {
  const rows = QUESTIONS.map(({ title }, n) => [
    title,
    ...[...figures.values()].map((own) => median(own.map(({ answersMs }) => answersMs[n]!)).toFixed(1)),
  ]);
  return markdownTable(["median ms", ...figures.keys()], rows);
}
