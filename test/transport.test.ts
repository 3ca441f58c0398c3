import { readFileSync } from "node:fs";
import { pino } from "pino";
import { afterAll, beforeAll, describe, expect, inject, onTestFinished, test } from "vitest";
import { z } from "zod";
import { migrateDatabase } from "../cli/migrate.ts";
import { withKafka } from "../cli/reach.ts";
import { kafkaOf, ownerUrlOf } from "../cli/servers.ts";
import { kafkaSettings, readSettings, retentionSettings, sqlSettings } from "../contract/config.ts";
import { messageOf } from "../contract/errors.ts";
import { readPassword } from "../engines/credentials.ts";
import { openPool, overTls } from "../init_db/database.ts";
import { connectAdmin } from "../kafka/admin.ts";
import { createKafka } from "../kafka/client.ts";
import { createPublisher } from "../producer/publisher.ts";
import { aRequestLog, numberOf, rowsOf, runCli, silent, startRole, until } from "./harness.ts";
import { PASSWORD, startSecured, USER, type SecuredServers } from "./secured.ts";

const HOME = ".rushhour/test-secured";
const MECHANISMS = ["plain", "scram-sha-256", "scram-sha-512"] as const;
const open: (() => Promise<void>)[] = []; // what is opened last is closed first
const outputs: string[] = []; // all that anything printed here
let servers: SecuredServers;

beforeAll(async () => {
  servers = await startSecured(HOME, ".rushhour/engines");
  open.push(() => servers.stop());
  for (const command of ["migrate", "topics"]) expect(await run([command])).toMatchObject({ code: 0 });
}, 180_000);

afterAll(async () => {
  for (const close of open.reverse()) await close();
});

/** All roles and commands are given the same; `changes` make it wrong. */
const environment = (changes: Readonly<Record<string, string>> = {}): Record<string, string> => ({
  ...{ RUSHHOUR_HOME: HOME, LOG_LEVEL: "trace", MYSQL_URL: servers.mysqlUrl },
  ...{ KAFKA_BROKERS: servers.brokers.users, KAFKA_TLS: "on", KAFKA_TLS_CA: servers.files.ca },
  ...{ KAFKA_SASL_MECHANISM: "scram-sha-512", KAFKA_SASL_USERNAME: USER, KAFKA_SASL_PASSWORD: PASSWORD },
  ...{ MYSQL_TLS: "on", MYSQL_TLS_CA: servers.files.ca },
  ...changes,
});

const WITHOUT_USER = { KAFKA_SASL_MECHANISM: "", KAFKA_SASL_USERNAME: "", KAFKA_SASL_PASSWORD: "" };

async function run(args: readonly string[], changes: Readonly<Record<string, string>> = {}) {
  const ended = await runCli(args, environment(changes));
  outputs.push(ended.stdout, ended.stderr);
  return ended;
}

/** What a command would print of it, after its log. */
async function refusalOf(work: () => Promise<unknown>): Promise<string> {
  const error: unknown = await work().catch((thrown: unknown) => thrown);
  expect(error).toMatchObject({ code: "CONFIG_INVALID", exitCode: 104 });
  outputs.push(messageOf(error));
  return messageOf(error);
}

const logger = pino({ level: "trace" }, { write: (line) => void outputs.push(line) });
const migrateSettings = z.object({ ...sqlSettings.shape, ...retentionSettings.shape });

async function startConsumer(changes: Readonly<Record<string, string>> = {}) {
  const consumer = await startRole(["consumer", "--port", "0"], environment(changes));
  onTestFinished(() => void outputs.push(...consumer.log));
  return consumer;
}

function openReader() {
  const pool = openPool(overTls(servers.mysqlUrl, servers.files.ca));
  onTestFinished(() => pool.end());
  return pool;
}

