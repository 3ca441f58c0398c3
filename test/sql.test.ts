import { spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parse } from "csv-parse/sync";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { connectReader, READER_STATEMENT_SECONDS, type Row } from "../init_db/database.ts";
import { closedPort, createTestDatabase, numberOf, openTestDatabase, runCli, until } from "./harness.ts";
import type { TestDatabase } from "./harness.ts";

let database: TestDatabase;
beforeAll(async () => {
  database = await createTestDatabase();
  await database.pool.query(
    `INSERT INTO api_logs (request_id, timestamp, level, service, endpoint, method, status_code, response_time_ms, user_agent)
     VALUES ('r1', UTC_TIMESTAMP(3), 'INFO', 'orders', '/orders/:id', 'GET', 200, 1.5, ?)`,
    ["\u001b[31mred"],
  );
});
afterAll(() => database.close());

const asReader = () => ({ MYSQL_READER_URL: database.readerUrl });
const sql = (...args: string[]) => runCli(["sql", ...args], asReader());

/** The command with something on its standard input; the caller may stop it. */
function sqlProcess(args: readonly string[], { input = "", env = {} } = {}) {
  const child = spawn(process.execPath, ["cli/rushhour.js", "sql", ...args], {
    env: { ...process.env, NO_COLOR: "1", MYSQL_URL: "", ...asReader(), ...env },
  });
  onTestFinished(() => void child.kill("SIGKILL"));
  let stdout = "";
  let stderr = "";
  child.stdout.on("data", (chunk: Buffer) => (stdout += chunk.toString()));
  child.stderr.on("data", (chunk: Buffer) => (stderr += chunk.toString()));
  child.stdin.end(input);
  const ended = new Promise<{ code: number | NodeJS.Signals; stdout: string; stderr: string }>((resolve) => {
    child.once("close", (code, signal) => resolve({ code: signal ?? code ?? -1, stdout, stderr }));
  });
  return { child, ended };
}

