import { spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { startEngines } from "../../engines/engines.ts";
import { livingProcesses } from "../../engines/pids.ts";
import { freePorts } from "../../engines/ports.ts";
import { connect, type Row } from "../../init_db/database.ts";
import type { Ledger } from "../../simulator/ledger/ledger.ts";
import { blowsOf, nameOf, type Blow, type Target } from "./schedule.ts";

export interface RoundOptions {
  readonly seed: number;
  readonly durationMs: number;
  readonly ratePerSecond: number;
  readonly spool: "spill" | "always";
  readonly meanMs: number; // between two blows
  readonly targets?: readonly Target[];
  /** Further environment of the roles, such as an injected bug. */
  readonly env?: Readonly<Record<string, string>>;
  readonly say: (line: string) => void;
}

export interface RoundResult {
  readonly ledger: Ledger;
  readonly drift: number; // rows of v_rollup_drift
  readonly gaps: readonly string[]; // publishers with numbers that are nowhere, or a tail that nobody knows
  readonly recoveries: readonly Recovery[];
  readonly output: string; // of `up`
}

export interface Recovery {
  readonly blow: string;
  readonly awayMs: number; // until its supervisor had it serving again
  readonly wellMs: number; // from then until API and consumer are ready and new rows come
}

/**
 * One round: private engines, `rushhour up` on them with a load, and blows by schedule. Everything that dies is restarted by its
 * supervisor, as in production; nothing here knows how the pipeline works.
 */
export async function chaosRound(options: RoundOptions): Promise<RoundResult> {
  const { seed, durationMs, ratePerSecond, spool, say } = options;
  const home = mkdtempSync(join(tmpdir(), "rushhour-chaos-"));
  await using cleanup = new AsyncDisposableStack();
  cleanup.defer(() => rmSync(home, { recursive: true, force: true }));
  const engines = await startEngines({
    ...{ home, enginesFolder: resolve(".rushhour/engines"), kafka: true, mariadb: true },
    onProgress: () => undefined,
    onGiveUp: (cause) => say(cause.message),
  });
  cleanup.defer(() => engines.stop());

  const roles = join(home, "roles");
  mkdirSync(roles);
  const summary = join(home, "summary.json");
  const [api, consumer] = await freePorts([undefined, undefined]);
  const seconds = Math.ceil(durationMs / 1_000);
  const up = spawn(
    process.execPath,
    [
      ...[
        "cli/rushhour.js",
        "up",
        "-d",
        `${seconds}s`,
        "--rate",
        `${ratePerSecond}/s`,
        "--seed",
        String(seed),
      ],
      ...["--port", String(api), "--consumer-port", String(consumer), "--summary-export", summary],
    ],
    {
      env: {
        ...{ ...process.env, NO_COLOR: "1", RUSHHOUR_HOME: roles, RUSHHOUR_SPOOL: spool, API_MODEL: "off" },
        ...{ KAFKA_BROKERS: engines.kafkaBrokers, MYSQL_URL: engines.mysqlUrl },
        ...options.env,
      },
      stdio: ["ignore", "pipe", "pipe"],
    },
  );
  let output = "";
  for (const stream of [up.stdout, up.stderr])
    stream.on("data", (chunk: Buffer) => (output += chunk.toString()));
  const load = { hasEnded: false };
  const ended = new Promise<void>((done) => up.once("close", () => done())).then(
    () => (load.hasEnded = true),
  );
  cleanup.defer(async () => {
    up.kill("SIGKILL");
    await ended;
    for (const { pid } of livingProcesses(roles)) process.kill(-pid, "SIGKILL");
  });
  await condition(
    () => output.includes("serving at"),
    "the load",
    60_000,
    () => output,
  );

  const database = await openWatch(engines.mysqlUrl!);
  cleanup.defer(() => database.close());
  const ports: Readonly<Record<string, number | undefined>> = { api, consumer };
  const isServing = async (target: Target) =>
    ports[target] === undefined
      ? engines.processes.find(({ name }) => name === target)?.state === "running"
      : isOk(`http://127.0.0.1:${ports[target]}/health/live`);
  const isWell = async () =>
    (await Promise.all([api, consumer].map((port) => isOk(`http://127.0.0.1:${port!}/health/ready`)))).every(
      Boolean,
    );
  const pidOf = (target: Target) =>
    [roles, home].flatMap((folder) => livingProcesses(folder)).find(({ name }) => name === target)?.pid;

  const recoveries: Recovery[] = [];
  const began = performance.now();
  for (const blow of blowsOf(seed, durationMs, options.meanMs, options.targets)) {
    const { target, atMs } = blow;
    await wait(Math.max(0, atMs - (performance.now() - began)));
    if (load.hasEnded) break; // recovering took longer than the load
    const pid = pidOf(target);
    if (pid === undefined) continue; // it is being restarted already
    const name = nameOf(blow);
    const until = (label: string, holds: () => boolean | Promise<boolean>) =>
      condition(
        async () => load.hasEnded || (await holds()),
        `${label} after ${name}`,
        60_000,
        () => output,
      );
    await strike(pid, blow);
    const struckMs = performance.now();
    if (typeof blow.how === "string")
      await until(
        `${target} to be back`,
        async () => (pidOf(target) ?? pid) !== pid && (await isServing(target)),
      );
    const backMs = performance.now();
    const rows = await database.rows();
    await until("the pipeline to be well", async () => (await isWell()) && (await database.rows()) > rows);
    const recovery = {
      blow: name,
      awayMs: Math.round(backMs - struckMs),
      wellMs: Math.round(performance.now() - backMs),
    };
    recoveries.push(recovery);
    say(
      `  ${(atMs / 1_000).toFixed(1).padStart(5)} s  ${name.padEnd(28)} back after ${recovery.awayMs} ms, well ${recovery.wellMs} ms later`,
    );
  }
  await ended;
  const { ledger } = JSON.parse(readFileSync(summary, "utf8")) as { ledger: Ledger };
  return { ledger, recoveries, output, ...(await database.proof()) };
}

async function strike(pid: number, { how }: Blow): Promise<void> {
  if (typeof how === "string") {
    process.kill(pid, how);
    return;
  }
  process.kill(pid, "SIGSTOP");
  await wait(how.frozenMs);
  process.kill(pid, "SIGCONT");
}

async function isOk(url: string): Promise<boolean> {
  const answer = await fetch(url, { signal: AbortSignal.timeout(1_000) }).catch(() => undefined);
  return answer?.ok ?? false;
}

/** Questions to a database that may be away: then they are asked again on a new connection. */
async function openWatch(url: string) {
  let connection = await connect(url);
  const ask = async (sql: string): Promise<Row[]> => {
    for (let tries = 0; ; tries++) {
      try {
        const [rows] = await connection.query<Row[]>(sql);
        return rows;
      } catch (error) {
        if (tries > 100) throw error;
        connection.destroy();
        await wait(100);
        connection = await connect(url).catch(() => connection);
      }
    }
  };
  return {
    rows: async () =>
      Number((await ask("SELECT COALESCE(SUM(rows_in), 0) AS n FROM ingest_offsets"))[0]!["n"]),
    async proof(): Promise<Pick<RoundResult, "drift" | "gaps">> {
      const drift = (await ask("SELECT * FROM v_rollup_drift")).length;
      const gaps = await ask("SELECT * FROM v_ingest_gaps WHERE tail <> 'alive'");
      return {
        drift,
        gaps: gaps.map(
          (gap) =>
            `${String(gap["service"])} ${String(gap["tail"])}: ${String(gap["first_seq"])} to ${String(gap["last_seq"])}`,
        ),
      };
    },
    close: () => connection.destroy(),
  };
}

async function condition(
  holds: () => boolean | Promise<boolean>,
  label: string,
  deadlineMs: number,
  output: () => string,
): Promise<void> {
  const endMs = performance.now() + deadlineMs;
  while (!(await holds())) {
    if (performance.now() > endMs)
      throw new Error(`waited ${deadlineMs / 1_000} s for ${label}\n${output().slice(-2_000)}`);
    await wait(100);
  }
}
