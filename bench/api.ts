import type { ChildProcess } from "node:child_process";
import { join } from "node:path";
import { connectAdmin, type KafkaAdmin } from "../kafka/admin.ts";
import type { ServerMessage, Variant } from "./api-server.ts";
import type { Load, LoadResult } from "./load.ts";
import {
  CONNECTIONS,
  conditions,
  load,
  markdownTable,
  pinning,
  REPEATS,
  runBenchmark,
  SEED,
  spread,
  startNode,
  startServers,
  type Bench,
  type Servers,
} from "./harness.ts";

/** What the request log costs an API: the same app bare, with parts of the log, and as tutorials do it. */

const VARIANTS: Readonly<Record<Variant, string>> = {
  bare: "bare Hono",
  stringify: "middleware, record stringified and thrown away",
  publisher: "**middleware and publisher**",
  batch: "a plain batch each 20 ms, seven fields",
  await: "an awaited send per request",
};

type Route = "GET /products/:id" | "POST /orders";

interface Figures extends LoadResult {
  readonly cpuUsPerRequest: number;
  readonly rssMb: number;
}

/** One life of a server: what it did, and what became of its records. */
interface Life {
  readonly routes: Readonly<Record<Route, Figures>>;
  readonly responses: number; // warm-up included
  readonly records: number; // that Kafka holds of them
  readonly dropped: number;
}

const WARM_UP_SECONDS = 1;

await runBenchmark({
  name: "api",
  description: "Requests/s, CPU and latency of an API with and without the request log",
  options: {
    seconds: { help: "length of each measurement", fallback: 5, min: 1, max: 60 },
    repeats: REPEATS,
    connections: CONNECTIONS,
    seed: SEED,
  },
  async measure(bench, values) {
    const servers = await startServers(bench, { mariadb: false });
    const admin = await connectAdmin(servers.kafka);
    bench.onClose(() => admin.close());
    const lives: Record<Variant, Life[]> = { bare: [], stringify: [], publisher: [], batch: [], await: [] };
    const variants = Object.keys(VARIANTS) as Variant[];
    for (let repeat = 1; repeat <= values.repeats; repeat++) {
      for (const variant of variants) {
        const life = await live(bench, servers, admin, variant, values);
        lives[variant].push(life);
        const rates = Object.values(life.routes).map(({ perSecond }) => Math.round(perSecond));
        bench.progress(`${repeat}/${values.repeats} ${variant}: ${rates.join(" and ")} requests/s`);
      }
    }
    return report(values, servers, lives);
  },
});

/** Starts one variant, loads each route, ends it and counts its records. */
async function live(
  bench: Bench,
  servers: Servers,
  admin: KafkaAdmin,
  variant: Variant,
  { seconds, connections, seed }: Readonly<Record<"seconds" | "connections" | "seed", number>>,
): Promise<Life> {
  const before = await recordsIn(admin);
  const server = startNode(bench, 0, [file("api-server.ts"), variant, servers.brokers.join(",")]);
  const { url } = await messageOf(server, "listening");
  const order = JSON.stringify({ user_id: 7, items: [{ product_id: 1 + (seed % 500), quantity: 2 }] });
  const get = { url: `${url}/products/${1 + (seed % 500)}`, method: "GET" } as const;
  const post = { url: `${url}/orders`, method: "POST", body: order } as const;

  let responses = 0;
  const measure = async (request: Pick<Load, "url" | "method" | "body">): Promise<Figures> => {
    const warmUp = await load(bench, { ...request, connections, seconds: WARM_UP_SECONDS });
    const start = await usage(server);
    const result = await load(bench, { ...request, connections, seconds });
    const end = await usage(server);
    responses += warmUp.responses + result.responses;
    const cpuUsPerRequest = (end.cpuUs - start.cpuUs) / result.responses;
    return { ...result, cpuUsPerRequest, rssMb: end.rssBytes / 2 ** 20 };
  };
  const routes = { "GET /products/:id": await measure(get), "POST /orders": await measure(post) };

  server.send("close");
  const { dropped } = await messageOf(server, "closed");
  return { routes, responses, records: (await recordsIn(admin)) - before, dropped };
}

