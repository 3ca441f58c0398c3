import Table from "cli-table3";
import pc from "picocolors";
import { inOneLine as escaped } from "../contract/harmless.ts";
import { isNumeric, textOf, type Column, type Row } from "./sql-result.ts";

const GAP = "  ";
const NO_LINES = {
  ...{ top: "", "top-mid": "", "top-left": "", "top-right": "" },
  ...{ bottom: "", "bottom-mid": "", "bottom-left": "", "bottom-right": "" },
  ...{ left: "", "left-mid": "", mid: "", "mid-mid": "", right: "", "right-mid": "", middle: GAP },
};

/** A column of text is cut to no fewer; where that is still too wide, each row is written as a list. */
const NARROWEST = 8;

/**
 * Rows for people. Numbers and times stay whole; text is cut where the terminal ends. When the columns do not
 * fit, or the one row has several lines (a plan, a table's definition), it is a line for each value instead.
 * @param width of the terminal; Infinity where there is none
 */
export function tableOf(columns: readonly Column[], rows: readonly Row[], width: number): string {
  const texts = rows.map((row) => columns.map((column, i) => textOf(row[i]!, column)));
  const widths = fittingWidths(columns, texts, width);
  const isOneOfLines = texts.length === 1 && texts[0]!.some((text) => text?.includes("\n"));
  return widths === undefined || isOneOfLines ? lists(columns, texts) : grid(columns, texts, widths);
}

type Texts = readonly (readonly (string | null)[])[];

function grid(columns: readonly Column[], rows: Texts, widths: readonly number[]): string {
  const table = new Table({
    chars: NO_LINES,
    colWidths: [...widths],
    colAligns: columns.map((column) => (isNumeric(column) ? "right" : "left")),
    style: { head: [], border: [], "padding-left": 0, "padding-right": 0 },
  });
  table.push(
    columns.map(({ name }) => pc.bold(escaped(name))),
    widths.map((columnWidth) => pc.dim("─".repeat(columnWidth))),
    ...rows.map((row) => row.map((text) => (text === null ? NULL() : escaped(text)))),
  );
  return table
    .toString()
    .split("\n")
    .map((line) => line.trimEnd())
    .join("\n");
}

function lists(columns: readonly Column[], rows: Texts): string {
  const longest = Math.max(...columns.map(({ name }) => columnsOf(escaped(name))));
  return rows
    .map((row, n) => {
      const values = row.map((text, i) => {
        const lines = text === null ? [NULL()] : text.split("\n").map(escaped);
        const indent = `\n${" ".repeat(longest + 4)}`;
        return `  ${pc.bold(escaped(columns[i]!.name).padEnd(longest))}  ${lines.join(indent)}`.trimEnd();
      });
      return [pc.dim(`row ${n + 1}`), ...values].join("\n");
    })
    .join("\n");
}

/** NULL is dim, which tells it from a text of four letters. */
const NULL = () => pc.dim("NULL");

/**
 * The width of each column: its widest value where all fit, else no text wider than what lets them fit. Undefined when nothing does.
 */
function fittingWidths(columns: readonly Column[], rows: Texts, width: number): number[] | undefined {
  const values = columns.map((_, i) =>
    rows.reduce((widest, row) => Math.max(widest, columnsOf(escaped(row[i] ?? "NULL"))), 1),
  );
  const natural = columns.map(({ name }, i) => Math.max(values[i]!, columnsOf(escaped(name))));
  const least = columns.map((column, i) => (isWhole(column) ? values[i]! : 1));
  const room = width - GAP.length * (columns.length - 1);
  const at = (cap: number) => natural.map((own, i) => Math.max(least[i]!, Math.min(own, cap)));
  const fits = (widths: readonly number[]) => widths.reduce((sum, own) => sum + own, 0) <= room;
  for (let cap = Math.max(NARROWEST, ...natural); cap >= NARROWEST; cap -= 1) {
    const widths = at(cap);
    if (fits(widths)) return widths;
  }
  return undefined;
}

/** Half a number or a moment is none. */
function isWhole(column: Column): boolean {
  return isNumeric(column) || column.kind === "time";
}

/** Columns of a terminal that a text takes at most: from U+1100 on, some characters take two. */
function columnsOf(text: string): number {
  return Array.from(text).reduce((sum, character) => sum + (character >= "\u1100" ? 2 : 1), 0);
}
