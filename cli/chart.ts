import { nice } from "d3-array";
import { durationWord } from "./load-options.ts";

const LEVELS = " ▁▂▃▄▅▆▇█";
const ROWS = 8;
const LABEL = 8;
/** Columns of a chart in a terminal of 80. */
export const COLUMNS = 70;

/** Values over time as a picture of {@link COLUMNS} columns, with the axis of values at its left. */
export function chart(values: readonly number[]): string[] {
  const [, top] = nice(0, Number(Math.max(...values).toPrecision(9)), 4);
  const heights = values.map((value) => (value > 0 ? Math.max(1, Math.round((value / top) * ROWS * 8)) : 0));
  return Array.from({ length: ROWS }, (_, row) => {
    const below = (ROWS - 1 - row) * 8;
    const bars = heights.map((height) => LEVELS[Math.min(8, Math.max(0, height - below))]).join("");
    const label = row === 0 ? numberLabel(top) : row === ROWS / 2 ? numberLabel(top / 2) : "";
    return `${label.padStart(LABEL)} ${label === "" ? "│" : "┤"}${bars}`.trimEnd();
  });
}

const STEPS_S = [
  ...[1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1_800],
  ...[3_600, 7_200, 10_800, 21_600, 43_200, 86_400, 172_800, 604_800],
];

/** The axis of time below a chart: its line and the times. */
export function timeAxis(untilMs: number): string[] {
  const step = STEPS_S.find((seconds) => untilMs / (seconds * 1_000) <= 7) ?? Math.ceil(untilMs / 7_000);
  let line = "─".repeat(COLUMNS);
  let labels = " ".repeat(COLUMNS + LABEL);
  for (let at = 0; at < untilMs; at += untilMs < 2_000 ? untilMs : step * 1_000) {
    const column = Math.floor((at / untilMs) * COLUMNS);
    line = put(line, column, "┬");
    labels = put(labels, column, durationWord(at));
  }
  return [`${"0".padStart(LABEL)} ┼${line}`, `${" ".repeat(LABEL + 2)}${labels.trimEnd()}`];
}

/** Spans of time below the axis, each a letter and a line; as many rows as keep them apart. */
export function marks(
  spans: readonly { from_ms: number; to_ms: number; letter: string }[],
  untilMs: number,
): string[] {
  const rows: string[] = [];
  for (const { from_ms, to_ms, letter } of spans) {
    const from = Math.min(COLUMNS - 1, Math.floor((from_ms / untilMs) * COLUMNS));
    const to = Math.min(COLUMNS, Math.max(from + 1, Math.round((to_ms / untilMs) * COLUMNS)));
    const mark = letter + "━".repeat(to - from - 1);
    const free = rows.findIndex((row) => row.slice(Math.max(0, from - 1), to + 1).trim() === "");
    if (free < 0) rows.push(put(" ".repeat(COLUMNS), from, mark));
    else rows[free] = put(rows[free]!, from, mark);
  }
  return rows.map((row) => `${" ".repeat(LABEL + 2)}${row.trimEnd()}`);
}

function put(line: string, at: number, text: string): string {
  return line.slice(0, at) + text + line.slice(at + text.length);
}

function numberLabel(value: number): string {
  if (value >= 1_000_000) return value.toLocaleString("en", { notation: "compact" });
  return value >= 1_000 || Number.isInteger(value)
    ? value.toLocaleString("en")
    : String(Number(value.toPrecision(3)));
}
