import { Pool as HttpPool } from "undici";
import type { Pool, Row } from "../init_db/database.ts";
import { pace } from "../simulator/engine/pacer.ts";
import { startRun, type RunResult } from "../simulator/engine/run.ts";
import { arrivalsOf } from "../simulator/plan/arrivals.ts";
import { loadPlan } from "../simulator/plan/load-plan.ts";
import type { Executor } from "../simulator/plan/plan.ts";
import {
  conditions,
  createDatabase,
  HOME,
  markdownTable,
  numberOf,
  percentile,
  REPEATS,
  runBenchmark,
  SEED,
  spread,
  startRole,
  startServers,
  until,
  type BenchDatabase,
} from "./harness.ts";

/** How long after its response a request can be seen in SQL, at a steady rate through the whole pipeline. */

const RATES = [500, 2_000]; // requests/s

interface Quantiles {
  readonly p50: number; // ms, as the others
  readonly p99: number;
  readonly max: number;
}

interface Figures {
  readonly run: RunResult;
  readonly rows: number; // of the run
  readonly insert: Quantiles; // over all rows: from the end of the response to the start of the INSERT
  readonly visible: Quantiles; // over the probes: until another connection sees the row
  readonly probes: number;
}

const PROBES_PER_SECOND = 20;
const PROBE_EVERY_MS = 2;
const PROBE_DEADLINE_MS = 10_000;

await runBenchmark({
  name: "delay",
  description: `From the response to the row in SQL, at ${RATES.join(" and ")} requests/s`,
  options: {
    seconds: { help: "length of each measurement", fallback: 20, min: 2, max: 300 },
    repeats: REPEATS,
    seed: SEED,
  },
  async measure(bench, values) {
    const servers = await startServers(bench, { mariadb: true });
    const database = await createDatabase(bench, servers.mariadb!);
    const env = { KAFKA_BROKERS: servers.brokers.join(","), MYSQL_WRITER_URL: database.writerUrl };
    await startRole(bench, ["consumer", "--port", "0"], env);
    const api = await startRole(bench, ["api", "--port", "0", "--model", "off"], env);
    const http = new HttpPool(api.url, { connections: 8 });
    bench.onClose(() => http.destroy());
    bench.progress("warming up");
    await untilVisible(database.pool, await probeRequest(http), 60_000);
    await measureOnce(api.url, http, database, { rate: RATES[0]!, seconds: 2, seed: values.seed });

    const figures = new Map<number, Figures[]>(RATES.map((rate) => [rate, []]));
    for (let repeat = 1; repeat <= values.repeats; repeat++) {
      for (const rate of RATES) {
        const plan = { rate, seconds: values.seconds, seed: values.seed + repeat };
        const measured = await measureOnce(api.url, http, database, plan);
        figures.get(rate)!.push(measured);
        const { p50, p99 } = measured.visible;
        bench.progress(
          `${repeat}/${values.repeats} ${rate}/s: visible after ${p50.toFixed(1)}, p99 ${p99.toFixed(1)} ms`,
        );
      }
    }
    const packages = ["hono", "kafkajs", "mysql2", "undici"];
    return report(conditions(values, servers.labels, packages), figures);
  },
});

/** One run of the shop's visitors with probes beside it. @throws Error when an answered request has no row */
async function measureOnce(
  target: string,
  http: HttpPool,
  database: BenchDatabase,
  { rate, seconds, seed }: { rate: number; seconds: number; seed: number },
): Promise<Figures> {
  const arriving = (rate_per_second: number): Executor => ({
    ...{ kind: "constant-arrival-rate", rate_per_second, duration_ms: seconds * 1_000 },
    ...{ arrival: "poisson", arriving: "requests", max_vus: 10_000 },
  });
  const planOf = (rate_per_second: number) =>
    loadPlan({
      ...{ kind: "shop", executor: arriving(rate_per_second), target },
      ...{ seed, drawn_seed: seed, tags: {}, starts_at_ms: Date.now() },
    });
  const probing = await planOf(PROBES_PER_SECOND);
  const run = await startRun(await planOf(rate), { home: HOME });
  const probes: Promise<number>[] = [];
  const schedule = pace(arrivalsOf(probing.scenarios[0]!, probing), performance.now(), () => {
    probes.push(probe(http, database.pool));
  });
  const result = await run.done;
  await schedule.done;
  const delays = await Promise.all(probes);

  const { run_id, figures } = result;
  const { counts } = figures;
  const rows = () => numberOf(database.pool, "SELECT COUNT(*) FROM api_logs WHERE run_id = ?", [run_id]);
  await until(`${counts.answered} rows`, async () => (await rows()) >= counts.answered, { everyMs: 200 });
  return {
    run: result,
    rows: await rows(),
    insert: quantiles(await insertDelays(database.pool, run_id)),
    visible: quantiles(delays),
    probes: delays.length,
  };
}

