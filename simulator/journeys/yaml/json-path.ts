/** Reads what a path leads to; undefined when it leads nowhere. With `[*]` in it: the list of all it leads to, at least one. */
export type ReadPath = (json: unknown) => unknown;

const SEGMENT =
  /\.(?<name>[\p{L}_$][\p{L}\p{N}_$-]*)|\.(?<every>\*)|\[(?:(?<index>-?\d{1,9})|(?<all>\*)|"(?<quoted>[^"\\]*)"|'(?<single>[^'\\]*)')\]/uy;

/**
 * Compiles the part of JSONPath that names things: `$.a.b`, `$["a b"]`, `$.list[0]`, `$.list[-1]`, `$.list[*].id`.
 * @returns undefined when `path` is no such path
 * @see https://www.rfc-editor.org/rfc/rfc9535
 */
export function jsonPath(path: string): ReadPath | undefined {
  if (!path.startsWith("$")) return undefined;
  const steps: ((value: unknown) => readonly unknown[])[] = [];
  let many = false;
  SEGMENT.lastIndex = 1;
  while (SEGMENT.lastIndex < path.length) {
    const found = SEGMENT.exec(path)?.groups;
    if (found === undefined) {
      SEGMENT.lastIndex = 0;
      return undefined;
    }
    const { name, quoted, single, index } = found;
    if (index !== undefined) steps.push(elementAt(Number(index)));
    else if (found["every"] ?? found["all"]) {
      steps.push(children);
      many = true;
    } else steps.push(memberOf((name ?? quoted ?? single)!));
  }
  return (json) => {
    let values: readonly unknown[] = json === undefined ? [] : [json];
    for (const step of steps) values = values.length === 1 ? step(values[0]) : values.flatMap(step);
    if (values.length === 0) return undefined;
    return many ? values : values[0];
  };
}

const elementAt = (index: number) => (value: unknown) => {
  const element: unknown = Array.isArray(value) ? value.at(index) : undefined;
  return element === undefined ? [] : [element];
};

const memberOf = (name: string) => (value: unknown) =>
  typeof value === "object" && value !== null && Object.hasOwn(value, name)
    ? [(value as Record<string, unknown>)[name]]
    : [];

function children(value: unknown): readonly unknown[] {
  return typeof value === "object" && value !== null ? Object.values(value) : [];
}
