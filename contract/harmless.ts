const NAMED: Readonly<Record<string, string>> = { "\n": "\\n", "\r": "\\r", "\t": "\\t" };

/** In one line, and so that what others wrote moves no cursor: controls and marks of direction are spelled out. */
export function inOneLine(text: string): string {
  return text.replaceAll(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, spelled);
}

/** The same for text of several lines. */
export function harmless(text: string): string {
  return text.replaceAll(/(?![\t\r\n])[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, spelled);
}

/** The same value with every text in it {@link inOneLine}, however deep; names of fields stay. */
export function harmlessValues<T>(value: T): T {
  if (typeof value === "string") return inOneLine(value) as T;
  if (Array.isArray(value)) return value.map(harmlessValues) as T;
  if (typeof value !== "object" || value === null || Object.getPrototypeOf(value) !== Object.prototype)
    return value;
  return Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, harmlessValues(inner)])) as T;
}

function spelled(character: string): string {
  return NAMED[character] ?? `\\u${character.codePointAt(0)!.toString(16).padStart(4, "0")}`;
}