function file(name: string): string {
  return join(import.meta.dirname, name);
}

async function usage(server: ChildProcess) {
  server.send("usage");
  return messageOf(server, "usage");
}

/** The next message of that type. @throws Error when the process ends first */
function messageOf<Type extends ServerMessage["type"]>(
  server: ChildProcess,
  type: Type,
): Promise<Extract<ServerMessage, { type: Type }>> {
  return new Promise((resolve, reject) => {
    const onExit = () => reject(new Error(`the server ended before it said "${type}"`));
    const onMessage = (message: unknown) => {
      if ((message as ServerMessage).type !== type) return;
      server.off("exit", onExit).off("message", onMessage);
      resolve(message as Extract<ServerMessage, { type: Type }>);
    };
    server.on("message", onMessage).once("exit", onExit);
  });
}

/** Requests that the end of a load cut are ERROR records. */
async function recordsIn(admin: KafkaAdmin): Promise<number> {
  const topics = await admin.describeTopics();
  return topics
    .filter(({ name }) => name === "info-logs" || name === "error-logs")
    .reduce((sum, { records }) => sum + Number(records), 0);
}

function report(
  values: Readonly<Record<string, number>>,
  servers: Servers,
  lives: Readonly<Record<Variant, readonly Life[]>>,
): string {
  const variants = Object.keys(VARIANTS) as Variant[];
  const tableOf = (route: Route) => {
    const figures = (variant: Variant) => lives[variant].map(({ routes }) => routes[route]);
    const rows = variants.map((variant) => {
      const own = figures(variant);
      const toBare = (of: (figures: Figures) => number) =>
        own.map((figure, repeat) => of(figure) / of(figures("bare")[repeat]!));
      return [
        VARIANTS[variant],
        spread(own.map(({ perSecond }) => perSecond)),
        spread(
          toBare(({ perSecond }) => perSecond),
          2,
        ),
        spread(
          own.map(({ cpuUsPerRequest }) => cpuUsPerRequest),
          1,
        ),
        spread(
          toBare(({ cpuUsPerRequest }) => cpuUsPerRequest),
          2,
        ),
        spread(
          own.map(({ p50 }) => p50),
          2,
        ),
        spread(
          own.map(({ p99 }) => p99),
          2,
        ),
        spread(own.map(({ rssMb }) => rssMb)),
      ];
    });
    const head = [
      "variant",
      "requests/s",
      "to bare",
      "CPU µs/request",
      "to bare",
      "p50 ms",
      "p99 ms",
      "RSS MB",
    ];
    return `### ${route}\n\n${markdownTable(head, rows)}`;
  };
  const sum = (variant: Variant, of: (life: Life) => number) =>
    lives[variant].reduce((total, life) => total + of(life), 0).toLocaleString("en");
  const accounts = (["publisher", "batch", "await"] as const).map((variant) => [
    VARIANTS[variant],
    sum(variant, ({ responses }) => responses),
    sum(variant, ({ records }) => records),
    sum(variant, ({ records, responses }) => records - responses),
    sum(variant, ({ dropped }) => dropped),
  ]);
  return [
    "## The API with and without its request log\n",
    conditions(values, servers.labels, ["hono", "@hono/node-server", "kafkajs", "autocannon"]),
    `- ${pinning}, Kafka runs on both; each variant is a fresh process each time, warmed up for ${WARM_UP_SECONDS} s a route`,
    "- load: autocannon, closed model; CPU is the server process's, user and system, all threads; ratios are of the same repeat\n",
    tableOf("GET /products/:id"),
    "",
    tableOf("POST /orders"),
    "\n### What became of the records, warm-up included\n",
    markdownTable(["variant", "responses received", "records in Kafka", "difference", "dropped"], accounts),
    "\nA positive difference: requests that the end of a load cut off are logged too, at most one a connection and load.",
  ].join("\n");
}
