import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { beforeAll, describe, expect, onTestFinished, test } from "vitest";
import {
  createTestDatabase,
  freshTopics,
  numberOf,
  rowsOf,
  runCli,
  startRole,
  type Role,
  type TestDatabase,
} from "./harness.ts";

const SCENARIO = `
name: two loads
scenarios:
  visitors: {executor: constant-arrival-rate, rate: 25/s, duration: 4s, journeys: [browse]}
  buyers: {executor: shared-iterations, vus: 3, iterations: 30, maxDuration: 4s, gracefulStop: 1s, journeys: [order]}
journeys:
  order: {steps: [{post: /orders, json: {user_id: 1, items: [{product_id: 1, quantity: 1}]}}]}
incidents:
  - {name: outage, at: 500ms, for: 1500ms, kind: error-burst, rate: 0.5, status: 503}
  - {name: slow list, at: 1s, for: 2s, kind: slow, route: GET /products, latency: {median: 40ms, sigma: 0.2}}
  - {name: rush, at: 2s, for: 1s, kind: traffic-spike, factor: 2}
`;
/** 112: this machine was too busy to send in time, which changes nothing of what was sent. */
const DONE = [0, 112];

let database: TestDatabase;
let home: string;
let api: Role;

beforeAll(async () => {
  await freshTopics();
  database = await createTestDatabase();
  home = mkdtempSync(join(tmpdir(), "rushhour-load-"));
  const ends: (() => Promise<void>)[] = [];
  const atEnd = (end: () => Promise<void>) => void ends.push(end);
  const writer = { MYSQL_WRITER_URL: database.writerUrl, CONSUMER_GROUP: database.name };
  await startRole(["consumer", "--port", "0"], writer, atEnd);
  api = await startRole(["api", "--port", "0", "--model", "off"], {}, atEnd);
  return async () => {
    for (const end of ends) await end();
    rmSync(home, { recursive: true });
    await database.close();
  };
});

function rushhour(...args: string[]) {
  return runCli(args, { RUSHHOUR_HOME: home, MYSQL_READER_URL: database.readerUrl });
}

function fileWith(name: string, text: string): string {
  const path = join(home, name);
  writeFileSync(path, text);
  return path;
}

interface Summary {
  readonly run_id: string;
  readonly digest: string;
  readonly ledger: Readonly<Record<string, number>>;
}

async function simulate(...args: string[]): Promise<Summary> {
  const summary = join(home, "summary.json");
  const { code, stderr } = await rushhour("simulate", ...args, "--summary-export", summary);
  expect(DONE, stderr).toContain(code);
  return JSON.parse(readFileSync(summary, "utf8")) as Summary;
}

/** A server that keeps what it was asked, and answers as it is told. */
async function openServer(statusOf: (runId: string) => number = () => 200) {
  const seen: string[] = [];
  const server = createServer((request, response) => {
    let body = "";
    request.setEncoding("utf8").on("data", (text: string) => (body += text));
    request.on("end", () => {
      const status = statusOf(String(request.headers["x-run-id"]));
      if (request.headers["x-run-id"] !== undefined)
        seen.push(`${request.method} ${request.url} ${body}`.trim());
      response.writeHead(status).end();
    });
  }).listen(0, "127.0.0.1");
  onTestFinished(() => void server.close());
  await once(server, "listening");
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, seen };
}

