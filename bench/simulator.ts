import { once } from "node:events";
import { text } from "node:stream/consumers";
import { setTimeout as wait } from "node:timers/promises";
import type { PlainServerMessage, Service } from "./plain-server.ts";
import {
  conditions,
  cpuSecondsOf,
  markdownTable,
  median,
  percentile,
  pinning,
  REPEATS,
  runBenchmark,
  spread,
  startNode,
  startPinned,
  until,
  type Bench,
} from "./harness.ts";
import { LOAD_TOOLS, OURS, ourScheduleDelay, prepareFolder } from "./load-tools.ts";
import type { Load, LoadTool, Shown } from "./load-tools.ts";

/**
 * The simulator beside other load generators: which of them show what a stall of the server does to its users, how many
 * requests each sends with one core, and how late ours sends them.
 */

const STALLED: Service & { readonly rate_per_second: number; readonly seconds: number } = {
  ...{ service_ms: 100, stall_after_ms: 10_000, stall_ms: 1_000 },
  ...{ rate_per_second: 200, seconds: 20 },
};
/** What ours does of a rate that is beyond it: sends whenever it can, so a whole core's worth. */
const OPEN = "rushhour --rate";
const TOO_MUCH = 200_000;

/** Undici by itself, to compare with; it measures nothing, so it only has a speed. */
const UNDICI = "undici dispatch, nothing measured";
const PLENTY = 300; // connections: more than a second of requests, so that the stall makes none wait for one
const WARM_UP_MS = 3_000;
const LONGER = 5; // punctuality is measured so many times as long as speed: as a run would be
const START_UP_SECONDS = 10; // of a tool, at most

await runBenchmark({
  name: "simulator",
  description: "The simulator beside k6, oha, wrk, wrk2 and autocannon: truth, speed and punctuality",
  options: {
    seconds: { help: "length of each measurement of speed", fallback: 6, min: 2, max: 60 },
    repeats: REPEATS,
    connections: { help: "connections of the measurements of speed", fallback: 32, min: 1, max: 1_000 },
  },
  async measure(bench, values) {
    prepareFolder();
    const tools = LOAD_TOOLS.filter(({ program }) => program !== undefined);
    const shown = await stalls(bench, tools);
    const rates = await speeds(bench, tools, values);
    const half = Math.round(median(rates.get(OPEN)!.map(({ perSecond }) => perSecond)) / 2 / 1_000) * 1_000;
    const delays = await delaysAt(bench, half, values);
    return [
      "## The simulator beside other load generators\n",
      conditions(
        values,
        tools.filter(({ version }) => version !== "").map(({ name, version }) => `${name} ${version}`),
        ["undici", "autocannon"],
      ),
      `- ${pinning}`,
      ...LOAD_TOOLS.filter((tool) => !tools.includes(tool)).map(
        ({ name, install }) => `- not installed: ${name} (${install})`,
      ),
      reportOfStalls(shown),
      reportOfSpeeds(rates),
      reportOfDelays(half, delays),
    ].join("\n");
  },
});

/* ---- a server that stalls ---- */

interface StallFigures extends Shown {
  readonly tool: string;
  readonly mode: string;
  readonly requests: number; // that the server answered
}

/** Each tool in each of its modes once; what it should see is arithmetic. */
async function stalls(bench: Bench, tools: readonly LoadTool[]): Promise<StallFigures[]> {
  const figures: StallFigures[] = [];
  for (const tool of tools) {
    for (const { mode, connections, args } of modesOf(tool)) {
      bench.progress(`a stalled server: ${tool.name} ${mode}`);
      const server = await startServer(bench, STALLED);
      const stdout = await run(bench, tool, args({ url: server.url, seconds: STALLED.seconds, connections }));
      const requests = await server.count();
      server.stop();
      figures.push(...tool.read(stdout).map((shown) => ({ ...shown, tool: tool.name, mode, requests })));
    }
  }
  return figures;
}

interface Mode {
  readonly mode: string;
  readonly connections: number;
  readonly args: (load: Load) => readonly string[];
}

