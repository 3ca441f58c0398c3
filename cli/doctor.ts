import { existsSync, statSync } from "node:fs";
import { statfs } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { Command } from "commander";
import pc from "picocolors";
import {
  apiSettings,
  consumerSettings,
  kafkaSettings,
  readSettings,
  sqlSettings,
} from "../contract/config.ts";
import { messageOf, RushhourError } from "../contract/errors.ts";
import { createLogger } from "../contract/logger.ts";
import { credentialsFile } from "../engines/credentials.ts";
import { engineFolders, isInstalled } from "../engines/install.ts";
import { findOrphans, livingProcesses } from "../engines/pids.ts";
import { isPortFree, kafkaServes, mysqlServes } from "../engines/ports.ts";
import { findJava, findMaven, JAVA_MAJOR, WAYS_OUT } from "../engines/prerequisites.ts";
import { run } from "../engines/run.ts";
import { connect, tlsOf } from "../init_db/database.ts";
import { databaseError, withKafka } from "./reach.ts";
import { kafkaOf, ownerUrlOf } from "./servers.ts";

/** One line of the list: "bad" keeps `npm start` from working, "note" does not. */
export interface Finding {
  readonly verdict: "good" | "bad" | "note";
  readonly text: string;
}

const DASHBOARD_PORT = 5004;
const INSTALL_BYTES = 700e6;
const RUN_BYTES = 300e6;

/** `rushhour doctor`: what is there, what is missing, what to do; exit 104 when `npm start` would not work. */
export function doctorCommand(): Command {
  return new Command("doctor")
    .description("check what npm start needs: what is there, what is missing and what to do")
    .action(async () => {
      const findings = await examine();
      for (const finding of findings) console.log(lineOf(finding));
      const problems = findings.filter((finding) => finding.verdict === "bad").length;
      if (problems > 0) {
        throw new RushhourError(
          "PREREQUISITE_MISSING",
          `npm start would not work: ${problems} ${problems === 1 ? "problem" : "problems"}, marked ✗ above`,
        );
      }
    })
    .addHelpText(
      "after",
      `
Examples:
  $ npx rushhour doctor
  $ MYSQL_URL=mysql://root:secret@127.0.0.1:3306/monitoring npx rushhour doctor`,
    );
}

function lineOf({ verdict, text }: Finding): string {
  const mark = { good: pc.green("✓"), bad: pc.red("✗"), note: pc.yellow("!") }[verdict];
  return `${mark} ${text}`;
}

async function examine(): Promise<Finding[]> {
  const { RUSHHOUR_HOME } = readSettings(sqlSettings.pick({ RUSHHOUR_HOME: true }));
  const home = resolve(RUSHHOUR_HOME);
  const sections = await Promise.all([
    checkTools(),
    checkKafka(home),
    checkMysql(home),
    checkPorts(home),
    checkDisk(home),
  ]);
  return [checkNode(process.versions.node), ...sections.flat(), ...checkState(home)];
}

/** Types are stripped by Node itself from 22.18 on. */
export function checkNode(version: string): Finding {
  const [major = 0, minor = 0] = version.split(".").map(Number);
  return major > 22 || (major === 22 && minor >= 18)
    ? { verdict: "good", text: `Node ${version}` }
    : { verdict: "bad", text: `Node ${version} runs no TypeScript: use npx rushhour or npm start (Node 24)` };
}

async function checkTools(): Promise<Finding[]> {
  const [npm, docker] = await Promise.all([
    versionOf("npm", ["--version"]),
    versionOf("docker", ["--version"]),
  ]);
  return [
    npm === undefined
      ? { verdict: "bad", text: "npm is not on the PATH: install Node with npm (https://nodejs.org)" }
      : { verdict: "good", text: `npm ${npm}` },
    docker === undefined
      ? { verdict: "note", text: "Docker is not there: only docker compose up needs it" }
      : { verdict: "good", text: docker },
  ];
}

/** The first line that tells a version; undefined when the command is not there or fails. */
async function versionOf(command: string, args: string[]): Promise<string | undefined> {
  try {
    const { exitCode, lines } = await run(command, args);
    return exitCode === 0 ? lines.find((line) => /\d+\.\d+/.test(line) && !line.includes("warn")) : undefined;
  } catch {
    return undefined; // no such command
  }
}

async function checkKafka(home: string): Promise<Finding[]> {
  const settings = readSettings(kafkaSettings);
  if (settings.KAFKA_BROKERS) {
    const { brokers, tls, sasl } = kafkaOf(settings);
    const how = [
      ...(tls ? ["over TLS"] : []),
      ...(sasl ? [`to the user ${sasl.username} (${sasl.mechanism})`] : []),
    ];
    return Promise.all(
      brokers.map((broker) =>
        how.length === 0
          ? checkServer("KAFKA_BROKERS", broker, kafkaServes)
          : checkSecured(`KAFKA_BROKERS: ${broker} answers ${how.join(", ")}`, () =>
              withKafka({ brokers: [broker], tls, sasl }, createLogger("doctor"), (admin) =>
                admin.clusterId(),
              ),
            ),
      ),
    );
  }
  const engine = engineFolders(home).kafka;
  const java = await findJava();
  const found: Finding =
    java !== undefined && java.major >= JAVA_MAJOR
      ? { verdict: "good", text: `Java ${java.version}` }
      : {
          verdict: "bad",
          text: `Java ${java === undefined ? "was not found" : `${java.version} is too old`}, the private Kafka needs ${JAVA_MAJOR} or later: ${WAYS_OUT.join("; ")}`,
        };
  return [found, ...(await checkInstalled("Kafka", engine))];
}

