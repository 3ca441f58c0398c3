import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { text } from "node:stream/consumers";
import { beforeAll, expect, onTestFinished, test } from "vitest";
import {
  closedPort,
  freshTopics,
  numberOf,
  openTestDatabase,
  rowsOf,
  startRole,
  startTestConsumer,
  testBrokers,
  until,
} from "./harness.ts";

beforeAll(() => freshTopics());

/** Runs one of examples/ with the checkout as its "rushhour"; ended with the test. */
function run(command: string, args: readonly string[], env: Readonly<Record<string, string>> = {}) {
  const child = spawn(command, args, {
    env: { ...process.env, KAFKA_BROKERS: testBrokers().join(","), PORT: "0", ...env },
    stdio: ["ignore", "pipe", "inherit"],
  });
  onTestFinished(() => void child.kill("SIGKILL"));
  return child;
}

const node = (file: string, ...args: readonly string[]) =>
  run(process.execPath, ["--import", "./test/resolve-rushhour.mjs", `examples/${file}`, ...args]);

/** The address that a server says it listens at. */
async function urlOf({ stdout }: ReturnType<typeof run>): Promise<string> {
  let said = "";
  for await (const chunk of stdout) {
    said += String(chunk);
    const [url] = /http:\/\/127\.0\.0\.1:\d+/.exec(said) ?? [];
    if (url !== undefined) return url;
  }
  throw new Error(`it ended and said: ${said}`);
}

test.each([
  ["express", "books", "the shelf is locked"],
  ["fastify", "films", "the reel is torn"],
])("examples/%s: each response is a row, the last before SIGTERM too", async (example, service, message) => {
  const { pool, writerUrl } = await openTestDatabase();
  startTestConsumer({ writerUrl });
  const app = node(`${example}/app.js`);
  const url = await urlOf(app);
  for (const [method, path] of [
    ["GET", `/${service}/7?secret=1`],
    ["DELETE", `/${service}/7`],
    ["GET", "/nowhere"],
  ])
    await fetch(url + path!, { method: method! }).then((response) => response.text());
  app.kill("SIGTERM");
  expect(await once(app, "exit")).toEqual([0, null]);
  const own = `FROM api_logs WHERE service = '${service}'`;
  await until("three rows", async () => (await numberOf(pool, `SELECT COUNT(*) ${own}`)) === 3);
  expect(
    await rowsOf(
      pool,
      `SELECT service, method, endpoint, path, status_code, level, error_message ${own} ORDER BY seq`,
    ),
  ).toEqual(
    [
      {
        method: "GET",
        endpoint: `/${service}/:id`,
        path: `/${service}/7`,
        status_code: 200,
        level: "INFO",
        error_message: null,
      },
      {
        method: "DELETE",
        endpoint: `/${service}/:id`,
        path: `/${service}/7`,
        status_code: 500,
        level: "CRITICAL",
        error_message: message,
      },
      {
        method: "GET",
        endpoint: "(unmatched)",
        path: "/nowhere",
        status_code: 404,
        level: "ERROR",
        error_message: null,
      },
    ].map((row) => ({ service, ...row })),
  );
});

test("examples/kafka-producer: records of a plain producer are rows", async () => {
  const { pool, writerUrl } = await openTestDatabase();
  startTestConsumer({ writerUrl });
  const producer = node("kafka-producer/producer.js", "20");
  expect(await text(producer.stdout)).toMatch(/^20 records, request_id lesson-/);
  const lessons = "FROM api_logs WHERE endpoint = '/lessons'";
  await until("twenty rows", async () => (await numberOf(pool, `SELECT COUNT(*) ${lessons}`)) === 20);
  expect(await rowsOf(pool, `SELECT level, COUNT(*) AS n ${lessons} GROUP BY level ORDER BY n`)).toEqual([
    { level: "ERROR", n: 2 },
    { level: "INFO", n: 18 },
  ]);
});

const PYTHON = process.env["PYTHON"] ?? "python3";
const hasFastApi = spawnSync(PYTHON, ["-c", "import fastapi, uvicorn"]).status === 0;

test.runIf(hasFastApi)(
  "examples/fastapi: what a Python program answers and logs is posted (skipped where python3, or PYTHON, has no fastapi and uvicorn)",
  async () => {
    const { pool, writerUrl } = await openTestDatabase();
    startTestConsumer({ writerUrl });
    const api = await startRole(["api", "--port", "0"], {});
    const port = await closedPort();
    const app = run(PYTHON, ["examples/fastapi/app.py"], { PORT: String(port), RUSHHOUR_URL: api.url });
    const url = `http://127.0.0.1:${port}`;
    await until("the app", () =>
      fetch(`${url}/nowhere`).then(
        ({ status }) => status === 404,
        () => false,
      ),
    );
    const answer = await fetch(`${url}/songs/7`);
    await fetch(`${url}/songs/7`, { method: "DELETE" });
    app.kill("SIGTERM");
    await once(app, "exit");
    const own = "FROM api_logs WHERE service = 'songs' AND path <> '/nowhere'";
    await until("two rows", async () => (await numberOf(pool, `SELECT COUNT(*) ${own}`)) === 2);
    expect(
      await rowsOf(
        pool,
        `SELECT request_id, method, endpoint, status_code, level, error_message ${own} ORDER BY method`,
      ),
    ).toEqual([
      {
        ...{ request_id: expect.any(String) as string, method: "DELETE", endpoint: "/songs/{song_id}" },
        ...{ status_code: 500, level: "CRITICAL", error_message: "the record is scratched" },
      },
      {
        ...{ request_id: answer.headers.get("x-request-id"), method: "GET", endpoint: "/songs/{song_id}" },
        ...{ status_code: 200, level: "INFO", error_message: null },
      },
    ]);
  },
);
