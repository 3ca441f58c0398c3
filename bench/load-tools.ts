import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { homedir } from "node:os";
import { delimiter, join } from "node:path";
import { z } from "zod";
import packageJson from "../package.json" with { type: "json" };
import { HOME, ROOT } from "./harness.ts";

/** The load generators that simulator.ts compares: where each is found, how it is told what to do, how it is read. */

export interface Load {
  readonly url: string;
  readonly seconds: number;
  readonly connections: number;
}

/** What a tool says of the latencies it saw, ms. */
export interface Shown {
  readonly what: string; // of the tool's latencies this is; "" when it has one only
  readonly p50: number;
  readonly p99: number;
  readonly max: number;
}

export interface LoadTool {
  readonly name: string;
  readonly install: string; // what a reader can do who misses it
  /** The program with its first arguments, or undefined when it is not there. */
  readonly program: readonly string[] | undefined;
  readonly version: string;
  readonly connections_are: "connections" | "VUs";
  /** Whether a rate has to be told how many of them it may use. */
  readonly rate_needs_connections: boolean;
  /** Each connection waits for its answer and sends again at once. */
  readonly closed: (load: Load) => readonly string[];
  /** So many requests a second whatever the answers; the ways there are, by what they are called. */
  readonly atRate: Readonly<Record<string, (load: Load, rate: number) => readonly string[]>>;
  /** Reads what one of them left. @throws ZodError, SyntaxError, Error when it is not understood */
  readonly read: (stdout: string) => readonly Shown[];
}

const FOLDER = join(HOME, "load-tools");
const SUMMARY = join(FOLDER, "summary.json"); // one tool runs at a time
const SCRIPT = join(FOLDER, "k6.js");

/** Where the shell looks, and where the installers of Go and Rust put programs. */
const FOLDERS = [
  ...(process.env["PATH"] ?? "").split(delimiter),
  join(process.env["GOPATH"] ?? join(homedir(), "go"), "bin"),
  join(homedir(), ".cargo", "bin"),
];

function find(name: string, versionArgs: readonly string[]) {
  const path = FOLDERS.map((folder) => join(folder, name)).find((file) => existsSync(file));
  if (path === undefined) return { program: undefined, version: "" };
  const { stdout } = spawnSync(path, versionArgs, { encoding: "utf8", cwd: ROOT });
  return { program: [path], version: /\d+(\.\d+)+/.exec(stdout)?.[0] ?? "" };
}

const readSummary = (): unknown => JSON.parse(readFileSync(SUMMARY, "utf8"));

/** Makes the folder that the tools read from and write to. */
export function prepareFolder(): void {
  mkdirSync(FOLDER, { recursive: true });
  writeFileSync(SCRIPT, K6_SCRIPT);
}

/* ---- ours ---- */

const latency = z.object({ p50: z.number(), p99: z.number(), max: z.number() });
const ourSummary = z.object({
  http: z.object({ response_time_ms: latency, service_time_ms: latency }),
  schedule: z.object({ delay_ms: latency }),
});

const ourArgs = ({ url, seconds }: Load) => [
  ...["quick", url, "--duration", `${seconds}s`, "--seed", "1", "--quiet"],
  ...["--summary-mode", "disabled", "--summary-export", SUMMARY],
];

const rushhour: LoadTool = {
  name: "rushhour",
  install: "",
  program: [process.execPath, join(ROOT, "cli", "rushhour.js")],
  version: packageJson.version,
  connections_are: "VUs",
  rate_needs_connections: false,
  closed: (load) => [...ourArgs(load), "--vus", String(load.connections)],
  atRate: {
    "--rate": (load, rate) => [...ourArgs(load), "--rate", `${rate}/s`, "--arrival", "even"],
  },
  read() {
    const { http } = ourSummary.parse(readSummary());
    return [
      { what: "response time", ...http.response_time_ms },
      { what: "service time", ...http.service_time_ms },
    ];
  },
};

/** How late the run before sent its requests, ms. */
export const ourScheduleDelay = () => ourSummary.parse(readSummary()).schedule.delay_ms;

/* ---- the others ---- */

const K6_SCRIPT = `import http from "k6/http";
const seconds = __ENV.SECONDS + "s";
const vus = Number(__ENV.VUS);
const rate = Number(__ENV.RATE);
const closed = { executor: "constant-vus", vus, duration: seconds };
const open = {
  executor: "constant-arrival-rate",
  rate,
  timeUnit: "1s",
  duration: seconds,
  preAllocatedVUs: vus,
  maxVUs: vus,
};
export const options = { scenarios: { load: rate > 0 ? open : closed } };
export default function () {
  http.get(__ENV.URL);
}
`;

