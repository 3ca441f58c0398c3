import { describe, expect, test } from "vitest";
import { conditionProblem, storeTrace, type StoreOptions } from "./store.ts";
import { collect } from "./testing.ts";
import { SAFE_METHODS } from "./trace.ts";

const FROM = new Date("2026-11-21T10:00:00.000Z");
const TO = new Date("2026-11-21T11:00:00.000Z");

interface Row {
  readonly timestamp: Date;
  readonly request_id: string;
  readonly method: string;
  readonly endpoint: string;
  readonly path: string;
  readonly user_agent: string | null;
}

const row = (after_ms: number, fields: Partial<Row> = {}): Row => ({
  ...{ timestamp: new Date(FROM.getTime() + after_ms), request_id: "a", method: "GET" },
  ...{ endpoint: "/orders/:id", path: "/orders/7", user_agent: "curl/8" },
  ...fields,
});

/** A table that answers the trace's two queries: where a page ends, and the rows up to there of which the condition holds. */
function trace(
  rows: readonly Row[],
  options: Partial<StoreOptions> = {},
  holds: (row: Row) => boolean = () => true,
) {
  const queries: string[] = [];
  const query = (sql: string, params: readonly unknown[]) => {
    queries.push(sql);
    const [from, to, after, afterId, last, , lastId] = params as [
      Date,
      Date,
      Date,
      string,
      Date?,
      Date?,
      string?,
    ];
    const page = rows
      .filter(({ timestamp }) => timestamp >= from && timestamp < to)
      .filter(({ timestamp, request_id }) => timestamp > after || request_id > afterId)
      .sort(
        (a, b) => a.timestamp.getTime() - b.timestamp.getTime() || (a.request_id < b.request_id ? -1 : 1),
      );
    const [, offset] = /LIMIT 1 OFFSET (\d+)/.exec(sql) ?? [];
    const isUpToEnd = ({ timestamp, request_id }: Row) =>
      !sql.includes("timestamp <= ?") || timestamp < last! || (timestamp <= last! && request_id <= lastId!);
    const answer =
      offset === undefined
        ? page.filter(isUpToEnd).filter(holds)
        : page.slice(Number(offset), Number(offset) + 1);
    return Promise.resolve(answer.map((row) => ({ ...row })));
  };
  const traced = storeTrace(query, { from: FROM, to: TO, speed: 1, methods: SAFE_METHODS, ...options });
  return { traced: collect(traced), queries };
}

test("rows become requests with their route as name and the user agent they had", async () => {
  const [first, second] = await trace([row(5), row(30, { user_agent: null, request_id: "b" })]).traced;
  expect(first).toEqual({
    due_ms: 0,
    step: {
      ...{ method: "GET", path: "/orders/7", name: "GET /orders/:id" },
      headers: { "user-agent": "curl/8" },
    },
  });
  expect(second).toMatchObject({ due_ms: 25, step: { headers: {} } });
});

test("every row comes once, page by page, also where many share a millisecond", async () => {
  const rows = Array.from({ length: 12_000 }, (_, n) =>
    row(Math.floor(n / 7_000), { request_id: String(n).padStart(6, "0"), path: `/orders/${n}` }),
  );
  const { traced, queries } = trace(rows);
  expect((await traced).map(({ step }) => step.path)).toEqual(rows.map(({ path }) => path));
  expect(queries).toHaveLength(6);
});

test("pages go on where the condition holds for none of their rows", async () => {
  const rows = Array.from({ length: 12_000 }, (_, n) =>
    row(n, { request_id: String(n), path: `/orders/${n}` }),
  );
  const { traced } = trace(rows, { where: "sparse" }, ({ path }) => path === "/orders/11999");
  expect((await traced).map(({ step }) => step.path)).toEqual(["/orders/11999"]);
});

test("a row without a path is sent to its route if that has no parameters, else left out", async () => {
  const leftOut: unknown[] = [];
  const rows = [
    row(0, { path: "", endpoint: "/users" }),
    row(1, { path: "", request_id: "no-path" }),
    row(2, { path: "", endpoint: "(unmatched)", request_id: "no-route" }),
  ];
  const { traced } = trace(rows, { onLeftOut: (...told) => leftOut.push(told) });
  expect((await traced).map(({ step }) => step.path)).toEqual(["/users"]);
  expect(leftOut).toEqual([
    ["no path stored", "request no-path"],
    ["no path stored", "request no-route"],
  ]);
});

test("a condition stands in parentheses behind every parameter", async () => {
  const { traced, queries } = trace([], { where: "path LIKE '%?' OR 1 = 1", run_id: "r" });
  await traced;
  expect(queries[1]).toMatch(/AND run_id = \? AND \(path LIKE '%\?' OR 1 = 1\)\n\s+ORDER BY/);
});

describe("a condition", () => {
  test.each([
    "endpoint = '/orders'",
    "user_agent LIKE '%; MSIE%' -1 = (2 * (3))",
    String.raw`path = 'it\'s # -- /* );' AND method IN ("GE;T", ")")`,
    "path = 'it''s;' AND `status_code` < 400",
    "request_id IN (SELECT request_id FROM dead_letters)",
  ])("may be %s", (where) => {
    expect(conditionProblem(where)).toBeUndefined();
  });

  test.each([
    ["", "it is empty"],
    ["1; DROP TABLE api_logs", "; ends the statement"],
    ["1 -- ", "-- begins a comment"],
    ["1 # all", "# begins a comment"],
    ["1 /*! OR 1 */", "/* begins a comment"],
    ["1) OR (1", "a ) has no ("],
    ["(1", "a ( has no )"],
    ["path = 'a", "the quote ' is not closed"],
    [String.raw`path = 'a\'`, "the quote ' is not closed"],
    ["`path = 1", "the quote ` is not closed"],
  ])("may not be %s", (where, problem) => {
    expect(conditionProblem(where)).toContain(problem);
    expect(() => storeTrace(() => Promise.resolve([]), { where } as StoreOptions)).toThrow(problem);
  });
});
