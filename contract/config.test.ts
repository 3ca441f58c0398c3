import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { z } from "zod";
import {
  adminSettings,
  apiSettings,
  consumerSettings,
  kafkaSettings,
  keepOf,
  readSettings,
  redact,
  retentionSettings,
  sqlSettings,
} from "./config.ts";
import { RushhourError } from "./errors.ts";

function problemsOf(read: () => unknown): string[] {
  try {
    read();
  } catch (error) {
    expect(error).toBeInstanceOf(RushhourError);
    expect(error).toMatchObject({ code: "CONFIG_INVALID", exitCode: 104 });
    const [title, ...problems] = (error as Error).message.split("\n");
    expect(title).toBe("invalid configuration:");
    return problems.map((line) => line.trim());
  }
  throw new Error("it was accepted");
}

function fileWith(text: string): string {
  const folder = mkdtempSync(join(tmpdir(), "rushhour-config-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const path = join(folder, "secret");
  writeFileSync(path, text);
  return path;
}

describe("where a setting comes from", () => {
  const schema = z.object({ GREETING: z.string().default("hello") });
  const flag = (value: string | undefined) => ({ GREETING: { flag: "--greeting", value } });

  test("the flag wins over the variable, the variable over the file, the file over the default", () => {
    const GREETING_FILE = fileWith("from a file\n");
    const env = { GREETING: "variable", GREETING_FILE };
    expect(readSettings(schema, env, flag("flag"))).toEqual({ GREETING: "flag" });
    expect(readSettings(schema, env, flag(undefined))).toEqual({ GREETING: "variable" });
    expect(readSettings(schema, { GREETING_FILE })).toEqual({ GREETING: "from a file" });
    expect(readSettings(schema, {})).toEqual({ GREETING: "hello" });
  });

  test("an empty variable is one that is not set", () => {
    expect(readSettings(schema, { GREETING: "", GREETING_FILE: "" })).toEqual({ GREETING: "hello" });
  });

  test("an empty variable hides no file", () => {
    const GREETING_FILE = fileWith("from a file");
    expect(readSettings(schema, { GREETING: "", GREETING_FILE })).toEqual({ GREETING: "from a file" });
  });

  test("a file that cannot be read, or is empty, is named", () => {
    const problemOf = (path: string) => problemsOf(() => readSettings(schema, { GREETING_FILE: path }))[0];
    expect(problemOf("/nowhere/secret")).toMatch(/^GREETING_FILE=\/nowhere\/secret cannot be read: ENOENT/);
    expect(problemOf(fileWith("\n"))).toMatch(/^GREETING_FILE=\S+ is empty: write the value to it/); // a token, say, nobody meant to do without
  });
});

test("all problems are named together, each with its value and its rule", () => {
  const env = {
    KAFKA_BROKERS: "kafka",
    KAFKA_PARTITIONS: "0",
    KAFKA_REPLICATION: "three",
    API_PORT: "80000",
    API_MODEL: "fast",
    API_SEED: "1.5",
  };
  const flags = { API_PORT: { flag: "--port", value: "http" } };
  expect(problemsOf(() => readSettings(apiSettings, env, flags))).toEqual([
    "KAFKA_BROKERS=kafka must be host:port, several parted by commas, such as 127.0.0.1:9092",
    "KAFKA_PARTITIONS=0 must be a whole number from 1 to 1000",
    "KAFKA_REPLICATION=three must be auto (each partition on as many brokers as there are, up to 3) or a whole number from 1 to 9",
    "--port=http must be a port from 0 to 65535 (0 takes a free one)",
    "API_MODEL=fast must be realistic (latency and errors as in production) or off",
    "API_SEED=1.5 must be a whole number from 0 to 4294967295",
  ]);
});

const DAY_MS = 86_400_000;

test("every setting has a default, but for the servers", () => {
  expect(readSettings(apiSettings, {})).toEqual({
    ...{ RUSHHOUR_HOME: ".rushhour", KAFKA_REPLICATION: "auto", KAFKA_TLS: "off" },
    ...{ API_HOST: "127.0.0.1", API_PORT: 8000, API_INGEST_RATE: 1_000, API_MODEL: "realistic", API_SEED: 1 },
    ...{ API_MASK_IP: "no", API_USER_ID: "keep", API_REDACT: "off", API_BUFFER_RECORDS: 100_000 },
    ...{ RUSHHOUR_SPOOL: "spill", RUSHHOUR_SPOOL_MAX: 2 ** 30, RUSHHOUR_SPOOL_FSYNC: "never" },
    API_REUSE_PORT: "off",
    API_SIM_HEADERS: "off",
    API_SERVICE: ["users", "products", "orders", "inventory", "auth"],
  });
  expect(readSettings(consumerSettings, {})).toEqual({
    ...{
      RUSHHOUR_HOME: ".rushhour",
      KAFKA_REPLICATION: "auto",
      ...{ KAFKA_TLS: "off", MYSQL_TLS: "off" },
      CONSUMER_HOST: "127.0.0.1",
      CONSUMER_PORT: 8082,
    },
    ...{ CONSUMER_GROUP: "rushhour", CONSUMER_INCIDENTS: "on", CONSUMER_BREAKER_RECORDS: 1_000 },
    ...{ RETENTION_RAW: 35 * DAY_MS, RETENTION_10S: 2 * DAY_MS, RETENTION_1M: 90 * DAY_MS },
    ...{ RETENTION_1H: 730 * DAY_MS, RETENTION_1D: 3650 * DAY_MS },
  });
});

test("a token is 16 characters or more, and one that is not reaches no message", () => {
  const API_ADMIN_TOKEN = "0123456789abcdef";
  expect(readSettings(adminSettings, { API_ADMIN_TOKEN })).toEqual({ API_ADMIN_TOKEN });
  for (const refused of ["0123456789abcde", "with a space in it", "not-ascii-\u00e9-0123456789"]) {
    const [problem] = problemsOf(() => readSettings(adminSettings, { API_ADMIN_TOKEN: refused }));
    expect(problem).toMatch(/^API_ADMIN_TOKEN=\*\*\* must be 16 to 256 printable characters/);
  }
});

describe("brokers", () => {
  test.each([
    ["127.0.0.1:9092", ["127.0.0.1:9092"]],
    ["a:1,b.example:65535", ["a:1", "b.example:65535"]],
    ["[::1]:9092,kafka:9092", ["[::1]:9092", "kafka:9092"]],
  ])("%s are %j", (KAFKA_BROKERS, brokers) => {
    expect(readSettings(kafkaSettings, { KAFKA_BROKERS }).KAFKA_BROKERS).toEqual(brokers);
  });

  test.each(["kafka", "kafka:", ":9092", "a:1,", "a:1 b:2", "kafka://a:1", "a:1;b:2"])(
    '"%s" is refused',
    (KAFKA_BROKERS) => {
      expect(problemsOf(() => readSettings(kafkaSettings, { KAFKA_BROKERS }))).toHaveLength(1);
    },
  );
});

describe("database URLs", () => {
  test.each([
    "mysql://root@127.0.0.1:3306/monitoring",
    "mysql://user:p%40ss@db/my-db_1",
    "mysql://root@localhost",
    "mysql://root@[::1]:3306/",
  ])("%s is taken", (MYSQL_URL) => {
    expect(readSettings(sqlSettings, { MYSQL_URL }).MYSQL_URL).toBe(MYSQL_URL);
  });

  test.each([
    "postgres://root@db/x",
    "db:3306",
    "mysql:///x",
    "mysql://db/a`b",
    "mysql://db/a/b",
    `mysql://db/${"x".repeat(65)}`,
  ])("%s is refused", (MYSQL_URL) => {
    expect(problemsOf(() => readSettings(sqlSettings, { MYSQL_URL }))).toHaveLength(1);
  });

  test("a password never reaches a message", () => {
    const MYSQL_URL = "mysql://root:top-secret@db/a`b";
    const [problem] = problemsOf(() => readSettings(sqlSettings, { MYSQL_URL }));
    expect(problem).toBe(
      "MYSQL_URL=mysql://root:***@db/a`b must look like mysql://user:password@host:3306/database",
    );
    expect(redact("mysql://root:p:w@x@db")).not.toContain("p:w");
    expect(redact("mysql://root@db/x")).toBe("mysql://root@db/x");
  });
});

describe("the shop's services", () => {
  test("are named in any order, and each once", () => {
    const services = (API_SERVICE: string) => readSettings(apiSettings, { API_SERVICE }).API_SERVICE;
    expect(services("orders")).toEqual(["orders"]);
    expect(services("auth,users,auth")).toEqual(["users", "auth"]);
    for (const wrong of ["payments", "orders,", "orders auth", "Orders"]) {
      expect(problemsOf(() => services(wrong))).toEqual([
        `API_SERVICE=${wrong} must be some of users, products, orders, inventory, auth, parted by commas`,
      ]);
    }
  });
});

describe("Redis and the key of sessions", () => {
  test.each([
    "redis://127.0.0.1",
    "redis://:p%40ss@cache.example:6380/3",
    "rediss://user:secret@[::1]:6379/",
  ])("%s is taken", (REDIS_URL) => {
    expect(readSettings(apiSettings, { REDIS_URL }).REDIS_URL).toBe(REDIS_URL);
  });

  test.each([
    ["http://cache:6379", "http://cache:6379"],
    ["cache:6379", "cache:6379"],
    ["redis://", "redis://"],
    ["redis://:top-secret@cache/zero", "redis://:***@cache/zero"],
    ["redis://me:top-secret@cache/0?tls=on", "redis://me:***@cache/0?tls=on"],
    ["redis://me:top-secret%zz@cache", "redis://me:***@cache"],
    ["redis://me:top/secret@cache", "redis://me:***@cache"],
  ])("%s is refused, and no password shown", (REDIS_URL, shown) => {
    expect(problemsOf(() => readSettings(apiSettings, { REDIS_URL }))).toEqual([
      `REDIS_URL=${shown} must look like redis://127.0.0.1:6379, redis://user:password@host:6379/0 or, for TLS, rediss://…`,
    ]);
  });

  test("a key is as long as a token and in no message", () => {
    expect(problemsOf(() => readSettings(apiSettings, { API_SESSION_KEY: "too short" }))[0]).toMatch(
      /^API_SESSION_KEY=\*\*\* must be 16 to 256 printable/,
    );
  });
});

describe("retention", () => {
  const problems = (env: Record<string, string>) => problemsOf(() => readSettings(retentionSettings, env));

  test("is kept in seconds by the names of the table", () => {
    expect(keepOf(readSettings(retentionSettings, { RETENTION_RAW: "10d", RETENTION_10S: "36h" }))).toEqual({
      ...{ api_logs: 864_000, "10s": 129_600, "1m": 7_776_000, "1h": 63_072_000, "1d": 315_360_000 },
    });
  });

  test("each level is kept at least as long as what it is checked against, and raw rows 400 days at most", () => {
    expect(problems({ RETENTION_RAW: "401d", RETENTION_1M: "500d" })).toEqual([
      "RETENTION_RAW=401d must be at most 400d: each day is a partition",
    ]);
    expect(problems({ RETENTION_RAW: "100d" })).toEqual([
      "RETENTION_RAW=100d must be at most RETENTION_1M (90d), which is checked against it",
    ]);
    expect(problems({ RETENTION_1M: "20d", RETENTION_1D: "2d" })).toEqual([
      "RETENTION_1M=20d must be at least RETENTION_RAW (35d), against which it is checked",
      "RETENTION_1D=2d must be at least RETENTION_1H (730d), against which it is checked",
    ]);
  });

  test("problems of other settings are named together with these, wherever they are read", () => {
    const env = { CONSUMER_PORT: "-1", RETENTION_10S: "1h", RETENTION_RAW: "100d" };
    expect(problemsOf(() => readSettings(consumerSettings, env)).map((line) => line.split(" ")[0])).toEqual([
      ...["RETENTION_10S=1h", "CONSUMER_PORT=-1", "RETENTION_RAW=100d"],
    ]);
  });
});
