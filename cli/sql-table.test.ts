import { expect, test, vi } from "vitest";
import type { Column, Row } from "./sql-result.ts";

vi.stubEnv("NO_COLOR", "1");
const { tableOf } = await import("./sql-table.ts");
const { harmless } = await import("../contract/harmless.ts");

const column = (name: string, kind: Column["kind"] = "text"): Column => ({ name, kind });
const row = (...texts: (string | null)[]): Row =>
  texts.map((text) => (text === null ? null : Buffer.from(text)));
const widest = (table: string) => Math.max(...table.split("\n").map((line) => line.length));

test("numbers stand at the right with all their digits, NULL is not empty", () => {
  const columns = [column("endpoint"), column("requests", "number")];
  expect(tableOf(columns, [row("/orders", "18446744073709551615"), row("", null)], 80)).toBe(
    [
      "endpoint              requests",
      "────────  ────────────────────",
      "/orders   18446744073709551615",
      "                          NULL",
    ].join("\n"),
  );
});

test("text is cut where the terminal ends; numbers, times and what is short stay whole", () => {
  const columns = [
    column("at", "time"),
    column("method"),
    column("path"),
    column("user_agent"),
    column("ms", "double"),
  ];
  const rows = [row("2026-01-02 03:04:05.678", "GET", "/".repeat(300), "x".repeat(50), "12345.678")];
  const table = tableOf(columns, [...rows, ...rows], 80);
  expect(widest(table)).toBeLessThanOrEqual(80);
  expect(table).toContain("2026-01-02 03:04:05.678  GET     //");
  expect(table).toMatch(/… {2}x+… {2}12345\.678$/m);
  expect(tableOf(columns, rows, Infinity)).toContain(`${"/".repeat(300)}  ${"x".repeat(50)}`);
});

test("wide characters fit as well", () => {
  const table = tableOf([column("a"), column("n", "number")], [row("東京".repeat(40), "1")], 40);
  const columns = Array.from(table.split("\n").at(-1)!, (character) => (character >= "\u2e80" ? 2 : 1)); // "…" is narrow
  expect(columns.reduce((sum: number, width) => sum + width, 0)).toBeLessThanOrEqual(40);
});

test("more columns than fit become a line for each value", () => {
  const columns = Array.from({ length: 25 }, (_, i) => column(`column_${i}`));
  const values = columns.map(({ name }) => `value of ${name}`);
  const table = tableOf(columns, [row(...values), row(...values)], 80);
  expect(table.split("\n").filter((line) => /^row [12]$/.test(line))).toHaveLength(2);
  expect(table).toContain("  column_3   value of column_3");
  expect(tableOf(columns, [], 80)).toBe("");
});

test("one row of several lines keeps them; in a table of rows they are spelled out", () => {
  const columns = [column("Table"), column("Create Table")];
  const one = row("t", "CREATE TABLE t (\n  id INT\n)");
  expect(tableOf(columns, [one], 80)).toContain(
    [
      "  Table         t",
      "  Create Table  CREATE TABLE t (",
      "                  id INT",
      "                )",
    ].join("\n"),
  );
  expect(tableOf(columns, [one, one], 80)).toContain(String.raw`t      CREATE TABLE t (\n  id INT\n)`);
});

test("nothing stored reaches the terminal as a control", () => {
  const hostile = "\u001b[31mred\u009b2J\u202ereversed\u0007\u0000";
  const shown = String.raw`\u001b[31mred\u009b2J\u202ereversed\u0007\u0000`;
  expect(tableOf([column(hostile)], [row(hostile), row("x")], 200)).not.toMatch(/[^\P{C}\n]/u);
  expect(tableOf([column("a")], [row(hostile)], 200)).toContain(shown);
  expect(tableOf([column("a"), column("b")], [row(`${hostile}\n`, "")], 200)).toContain(shown);
  expect(harmless(`a\r\n\tb${hostile}`)).toBe(`a\r\n\tb${shown}`);
});
