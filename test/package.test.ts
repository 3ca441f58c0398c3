import { execFile, spawn, type ChildProcess } from "node:child_process";
import {
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { createInterface } from "node:readline";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, onTestFinished, test } from "vitest";
import { freshTopics, numberOf, openTestDatabase, rowsOf, testBrokers, until } from "./harness.ts";

const CHECKOUT = join(import.meta.dirname, "..");

/** Laid out as the checkout is, so that examples/own-api installs the tarball as it stands. */
const elsewhere = mkdtempSync(join(tmpdir(), "rushhour-package-"));
const project = join(elsewhere, "examples", "own-api");

beforeAll(async () => {
  mkdirSync(project, { recursive: true });
  for (const file of ["app.js", "package.json"])
    copyFileSync(join(CHECKOUT, "examples", "own-api", file), join(project, file));
  await run("npm", ["pack", "--pack-destination", elsewhere], { cwd: CHECKOUT });
  const quiet = ["--prefer-offline", "--no-audit", "--no-fund", "--no-package-lock"];
  await run("npm", ["install", "--omit=dev", ...quiet]);
});
afterAll(() => rmSync(elsewhere, { recursive: true, force: true }));

type Env = Readonly<Record<string, string>>;

/** The servers of the tests, and the commands that the project's own packages bring, as under npx. */
const withServers = (env: Env = {}) => ({
  ...{ ...process.env, NO_COLOR: "1", RUSHHOUR_HOME: "", MYSQL_URL: "" },
  KAFKA_BROKERS: testBrokers().join(","),
  PATH: [join(project, "node_modules", ".bin"), process.env["PATH"]].join(delimiter),
  ...env,
});

/** Runs a command in the project to its end. @throws Error with its output when it fails */
async function run(
  command: string,
  args: readonly string[],
  { cwd = project, env }: { cwd?: string; env?: Env } = {},
): Promise<string> {
  const { stdout } = await promisify(execFile)(command, args, { cwd, env: withServers(env) }).catch(
    (error: unknown) => {
      const { message, stdout = "" } = error as Error & { stdout?: string };
      throw new Error(`${message}\n${stdout}`, { cause: error });
    },
  );
  return stdout;
}

/** Starts a server in the project and waits until it says its address; ends it with the test. */
async function start(
  command: string,
  args: readonly string[],
  env: Env,
): Promise<{ process: ChildProcess; url: string; exited: Promise<number | NodeJS.Signals> }> {
  const child = spawn(command, args, {
    ...{ cwd: project, env: withServers(env) },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const exited = new Promise<number | NodeJS.Signals>((resolve) => {
    child.once("exit", (code, signal) => resolve(signal ?? code ?? -1));
  });
  onTestFinished(async () => {
    child.kill("SIGKILL");
    await exited;
  });
  const said: string[] = [];
  const url = new Promise<string>((resolve, reject) => {
    for (const input of [child.stdout, child.stderr]) {
      createInterface({ input }).on("line", (line) => {
        said.push(line);
        const [found] = /http:\/\/127\.0\.0\.1:\d+/.exec(line) ?? [];
        if (found) resolve(found);
      });
    }
    void exited.then((code) => reject(new Error(`${command} ended with ${code}:\n${said.join("\n")}`)));
  });
  return { process: child, url: await url, exited };
}

function filesOf(folder: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: "utf8" })
    .filter((path) => statSync(join(folder, path)).isFile())
    .map((path) => path.replaceAll("\\", "/"));
}

