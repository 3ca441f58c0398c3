import fc from "fast-check";
import { expect, test } from "vitest";
import { statementsOf } from "./sql-statements.ts";

const sqlOf = (text: string) => statementsOf(text).map(({ sql }) => sql);

test("statements are parted by semicolons and keep their own lines", () => {
  expect(statementsOf("SELECT 1;\n\n  SELECT\n 2 ;SELECT 3\n")).toEqual([
    { sql: "SELECT 1", line: 1 },
    { sql: "SELECT\n 2", line: 3 },
    { sql: "SELECT 3", line: 4 },
  ]);
});

test.each([
  ["a string", "SELECT 'a;b'"],
  ["a string with a doubled quote", "SELECT 'it''s; here'"],
  ["a string with an escaped quote", String.raw`SELECT 'it\'s; here', "say \"x;\""`],
  ["a string that ends in a backslash", String.raw`SELECT 'C:\\', ';'`],
  ["a string over several lines", "SELECT 'a\n;\nb'"],
  ["a quoted name", "SELECT 1 AS `a;b``;`"],
  ["a line comment", "SELECT 1 -- no; end\n + 1"],
  ["a hash comment", "SELECT 1 # it's; no end\n + 1"],
  ["a block comment", "SELECT /* ; ' */ 1"],
  ["an executable comment", "SELECT 1 /*!80000 + 1; */ /*M! ; */"],
  ["two minus signs without a blank, which are no comment", "SELECT 5--1, ';'"],
])("a semicolon in %s ends nothing", (_where, sql) => {
  expect(sqlOf(`${sql};SELECT 2`)).toEqual([sql, "SELECT 2"]);
});

test("blanks, comments and lone semicolons are no statements", () => {
  expect(sqlOf(" ;; -- nothing;\n # nor this;\n/* nor; this */ ;\n--")).toEqual([]);
});

test("comments before a statement are not part of it, executable ones and those inside are", () => {
  expect(
    statementsOf("-- first\n/* the\n count */ SELECT /* all */ 1 -- one\n;/*!80000 SELECT 2 */"),
  ).toEqual([
    { sql: "SELECT /* all */ 1 -- one", line: 3 },
    { sql: "/*!80000 SELECT 2 */", line: 4 },
  ]);
});

test.each(["SELECT 'a; b", 'SELECT "a; b\\', "SELECT `a; b", "SELECT 1 /* ; "])(
  "what is not closed reaches to the end: %s",
  (sql) => {
    expect(sqlOf(sql)).toEqual([sql.trimEnd()]);
  },
);

test("whatever is quoted stays in one piece, and lines are counted through it", () => {
  const quoted = fc.oneof(
    fc.string().map((text) => `'${text.replaceAll(/['\\]/g, "\\$&")}'`),
    fc.string().map((text) => `"${text.replaceAll("\\", "\\\\").replaceAll('"', '""')}"`),
    fc.string().map((text) => `\`${text.replaceAll("`", "``")}\``),
    fc.string().map((text) => `/*x${text.replaceAll("*/", "")}*/`),
    fc.string().map((text) => `-- ${text.replaceAll("\n", "")}\n`),
    fc.constant("\n"),
  );
  const statement = fc.array(quoted).map((parts) => `SELECT ${parts.join(" ")} 1`);
  fc.assert(
    fc.property(fc.array(statement, { minLength: 1 }), (all) => {
      const text = all.join(";\n");
      const found = statementsOf(text);
      expect(found.map(({ sql }) => sql)).toEqual(all);
      for (const { sql, line } of found)
        expect(
          text
            .split("\n")
            .slice(line - 1)
            .join("\n"),
        ).toContain(sql);
    }),
  );
});

test("a megabyte of backslashes and quotes is split at once", () => {
  expect(statementsOf("'\\".repeat(500_000))).toHaveLength(1);
  expect(statementsOf("a;".repeat(100_000))).toHaveLength(100_000);
});