describe("a scenario of two executors with incidents", () => {
  let run: Summary;
  beforeAll(async () => {
    run = await simulate(fileWith("two.yaml", SCENARIO), "--target", api.url, "--seed", "7");
  });

  test("has a row for each answered request, and one in runs with its figures", async () => {
    const { answered, stored, missing, duplicates } = run.ledger;
    expect({ stored, missing, duplicates }).toEqual({ stored: answered, missing: 0, duplicates: 0 });
    expect(
      await numberOf(database.pool, "SELECT COUNT(*) FROM api_logs WHERE run_id = ?", [run.run_id]),
    ).toBe(answered);
    const [row] = await rowsOf(database.pool, "SELECT * FROM runs WHERE run_id = ?", [run.run_id]);
    expect(row).toMatchObject({
      scenario: "two loads",
      state: "finished",
      seed: 7,
      digest: run.digest,
      missing: 0,
    });
    expect(row!["requests"]).toBe(run.ledger["sent"]);
  });

  test("has its incidents in SQL, each with as many requests as rows carry it", async () => {
    const incidents = await rowsOf(
      database.pool,
      `SELECT name, kind, requests_affected, ended_at IS NOT NULL AS ended,
          (SELECT COUNT(*) FROM api_logs
            WHERE run_id = i.run_id AND FIND_IN_SET(i.incident_id, JSON_UNQUOTE(JSON_EXTRACT(extra, '$.incident')))) AS labelled
         FROM incidents i WHERE run_id = ? ORDER BY started_at`,
      [run.run_id],
    );
    expect(incidents.map(({ name, ended }): unknown[] => [name, ended])).toEqual([
      ["outage", 1],
      ["slow list", 1],
      ["rush", 1],
    ]);
    for (const { name, kind, requests_affected, labelled } of incidents) {
      expect(requests_affected, String(name)).toBeGreaterThan(0);
      if (kind !== "traffic-spike") expect(labelled, String(name)).toBe(requests_affected);
    }
  });

  test("is replayed: the same safe requests, and those that change state only when allowed", async () => {
    const replay = async (...args: string[]) => {
      const { url, seen } = await openServer();
      const words = ["--run", run.run_id, "--speed", "20x", "--target", url, "--no-ledger", ...args];
      const { code, stderr } = await rushhour("replay", ...words);
      expect(DONE, stderr).toContain(code);
      return seen.toSorted();
    };
    const recorded = async (condition: string, body = "") => {
      const sql = `SELECT CONCAT(method, ' ', path) AS request FROM api_logs WHERE run_id = ? AND ${condition}`;
      return (await rowsOf(database.pool, sql, [run.run_id]))
        .map((row) => `${String(row["request"])}${body}`)
        .sort();
    };
    expect(await replay()).toEqual(await recorded("method = 'GET'"));
    const posts = await replay("--methods", "POST", "--where", "endpoint = '/orders'");
    expect(posts.length).toBeGreaterThan(0);
    expect(posts).toEqual(await recorded("method = 'POST' AND endpoint = '/orders'", " {}"));
  });

  test("is told missing from pending though others go on sending", async () => {
    await startRole(["producer", "--rate", "500/s", "--port", "0"], {});
    await database.pool.query("DELETE FROM api_logs WHERE run_id = ? ORDER BY timestamp LIMIT 1", [
      run.run_id,
    ]);
    const { code, stdout } = await rushhour("verify", run.run_id, "--json", "--wait", "30s");
    expect(code).toBe(111);
    expect(JSON.parse(stdout)).toMatchObject({ missing: 1, pending: 0 });
  });
});

test("the same seed plans and sends the same requests, another seed others", async () => {
  const { url, seen } = await openServer();
  const file = fileWith(
    "journeys.yaml",
    `
target: ${url}
scenarios:
  open: {executor: constant-arrival-rate, rate: 60/s, duration: 1s, journeys: [look]}
  closed: {executor: per-vu-iterations, vus: 2, iterations: 10, journeys: [look]}
journeys:
  look:
    steps:
      - {get: "/items/\${random.int(1, 1000)}"}
      - {post: /notes, json: {text: "\${random.int(1, 1000000)}"}}
`,
  );
  const sent = async (seed: string) => {
    seen.length = 0;
    const { digest } = await simulate(file, "--seed", seed, "--no-ledger");
    return { digest, requests: seen.toSorted() };
  };
  const first = await sent("11");
  expect(first.requests.length).toBeGreaterThan(100);
  expect(await sent("11")).toEqual(first);
  const other = await sent("12");
  expect(other.digest).not.toBe(first.digest);
  expect(other.requests).not.toEqual(first.requests);
});

// Invalid, and so tried again, when this machine is too busy to send in time.
test("find-max finds the rate above which a server sheds load", { retry: 2 }, async () => {
  const answered = new Map<string, number>();
  const { url } = await openServer((runId) => {
    answered.set(runId, (answered.get(runId) ?? 0) + 1);
    return answered.get(runId)! <= 30 ? 200 : 503; // in each trial of 1 s
  });
  const file = fileWith(
    "even.yaml",
    `
target: ${url}
scenarios: {one: {executor: constant-arrival-rate, rate: 1/s, duration: 1s, arrival: even, journeys: [get]}}
journeys: {get: {steps: [{get: /}]}}
`,
  );
  const rates = ["--from", "20/s", "--step", "20/s", "--each", "1s", "--refine", "2"];
  const { code, stdout, stderr } = await rushhour("find-max", file, ...rates, "--json");
  expect(code, stderr).toBe(0);
  const found = JSON.parse(stdout) as { trials: readonly { rate_per_second: number; held: boolean }[] };
  expect(found).toMatchObject({ held_per_second: 30, broke_per_second: 35 });
  expect(found.trials.map(({ rate_per_second, held }) => [rate_per_second, held])).toEqual([
    [20, true],
    [40, false],
    [30, true],
    [35, false],
  ]);
});
