import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { createAuthority } from "../test/certificates.ts";
import { kafkaSettings, readSettings, redact, sqlSettings } from "./config.ts";

const folder = mkdtempSync(join(tmpdir(), "rushhour-transport-"));
afterAll(() => rmSync(folder, { recursive: true }));

function fileOf(name: string, text: string): string {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
}

const authority = createAuthority("test CA");
const [one, other] = [authority.issue("one"), authority.issue("other")];
const CA = fileOf("ca.pem", authority.cert);
const [CERT, KEY] = [fileOf("one.pem", one.cert), fileOf("one.key", one.key)];
const OTHER_KEY = fileOf("other.key", other.key);
const NOTE = fileOf("note.txt", "no certificate");

function problemsOf(
  schema: typeof kafkaSettings | typeof sqlSettings,
  env: Record<string, string>,
): string[] {
  try {
    readSettings(schema, env);
    return [];
  } catch (error) {
    return (error as Error).message
      .split("\n")
      .slice(1)
      .map((line) => line.trim());
  }
}

describe("Kafka", () => {
  const PASSWORD = "top-secret";
  const BROKERS = { KAFKA_BROKERS: "kafka:9093" };
  const TLS = { ...BROKERS, KAFKA_TLS: "on" };
  const USER = {
    KAFKA_SASL_MECHANISM: "scram-sha-512",
    KAFKA_SASL_USERNAME: "alice",
    KAFKA_SASL_PASSWORD: PASSWORD,
  };

  test.each<[string, Record<string, string>]>([
    ["nothing", {}],
    ["TLS with authorities that Node knows", TLS],
    [
      "TLS, a user and a certificate",
      { ...TLS, ...USER, KAFKA_TLS_CA: CA, KAFKA_TLS_CERT: CERT, KAFKA_TLS_KEY: KEY },
    ],
    [
      "a password in plain text on this machine",
      { ...USER, KAFKA_BROKERS: "localhost:9092,[::1]:9093,127.0.0.2:1" },
    ],
    [
      "a password from a file",
      { ...TLS, KAFKA_SASL_MECHANISM: "plain", KAFKA_SASL_USERNAME: "alice", KAFKA_SASL_PASSWORD_FILE: NOTE },
    ],
  ])("%s is taken", (_what, env) => expect(problemsOf(kafkaSettings, env)).toEqual([]));

  test.each<[string, Record<string, string>, string[]]>([
    [
      "a mechanism alone",
      { KAFKA_SASL_MECHANISM: "plain" },
      [
        "KAFKA_SASL_USERNAME= must be set for KAFKA_SASL_MECHANISM",
        "KAFKA_SASL_PASSWORD=(not set) must be set for KAFKA_SASL_MECHANISM",
        "KAFKA_BROKERS= must be set for KAFKA_SASL_MECHANISM: the private Kafka speaks plain text on loopback",
      ],
    ],
    [
      "a user without a mechanism",
      { ...BROKERS, KAFKA_SASL_PASSWORD: PASSWORD },
      ["KAFKA_SASL_MECHANISM= must be plain, scram-sha-256 or scram-sha-512 for KAFKA_SASL_PASSWORD"],
    ],
    [
      "a password in plain text beyond this machine",
      { ...USER, KAFKA_BROKERS: "127.0.0.1:9092,kafka:9092" },
      ["KAFKA_TLS= must be on: KAFKA_SASL_PASSWORD would go to kafka:9092 unencrypted"],
    ],
    [
      "an authority without TLS",
      { ...BROKERS, KAFKA_TLS_CA: CA },
      ["KAFKA_TLS= must be on for KAFKA_TLS_CA"],
    ],
    [
      "a certificate without its key",
      { ...TLS, KAFKA_TLS_CERT: CERT },
      ["KAFKA_TLS_KEY= must name the private key of KAFKA_TLS_CERT"],
    ],
    [
      "a key without its certificate",
      { ...TLS, KAFKA_TLS_KEY: KEY },
      ["KAFKA_TLS_CERT= must name the certificate of KAFKA_TLS_KEY"],
    ],
    [
      "another certificate's key",
      { ...TLS, KAFKA_TLS_CERT: CERT, KAFKA_TLS_KEY: OTHER_KEY },
      [`KAFKA_TLS_KEY=${OTHER_KEY} must be the private key of the certificate in KAFKA_TLS_CERT`],
    ],
    [
      "TLS for the private Kafka",
      { KAFKA_TLS: "on" },
      ["KAFKA_BROKERS= must be set for KAFKA_TLS: the private Kafka speaks plain text on loopback"],
    ],
  ])("%s is refused", (_what, env, problems) => expect(problemsOf(kafkaSettings, env)).toEqual(problems));

  test("every wrong value and file is named together, and no secret with them", () => {
    const problems = problemsOf(kafkaSettings, {
      ...{ ...TLS, KAFKA_TLS_CA: "/nowhere/ca.pem", KAFKA_TLS_CERT: NOTE, KAFKA_TLS_KEY: one.key },
      ...{ ...USER, KAFKA_SASL_MECHANISM: "gssapi" },
    });
    expect(problems).toEqual([
      expect.stringMatching(/^KAFKA_TLS_CA=\/nowhere\/ca.pem cannot be read: ENOENT/),
      expect.stringMatching(
        /^KAFKA_TLS_CERT=.*note.txt must hold certificates in PEM \(-----BEGIN CERTIFICATE-----\): /,
      ),
      "KAFKA_TLS_KEY=*** must be the path of a PEM file, not what such a file holds",
      "KAFKA_SASL_MECHANISM=gssapi must be plain, scram-sha-256 or scram-sha-512",
    ]);
    expect(problems.join("\n")).not.toContain(PASSWORD);
  });
});

