/** Longest JSON text of a context that is kept as it is. */
const CONTEXT_CHARACTERS = 16_384;

/** MariaDB takes JSON of 32 levels, MySQL of 100. */
const CONTEXT_LEVELS = 30;

export type Context = Readonly<Record<string, unknown>>;

/**
 * Free tags as they are stored: an object. What is none stands under the name `value`; of what is too long or too deep there is the text that
 * it begins with, under the name `cut`. Undefined for nothing.
 */
export function contextOf(value: unknown): Context | undefined {
  if (value === undefined || value === null) return undefined;
  const context = typeof value === "object" && !Array.isArray(value) ? (value as Context) : { value };
  const json = jsonOf(context);
  if (json === "{}") return undefined;
  if (json.length <= CONTEXT_CHARACTERS && !isDeeper(context, CONTEXT_LEVELS)) return context;
  return { cut: json.slice(0, CONTEXT_CHARACTERS) };
}

function jsonOf(value: unknown): string {
  try {
    return JSON.stringify(value);
  } catch {
    return "nested too deeply to be written"; // deeper than the stack
  }
}

function isDeeper(value: unknown, levels: number): boolean {
  if (typeof value !== "object" || value === null) return false;
  return levels === 0 || Object.values(value).some((inner) => isDeeper(inner, levels - 1));
}