describe("over TLS", () => {
  test("records published by each mechanism become rows", async () => {
    await startConsumer();
    const pool = openReader();
    for (const KAFKA_SASL_MECHANISM of MECHANISMS) {
      const { code } = await run(["producer", "--count", "20", "--rate", "max"], { KAFKA_SASL_MECHANISM });
      expect([KAFKA_SASL_MECHANISM, code]).toEqual([KAFKA_SASL_MECHANISM, 0]);
    }
    await until("60 rows", async () => (await numberOf(pool, "SELECT COUNT(*) FROM api_logs")) === 60);

    const sql =
      "SELECT variable_value FROM information_schema.session_status WHERE variable_name = 'Ssl_version'";
    const [row] = await rowsOf(pool, sql);
    expect(row).toEqual({ variable_value: expect.stringMatching(/^TLSv1\.[23]$/) as string });
    const { stdout } = await run(["sql", "--format", "csv", "SELECT COUNT(*) AS n FROM api_logs"]);
    expect(stdout.trim().split(/\s+/)).toEqual(["n", "60"]);
  });

  test("a publisher comes in with a certificate of its own", async () => {
    const { ca, clientCert, clientKey } = servers.files;
    const read = (path: string) => readFileSync(path, "utf8");
    const publisher = createPublisher({
      ...{ brokers: [servers.brokers.mutual], service: "orders", logger: silent },
      tls: { ca: read(ca), cert: read(clientCert), key: read(clientKey) },
    });
    const plain = createKafka({
      brokers: [servers.brokers.plain],
      clientId: "rushhour-test",
      logger: silent,
    });
    const admin = await connectAdmin(plain);
    onTestFinished(() => admin.close());
    const records = async () =>
      (await admin.logRanges("info-logs")).reduce((sum, { start, end }) => sum + Number(end - start), 0);
    const before = await records();
    publisher.publish(aRequestLog());
    await publisher.close();
    expect(await records()).toBe(before + 1);
  });

  test("doctor and sql --url say so", async () => {
    const { stdout } = await run(["doctor"]);
    expect(stdout).toContain(
      `✓ KAFKA_BROKERS: ${servers.brokers.users} answers over TLS, to the user ${USER} (scram-sha-512)`,
    );
    expect(stdout).toContain(`✓ MYSQL_URL: ${new URL(servers.mysqlUrl).host} answers over TLS`);
    const wrong = await run(["doctor"], {
      KAFKA_TLS_CA: servers.files.otherCa,
      MYSQL_TLS_CA: servers.files.otherCa,
    });
    expect(wrong.stdout).toMatch(
      /✗ Kafka at .* is not trusted: its certificate is not signed by KAFKA_TLS_CA/,
    );
    expect(wrong.stdout).toMatch(/✗ the database at .*: its certificate is not signed by MYSQL_TLS_CA/);

    const url = await runCli(["sql", "--url"], environment()); // which is there to print the password
    expect(url.stdout).toContain(`--ssl-mode=VERIFY_IDENTITY --ssl-ca='${servers.files.ca}'`);
    expect(url.stdout).toContain("TLS is on");
  });
});

