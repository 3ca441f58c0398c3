import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import type { RequestLog } from "../contract/request-log.ts";
import { faultOf, sqlErrorNumber } from "../consumer/faults.ts";
import { connect, type Connection } from "../init_db/database.ts";
import { migrate } from "../init_db/migrate.ts";
import { createBatchProducer, type BatchProducer } from "../kafka/producer.ts";
import {
  aRequestLog,
  createTestDatabase,
  freshTopics,
  KEEP,
  numberOf,
  rowsOf,
  startTestConsumer,
  testKafka,
  until,
  type TestConsumer,
  type TestDatabase,
} from "./harness.ts";

/** One consumer goes through all of it: what one fault leaves behind, the next one meets. */
let database: TestDatabase;
let consumer: TestConsumer;
let producer: BatchProducer;
let isMariaDb: boolean;
let sent = 0;

beforeAll(async () => {
  await freshTopics(1);
  database = await createTestDatabase();
  isMariaDb = String((await rowsOf(database.pool, "SELECT VERSION() AS v"))[0]!["v"]).includes("MariaDB");
  producer = createBatchProducer(testKafka());
  consumer = startTestConsumer(database, {}, () => undefined);
  await send();
  await untilAllIsStored();
});

afterAll(async () => {
  await consumer.close();
  await producer.close();
  await database.close();
});

const count = (table: string) => numberOf(database.pool, `SELECT COUNT(*) FROM ${table}`);
const run = (sql: string) => database.pool.query(sql);
const reason = () => consumer.readiness().database.reason ?? "";

/** Ten records and those that are given. */
async function send(...others: (Partial<RequestLog> & { seq?: number; source?: string })[]): Promise<void> {
  const logs = [...Array.from({ length: 10 }, () => ({})), ...others].map((log) => aRequestLog(log));
  await producer.send(new Map([["info-logs", logs.map((log) => JSON.stringify(log))]]));
  sent += logs.length;
}

async function untilAllIsStored(dead = 0): Promise<void> {
  await until(
    `${sent} rows and dead letters`,
    async () => (await count("api_logs")) + (await count("dead_letters")) === sent,
  );
  await until("the consumer to be ready", () => consumer.readiness().database.ready);
  expect(await count("dead_letters")).toBe(dead);
  expect(
    await numberOf(database.pool, "SELECT SUM(rows_in) FROM ingest_offsets WHERE topic = 'info-logs'"),
  ).toBe(sent - dead);
}

async function endWriters(): Promise<void> {
  const writers = await rowsOf(
    database.pool,
    "SELECT id FROM information_schema.processlist WHERE user = ?",
    [database.accounts.writer.user],
  );
  for (const row of writers) await run(`KILL ${String(Object.values(row)[0])}`).catch(() => undefined); // may be gone
}

async function owner(): Promise<Connection> {
  const connection = await connect(database.ownerUrl);
  onTestFinished(() => connection.destroy());
  return connection;
}

/** Holds an uncommitted row in which the next batch has a twin. */
async function holdTwin(fill = 0): Promise<{ obstacle: Connection; twin: RequestLog }> {
  const obstacle = await owner();
  await obstacle.query("BEGIN");
  const logs = Array.from({ length: fill + 1 }, () => aRequestLog());
  await obstacle.query(
    "INSERT INTO api_logs (request_id, timestamp, level, service, endpoint, method, status_code, response_time_ms) VALUES ?",
    [logs.map((log) => [log.request_id, new Date(log.timestamp), "INFO", "s", "/", "GET", 200, 1])],
  );
  return { obstacle, twin: logs.at(-1)! };
}

const statements = (like: string) =>
  rowsOf(database.pool, "SELECT id FROM information_schema.processlist WHERE user = ? AND info LIKE ?", [
    ...[database.accounts.writer.user, like],
  ]);

interface Outage {
  readonly name: string;
  readonly onMySql?: false;
  readonly says: RegExp;
  readonly begin: () => Promise<unknown>;
  readonly end: () => Promise<unknown>;
}

const writer = () => `'${database.accounts.writer.user}'@'%'`;
const repair = () => migrate(database.ownerUrl, database.accounts, KEEP);

