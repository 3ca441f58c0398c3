import { spawn } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { EXIT } from "../contract/errors.ts";
import { livingProcesses } from "../engines/pids.ts";
import type { Ledger } from "../simulator/ledger/ledger.ts";
import {
  conditions,
  cpuSecondsOf,
  HOME,
  markdownTable,
  runBenchmark,
  SEED,
  startServers,
} from "./harness.ts";

/** Whether anything grows: memory and file descriptors of each process under a steady load, and the ledger at the end. */

interface Sample {
  readonly atS: number;
  readonly rssMb: number;
  readonly descriptors: number;
  readonly cpuS: number;
}

const SAMPLE_EVERY_MS = 5_000;
const PROCESSES = ["api", "consumer", "kafka", "mariadb"];

await runBenchmark({
  name: "soak",
  description: "Memory and file descriptors of every process under a steady load, on Linux",
  options: {
    minutes: { help: "length", fallback: 30, min: 1, max: 24 * 60 },
    rate: { help: "requests a second", fallback: 1_000, min: 1, max: 100_000 },
    seed: SEED,
  },
  async measure(bench, { minutes, rate, seed }) {
    const servers = await startServers(bench, { mariadb: true });
    const summary = join(HOME, "summary.json");
    const up = spawn(
      process.execPath,
      [
        ...["cli/rushhour.js", "up", "-d", `${minutes}m`, "--rate", `${rate}/s`, "--seed", String(seed)],
        ...["--port", "0", "--consumer-port", "0", "--summary-export", summary, "--quiet"],
      ],
      {
        env: {
          ...{ ...process.env, RUSHHOUR_HOME: HOME, NO_COLOR: "1" },
          ...{ KAFKA_BROKERS: servers.brokers.join(","), MYSQL_URL: servers.mariadb!.url },
        },
        stdio: ["ignore", "ignore", "inherit"],
      },
    );
    const ended = new Promise<number | null>((resolve) => up.once("close", resolve));
    bench.onClose(async () => {
      up.kill("SIGTERM");
      await ended;
    });
    const samples = new Map<string, Sample[]>();
    const began = performance.now();
    for (let n = 1; up.exitCode === null && performance.now() - began < minutes * 60_000; n++) {
      await Promise.race([wait(SAMPLE_EVERY_MS), ended]);
      const atS = (performance.now() - began) / 1_000;
      const processes = new Map(livingProcesses(HOME).map(({ name, pid }) => [name, pid]));
      processes.set("up and load", up.pid!);
      for (const [name, pid] of processes) {
        const sample = sampleOf(pid, atS);
        if (sample) samples.set(name, [...(samples.get(name) ?? []), sample]);
      }
      if (n % 12 === 0) bench.progress(lineOf(samples));
    }
    const code = await ended;
    // A machine that was too busy for the generator has soaked all the same.
    if (code !== EXIT.ok && code !== EXIT.generatorBehind) throw new Error(`up ended with ${code}`);
    const { ledger } = JSON.parse(readFileSync(summary, "utf8")) as { ledger: Ledger };
    return report(
      conditions({ minutes, rate, seed }, servers.labels, ["hono", "kafkajs", "mysql2"]),
      samples,
      ledger,
    );
  },
});

/** undefined when the process is gone. */
function sampleOf(pid: number, atS: number): Sample | undefined {
  try {
    const rss = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))![1];
    const descriptors = readdirSync(`/proc/${pid}/fd`).length;
    return { atS, rssMb: Number(rss) / 1_024, descriptors, cpuS: cpuSecondsOf(pid)! };
  } catch {
    return undefined;
  }
}

function lineOf(samples: ReadonlyMap<string, readonly Sample[]>): string {
  return [...samples]
    .map(([name, own]) => `${name} ${Math.round(own.at(-1)!.rssMb)} MB ${own.at(-1)!.descriptors} fd`)
    .join(", ");
}

function report(
  conditions: string,
  samples: ReadonlyMap<string, readonly Sample[]>,
  { answered, stored, missing, duplicates }: Ledger,
): string {
  const rows = [...PROCESSES, "up and load"].map((name) => {
    const own = samples.get(name) ?? [];
    const settled = own.slice(own.length >> 1); // buffers and the compiler have what they need by then
    const at = (share: number) => Math.round(own[Math.floor((own.length - 1) * share)]!.rssMb);
    const descriptors = settled.map((sample) => sample.descriptors);
    const cpu = (own.at(-1)!.cpuS - own[0]!.cpuS) / (own.at(-1)!.atS - own[0]!.atS);
    return [
      ...[name, at(0.1), at(0.5), at(1), Math.round(Math.max(...own.map(({ rssMb }) => rssMb)))].map(String),
      slopePerHour(settled).toFixed(1),
      `${Math.min(...descriptors)}-${Math.max(...descriptors)}`,
      `${(cpu * 100).toFixed(0)} %`,
    ];
  });
  const head = [
    "process",
    "RSS MB at 10 %",
    "at half",
    "at the end",
    "most",
    "MB/h, second half",
    "file descriptors, second half",
    "of a core",
  ];
  return [
    "## Soak\n",
    conditions,
    `- ledger: ${answered} answered = ${stored} stored + ${missing} missing; duplicates ${duplicates}\n`,
    markdownTable(head, rows),
  ].join("\n");
}

/** Least squares. */
function slopePerHour(samples: readonly Sample[]): number {
  const mean = (of: (sample: Sample) => number) =>
    samples.reduce((sum, sample) => sum + of(sample), 0) / samples.length;
  const [x, y] = [mean(({ atS }) => atS), mean(({ rssMb }) => rssMb)];
  const covariance = mean(({ atS, rssMb }) => (atS - x) * (rssMb - y));
  return (covariance / mean(({ atS }) => (atS - x) ** 2)) * 3_600;
}