test("the tarball holds what the program runs and reads, and nothing else", () => {
  const files = filesOf(join(project, "node_modules", "rushhour"));
  const migrations = readdirSync(join(CHECKOUT, "init_db", "migrations"));
  expect(files).toEqual(
    expect.arrayContaining([
      ...["LICENSE", "package.json", "cli/rushhour.js"],
      ...[
        "dist/index.js",
        "dist/index.d.ts",
        "dist/pino.js",
        "dist/pino.d.ts",
        "dist/cli/main.js",
        "dist/engines/pom.xml",
      ],
      "dist/examples/scenarios/shop.yaml",
      ...migrations.map((file) => `dist/init_db/migrations/${file}`),
    ]),
  );
  const meant =
    /^(?:package\.json|(?:README|CHANGELOG)\.md|LICENSE|cli\/rushhour\.js|dist\/.+\.(?:js|d\.ts|json|sql|xml|yaml))$/;
  expect(files.filter((file) => !meant.test(file))).toEqual([]);
  expect(files.filter((file) => /\.test\.|testing|^dist\/(?:test|bench|grafana)\//.test(file))).toEqual([]);
});

test("the installed command knows every command", async () => {
  const help = await run("rushhour", ["--help"]);
  for (const name of [
    "up",
    "api",
    "consumer",
    "producer",
    "simulate",
    "quick",
    "new",
    "verify",
    "sql",
    "doctor",
  ])
    expect(help).toMatch(new RegExp(`^  ${name} `, "m"));
});

test("the installed command makes a database and answers SQL from it", async () => {
  const { pool, name, ownerUrl } = await openTestDatabase();
  await pool.query(`DROP DATABASE ${name}`); // to be made again
  const env = { MYSQL_URL: ownerUrl };
  expect(await run("rushhour", ["migrate"], { env })).toContain(`database ${name}: 0001_api_logs`);
  const query = async (sql: string) =>
    JSON.parse(await run("rushhour", ["sql", "--format", "json", sql], { env })) as unknown;
  expect(await query("SELECT 1 AS one")).toEqual([{ one: 1 }]);
  expect(await query("SELECT COUNT(*) AS requests FROM api_logs")).toEqual([{ requests: 0 }]);
});

test("the installed mock shop serves its documentation page", async () => {
  const { url } = await start("rushhour", ["api", "--port", "0"], {});
  expect(await fetch(`${url}/docs`).then((page) => page.text())).toContain("swagger-ui-bundle.js");
  expect(await fetch(`${url}/docs/swagger-ui-bundle.js`)).toMatchObject({ status: 200 });
});

test("an app of ten lines has each of its responses stored as a row, the last one before SIGTERM too", async () => {
  await freshTopics();
  const { pool, writerUrl, readerUrl } = await openTestDatabase();
  const app = await start("node", ["app.js"], { PORT: "0" });
  await start("rushhour", ["consumer", "--port", "0"], { MYSQL_WRITER_URL: writerUrl });

  const responses = [
    await fetch(`${app.url}/hello/Ada`),
    await fetch(`${app.url}/nowhere?secret=1`),
    await fetch(`${app.url}/hello/Grace`, { headers: { "x-run-id": "last" } }),
  ];
  expect(await responses[2]!.text()).toBe("Hello, Grace!\n");
  app.process.kill("SIGTERM");
  expect(await app.exited).toBe(0);

  await until("the publisher's last word", async () =>
    Boolean(await numberOf(pool, "SELECT COUNT(*) FROM publishers WHERE closed = 1")),
  );
  expect(await rowsOf(pool, "SELECT service, last_seq, acknowledged FROM publishers")).toEqual([
    { service: "greetings", last_seq: 3, acknowledged: 3 },
  ]);
  await until("three rows", async () => (await numberOf(pool, "SELECT COUNT(*) FROM api_logs")) === 3);
  const sql =
    "SELECT request_id, service, level, endpoint, path, status_code, run_id FROM api_logs ORDER BY seq";
  const env = { MYSQL_READER_URL: readerUrl };
  const rows = JSON.parse(await run("rushhour", ["sql", "--format", "json", sql], { env })) as unknown;
  const [ada, nowhere, grace] = responses.map((response) => response.headers.get("x-request-id"));
  const hello = { service: "greetings", level: "INFO", endpoint: "/hello/:name", status_code: 200 };
  expect(rows).toEqual([
    { ...hello, request_id: ada, path: "/hello/Ada", run_id: null },
    {
      ...{ request_id: nowhere, service: "greetings", level: "ERROR", endpoint: "(unmatched)" },
      ...{ path: "/nowhere", status_code: 404, run_id: null },
    },
    { ...hello, request_id: grace, path: "/hello/Grace", run_id: "last" },
  ]);
});

const LOGGING_APP = `
import { pino } from "pino";
const [brokers] = process.env.KAFKA_BROKERS.split(",");
const logger = pino(pino.transport({ target: "rushhour/pino", options: { brokers, service: "own" } }));
logger.error(new TypeError("no price list"), "order 7 failed");
`;

test("a program whose pino logs through the transport has its lines stored", async () => {
  await freshTopics();
  const { pool, writerUrl } = await openTestDatabase();
  writeFileSync(join(project, "logs.js"), LOGGING_APP);
  await run("node", ["logs.js"]);
  await start("rushhour", ["consumer", "--port", "0"], { MYSQL_WRITER_URL: writerUrl });
  const sql = "SELECT service, level, message, error_type FROM app_logs";
  await until("its row", async () => (await rowsOf(pool, sql)).length > 0);
  expect(await rowsOf(pool, sql)).toEqual([
    { service: "own", level: "ERROR", message: "order 7 failed", error_type: "TypeError" },
  ]);
});

test("the README shows that app as it stands", () => {
  const [readme, app] = ["README.md", "examples/own-api/app.js"].map((path) =>
    readFileSync(join(CHECKOUT, path), "utf8"),
  );
  expect(readme).toContain(`\`\`\`js\n${app!}\`\`\`\n`);
});

const TYPED_APP = `
import { Hono } from "hono";
import {
  APP_LOG, appLogStream, createPublisher, PUBLISHER_STATUS_TOPIC, requestLog, REQUEST_LOG_TOPICS, TOPIC_OF_LEVEL,
  type AppLog, type Level, type Publish, type Publisher, type PublisherOptions, type RequestLog, type RequestLogOptions,
} from "rushhour";

const publisherOptions: PublisherOptions = { brokers: ["127.0.0.1:9092"], service: "own" };
const publisher: Publisher = createPublisher(publisherOptions);
const options: RequestLogOptions = { service: (c) => c.req.method, maskIp: true };
const heard: RequestLog[] = [];
const publish: Publish = (record) => heard.push(record);
new Hono().use(requestLog(publisher.publish, options)).use(requestLog(publish));
const logged: (record: AppLog) => unknown = publisher.publishOf(APP_LOG);
appLogStream(logged, { service: "own" }).write("a line");
const level: Level = heard[0]!.level;
export const topics: string[] = [TOPIC_OF_LEVEL[level], PUBLISHER_STATUS_TOPIC, ...REQUEST_LOG_TOPICS];
export const closed: Promise<void> = publisher.close(1_000);

// @ts-expect-error without brokers
createPublisher({ service: "own" });
// @ts-expect-error a record is more than its version
publisher.publish({ v: 1 });
// @ts-expect-error a number
heard[0]!.status_code.length;
// @ts-expect-error not one of ours
requestLog(publish, { colour: "red" });
`;

test("an app in TypeScript sees our types, and they hold under the strictest check", async () => {
  writeFileSync(join(project, "typed.ts"), TYPED_APP);
  const typescript = join(CHECKOUT, "node_modules", "typescript", "bin", "tsc");
  const strict = ["--noEmit", "--strict", "--exactOptionalPropertyTypes", "--skipLibCheck", "false"];
  const node = ["--module", "nodenext", "--target", "es2024", "--types", "node"];
  const nodeTypes = ["--typeRoots", join(CHECKOUT, "node_modules", "@types")];
  expect(await run("node", [typescript, ...strict, ...node, ...nodeTypes, "typed.ts"])).toBe("");
});
