import { expect, test } from "vitest";
import { boundQuery, queryProblems } from "./run-query.ts";

test.each([
  ["SELECT 1 FROM t WHERE run_id = :run_id", "SELECT 1 FROM t WHERE run_id = ?", 1],
  [
    "WITH a AS (SELECT :run_id) SELECT * FROM a WHERE r = :run_id ;",
    "WITH a AS (SELECT ?) SELECT * FROM a WHERE r = ? ",
    2,
  ],
  ["SELECT ':run_id; it''s', \":run_id\", `?`", "SELECT ':run_id; it''s', \":run_id\", `?`", 0],
  ["SELECT 1 -- what; of :that?\n + /* ; ? */ 2 # :no", "SELECT 1  \n +   2", 0],
  ["(SELECT 'a\\'; b')", "(SELECT 'a\\'; b')", 0],
  ["select 2--1", "select 2--1", 0],
])("%s is one SELECT", (sql, bound, parameters) => {
  expect(queryProblems(sql)).toEqual([]);
  expect(boundQuery(sql, "run-1")).toEqual({ sql: bound, values: Array(parameters).fill("run-1") });
});

test.each([
  ["UPDATE t SET a = 1", 1],
  ["-- SELECT\nDROP TABLE t", 1],
  ["SELECT 1; SELECT 2", 1],
  ["SELECT 'a'; -- b\n DROP TABLE t", 1],
  ["SELECT ? + :a + :b", 3],
  ["", 1],
])("%s is not", (sql, problems) => {
  expect(queryProblems(sql)).toHaveLength(problems);
});