/** One request, then the same row asked for by its key until it is there. @returns ms between the two */
async function probe(http: HttpPool, pool: Pool): Promise<number> {
  const requestId = await probeRequest(http);
  const answeredMs = performance.now();
  await untilVisible(pool, requestId, PROBE_DEADLINE_MS);
  return performance.now() - answeredMs;
}

async function probeRequest(http: HttpPool): Promise<string> {
  const { headers, body } = await http.request({ path: "/products/1", method: "GET" });
  await body.dump();
  return String(headers["x-request-id"]);
}

async function untilVisible(pool: Pool, requestId: string, deadlineMs: number): Promise<void> {
  const timestamp = new Date(Number.parseInt(requestId.replace("-", "").slice(0, 12), 16)); // a UUIDv7 begins with it
  const isThere = async () => {
    const sql = "SELECT COUNT(*) FROM api_logs WHERE timestamp = ? AND request_id = ?";
    return (await numberOf(pool, sql, [timestamp, requestId])) === 1;
  };
  await until(`the row of ${requestId}`, isThere, { deadlineMs, everyMs: PROBE_EVERY_MS });
}

async function insertDelays(pool: Pool, run_id: string): Promise<number[]> {
  const [rows] = await pool.query<Row[]>(
    `SELECT TIMESTAMPDIFF(MICROSECOND, timestamp, stored_at) / 1000 - response_time_ms AS delay_ms
       FROM api_logs WHERE run_id = ?`,
    [run_id],
  );
  return rows.map((row) => Number(row["delay_ms"]));
}

function quantiles(values: readonly number[]): Quantiles {
  const sorted = values.toSorted((a, b) => a - b);
  return { p50: percentile(sorted, 50), p99: percentile(sorted, 99), max: percentile(sorted, 100) };
}

function report(conditions: string, figures: ReadonlyMap<number, readonly Figures[]>): string {
  const rows = Array.from(figures, ([rate, own]) => {
    const total = (of: (figures: Figures) => number) =>
      own.reduce((sum, figure) => sum + of(figure), 0).toLocaleString("en");
    const delays = (of: (figures: Figures) => Quantiles) =>
      (["p50", "p99", "max"] as const).map((name) =>
        spread(
          own.map((figure) => of(figure)[name]),
          1,
        ),
      );
    return [
      `${rate}/s`,
      spread(own.map(({ run }) => run.figures.counts.sent / (run.elapsed_ms / 1_000))),
      `${total(({ run }) => run.figures.counts.answered)} / ${total((figure) => figure.rows)}`,
      ...delays(({ visible }) => visible),
      total(({ probes }) => probes),
      ...delays(({ insert }) => insert),
      spread(
        own.map(({ run }) => run.figures.response.percentile(99)),
        1,
      ),
    ];
  });
  const head = [
    ...["rate", "achieved/s", "answered / rows"],
    ...["visible p50 ms", "p99", "max", "probes"],
    ...["INSERT began p50 ms", "p99", "max", "response p99 ms"],
  ];
  return [
    "## From the response to the row\n",
    conditions,
    `- visible: ${PROBES_PER_SECOND} requests/s more, whose row is asked for by primary key about every ${PROBE_EVERY_MS} ms from the end of the response until another connection sees it`,
    "- INSERT began: `stored_at - timestamp - response_time_ms` of every row of the run, both times in whole ms: without the INSERT itself and its commit",
    "- load: the shop's visitors, Poisson arrivals, open model; API model off; load, API, consumer, Kafka and database share all cores\n",
    markdownTable(head, rows),
  ].join("\n");
}