const k6Args = ({ url, seconds, connections }: Load, rate: number) => [
  ...["run", "--quiet", "--no-usage-report", "--summary-export", SUMMARY],
  ...["--summary-trend-stats", "med,p(99),max"],
  ...["-e", `URL=${url}`, "-e", `SECONDS=${seconds}`, "-e", `VUS=${connections}`, "-e", `RATE=${rate}`],
  SCRIPT,
];

const k6Summary = z.object({
  metrics: z.object({
    http_req_duration: z.object({ med: z.number(), "p(99)": z.number(), max: z.number() }),
  }),
});

const k6: LoadTool = {
  name: "k6",
  install: "go install go.k6.io/k6@latest",
  ...find("k6", ["version"]),
  connections_are: "VUs",
  rate_needs_connections: true,
  closed: (load) => k6Args(load, 0),
  atRate: { "constant-arrival-rate": k6Args },
  read() {
    const { med, "p(99)": p99, max } = k6Summary.parse(readSummary()).metrics.http_req_duration;
    return [{ what: "http_req_duration", p50: med, p99, max }];
  },
};

const ohaArgs = ({ url, seconds, connections }: Load) => [
  ...["--no-tui", "--output-format", "json", "-z", `${seconds}s`, "-c", String(connections)],
  url,
];

const ohaReport = z.object({
  summary: z.object({ slowest: z.number() }),
  latencyPercentiles: z.object({ p50: z.number(), p99: z.number() }), // s, as slowest
});

const oha: LoadTool = {
  name: "oha",
  install: "cargo install oha --locked",
  ...find("oha", ["--version"]),
  connections_are: "connections",
  rate_needs_connections: true,
  closed: ohaArgs,
  atRate: {
    "-q": (load, rate) => ["-q", String(rate), ...ohaArgs(load)],
    "-q --latency-correction": (load, rate) => [
      ...["-q", String(rate), "--latency-correction"],
      ...ohaArgs(load),
    ],
  },
  read(stdout) {
    const { summary, latencyPercentiles } = ohaReport.parse(JSON.parse(stdout));
    const { p50, p99 } = latencyPercentiles;
    return [{ what: "", p50: p50 * 1_000, p99: p99 * 1_000, max: summary.slowest * 1_000 }];
  },
};

const autocannonReport = z.object({ latency });

const autocannonArgs = ({ url, seconds, connections }: Load) => [
  ...["--json", "--no-progress", "-d", String(seconds), "-c", String(connections)],
  url,
];

const autocannon: LoadTool = {
  name: "autocannon",
  install: "",
  program: [process.execPath, join(ROOT, "node_modules", "autocannon", "autocannon.js")],
  version: "",
  connections_are: "connections",
  rate_needs_connections: true,
  closed: autocannonArgs,
  atRate: { "-R": (load, rate) => ["-R", String(rate), ...autocannonArgs(load)] },
  read: (stdout) => [{ what: "", ...autocannonReport.parse(JSON.parse(stdout)).latency }],
};

const UNITS: Readonly<Record<string, number>> = { us: 0.001, ms: 1, s: 1_000, m: 60_000 };

/** The lines `50% 101.20ms` of wrk and `50.000% 101.20ms` of wrk2, and the greatest of the line `Latency`. */
function readWrk(stdout: string): readonly Shown[] {
  const ms = (pattern: RegExp) => {
    const [, value, unit] = pattern.exec(stdout) ?? [];
    if (value === undefined) throw new Error(`not understood: ${stdout}`);
    return Number(value) * UNITS[unit!]!;
  };
  return [
    {
      what: "",
      p50: ms(/^ +50(?:\.000)?% +([\d.]+)(us|ms|s|m)$/m),
      p99: ms(/^ +99(?:\.000)?% +([\d.]+)(us|ms|s|m)$/m),
      max: ms(/^ +Latency +\S+ +\S+ +([\d.]+)(us|ms|s|m)/m),
    },
  ];
}

const wrkArgs = ({ url, seconds, connections }: Load) => [
  ...["-t1", `-c${connections}`, `-d${seconds}s`, "--timeout", "10s", "--latency", url],
];

const wrk: LoadTool = {
  name: "wrk",
  install: "apt install wrk",
  ...find("wrk", ["--version"]),
  connections_are: "connections",
  rate_needs_connections: true,
  closed: wrkArgs,
  atRate: {},
  read: readWrk,
};

const wrk2: LoadTool = {
  name: "wrk2",
  install: "https://github.com/giltene/wrk2, as wrk2 on the PATH",
  ...find("wrk2", ["--version"]),
  connections_are: "connections",
  rate_needs_connections: true,
  closed: wrkArgs,
  atRate: { "-R": (load, rate) => [`-R${rate}`, ...wrkArgs(load)] },
  read: readWrk,
};

export const OURS = rushhour;
export const LOAD_TOOLS: readonly LoadTool[] = [rushhour, k6, oha, wrk2, wrk, autocannon];
