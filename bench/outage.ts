import { livingProcesses } from "../engines/pids.ts";
import type { LoadResult } from "./load.ts";
import {
  CONNECTIONS,
  conditions,
  cpuSecondsOf,
  HOME,
  load,
  markdownTable,
  REPEATS,
  runBenchmark,
  SEED,
  spread,
  startRole,
  startServers,
  type Bench,
} from "./harness.ts";

/** How fast an API answers while Kafka takes its records, while it is silent, and while there is none, in each mode of the spool. */

const MODES = ["off", "spill", "always"] as const;
const KAFKA = { there: "there", silent: "frozen", gone: "refuses" } as const;
type Situation = keyof typeof KAFKA;

interface Figures extends LoadResult {
  readonly cpuUs: number | undefined; // a request
}

const NOBODY = "127.0.0.1:1";
const WARM_UP_SECONDS = 2;

await runBenchmark({
  name: "outage",
  description: "Requests/s, CPU and latency of the API with Kafka there and away, by the mode of its spool",
  options: {
    seconds: { help: "length of each measurement", fallback: 5, min: 1, max: 60 },
    repeats: REPEATS,
    connections: CONNECTIONS,
    seed: SEED,
  },
  async measure(bench, values) {
    const servers = await startServers(bench, { mariadb: false });
    const figures = new Map<string, Figures[]>();
    for (let repeat = 1; repeat <= values.repeats; repeat++) {
      for (const mode of MODES) {
        for (const situation of Object.keys(KAFKA) as Situation[]) {
          const brokers = situation === "gone" ? NOBODY : servers.brokers.join(",");
          const measured = await measureOnce(bench, { mode, situation, brokers }, values);
          const key = `${mode}/${situation}`;
          figures.set(key, [...(figures.get(key) ?? []), measured]);
          bench.progress(`${repeat}/${values.repeats} ${key}: ${Math.round(measured.perSecond)} requests/s`);
        }
      }
    }
    return report(conditions(values, servers.labels, ["hono", "kafkajs", "autocannon"]), figures);
  },
});

/** A fresh API; Kafka stands still from the end of the warm-up to the end of the measurement, if it is to be silent. */
async function measureOnce(
  bench: Bench,
  { mode, situation, brokers }: { mode: string; situation: Situation; brokers: string },
  { seconds, connections, seed }: Readonly<Record<"seconds" | "connections" | "seed", number>>,
): Promise<Figures> {
  const api = await startRole(bench, ["api", "--port", "0", "--model", "off", "--spool", mode], {
    KAFKA_BROKERS: brokers,
    LOG_LEVEL: "info",
  });
  const request = { url: `${api.url}/products/${1 + (seed % 500)}`, method: "GET", connections } as const;
  await load(bench, { ...request, seconds: WARM_UP_SECONDS });
  const thaw = situation === "silent" ? freezeKafka() : () => undefined;
  const startS = cpuSecondsOf(api.pid);
  try {
    const result = await load(bench, { ...request, seconds });
    const endS = cpuSecondsOf(api.pid);
    const cpuUs =
      startS === undefined || endS === undefined ? undefined : ((endS - startS) * 1e6) / result.responses;
    return { ...result, cpuUs };
  } finally {
    thaw();
    await api.stop();
  }
}

function freezeKafka(): () => void {
  const { pid } = livingProcesses(HOME).find(({ name }) => name === "kafka")!;
  process.kill(pid, "SIGSTOP");
  return () => process.kill(pid, "SIGCONT");
}

function report(conditions: string, figures: ReadonlyMap<string, readonly Figures[]>): string {
  const rows = MODES.flatMap((mode) =>
    (Object.keys(KAFKA) as Situation[]).map((situation) => {
      const own = figures.get(`${mode}/${situation}`)!;
      return [
        ...[`\`${mode}\``, KAFKA[situation], spread(own.map(({ perSecond }) => perSecond))],
        spread(
          own.map(({ cpuUs }) => cpuUs ?? NaN),
          1,
        ),
        spread(
          own.map(({ p50 }) => p50),
          2,
        ),
        spread(
          own.map(({ p99 }) => p99),
          2,
        ),
      ];
    }),
  );
  const head = ["spool", "Kafka", "requests/s", "CPU µs/request", "p50 ms", "p99 ms"];
  return [
    "## Responses while Kafka is away\n",
    conditions,
    "- load: autocannon, closed model, on the other core; CPU is the API's, user and system, all threads\n",
    markdownTable(head, rows),
  ].join("\n");
}
