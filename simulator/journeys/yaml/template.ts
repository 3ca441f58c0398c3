import { parseBraced } from "./expression.ts";
import type { Scope } from "./expression.ts";
import { Stop, textOf, Unknown } from "./frame.ts";
import type { Evaluate, Frame } from "./frame.ts";
import type { Path } from "../../scenario/problems.ts";

/** A text with `${…}` in it: pieces that stand as they are and values between them. */
export type Template = readonly (string | Slot)[];

interface Slot {
  readonly source: string; // of the expression
  readonly evaluate: Evaluate;
}

/** Computes a text. @throws Stop when a value in it is nothing */
export type Render = (frame: Frame) => string;

/**
 * Reads a text; `$${` is a plain `${`.
 * @throws ExpressionError
 */
export function parseTemplate(text: string, scope: Scope): Template {
  const parts: (string | Slot)[] = [];
  let plain = "";
  let at = 0;
  while (at < text.length) {
    const dollar = text.indexOf("${", at);
    if (dollar === -1) break;
    if (text[dollar - 1] === "$" && dollar > at) {
      plain += text.slice(at, dollar - 1) + "${";
      at = dollar + 2;
      continue;
    }
    const { evaluate, end } = parseBraced(text, dollar + 2, scope);
    parts.push(plain + text.slice(at, dollar), { source: text.slice(dollar, end), evaluate });
    plain = "";
    at = end;
  }
  parts.push(plain + text.slice(at));
  return parts.filter((part) => part !== "");
}

/** The text when there are no values in it. */
export function constantText(template: Template): string | undefined {
  return template.every((part) => typeof part === "string") ? template.join("") : undefined;
}

/** With `${x}` as `{x}`: for names. */
export function outline(template: Template): string {
  return template.map((part) => (typeof part === "string" ? part : part.source.slice(1))).join("");
}

/**
 * The text, each value in it written by `encode`.
 * @param encode what is unknown in planning stays as it is
 */
export function textTemplate(template: Template, encode: (text: string) => string = (text) => text): Render {
  const constant = constantText(template);
  if (constant !== undefined) return () => constant;
  const parts = template.map((part): Render => {
    if (typeof part === "string") return () => part;
    const { evaluate, missing } = required(part);
    return (frame) => {
      const value = evaluate(frame);
      if (value === undefined || value === null) throw missing;
      return value instanceof Unknown ? value.toString() : encode(textOf(value));
    };
  });
  return (frame) => {
    let text = "";
    for (const part of parts) text += part(frame);
    return text;
  };
}

/** The value of a text that is one `${…}` as a whole, with its type; else the text. */
function valueTemplate(template: Template): Evaluate {
  const [only] = template;
  if (template.length !== 1 || typeof only !== "object") return textTemplate(template);
  const { evaluate, missing } = required(only);
  return (frame) => {
    const value = evaluate(frame);
    if (value === undefined) throw missing;
    return value;
  };
}

/**
 * `value` with every text in it taken as a template.
 * @param read parses the text at a path inside `value`
 */
export function jsonTemplate(
  value: unknown,
  read: (text: string, path: Path) => Template,
  path: Path,
): Evaluate {
  if (typeof value === "string") return valueTemplate(read(value, path));
  if (Array.isArray(value)) {
    const items = value.map((item, index) => jsonTemplate(item, read, [...path, index]));
    return (frame) => items.map((item) => item(frame));
  }
  if (typeof value === "object" && value !== null) {
    const members = Object.entries(value).map(
      ([key, member]) => [key, jsonTemplate(member, read, [...path, key])] as const,
    );
    return (frame) => Object.fromEntries(members.map(([key, member]) => [key, member(frame)]));
  }
  return () => value;
}

function required(slot: Slot): { evaluate: Evaluate; missing: Stop } {
  return { evaluate: slot.evaluate, missing: new Stop(`value of ${slot.source}`) };
}
