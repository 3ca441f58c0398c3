import { readFileSync } from "node:fs";
import { afterAll, beforeAll, expect, test } from "vitest";
import { EXAMPLES } from "../cli/sql-examples.ts";
import { connect, type Connection, type Row } from "../init_db/database.ts";
import { storeRequests, storeSurroundings, traffic } from "./fill.ts";
import { createTestDatabase, openTestDatabase, type TestDatabase } from "./harness.ts";

let database: TestDatabase;
let reader: Connection;

beforeAll(async () => {
  database = await createTestDatabase();
  const nowMs = Date.now();
  const logs = traffic(nowMs);
  // A week and an hour ago, so that there is something to compare the last full hour with.
  const weekAgo = logs.slice(0, 60).map((log, n) => {
    const hour = Math.floor(nowMs / 3_600_000) - (n % 2 === 0 ? 1 : 169);
    const timestamp = new Date(hour * 3_600_000 + 1_000 * n).toISOString();
    return { ...log, timestamp, request_id: `week-${n}` };
  });
  await storeRequests(database, [...logs, ...weekAgo]);
  await storeSurroundings(database, nowMs);
  reader = await connect(database.readerUrl);
});

afterAll(async () => {
  await reader.end();
  await database.close();
});

test.each(EXAMPLES)("$name gives rows to the reader", async ({ sql }) => {
  const [rows] = await reader.query<Row[]>(sql);
  expect(rows.length).toBeGreaterThan(0);
});

test("none fails on an empty store", async () => {
  const empty = await connect((await openTestDatabase()).readerUrl);
  for (const { sql } of EXAMPLES) await empty.query(sql);
  await empty.end();
});

test("docs/sql.md shows the same twenty, title and text", () => {
  const documented = [
    ...readFileSync("docs/sql.md", "utf8").matchAll(
      /^### (?<title>.+) \(`(?<name>[\w-]+)`\)\n\n```sql\n(?<sql>[^`]+?)\n```/gm,
    ),
  ].map(({ groups }) => ({ name: groups!["name"], title: groups!["title"], sql: groups!["sql"] }));
  expect(documented).toEqual(EXAMPLES);
  expect(EXAMPLES).toHaveLength(20);
});
