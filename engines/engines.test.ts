import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { credentialsFile, passwordOf, readPassword } from "./credentials.ts";
import { attachEngines, runningEngines, startEngines } from "./engines.ts";
import { createProgress, engineFolders, explainMaven, installEngines, isInstalled } from "./install.ts";
import { serverProperties } from "./kafka.ts";
import { mariadbUrl, socketPath } from "./mariadb.ts";
import { freePorts, isPortFree, kafkaServes, mysqlServes } from "./ports.ts";
import { missing, parseJavaVersion } from "./prerequisites.ts";
import { tryLock } from "./pids.ts";

function aHome(): string {
  const home = mkdtempSync(join(tmpdir(), "rushhour-home-"));
  onTestFinished(() => rmSync(home, { recursive: true, force: true }));
  return home;
}

/** A server that sends `greeting` to whoever connects. */
async function aServer(greeting: Buffer): Promise<number> {
  const server = createServer((socket) => {
    socket.on("error", () => undefined);
    socket.write(greeting);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => {
    server.close();
  });
  return (server.address() as AddressInfo).port;
}

test("Java's version is read in the old and the new way of counting", () => {
  expect(parseJavaVersion('openjdk version "17.0.15" 2025-04-15')).toEqual({ major: 17, version: "17.0.15" });
  expect(parseJavaVersion('java version "1.8.0_391"')).toMatchObject({ major: 8 });
  expect(parseJavaVersion('openjdk version "25" 2025-09-16')).toMatchObject({ major: 25 });
  expect(parseJavaVersion("command not found")).toBeUndefined();
});

test("a missing prerequisite names what was found and the three ways out", () => {
  const { code, message } = missing("running Kafka", "the Java found is 11.0.2");
  expect(code).toBe("PREREQUISITE_MISSING");
  for (const part of ["11.0.2", "Java 17", "docker compose up", "KAFKA_BROKERS=", "MYSQL_URL="]) {
    expect(message).toContain(part);
  }
});

test("Maven's lines become a growing count of files and bytes", () => {
  const progress = createProgress("Kafka");
  expect(progress("[INFO] Downloading from central: https://repo/a.jar")).toBeUndefined();
  expect(progress("[INFO] Downloaded from central: https://repo/a.jar (1.5 MB at 3.0 MB/s)")).toBe(
    "downloading Kafka: 1 files, 2 MB",
  );
  expect(progress("[INFO] Downloaded from central: https://repo/a.pom (900 kB at 20 kB/s)")).toBe(
    "downloading Kafka: 2 files, 2 MB",
  );
  expect(progress("[INFO] --- maven-dependency-plugin:3.8.1:unpack-dependencies (mariadb) @ engines")).toBe(
    "unpacking MariaDB",
  );
});

test("a failed download says whether the disk or the network is to blame", () => {
  const explain = (line: string) => explainMaven(["[INFO] Scanning", `[ERROR] ${line}`], "Kafka", "/srv");
  expect(explain("java.io.IOException: No space left on device")).toMatchObject({
    code: "DISK_FULL",
    message: expect.stringContaining("/srv") as string,
  });
  const offline = explain("transfer failed: Unknown host repo.maven.apache.org");
  expect(offline.code).toBe("ENGINE_FAILED");
  expect(offline.message).toContain("no network");
  expect(explain("Could not find artifact").message).not.toContain("no network");
});

test("an engine without its marker counts as not installed", () => {
  const { kafka } = engineFolders(aHome());
  mkdirSync(join(kafka.folder, "lib"), { recursive: true });
  expect(isInstalled(kafka)).toBe(false);
  writeFileSync(join(kafka.folder, "installed.json"), "{}");
  expect(isInstalled(kafka)).toBe(true);
});

test("what is installed already is not fetched again, whoever holds the lock", async () => {
  const home = aHome();
  const { kafka } = engineFolders(home);
  mkdirSync(kafka.folder, { recursive: true });
  writeFileSync(join(kafka.folder, "installed.json"), "{}");
  expect(tryLock(join(home, "engines", ".lock"))).toHaveProperty("release");
  expect(await installEngines({ home, kafka: true, mariadb: false })).toEqual({ kafka });
});

test("a password is made once, beside other lines, for its owner's eyes only", () => {
  const home = aHome();
  writeFileSync(credentialsFile(home), "MYSQL_WRITER_PASSWORD=w\n", { mode: 0o644 });
  const password = passwordOf(home, "MYSQL_ROOT_PASSWORD");
  expect(password).toMatch(/^[\w-]{24}$/);
  expect(passwordOf(home, "MYSQL_ROOT_PASSWORD")).toBe(password);
  expect(readPassword(home, "MYSQL_WRITER_PASSWORD")).toBe("w");
  expect(statSync(credentialsFile(home)).mode & 0o777).toBe(0o600);
  expect(mariadbUrl(home, 3399)).toBe(`mysql://root:${password}@127.0.0.1:3399/monitoring`);
});

test("ports are different, below the range of outgoing connections, and a free wish is granted", async () => {
  const [wish] = await freePorts([undefined]);
  const ports = await freePorts([wish, undefined, wish]);
  expect(ports[0]).toBe(wish);
  expect(new Set(ports).size).toBe(3);
  for (const port of ports) expect(port).toBeGreaterThanOrEqual(20_000);
  for (const port of ports) expect(port).toBeLessThan(32_768);
});

test("a port that another server has is not free", async () => {
  expect(await isPortFree(await aServer(Buffer.alloc(0)))).toBe(false);
});

test("a MySQL server serves when it greets; an error packet or silence is no greeting", async () => {
  const greeting = (version: number) => Buffer.from([74, 0, 0, 0, version, 56, 46, 52]);
  expect(await mysqlServes("127.0.0.1", await aServer(greeting(10)))).toBe(true);
  expect(await mysqlServes("127.0.0.1", await aServer(greeting(255)))).toBe(false);
  expect(await mysqlServes("127.0.0.1", await aServer(Buffer.alloc(0)), 100)).toBe(false);
});

test("a broker serves when it names itself among the brokers; a refused connection does not", async () => {
  const reply = (brokers: number) => Buffer.from([0, 0, 0, 60, 0, 0, 0, 1, 0, 0, 0, brokers]);
  expect(await kafkaServes("127.0.0.1", await aServer(reply(1)))).toBe(true);
  expect(await kafkaServes("127.0.0.1", await aServer(reply(0)))).toBe(false);
  const [unused] = await freePorts([undefined]);
  expect(await kafkaServes("127.0.0.1", unused!)).toBe(false);
});

test("Kafka listens on loopback only and makes no topic by itself", () => {
  const config = serverProperties({ port: 20_001, controllerPort: 20_002 }, "/srv/data");
  expect(config).toContain(
    "listeners=PLAINTEXT://127.0.0.1:20001,CONTROLLER://127.0.0.1:20002\nadvertised.listeners=PLAINTEXT://127.0.0.1:20001\n",
  );
  expect(config).toContain("auto.create.topics.enable=false\n");
  expect(config).toContain("log.dirs=/srv/data\n");
});

test("a node of three knows the others, and Kafka's own topics survive the loss of one", () => {
  const member = {
    nodeId: 2,
    clusterId: "one-cluster",
    controllerPorts: [20_001, 20_002, 20_003],
    heapMb: 256,
  };
  const config = serverProperties({ port: 20_005, controllerPort: 20_002, member }, "/srv/data");
  expect(config).toContain("node.id=2\n");
  expect(config).toContain(
    "controller.quorum.voters=1@127.0.0.1:20001,2@127.0.0.1:20002,3@127.0.0.1:20003\n",
  );
  expect(config).toContain("listeners=PLAINTEXT://127.0.0.1:20005,CONTROLLER://127.0.0.1:20002\n");
  expect(config).toContain("offsets.topic.replication.factor=3\n");
  expect(config).toContain("transaction.state.log.min.isr=2\n");
});

test("a socket path too long for the system moves to a short one, the same for the same folder", () => {
  expect(socketPath("/srv/mariadb")).toBe("/srv/mariadb/mariadb.sock");
  const long = `/srv/${"x".repeat(120)}`;
  expect(socketPath(long).length).toBeLessThan(104);
  expect(socketPath(long)).toBe(socketPath(long));
});

test("a home whose engines a living process runs is refused with its pid", async () => {
  const home = aHome();
  expect(tryLock(join(home, "engines.lock"))).toHaveProperty("release");
  const started = startEngines({ home, kafka: true, mariadb: true, onGiveUp: () => undefined });
  await expect(started).rejects.toMatchObject({
    code: "ALREADY_RUNNING",
    message: expect.stringContaining(String(process.pid)) as string,
  });
});

test("without engines to start nothing is touched, and nothing runs to attach to", async () => {
  const home = join(aHome(), "never-made");
  const engines = await startEngines({ home, kafka: false, mariadb: false, onGiveUp: () => undefined });
  expect(engines.processes).toEqual([]);
  await engines.stop();
  expect(existsSync(home)).toBe(false);
  expect([attachEngines(home), runningEngines(home)]).toEqual([{}, []]);
});

test("the versions in the folders' names are those of the pom", () => {
  const pom = readFileSync(join(import.meta.dirname, "pom.xml"), "utf8");
  const { kafka, mariadb } = engineFolders("/srv");
  expect(kafka.folder).toBe(`/srv/engines/kafka-${kafka.version}`);
  expect(pom).toContain(`<kafka.version>${kafka.version}</kafka.version>`);
  expect(pom).toContain(`<mariadb.version>${mariadb.version}</mariadb.version>`);
});