async function checkMysql(home: string): Promise<Finding[]> {
  const settings = readSettings(sqlSettings);
  if (settings.MYSQL_URL !== undefined) {
    const url = ownerUrlOf(settings);
    const { hostname, port } = new URL(url);
    const address = `${hostname}:${port || "3306"}`;
    return [
      tlsOf(url) === undefined
        ? await checkServer("MYSQL_URL", address, mysqlServes)
        : await checkSecured(`MYSQL_URL: ${address} answers over TLS`, () => speakTls(url)),
    ];
  }
  return checkInstalled("MariaDB", engineFolders(home).mariadb);
}

async function checkServer(
  variable: string,
  address: string,
  serves: (host: string, port: number) => Promise<boolean>,
): Promise<Finding> {
  const [, host = "", port = ""] = /^\[?(.+?)\]?:(\d+)$/.exec(address) ?? [];
  return (await serves(host, Number(port)))
    ? { verdict: "good", text: `${variable}: ${address} answers` }
    : {
        verdict: "bad",
        text: `${variable}: ${address} does not answer; start that server, or unset ${variable} for a private one`,
      };
}

/** With TLS or a user only the client itself can tell; what it says is complete. */
async function checkSecured(text: string, work: () => Promise<unknown>): Promise<Finding> {
  try {
    await work();
    return { verdict: "good", text };
  } catch (error) {
    return { verdict: "bad", text: messageOf(error) };
  }
}

async function speakTls(url: string): Promise<void> {
  const connection = await connect(url, { database: "" }).catch((error: unknown) => {
    throw databaseError(error, url, "MYSQL_URL");
  });
  connection.destroy();
}

async function checkInstalled(label: string, engine: Parameters<typeof isInstalled>[0]): Promise<Finding[]> {
  if (isInstalled(engine))
    return [{ verdict: "good", text: `${label} ${engine.version} is installed in ${engine.folder}` }];
  const maven = await findMaven();
  return [
    maven === undefined
      ? { verdict: "bad", text: `Maven was not found; it fetches ${label}: ${WAYS_OUT.join("; ")}` }
      : { verdict: "good", text: `Maven ${maven}; the first npm start fetches ${label} ${engine.version}` },
  ];
}

async function checkPorts(home: string): Promise<Finding[]> {
  const { API_HOST, API_PORT } = readSettings(apiSettings.pick({ API_HOST: true, API_PORT: true }));
  const { CONSUMER_HOST, CONSUMER_PORT } = readSettings(
    consumerSettings.pick({ CONSUMER_HOST: true, CONSUMER_PORT: true }),
  );
  const ours = livingProcesses(home).map((entry) => entry.name);
  const check = async (role: string, host: string, port: number, remedy: string): Promise<Finding> => {
    if (await isPortFree(port, host)) return { verdict: "good", text: `port ${port} is free for ${role}` };
    if (ours.some((name) => name.startsWith(role)))
      return { verdict: "note", text: `port ${port}: our own ${role} runs` };
    return { verdict: remedy === "" ? "note" : "bad", text: `port ${port} (${role}) is in use${remedy}` };
  };
  const remedy = (variable: string) => `: end what listens there, or set ${variable} (0 takes a free one)`;
  return Promise.all([
    check("api", API_HOST, API_PORT, remedy("API_PORT")),
    check("consumer", CONSUMER_HOST, CONSUMER_PORT, remedy("CONSUMER_PORT")),
    check("dashboard", "127.0.0.1", DASHBOARD_PORT, ""),
  ]);
}

async function checkDisk(home: string): Promise<Finding[]> {
  const { bavail, bsize } = await statfs(nearestFolder(home));
  const free = bavail * bsize;
  const engines = engineFolders(home);
  const needed = isInstalled(engines.kafka) && isInstalled(engines.mariadb) ? RUN_BYTES : INSTALL_BYTES;
  const text = `${Math.floor(free / 1e6)} MB free for ${home}`;
  return [
    free >= needed
      ? { verdict: "good", text }
      : { verdict: "bad", text: `${text}, ${needed / 1e6} MB are needed: free some, or set RUSHHOUR_HOME` },
  ];
}

function nearestFolder(path: string): string {
  return existsSync(path) ? path : nearestFolder(dirname(path));
}

function checkState(home: string): Finding[] {
  const living = livingProcesses(home).map(({ name, pid }) => `${name} (${pid})`);
  const orphans = findOrphans(home).map(({ name, pid }) => `${name} (${pid})`);
  const file = credentialsFile(home);
  const mode = statSync(file, { throwIfNoEntry: false })?.mode;
  return [
    {
      verdict: "good",
      text:
        living.length === 0
          ? `nothing of ours runs (${join(home, "processes")})`
          : `running: ${living.join(", ")}`,
    },
    ...(orphans.length > 0
      ? [
          {
            verdict: "note",
            text: `left behind by a killed start: ${orphans.join(", ")}; the next start ends them`,
          } as const,
        ]
      : []),
    ...(mode !== undefined && (mode & 0o077) !== 0
      ? [{ verdict: "note", text: `others can read the passwords: chmod 600 ${file}` } as const]
      : []),
  ];
}
