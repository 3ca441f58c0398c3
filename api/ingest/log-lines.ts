import type { Fields } from "../../contract/record.ts";

/** One record of a body, or why it is none, and where it stood: a line from 1, or an index from 0. */
export type Item = { readonly at: number } & Value;

type Value = { readonly fields: Fields } | { readonly reason: string };

export interface Items {
  readonly unit: "line" | "index";
  readonly items: readonly Item[];
}

/** The records of newline-delimited JSON; empty lines are none. */
export function itemsOfLines(text: string): Items {
  const items = text.split("\n").flatMap((line, n) => (line.trim() === "" ? [] : [{ line, at: n + 1 }]));
  return { unit: "line", items: items.map(({ line, at }) => ({ at, ...parsed(line) })) };
}

/** Those of one JSON value: an array of objects, or one. @throws SyntaxError */
export function itemsOfJson(text: string): Items {
  const value = JSON.parse(text) as unknown;
  const values = Array.isArray(value) ? (value as unknown[]) : [value];
  return { unit: "index", items: values.map((one, at) => ({ at, ...objectOf(one) })) };
}

function parsed(line: string): Value {
  try {
    return objectOf(JSON.parse(line));
  } catch {
    return { reason: "is not JSON" };
  }
}

function objectOf(value: unknown): Value {
  if (typeof value === "object" && value !== null && !Array.isArray(value))
    return { fields: value as Fields };
  return { reason: "must be one JSON object" };
}