function modesOf(tool: LoadTool): readonly Mode[] {
  const { rate_per_second: rate, service_ms } = STALLED;
  const enough = (rate * service_ms) / 1_000; // as long as nothing stalls
  return [
    ...Object.entries(tool.atRate).flatMap(([mode, args]) =>
      (tool.rate_needs_connections ? [PLENTY, 1.5 * enough] : [PLENTY]).map((connections) => ({
        mode: `${mode} ${rate}/s${tool.rate_needs_connections ? `, ${connections} ${tool.connections_are}` : ""}`,
        connections,
        args: (load: Load) => args(load, rate),
      })),
    ),
    { mode: `closed model, ${enough} ${tool.connections_are}`, connections: enough, args: tool.closed },
  ];
}

/** Response times of requests that arrive evenly at the server described, ms, rising. */
function trueLatencies(): readonly number[] {
  const { service_ms, stall_after_ms, stall_ms, rate_per_second, seconds } = STALLED;
  const stallEnd = stall_after_ms + stall_ms;
  return Array.from({ length: rate_per_second * seconds }, (_, n) => {
    const arrived = (n * 1_000) / rate_per_second;
    const taken = arrived < stall_after_ms || arrived >= stallEnd ? arrived : stallEnd;
    const done = taken + service_ms;
    const answered = done < stall_after_ms || done >= stallEnd ? done : stallEnd;
    return answered - arrived;
  }).sort((a, b) => a - b);
}

function reportOfStalls(figures: readonly StallFigures[]): string {
  const truth = trueLatencies();
  const { service_ms, stall_ms, stall_after_ms, seconds, rate_per_second } = STALLED;
  const row = (label: string, requests: number, { p50, p99, max }: Omit<Shown, "what">) => [
    ...[label, requests.toLocaleString("en")],
    ...[p50, p99, max].map((ms) => ms.toLocaleString("en", { maximumFractionDigits: 0 })),
  ];
  const exact = { p50: percentile(truth, 50), p99: percentile(truth, 99), max: truth.at(-1)! };
  const rows = figures.map(({ tool, mode, what, requests, ...shown }) =>
    row(`${tool} ${mode}${what === "" ? "" : `: ${what}`}`, requests, shown),
  );
  return [
    `\n### A server that takes ${service_ms} ms and stalls once for ${stall_ms} ms\n`,
    `${seconds} s at ${rate_per_second} requests/s, the stall after ${stall_after_ms / 1_000} s; one run each.\n`,
    markdownTable(
      ["", "requests", "p50 ms", "p99 ms", "max ms"],
      [row("**what users feel, by arithmetic**", truth.length, exact), ...rows],
    ),
  ].join("\n");
}

/* ---- speed ---- */

interface Speed {
  readonly perSecond: number; // with a whole core: responses by CPU second of the tool
  readonly cpu: number; // cores it used
}

/** The server counts, so that all are measured alike; the tools take turns. */
async function speeds(
  bench: Bench,
  tools: readonly LoadTool[],
  { repeats, seconds, connections }: Readonly<Record<"repeats" | "seconds" | "connections", number>>,
): Promise<ReadonlyMap<string, Speed[]>> {
  const server = await startServer(bench);
  const load = { url: server.url, connections, seconds: START_UP_SECONDS + WARM_UP_MS / 1_000 + seconds };
  const commands = new Map<string, readonly string[]>([
    ...tools.map((tool): [string, readonly string[]] => [
      tool.name,
      [...tool.program!, ...tool.closed(load)],
    ]),
    [OPEN, [...OURS.program!, ...OURS.atRate["--rate"]!(load, TOO_MUCH)]],
    [UNDICI, [process.execPath, "bench/undici-load.ts", server.url, String(connections)]],
  ]);
  const figures = new Map<string, Speed[]>([...commands.keys()].map((name) => [name, []]));
  for (let repeat = 1; repeat <= repeats; repeat++) {
    for (const [name, command] of commands) {
      const speed = await speedOf(bench, server, command, seconds);
      figures.get(name)!.push(speed);
      bench.progress(`${repeat}/${repeats} ${name}: ${Math.round(speed.perSecond)} requests/s a core`);
    }
  }
  server.stop();
  return figures;
}

async function speedOf(
  bench: Bench,
  server: Server,
  command: readonly string[],
  seconds: number,
): Promise<Speed> {
  const before = await server.count();
  const child = startPinned(bench, 1, command, "ignore");
  await until("the first request", async () => (await server.count()) > before, {
    deadlineMs: START_UP_SECONDS * 1_000,
  });
  await wait(WARM_UP_MS);
  const snapshot = async () => ({
    atMs: performance.now(),
    answered: await server.count(),
    cpuSeconds: cpuSecondsOf(child.pid)!,
  });
  const start = await snapshot();
  await wait(seconds * 1_000);
  const end = await snapshot();
  child.kill("SIGKILL");
  await once(child, "close");
  const cpuSeconds = end.cpuSeconds - start.cpuSeconds;
  return {
    perSecond: (end.answered - start.answered) / cpuSeconds,
    cpu: (cpuSeconds * 1_000) / (end.atMs - start.atMs),
  };
}

