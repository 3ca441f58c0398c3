import { isAlias, isMap, isScalar, isSeq, LineCounter, parseDocument, visit } from "yaml";
import type { Node } from "yaml";
import { messageOf, RushhourError } from "../../contract/errors.ts";
import type { Path, Problem, Problems } from "./problems.ts";

const MAX_BYTES = 1_048_576;
const DOUBLED = "stands twice in the same map; keep one of them";
const SEVERAL = "begins another document; a scenario file is one, so leave out the ---";
const CIRCULAR = "repeats what it stands in itself; an alias can only repeat what lies elsewhere";
/** How files of k6, Locust and the like begin. */
const SCRIPT = /^(?:import|export|from|const|class|def)\s/m;
/** As many times may anchors be repeated, so that a few lines cannot unfold into millions. */
const MAX_ALIASES = 100;

/** A YAML file's value, and where in the text each part of it stands. */
export interface ScenarioDocument {
  readonly value: unknown;
  /** One line a problem, `file:line:column where: what`, in the order of the file, in one error. */
  failure(problems: readonly Problem[]): RushhourError;
}

/**
 * Parses the text of a scenario file.
 * @param problems takes keys that stand twice; all else can still be looked at then
 * @throws RushhourError CONFIG_INVALID at the first error of syntax, as nothing below it can be trusted
 */
export function parseScenarioDocument(path: string, text: string, problems: Problems): ScenarioDocument {
  if (Buffer.byteLength(text) > MAX_BYTES) {
    throw new RushhourError(
      "CONFIG_INVALID",
      `${path} is larger than 1 MiB, which a scenario file may be at most`,
    );
  }
  const lines = new LineCounter();
  const document = parseDocument(text, {
    lineCounter: lines,
    merge: true,
    ...{ prettyErrors: false, logLevel: "error" },
  });
  const place = (offset: number) => {
    const { line, col } = lines.linePos(offset);
    return `${path}:${Math.max(1, line)}:${Math.max(1, col)}`;
  };
  const doubled = document.errors.filter(({ code }) => code === "DUPLICATE_KEY");
  const unreadable = document.errors.find((error) => !doubled.includes(error));
  if ((unreadable !== undefined || !isMap(document.contents)) && SCRIPT.test(text)) {
    const what = "is no YAML; it looks like a script, as for k6 or Locust";
    throw new RushhourError("CONFIG_INVALID", `${path} ${what}; write an example with: rushhour new`);
  }
  if (unreadable !== undefined) {
    // One unreadable line makes a row of errors below it.
    const { pos, code, message } = unreadable;
    if (code === "MULTIPLE_DOCS") throw invalid(path, [`${place(pos[0])} ${SEVERAL}`]);
    const line = text.split("\n")[lines.linePos(pos[0]).line - 1] ?? "";
    const hint = /[[{].*\$\{/.test(line) ? "; inside {…} and […] a text with ${env.X} needs quotes" : "";
    const doubledLines = doubled.map(({ pos }) => `${place(pos[0])} ${DOUBLED}`);
    throw invalid(path, [
      ...doubledLines,
      `${place(pos[0])} ${message}${hint}; what follows could not be read`,
    ]);
  }
  for (const { pos } of doubled) {
    const key = /^[^:\n]*/.exec(text.slice(pos[0]))![0].trim();
    problems.list.push({ path: [key], message: DOUBLED, of: "key", offset: pos[0] });
  }
  visit(document, {
    Alias(_, alias, around) {
      const repeated = alias.resolve(document);
      if (repeated === undefined || !around.includes(repeated)) return;
      throw invalid(path, [`${place(startOf(alias) ?? 0)} *${alias.source} ${CIRCULAR}`]);
    },
  });
  return {
    value: valueOf(document, path),
    failure(found) {
      const sorted = found
        .map((problem) => ({ problem, offset: problem.offset ?? offsetOf(document.contents, problem) }))
        .sort((a, b) => a.offset - b.offset);
      return invalid(
        path,
        sorted.map(({ problem, offset }) => `${place(offset)} ${whereOf(problem.path)}${problem.message}`),
      );
    },
  };

  /** Of the value or key at the problem's path; of what is around it when it is not there. */
  function offsetOf(root: Node | null, problem: Problem): number {
    let node: unknown = root;
    let offset = root?.range?.[0] ?? 0;
    for (const [index, segment] of problem.path.entries()) {
      const container = isAlias(node) ? node.resolve(document) : node;
      let value: unknown;
      if (isSeq(container)) value = container.items[Number(segment)];
      else if (isMap(container)) {
        const pair = container.items.find(
          ({ key }) => String(isScalar(key) ? key.value : key) === String(segment),
        );
        if (pair === undefined) return offset;
        offset = startOf(pair.key) ?? offset;
        if (problem.of === "key" && index === problem.path.length - 1) return offset;
        value = pair.value;
      }
      if (value === undefined) return offset;
      node = value;
      offset = startOf(node) ?? offset;
    }
    return offset;
  }
}

function valueOf(document: ReturnType<typeof parseDocument>, path: string): unknown {
  try {
    return document.toJS({ maxAliasCount: MAX_ALIASES });
  } catch (error) {
    const what = /^Excessive alias/.test(messageOf(error))
      ? `has aliases that unfold into more than ${MAX_ALIASES} copies; write out what they repeat`
      : `cannot be read: ${messageOf(error)}`;
    throw new RushhourError("CONFIG_INVALID", `${path} ${what}`, { cause: error });
  }
}

function startOf(node: unknown): number | undefined {
  return (node as Node | null)?.range?.[0];
}

/** `scenarios.main.stages[0].target: ` */
function whereOf(path: Path): string {
  const parts = path.map((segment, index) =>
    typeof segment === "number" ? `[${segment}]` : `${index === 0 ? "" : "."}${segment}`,
  );
  return parts.length === 0 ? "" : `${parts.join("")}: `;
}

function invalid(path: string, lines: readonly string[]): RushhourError {
  const count = lines.length === 1 ? "a problem" : `${lines.length} problems`;
  return new RushhourError("CONFIG_INVALID", [`${path} has ${count}:`, ...lines].join("\n  "));
}