const OUTAGES: readonly Outage[] = [
  {
    name: "a read-only server",
    says: /read-only/,
    begin: () => run("SET GLOBAL read_only = 1"),
    end: () => run("SET GLOBAL read_only = 0"),
  },
  {
    name: "rights taken from the writer",
    says: /npx rushhour migrate gives it back/,
    async begin() {
      await run(`REVOKE INSERT, UPDATE ON \`${database.name.replaceAll("_", "\\_")}\`.* FROM ${writer()}`);
      await endWriters();
    },
    end: repair,
  },
  {
    name: "another password",
    says: /Access denied/,
    async begin() {
      await run(`ALTER USER ${writer()} IDENTIFIED BY 'another'`);
      await endWriters();
    },
    end: repair,
  },
  {
    name: "a locked account",
    says: /locked/,
    async begin() {
      await run(`ALTER USER ${writer()} ACCOUNT LOCK`);
      await endWriters();
    },
    end: () => run(`ALTER USER ${writer()} ACCOUNT UNLOCK`),
  },
  {
    name: "a table that is gone",
    says: /a table is missing/,
    begin: () => run("RENAME TABLE api_logs TO gone"),
    end: () => run("RENAME TABLE gone TO api_logs"),
  },
  {
    name: "a column that is gone",
    says: /a column is missing/,
    begin: () => run("ALTER TABLE api_logs RENAME COLUMN trace_id TO gone"),
    end: () => run("ALTER TABLE api_logs RENAME COLUMN gone TO trace_id"),
  },
  {
    name: "a column that wants what nobody knows",
    onMySql: false, // whose LOAD DATA writes 0 without a warning
    says: /default value/,
    begin: () => run("ALTER TABLE api_logs ADD COLUMN wanted INT NOT NULL"),
    end: () => run("ALTER TABLE api_logs DROP COLUMN wanted"),
  },
];

describe("an outage is waited out, said, and makes no dead letter:", () => {
  test.for(OUTAGES)("$name", async ({ says, begin, end, onMySql = true }, context) => {
    context.skip(!isMariaDb && !onMySql, "MySQL is content");
    const before = await count("dead_letters");
    await begin();
    try {
      await send();
      await until(`the reason ${says}`, () => says.test(reason()));
      expect(consumer.readiness().database.ready).toBe(false);
    } finally {
      await end();
    }
    await untilAllIsStored(before);
  });

  test("a full table", async () => {
    const small = await owner();
    await small.query("SET SESSION max_heap_table_size = 16384");
    await small.query("DELETE FROM ingest_sources");
    await small.query("ALTER TABLE ingest_sources ENGINE = MEMORY");
    await send(...Array.from({ length: 400 }, () => ({ source: randomUUID(), seq: 1 })));
    await until("the reason", () => /full/.test(reason()));
    await run("ALTER TABLE ingest_sources ENGINE = InnoDB");
    await untilAllIsStored();
  });

  test("a lock that nobody gives back", async () => {
    const holder = await owner();
    await holder.query("BEGIN");
    await holder.query("SELECT 1 FROM ingest_offsets WHERE topic = 'info-logs' FOR UPDATE");
    await send();
    await until("the reason", () => /lock/i.test(reason()));
    await holder.query("ROLLBACK");
    await untilAllIsStored();
  });

  test("a connection that is killed in the middle of a batch", async () => {
    const { obstacle, twin } = await holdTwin();
    await send(twin);
    await until("the rows to wait", async () => (await statements("%INTO TABLE api_logs%")).length > 0);
    await endWriters();
    await until("the reason", () => reason() !== "");
    await obstacle.query("ROLLBACK");
    await untilAllIsStored();
  });

  test("a statement that takes too long", async (context) => {
    context.skip(!isMariaDb, "MySQL limits the time of SELECT alone");
    const { obstacle, twin } = await holdTwin();
    await run(`ALTER USER ${writer()} WITH MAX_STATEMENT_TIME 0.5`);
    await endWriters();
    await send(twin);
    await until("the reason", () => /took too long/.test(reason()));
    await obstacle.query("ROLLBACK");
    await run(`ALTER USER ${writer()} WITH MAX_STATEMENT_TIME 0`);
    await endWriters();
    await untilAllIsStored();
  });

  test("a deadlock, which is tried again at once", async () => {
    const { obstacle, twin } = await holdTwin(2_000); // outweighs the batch, which is therefore the victim
    await send(twin);
    await until("the rows to wait", async () => (await statements("%INTO TABLE api_logs%")).length > 0);
    await obstacle.query("UPDATE ingest_offsets SET owner = 'obstacle' WHERE topic = 'info-logs'");
    await obstacle.query("ROLLBACK");
    await untilAllIsStored();
  });
});