describe("the database", () => {
  const URL = { MYSQL_WRITER_URL: "mysql://writer:top-secret@db/monitoring" };

  test.each<[string, Record<string, string>]>([
    ["TLS with authorities that Node knows", { ...URL, MYSQL_TLS: "on" }],
    ["TLS with one of its own", { ...URL, MYSQL_TLS: "on", MYSQL_TLS_CA: CA }],
    ["TLS for one URL only", { MYSQL_URL: `mysql://root@db/monitoring?tls=on&tls-ca=${CA}` }],
  ])("%s is taken", (_what, env) => expect(problemsOf(sqlSettings, env)).toEqual([]));

  test.each<[string, Record<string, string>, string]>([
    ["an authority without TLS", { ...URL, MYSQL_TLS_CA: CA }, "MYSQL_TLS= must be on for MYSQL_TLS_CA"],
    [
      "TLS for the private database",
      { MYSQL_TLS: "on" },
      "MYSQL_URL= must name the server for MYSQL_TLS: the private one speaks plain text on loopback",
    ],
    [
      "another driver's parameter, which would do nothing",
      { MYSQL_URL: "mysql://root:top-secret@db/x?ssl=true" },
      "MYSQL_URL=mysql://root:***@db/x?ssl=true takes nothing behind the database's name but ?tls=on&tls-ca=/path; better, set MYSQL_TLS=on",
    ],
    [
      "a URL's authority that is not there",
      { MYSQL_URL: "mysql://root@db/x?tls=on&tls-ca=/nowhere" },
      "MYSQL_URL=mysql://root@db/x?tls=on&tls-ca=/nowhere names a tls-ca that cannot be read: ENOENT: no such file or directory, open '/nowhere'",
    ],
  ])("%s is refused", (_what, env, problem) => expect(problemsOf(sqlSettings, env)).toEqual([problem]));
});

test.each([
  ["mysql://root:top-secret@db/x", "mysql://root:***@db/x"],
  ["mysql://root:top/secret@db/x", "mysql://root:***@db/x"],
  ["mysql://root:top@secret@db/x", "mysql://root:***@db/x"],
  ["https://me:top-secret@shop/users/@me", "https://me:***@shop/users/@me"],
  ["http://shop:8000/users/@me", "http://shop:8000/users/@me"],
])("%s is shown as %s", (value, shown) => expect(redact(value)).toBe(shown));