function aFile(text: string): string {
  const folder = mkdtempSync(join(tmpdir(), "rushhour-sql-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const file = join(folder, "queries.sql");
  writeFileSync(file, text);
  return file;
}

const TEN = "(SELECT 1 AS i UNION ALL SELECT 2 UNION ALL SELECT 3 UNION ALL SELECT 4 UNION ALL SELECT 5)";
/** 5 to the power of `n` rows, on both databases. */
const rowsOf5 = (n: number) =>
  Array.from({ length: n }, (_, i) => `${TEN.replaceAll(" i", ` i${i}`)} AS t${i}`).join(" CROSS JOIN ");

describe("what a query finds", () => {
  const query =
    "SELECT 1 AS one, 'it''s \"x\", y' AS text, NULL AS nothing, TIMESTAMP '2026-01-02 03:04:05' AS at, 18446744073709551615 AS big, 1.50 AS `exact`, JSON_ARRAY(1) AS list";

  test("is a table", async () => {
    const { code, stdout, stderr } = await sql(query);
    expect([code, stderr]).toEqual([0, ""]);
    const [head, , row, count] = stdout.split("\n");
    expect(head).toMatch(/^one {2}text +nothing {2}at +big {2}exact {2}list$/);
    expect(row).toBe('  1  it\'s "x", y  NULL     2026-01-02 03:04:05  18446744073709551615   1.50  [1]');
    expect(count).toMatch(/^1 row, \d+ ms$/);
  });

  test("is CSV", async () => {
    const { code, stdout } = await sql("--format", "csv", query);
    expect([code, stdout]).toEqual([
      0,
      'one,text,nothing,at,big,exact,list\r\n1,"it\'s ""x"", y",,2026-01-02 03:04:05,18446744073709551615,1.50,[1]\r\n',
    ]);
  });

  test.each(["json", "ndjson"])("is %s, alike on both databases", async (format) => {
    const { code, stdout } = await sql("--format", format, query);
    const row = {
      ...{ one: 1, text: `it's "x", y`, nothing: null, at: "2026-01-02 03:04:05" },
      ...{ big: "18446744073709551615", exact: 1.5, list: [1] },
    };
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toEqual(format === "json" ? [row] : row);
  });

  test("is shown without the controls that somebody stored; CSV keeps them", async () => {
    const query = "SELECT user_agent FROM api_logs WHERE request_id = 'r1'";
    expect((await sql(query)).stdout).toContain(String.raw`\u001b[31mred`);
    expect((await sql("--format", "csv", query)).stdout).toBe("user_agent\r\n\u001b[31mred\r\n");
  });

  test("is one row below the other when the columns are many, and says when there is none", async () => {
    const many = await sql("SELECT * FROM api_logs WHERE request_id = 'none'");
    expect(many.stdout).toMatch(/^id +request_id/);
    expect(many.stdout).toMatch(/\n0 rows, \d+ ms\n$/);
    expect((await sql("SHOW CREATE TABLE schema_migrations")).stdout).toMatch(
      /^row 1\n {2}Table +schema_migrations\n {2}Create Table {2}CREATE TABLE .* \(\n {16}/,
    );
  });

  test("is cut at the limit of a table, which says how many are left off", async () => {
    const { stdout } = await sql("--limit", "2", `SELECT i0 FROM ${rowsOf5(3)}; SELECT 2`);
    expect(stdout.split("\n").slice(2, 4)).toEqual([" 1", " 2"].map((text) => text.padStart(2)));
    expect(stdout).toMatch(
      /2 rows, \d+ ms; 123 more are left off: --limit 125 shows them, --format csv writes them\n/,
    );
    const long = await sql(`SELECT i0 FROM ${rowsOf5(8)}`);
    expect(long.stdout).toMatch(
      /1,000 rows, .* ms; more than 100,000 others are left off: --format csv writes all\n$/,
    );
  });

  test.each(["csv", "ndjson"])("as %s is not held in memory", async (format) => {
    const { ended } = sqlProcess(["--format", format, `SELECT REPEAT('x', 2000) AS x FROM ${rowsOf5(7)}`], {
      env: { NODE_OPTIONS: "--max-old-space-size=48" }, // the result has 150 MB
    });
    const { code, stdout, stderr } = await ended;
    expect([code, stderr]).toEqual([0, ""]);
    expect(stdout.trimEnd().split("\n")).toHaveLength(5 ** 7 + (format === "csv" ? 1 : 0));
  });

  test("whose reader has enough ends quietly", async () => {
    const { child, ended } = sqlProcess(["--format", "csv", `SELECT REPEAT('x', 2000) FROM ${rowsOf5(7)}`]);
    child.stdout.once("data", () => child.stdout.destroy());
    expect(await ended).toMatchObject({ code: 0, stderr: "" });
  });
});

describe("several statements", () => {
  const text = `-- two; queries
SELECT ';' AS a; # and
SET @x = 2;

SELECT
  @x AS b;`;
  const both = "a\r\n;\r\n\r\nb\r\n2\r\n";

  test("run in order, from the command line, a file or standard input", async () => {
    expect((await sql("--format", "csv", "--", text)).stdout).toBe(both);
    expect((await sql("--format", "csv", "--file", aFile(`\uFEFF${text}`))).stdout).toBe(both);
    expect((await sqlProcess(["--format", "csv"], { input: text }).ended).stdout).toBe(both);
  });

  test("stop at the first that fails, which is named with its line in the text", async () => {
    const { code, stdout, stderr } = await sql(
      "--format",
      "csv",
      "--",
      `${text}\nSELECT 1,\n  FROM;\nSELECT 3`,
    );
    expect([code, stdout]).toEqual([1, both]);
    expect(stderr).toMatch(
      /^rushhour: statement 4 of 5, line 7: the database says: You have an error .* at line 8\n$/,
    );
  });
});

describe("usage that is 104", () => {
  test.each<[string, string[], RegExp]>([
    ["no query anywhere", [], /standard input holds no statement: give one, such as "SELECT 1"/],
    ["only a comment", ["/* nothing */"], /the query holds no statement/],
    ["a file that is not there", ["--file", "/nowhere.sql"], /--file=\/nowhere\.sql cannot be read: ENOENT/],
    [
      "an unknown example",
      ["--example", "nothing"],
      /--example=nothing is none of .*: rushhour sql --examples/,
    ],
    [
      "two sources",
      ["SELECT 1", "--file", "x.sql"],
      /a query and --file are both given: leave one of them out/,
    ],
    ["a query beside --url", ["SELECT 1", "--url"], /a query and --url are both given/],
    ["two modes", ["--url", "--examples"], /option '--url' cannot be used with option '--examples'/],
    ["a format that is ignored", ["--url", "--format", "csv"], /cannot be used with option '--format/],
    [
      "a limit beside CSV",
      ["SELECT 1", "--limit", "5", "--format", "csv"],
      /--limit=5 is for a table; .*LIMIT/,
    ],
    ["a bad limit", ["SELECT 1", "--limit", "0"], /--limit=0 must be a whole number from 1 to 1000000/],
  ])("%s", async (_what, args, says) => {
    const { code, stdout, stderr } = await sql(...args);
    expect([code, stdout]).toEqual([104, ""]);
    expect(stderr).toMatch(says);
    expect(stderr).not.toMatch(/^ +at /m);
  });
});

describe("plans", () => {
  test("say keys and rows and run nothing", async () => {
    const slow = "SELECT SLEEP(600) FROM api_logs WHERE timestamp > '2026-01-01' AND request_id > 'a'";
    const { code, stdout } = await sql(
      "--explain",
      `${slow}; SELECT * FROM schema_migrations WHERE version = 3`,
    );
    expect(code).toBe(0);
    expect(stdout).toMatch(/^table +partitions +type +key +rows .*Extra$/m);
    expect(stdout).toMatch(/^api_logs +p\S+ +\w+ +(?:PRIMARY|id) +\d+/m);
    expect(stdout).toMatch(/^schema_migrations +NULL +const +PRIMARY +1\b/m);
  });

  test("as JSON have all that the database says", async () => {
    const { stdout } = await sql("--explain", "--format", "json", "SELECT * FROM schema_migrations");
    expect(JSON.parse(stdout)).toMatchObject([{ id: 1, select_type: "SIMPLE", table: "schema_migrations" }]);
  });

  test("of a write are refused, and it is not done", async () => {
    const { code, stderr } = await sql("--explain", "UPDATE api_logs SET service = 'x'");
    expect(code).toBe(1);
    expect(stderr).toContain("command denied to user");
    expect(await numberOf(database.pool, "SELECT COUNT(*) FROM api_logs WHERE service = 'x'")).toBe(0);
  });
});

describe("examples", () => {
  test("are listed by name, and run by it with their SQL on standard error", async () => {
    const names = (await sql("--examples")).stdout
      .split("\n")
      .flatMap((line) => /^[a-z0-9-]+(?= {2})/.exec(line) ?? []);
    expect(names.length).toBeGreaterThan(1);
    const { code, stdout, stderr } = await sql("--example", names[0]!, "--format", "csv");
    expect([code, parse(stdout, { record_delimiter: "\r\n" }).length > 0]).toEqual([0, true]);
    expect(stderr).toMatch(/^SELECT|^WITH/);
  });
});

describe("--url", () => {
  test("prints what other clients need, of a reader who was given", async () => {
    const { stdout } = await runCli(["sql", "--url"], {
      MYSQL_READER_URL: "mysql://me:it%27s@db.example/logs",
    });
    expect(stdout.split("\n")[0]).toBe("mysql://me:it%27s@db.example:3306/logs");
    expect(stdout).toContain(String.raw`MYSQL_PWD='it'\''s' mysql -h db.example -P 3306 -u 'me' logs`);
    expect(stdout).toContain("Host URL          db.example:3306");
    expect(stdout).toContain("It is kept in MYSQL_READER_URL.");
  });

  test("prints a URL that lets the reader in, and says where its password is kept", async () => {
    const { ownerUrl } = await openTestDatabase();
    const RUSHHOUR_HOME = mkdtempSync(join(tmpdir(), "rushhour-sql-"));
    onTestFinished(() => rmSync(RUSHHOUR_HOME, { recursive: true }));
    const env = { RUSHHOUR_HOME, MYSQL_URL: ownerUrl };
    expect((await runCli(["sql", "--url"], env)).stderr).toContain("run npx rushhour migrate first");
    await runCli(["migrate"], env);
    const { stdout } = await runCli(["sql", "--url"], env);
    expect(stdout).toContain(`It is kept in ${RUSHHOUR_HOME}/credentials`);
    const reader = await connectReader(stdout.split("\n")[0]!);
    onTestFinished(() => reader.destroy());
    const [[row]] = await reader.query<Row[]>("SELECT COUNT(*) AS requests FROM api_logs");
    expect(row).toEqual({ requests: 0 });
  });
});

describe("the database's refusals end with 1", () => {
  test.each([
    [
      "a write",
      "DELETE FROM api_logs",
      /the database says: DELETE command denied .*; this is the reader, who may SELECT/,
    ],
    ["a file", "SELECT 1 INTO OUTFILE '/tmp/rushhour-outfile'", /denied.*; this is the reader/],
    ["a syntax error", "SELECT 1 FROM", /the database says: You have an error in your SQL syntax/],
    ["an unknown table", "SELECT * FROM nothing", /nothing.*; SHOW TABLES lists what there is/],
    ["an unknown column", "SELECT nothing FROM api_logs", /the database says: Unknown column/],
    ["a control in the message", "SELECT 1 + \u001b[31m 2", /near '\\\w+\[31m 2' at line 1/],
    [
      "several results of one statement",
      "EXECUTE IMMEDIATE 'BEGIN NOT ATOMIC SELECT 1; SELECT 2; END'", // MySQL knows no such statement
      /several results of one statement|error in your SQL syntax/,
    ],
  ])("%s", async (_what, statement, says) => {
    const { code, stdout, stderr } = await sql(statement);
    expect([code, stdout]).toEqual([1, ""]);
    expect(stderr).toMatch(says);
    expect(stderr).not.toContain("\u001b");
    expect(stderr).not.toMatch(/^ +at /m);
  });

  test("a server that does not answer", async () => {
    const url = `mysql://me:top-secret@127.0.0.1:${await closedPort()}/logs`;
    const { code, stderr } = await runCli(["sql", "SELECT 1"], { MYSQL_READER_URL: url });
    expect([code, stderr.includes("top-secret")]).toEqual([1, false]);
    expect(stderr).toMatch(/^rushhour: the database does not answer at .*ECONNREFUSED/);
  });
});

describe("the reader's limit", () => {
  const limit = "SELECT /*!80000 @@max_execution_time / 1000 */ /*M! @@max_statement_time */ AS seconds";

  test("is on the connections of people and panels", async () => {
    const { stdout } = await sql("--format", "ndjson", limit);
    expect(JSON.parse(stdout)).toEqual({ seconds: READER_STATEMENT_SECONDS });
    expect(await numberOf(database.pool, limit)).toBe(READER_STATEMENT_SECONDS);
  });

  test("stops a statement and says what to do", async () => {
    const shorter = "SET SESSION /*!80000 max_execution_time = 50 */ /*M! max_statement_time = 0.05 */";
    const { code, stderr } = await sql(`${shorter}; SELECT COUNT(*) FROM ${rowsOf5(12)}`);
    expect(code).toBe(1);
    expect(stderr).toMatch(
      /^rushhour: statement 2 of 2, line 1: it was stopped after 30 s, the reader's limit for a statement: narrow its time range/,
    );
  });
});

test("a signal cancels the statement on the server too and ends with 105", async () => {
  const mark = "SELECT 'cancel me', SLEEP(600)";
  const runs = () =>
    numberOf(
      database.pool,
      "SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE INFO LIKE ? AND ID <> CONNECTION_ID()",
      ["SELECT 'cancel me'%"],
    );
  const { child, ended } = sqlProcess([`SELECT 1; ${mark}`]);
  await until("the statement", async () => (await runs()) === 1);
  child.kill("SIGINT");
  const { code, stderr } = await ended;
  expect([code, stderr]).toEqual([
    105,
    "rushhour: stopped by a signal, and the statement on the server with it\n",
  ]);
  await until("its end", async () => (await runs()) === 0, { deadlineMs: 10_000 });
});

test("a server that asks for a file of this machine gets none", async () => {
  const reader = await connectReader(database.writerUrl);
  onTestFinished(() => reader.destroy());
  await expect(reader.query("LOAD DATA LOCAL INFILE '/etc/hostname' INTO TABLE api_logs")).rejects.toThrow(
    /local|not allowed|infile/i,
  );
});