test("a refused value makes a dead letter of its record alone, whatever the server says of it", async () => {
  await run(
    `ALTER TABLE api_logs MODIFY error_type VARCHAR(8) NULL, MODIFY bytes_in SMALLINT UNSIGNED NULL,
       MODIFY error_message VARCHAR(1024) CHARACTER SET ascii NULL, MODIFY client_ip DATETIME NULL,
       MODIFY method ENUM('GET', 'POST') NOT NULL, MODIFY service VARCHAR(64) NOT NULL,
       ADD CONSTRAINT no_tea CHECK (status_code <> 418)`,
  );
  const refused: readonly (readonly [Partial<RequestLog>, RegExp])[] = [
    [{ error_type: "TooLongByFar" }, /too long/],
    [{ bytes_in: 70_000 }, /Out of range/],
    [{ error_message: "über" }, /Incorrect string value/],
    [{ client_ip: "unknown" }, /Incorrect datetime value/],
    [{ method: "BREW" }, /truncated/],
    [{ status_code: 418 }, /no_tea/],
  ];
  for (const [log] of refused) await send(log);
  await untilAllIsStored(refused.length);
  const letters = await rowsOf(database.pool, "SELECT reason, detail FROM dead_letters ORDER BY id");
  expect(letters.map((letter) => String(letter["reason"]))).toEqual(refused.map(() => "refused_by_sql"));
  for (const [i, [, says]] of refused.entries()) expect(letters[i]!["detail"]).toMatch(says);
  expect(consumer.readiness().database).toEqual({ ready: true });
});

test("a record too large for the database is set aside without its value, and stops nothing", async () => {
  const [before, [limit]] = [
    await count("dead_letters"),
    await rowsOf(database.pool, "SELECT @@GLOBAL.max_allowed_packet AS bytes"),
  ];
  await run("SET GLOBAL max_allowed_packet = 1048576");
  try {
    await endWriters();
    await producer.send(new Map([["info-logs", ["x".repeat(1_000_000)]]]));
    sent++;
    await send();
    await untilAllIsStored(before + 1);
  } finally {
    await run(`SET GLOBAL max_allowed_packet = ${String(limit!["bytes"])}`);
    await endWriters();
  }
  const [letter] = await rowsOf(
    database.pool,
    "SELECT detail, value FROM dead_letters ORDER BY id DESC LIMIT 1",
  );
  expect(letter).toMatchObject({ value: null });
  expect(letter!["detail"]).toMatch(/^value of 1000000 bytes left out/);
});

async function failureOf(work: Promise<unknown>): Promise<unknown> {
  try {
    await work;
  } catch (error) {
    return error;
  }
  return undefined;
}

test("errors of a real server are told apart by their number", async () => {
  const connection = await owner();
  await connection.query("SET sql_mode = 'STRICT_ALL_TABLES'");
  await connection.query(
    `CREATE TABLE small (n TINYINT UNSIGNED NOT NULL, text VARCHAR(3), json JSON) PARTITION BY RANGE (n) (PARTITION p VALUES LESS THAN (10))`,
  );
  const faults = async (sql: string) => {
    const error = await failureOf(connection.query(sql));
    return [sqlErrorNumber(error), faultOf(error)];
  };
  const insert = (n: string, text = "''", json = "'{}'") =>
    faults(`INSERT INTO small VALUES (${n}, ${text}, ${json})`);
  expect(await insert("NULL")).toEqual([1048, "poison"]);
  expect(await insert("11")).toEqual([1526, "poison"]);
  expect(await insert("1000")).toEqual([1264, "poison"]);
  expect(await insert("'x'")).toEqual([1366, "poison"]);
  expect(await insert("1", "'abcd'")).toEqual([1406, "poison"]);
  expect(await insert("1", "''", "'{'")).toEqual([isMariaDb ? 4025 : 3140, "poison"]);
  expect(await faults("INSERT INTO small (n) VALUES (18446744073709551615 + 1)")).toEqual([1690, "poison"]);
  expect(await faults("INSERT INTO nowhere VALUES (1)")).toEqual([1146, "ours"]);
  expect(await faults("INSERT INTO small (m) VALUES (1)")).toEqual([1054, "ours"]);
  expect(await faults("INSERT INTO small VALUES (1)")).toEqual([1136, "ours"]);
  expect(await faults("BREW COFFEE")).toEqual([1064, "ours"]);
  expect(faultOf(new Error("Connection lost"))).toBe("outage");
  expect(faultOf(Object.assign(new Error("new"), { errno: 9999, sqlState: "HY000" }))).toBe("outage");
  expect(faultOf(Object.assign(new Error("new"), { errno: 9999, sqlState: "22123" }))).toBe("poison");
});
