/** A number or truth value when `text` is exactly how one is written, so that 007 and 1.50 stay as they are. */
export function scalarOf(text: string): string | number | boolean {
  if (text === "true" || text === "false") return text === "true";
  const value = Number(text);
  return Number.isFinite(value) && String(value) === text ? value : text;
}