describe("Kafka", () => {
  const kafka = String.raw`Kafka at 127\.0\.0\.1:\d+`;

  test.each<[string, () => Record<string, string>, RegExp]>([
    ...MECHANISMS.map((KAFKA_SASL_MECHANISM): [string, () => Record<string, string>, RegExp] => [
      `refuses a wrong password by ${KAFKA_SASL_MECHANISM}`,
      () => ({ KAFKA_SASL_MECHANISM, KAFKA_SASL_PASSWORD: "wrong-secret" }),
      /^K refuses the user \(.+\): correct KAFKA_SASL_USERNAME or KAFKA_SASL_PASSWORD$/,
    ]),
    [
      "is refused with a certificate of another authority",
      () => ({ KAFKA_TLS_CA: servers.files.otherCa }),
      /^K is not trusted: its certificate is not signed by KAFKA_TLS_CA \([^()]+\)$/,
    ],
    [
      "is refused with a certificate of an authority nobody knows",
      () => ({ KAFKA_TLS_CA: "" }),
      /^K is not trusted: its certificate is not signed by an authority that Node knows \(.+\): set KAFKA_TLS_CA/,
    ],
    [
      "is refused with a certificate for another name",
      () => ({ KAFKA_BROKERS: servers.brokers.elsewhere, ...WITHOUT_USER }),
      /^K is not trusted: its certificate was made for another server \([^()]+127\.0\.0\.1 is not in the cert's list\): use a name that is in it$/,
    ],
    [
      "refuses a client without a certificate",
      () => ({ KAFKA_BROKERS: servers.brokers.mutual, ...WITHOUT_USER }),
      /^K refuses this client's certificate \(.+\): correct KAFKA_TLS_CERT and KAFKA_TLS_KEY$/,
    ],
    [
      "asks nobody who they are at a port for everybody",
      () => ({ KAFKA_BROKERS: servers.brokers.plain, KAFKA_TLS: "", KAFKA_TLS_CA: "" }),
      /^K lets everybody in at this port \(.+\): correct KAFKA_BROKERS, or leave KAFKA_SASL_MECHANISM out$/,
    ],
    [
      "speaks no TLS at a plain port",
      () => ({ KAFKA_BROKERS: servers.brokers.plain }),
      /^K ends the connection before TLS begins \(.+\): if it speaks plain text at this port, correct/,
    ],
  ])("%s", async (_what, changes, says) => {
    const settings = readSettings(kafkaSettings, environment(changes()));
    const refusal = await refusalOf(() => withKafka(kafkaOf(settings), logger, () => Promise.resolve()));
    expect(refusal).toMatch(new RegExp(says.source.replace("K", kafka)));
  });

  test.each<[string, () => Record<string, string>]>([
    ["a user", () => WITHOUT_USER],
    ["TLS", () => ({ ...WITHOUT_USER, KAFKA_TLS: "", KAFKA_TLS_CA: "" })],
  ])("that wants %s and is not given it", async (_what, changes) => {
    const { code, stderr } = await run(["topics"], { ...changes(), LOG_LEVEL: "info" });
    expect(stderr).toMatch(
      /^rushhour: Kafka does not answer at \S+ \(Closed connection\): it may want TLS or a user \(KAFKA_TLS, KAFKA_SASL_MECHANISM\)/,
    );
    expect(code).toBe(1);
  });

  test("a consumer that may not come in says why, and goes on trying", async () => {
    const consumer = await startConsumer({ KAFKA_SASL_PASSWORD: "wrong-secret" });
    await until("the reason", async () => {
      const health = await (await fetch(`${consumer.url}/health`)).text();
      return /Kafka at \S+ refuses the user/.test(health);
    });
    expect(consumer.process.exitCode).toBe(null);
  });
});

describe("the database", () => {
  test.each<[string, () => Record<string, string>, RegExp]>([
    [
      "is refused with a certificate of another authority",
      () => ({ MYSQL_TLS_CA: servers.files.otherCa }),
      /^the database at mysql:\/\/root:\*\*\*@.+ is not connected to: its certificate is not signed by MYSQL_TLS_CA \(.+\)$/,
    ],
    [
      "is refused with a certificate for another name",
      () => ({ MYSQL_URL: servers.mysqlUrl.replace("127.0.0.1", "localhost") }),
      /is not connected to: its certificate was made for another server \(.+localhost.+\): use a name that is in it$/,
    ],
    [
      "of the other tests is refused: MariaDB speaks no TLS there, MySQL makes a certificate itself",
      () => ({ MYSQL_URL: inject("mysqlUrl") }),
      /is not connected to: (it does not speak TLS: leave MYSQL_TLS out|its certificate is not signed by MYSQL_TLS_CA)/,
    ],
    [
      "refuses a connection without TLS",
      () => ({ MYSQL_TLS: "", MYSQL_TLS_CA: "" }),
      /^the database .*(TLS|refuses the user)/,
    ],
    [
      "refuses a wrong password",
      () => ({ MYSQL_URL: servers.mysqlUrl.replace(/:[^:@]+@/, ":wrong-secret@") }),
      /^the database refuses the user of mysql:\/\/root:\*\*\*@/,
    ],
  ])("%s", async (_what, changes, says) => {
    const settings = readSettings(migrateSettings, environment(changes()));
    expect(await refusalOf(() => migrateDatabase(ownerUrlOf(settings), settings))).toMatch(says);
  });

  test("a consumer that does not trust it says why, and goes on trying", async () => {
    const consumer = await startConsumer({ MYSQL_TLS_CA: servers.files.otherCa });
    await until("the reason", async () => {
      const health = await (await fetch(`${consumer.url}/health`)).text();
      return health.includes("its certificate is not signed by MYSQL_TLS_CA");
    });
    expect(consumer.process.exitCode).toBe(null);
  });
});

test("nothing secret was printed, whatever went wrong", async () => {
  await run(["topics"], { KAFKA_SASL_PASSWORD: "wrong-secret" });
  await run(["topics"], {
    ...{
      KAFKA_TLS_KEY: servers.clientKey,
      KAFKA_SASL_MECHANISM: "none",
      KAFKA_SASL_PASSWORD: "wrong-secret",
    },
    MYSQL_URL: "mysql://root:wrong-secret@db/x/y",
  });
  const credentials = ["MYSQL_ROOT_PASSWORD", "MYSQL_WRITER_PASSWORD", "MYSQL_READER_PASSWORD"].map((key) =>
    readPassword(HOME, key)!,
  );
  const keyLine = servers.clientKey.split("\n")[1]!;
  const printed = outputs.join("\n");
  expect(printed).toContain("KAFKA_TLS_KEY=***");
  for (const secret of [PASSWORD, "wrong-secret", keyLine, ...credentials]) {
    expect(secret.length).toBeGreaterThan(10);
    expect(printed).not.toContain(secret);
  }
});
