import { existsSync } from "node:fs";
import { join } from "node:path";
import { EngineError } from "./errors.ts";
import { run } from "./run.ts";

/** Kafka 4 wants this Java or a later one. */
export const JAVA_MAJOR = 17;

export const WAYS_OUT = [
  `install Java ${JAVA_MAJOR} or later and Maven (Debian, Ubuntu: apt-get install openjdk-17-jre-headless maven; macOS: brew install openjdk maven)`,
  "or run everything in Docker: docker compose up",
  "or name servers you have: KAFKA_BROKERS=host:9092 and MYSQL_URL=mysql://user:password@host:3306/monitoring",
] as const;

export interface JavaVersion {
  readonly major: number;
  /** As Java prints it: "17.0.15". */
  readonly version: string;
}

/** JAVA_HOME's Java where it is set, else the one on the PATH. */
export function javaCommand(): string {
  const home = process.env["JAVA_HOME"];
  const command = home === undefined || home === "" ? "java" : join(home, "bin", "java");
  return command === "java" || existsSync(command) ? command : "java";
}

/** Reads what `java -version` prints; Java 8 and older call themselves 1.8. */
export function parseJavaVersion(output: string): JavaVersion | undefined {
  const version = /version "([^"]+)"/.exec(output)?.[1];
  if (version === undefined) return undefined;
  return { version, major: Number.parseInt(version.replace(/^1\./, ""), 10) };
}

/** The Java that engines would run on; undefined without any. */
export async function findJava(): Promise<JavaVersion | undefined> {
  try {
    return parseJavaVersion((await run(javaCommand(), ["-version"])).lines.join("\n"));
  } catch {
    return undefined; // no such command
  }
}

/** Maven's version; undefined when it is not there or does not run. */
export async function findMaven(): Promise<string | undefined> {
  try {
    const { lines } = await run("mvn", ["-v", "-B", "-Dstyle.color=never"]);
    return /Apache Maven (\d\S*)/.exec(lines.join("\n"))?.[1];
  } catch {
    return undefined; // no such command
  }
}

/** @throws EngineError PREREQUISITE_MISSING with the three ways out */
export async function requireJava(purpose: string): Promise<void> {
  const java = await findJava();
  if (java !== undefined && java.major >= JAVA_MAJOR) return;
  throw missing(purpose, java === undefined ? "no Java was found" : `the Java found is ${java.version}`);
}

/** @throws EngineError PREREQUISITE_MISSING with the three ways out */
export async function requireMaven(purpose: string): Promise<void> {
  if ((await findMaven()) === undefined) throw missing(purpose, "no Maven (mvn) was found");
}

export function missing(purpose: string, found: string): EngineError {
  const ways = WAYS_OUT.map((way) => `  - ${way}`).join("\n");
  return new EngineError(
    "PREREQUISITE_MISSING",
    `${purpose} needs Java ${JAVA_MAJOR} or later and Maven, and ${found}. Three ways out:\n${ways}`,
  );
}