function reportOfSpeeds(rates: ReadonlyMap<string, readonly Speed[]>): string {
  const perSecond = (name: string) => rates.get(name)?.map((speed) => speed.perSecond);
  const k6 = perSecond("k6");
  const rows = [...rates].map(([name, speeds]) => [
    name,
    spread(speeds.map((speed) => speed.perSecond)),
    k6 === undefined
      ? "-"
      : spread(
          speeds.map((speed, repeat) => speed.perSecond / k6[repeat]!),
          2,
        ),
    spread(
      speeds.map(({ cpu }) => cpu),
      2,
    ),
  ]);
  return [
    "\n### Requests a second with one core\n",
    "Closed model, unless it says `--rate`, on a server that answers at once. Responses counted by the server, divided by the CPU seconds of the tool.\n",
    markdownTable(["", "requests/s a core", "to k6", "cores used"], rows),
  ].join("\n");
}

/* ---- punctuality ---- */

type Delay = ReturnType<typeof ourScheduleDelay>;

async function delaysAt(
  bench: Bench,
  rate: number,
  { repeats, seconds, connections }: Readonly<Record<"repeats" | "seconds" | "connections", number>>,
): Promise<Delay[]> {
  const server = await startServer(bench);
  const delays: Delay[] = [];
  for (let repeat = 1; repeat <= repeats; repeat++) {
    const load = { url: server.url, seconds: seconds * LONGER, connections };
    await run(bench, OURS, OURS.atRate["--rate"]!(load, rate), "any");
    delays.push(ourScheduleDelay());
    bench.progress(`${repeat}/${repeats} at ${rate}/s: sent p99 ${delays.at(-1)!.p99} ms late`);
  }
  server.stop();
  return delays;
}

function reportOfDelays(rate: number, delays: readonly Delay[]): string {
  const figures = (["p50", "p99", "max"] as const).map((name) =>
    spread(
      delays.map((delay) => delay[name]),
      2,
    ),
  );
  return [
    `\n### How late rushhour sends at half of what it can, ${rate.toLocaleString("en")} requests/s\n`,
    "The whole run, its start included; the server is pinned to core 0, rushhour is not, as V8 compiles and collects beside it.\n",
    markdownTable(["", "p50 ms", "p99 ms", "max ms"], [["schedule delay", ...figures]]),
  ].join("\n");
}

/* ---- processes ---- */

interface Server {
  readonly url: string;
  /** Answers so far. */
  readonly count: () => Promise<number>;
  readonly stop: () => void;
}

async function startServer(bench: Bench, service?: Service): Promise<Server> {
  const args = service === undefined ? [] : [JSON.stringify(service)];
  const child = startNode(bench, 0, ["bench/plain-server.ts", ...args]);
  const message = async <T extends PlainServerMessage["type"]>(type: T) => {
    const [received] = (await once(child, "message")) as [PlainServerMessage];
    if (received.type !== type) throw new Error(`the server said ${received.type} for ${type}`);
    return received as Extract<PlainServerMessage, { type: T }>;
  };
  const { url } = await message("listening");
  return {
    url,
    count: async () => {
      child.send("count");
      return (await message("count")).answered;
    },
    stop: () => child.kill("SIGKILL"),
  };
}

/** Runs a tool to its end. @returns its standard output. @throws Error when it fails */
async function run(
  bench: Bench,
  { name, program }: LoadTool,
  args: readonly string[],
  core: number | "any" = 1,
): Promise<string> {
  const child = startPinned(bench, core, [...program!, ...args], ["ignore", "pipe", "pipe"]);
  const [stdout, stderr] = await Promise.all([
    text(child.stdout!),
    text(child.stderr!),
    once(child, "close"),
  ]);
  if (child.exitCode !== 0 && !(name === "rushhour" && child.exitCode === 112))
    throw new Error(`${name} ended with ${child.exitCode}:\n${stderr}`);
  return stdout;
}
